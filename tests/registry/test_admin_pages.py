"""The pages of a service and of an instance."""

import datetime as dt
import re
from urllib.parse import unquote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.registry.links import instance_url, service_url
from apps.registry.services.retention import polls_roll_up
from tests.support import operators
from tests.support.registry import NO_REDIS, redis_at
from tests.support.services import poll, register, report, run
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

H, U, DR, ST, DE = Status.HEALTHY, Status.UNHEALTHY, Status.DRAINING, Status.STALE, Status.DEREGISTERED


@pytest.fixture
def browser(hub: None) -> Client:
    """An operator's."""
    return operators.superuser()


def html(browser: Client, address: str, **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_a_service_says_what_is_wrong_and_how_to_mend_it(browser: Client) -> None:
    now = timezone.now()
    run("shop", [H], dependencies=["orders"])
    (row,) = run("orders", [H], dependencies=["ledger", "mail"])
    run("mail", [U])
    poll(row, ok=False, now=now, reason="connection refused", times=3)
    told = text(html(browser, service_url("orders")))
    assert "No instance works: 1 unhealthy." in told
    assert "It needs ledger, which is not registered. Start ledger, or take it out of the dependencies" in told
    assert "It needs mail, which is unhealthy. Mend mail first." in told
    assert "1 service suffers while this is down" in told
    assert (
        "It failed its last 3 checks: connection refused. See whether it runs and what http://10.0.0.1:8000/health"
        in told
    )


def test_a_service_in_good_health_is_quiet(browser: Client) -> None:
    run("shop", [H], dependencies=["orders"])
    run("orders", [H, H], tags=["core"], version="2.0.0")
    told = text(html(browser, service_url("orders")))
    assert "Nothing is wrong here. 1 service suffers when this is down." in told
    assert "unhealthy" not in told


def test_dependencies_are_linked_both_ways_and_missing_ones_are_marked(browser: Client) -> None:
    run("shop", [H], dependencies=["orders"])
    run("orders", [H], dependencies=["ledger", "mail", "shop"])
    run("mail", [U])
    page = html(browser, service_url("orders"))
    needs = page[page.index('id="needs"') : page.index('id="needed-by"')]
    assert service_url("mail") in needs
    assert ">missing<" in needs
    assert service_url("ledger") not in needs
    assert service_url("shop") in page[page.index('id="needed-by"') :]
    assert "orders → shop → orders" in text(page)


def test_names_that_need_quoting_lead_to_their_page(browser: Client) -> None:
    for name in ("a_20b", "1234", "x" * 100, "a.b-c_d"):
        run(name, [H])
        assert f">{name}<" in html(browser, service_url(name))
        assert unquote(service_url(name)).isascii()


def test_the_live_part_comes_alone(browser: Client) -> None:
    (row,) = run("orders", [H])
    for address in (service_url("orders"), instance_url(row["id"])):
        page = html(browser, address, X_Live="1")
        assert "<html" not in page
        assert set(re.findall(r'id="([\w-]+)" data-part', page)) > {"head", "day", "history"}
        assert set(re.findall(r'id="([\w-]+)" data-part', html(browser, address))) == set(
            re.findall(r'id="([\w-]+)" data-part', page)
        )


def test_buttons_are_those_that_make_sense_and_only_for_operators(browser: Client) -> None:
    first, second, third = run("orders", [H, DR, DE])
    buttons = {
        row["id"]: list(dict.fromkeys(re.findall(r"operate/(\w+)/", html(browser, instance_url(row["id"])))))
        for row in (first, second, third)
    }
    assert buttons == {
        first["id"]: ["check", "drain", "weigh", "deregister"],
        second["id"]: ["check", "resume", "weigh", "deregister"],
        third["id"]: [],
    }
    onlooker = operators.staff("otto", *operators.LOOKING)
    for address in (instance_url(first["id"]), service_url("orders")):
        page = html(onlooker, address)
        assert "operate/" not in page
        assert "<textarea" not in page


def test_an_instance_tells_everything_that_is_known_of_it(browser: Client) -> None:
    (row,) = run("orders", [H], metadata={"team": "shop", "db_password": "geheim"}, zone="eu-1", tags=["core"])
    report(row, Status.DEGRADED, details={"queue": 4711, "api_key": "geheim"})
    poll(row, ok=True, now=timezone.now(), latency_ms=12.5)
    page = html(browser, instance_url(row["id"]))
    told = text(page)
    for word in (
        "reported degraded",
        "answered 200 in 12 ms",
        "eu-1",
        "core",
        "4711",
        "&quot;team&quot;: &quot;shop&quot;",
    ):
        assert word in told
    assert "geheim" not in page
    assert "(hidden)" in page
    with redis_at(NO_REDIS):
        assert "4711" not in html(browser, instance_url(row["id"]))


def test_ipv6_addresses_are_written_with_brackets(browser: Client) -> None:
    (row,) = run("orders", [H], host="fd00::1", port=8080)
    assert "[fd00::1]:8080" in html(browser, instance_url(row["id"]))


def test_response_times_come_from_raw_polls_and_from_hours(browser: Client) -> None:
    now = timezone.now()
    (row,) = run("orders", [H], now=now - dt.timedelta(hours=8))
    earlier = now - dt.timedelta(hours=6)
    poll(row, ok=True, now=earlier, latency_ms=400.0)
    poll(row, ok=False, now=earlier + dt.timedelta(minutes=1), latency_ms=3000.0, reason="timeout")
    polls_roll_up(now=earlier + dt.timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM registry_pollresult")
    poll(row, ok=True, now=now, latency_ms=20.0, times=2)
    for address in (service_url("orders"), instance_url(row["id"])):
        told = text(html(browser, address))
        assert "1 of 4 checks failed" in told
        assert "3.0 s at worst" in told
        assert "The numbers as a table" in told


def test_without_an_answered_check_the_chart_says_when_one_comes(browser: Client) -> None:
    run("orders", [H])
    assert "No health check was answered yet" in html(browser, service_url("orders"))


def test_the_strip_shows_the_day(browser: Client) -> None:
    now = timezone.now()
    row = register("orders", now=now - dt.timedelta(hours=3))
    report(row, now=now - dt.timedelta(hours=2))
    page = html(browser, service_url("orders"))
    colours = re.findall(r'<li class="hub-fill-(\w+)', page)
    assert len(colours) == 96
    assert colours[0] == "none"
    assert colours[-1] == "healthy"
    assert "starting" in colours


def test_the_history_names_time_cause_and_actor(browser: Client) -> None:
    run("orders", [DR])
    told = text(html(browser, service_url("orders")))
    assert re.search(r"(just now|\d s ago) 10.0.0.1:8000 healthy → draining drained: test by test", told)
    assert "registered version 1.0.0 by test" in told


def test_a_service_without_instances_says_how_it_comes_back(browser: Client) -> None:
    run("orders", [DE])
    page = html(browser, service_url("orders"))
    assert "All its instances have left." in text(page)
    assert "&quot;name&quot;: &quot;orders&quot;" in page or '"name": "orders"' in page


def test_a_crowd_of_instances_is_cut_with_a_link_to_all(browser: Client) -> None:
    run("orders", [H] * 103)
    with CaptureQueriesContext(connection) as queries:
        page = html(browser, service_url("orders"))
    assert "All 103 instances" in page
    assert len(re.findall(r'class="hub-link hub-mono hub-name"', page)) == 100
    run("mail", [H])
    with CaptureQueriesContext(connection) as fewer:
        html(browser, service_url("mail"))
    assert len(queries) == len(fewer)


def test_what_is_not_there_leads_home_with_a_word(browser: Client) -> None:
    answer = browser.get("/admin/registry/service/nobody/change/", follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert "nobody" in answer.content.decode()


def test_who_may_not_look_is_refused(hub: None) -> None:
    (row,) = run("orders", [H])
    stranger = operators.staff("sven")
    assert stranger.get(service_url("orders")).status_code == 403
    assert stranger.get(service_url("orders"), headers={"X-Live": "1"}).status_code == 403
    assert stranger.get(instance_url(row["id"])).status_code == 403
