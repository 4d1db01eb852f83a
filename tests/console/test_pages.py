"""The home page and the graph, as the server answers them."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import redis
from apps.registry.models import Protection
from tests.support import bus
from tests.support.registry import NO_REDIS, redis_at, relaying
from tests.support.services import make_stale, poll, report, run
from tests.support.wait import wait_until
from xerpium_sdk.wire.keys import STREAM_EVENTS
from xerpium_sdk.wire.registry import Status

H, U, DR, ST = Status.HEALTHY, Status.UNHEALTHY, Status.DRAINING, Status.STALE


def html(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def wrong(page: str) -> list[str]:
    """Return the names of what the page says is wrong, in its order."""
    part = page[page.index('id="home-wrong"') :].partition("</section>")[0]
    return re.findall(r"<strong[^>]*>([^<]+)</strong>", part)


def test_an_empty_hub_teaches_how_to_begin(operator: Client) -> None:
    told = text(html(operator, "/admin/"))
    assert "No service is registered yet" in told
    assert "curl -X POST http" in told
    assert "The hub: health checks" in told


def test_what_is_wrong_comes_first_and_root_causes_name_who_suffers(operator: Client) -> None:
    run("shop", [H], dependencies=["orders"])
    run("orders", [H], dependencies=["payment", "gone"])
    run("payment", [U])
    run("limping", [H, U])
    page = html(operator, "/admin/live/home/")
    assert [name for name in wrong(page) if not name.startswith("The hub")] == ["payment", "gone", "limping"]
    told = text(page)
    assert "No instance works: 1 unhealthy." in told
    assert "2 services suffer: orders shop" in told
    assert told.index("What is wrong now") < told.index("What changed last") < told.index("All services")


def test_numbers_lead_to_the_lists_behind_them(operator: Client) -> None:
    run("fine", [H, H])
    run("broken", [U, ST])
    page = html(operator, "/admin/")
    numbers = re.findall(r'href="([^"]+)" class="hub-stat[^"]*"><span class="hub-figure">([\d,]+)<', page)
    told = dict(numbers)
    assert told["/admin/registry/service/?status=unhealthy"] == "1"
    assert told["/admin/registry/instance/?status=healthy"] == "2"
    assert told["/admin/registry/instance/?status=stale"] == "1"
    assert told["/admin/registry/instance/?status=draining"] == "0"
    for address, number in told.items():
        listed = html(operator, address)
        assert len(re.findall("data-row", listed)) == int(number)


def test_a_healthy_hub_is_quiet(operator: Client) -> None:
    now = timezone.now()
    run("shop", [H], dependencies=["orders"], now=now)
    row = run("orders", [H, H], now=now)[0]
    poll(row, ok=True, now=now)
    make_stale(row, now=now)
    report(row, now=now)

    def is_quiet() -> bool:
        page = html(operator, "/admin/live/home/")
        return "Everything works 2 services with 3 instances, all as they should be." in text(page) and not wrong(page)

    with relaying():
        # The checks of the hub's own parts are made once a second.
        wait_until(is_quiet, description="the home page to be quiet")


def test_a_redis_that_is_away_is_told_and_the_page_still_works(operator: Client) -> None:
    run("orders", [U])
    with redis_at(NO_REDIS):
        # The checks of the hub's own parts are made once a second.
        wait_until(lambda: "Redis is away" in html(operator, "/admin/"), description="the home page to say so")
        assert "orders" in wrong(html(operator, "/admin/"))
        assert "10.0.0.1:8000" in html(operator, "/admin/registry/service/orders/change/")


def test_events_that_nobody_handles_are_told(operator: Client) -> None:
    old = f"{int(timezone.now().timestamp() - 31) * 1000}-0"
    redis.client().xadd(STREAM_EVENTS, {"event_id": "x"}, id=old)
    # The test before may have left word of a Redis that is away, for a second.
    wait_until(lambda: "The hub: consumer" in wrong(html(operator, "/admin/")), description="the page to tell")
    for group in ("hub-core", "hub-journal"):
        redis.client().xgroup_create(STREAM_EVENTS, group, id="0")
        assert "The hub: consumer" in wrong(html(operator, "/admin/"))
        redis.client().xreadgroup(group, "here", {STREAM_EVENTS: ">"})
        assert "The hub: consumer" in wrong(html(operator, "/admin/"))
        redis.client().xack(STREAM_EVENTS, group, old)
    assert "The hub: consumer" not in wrong(html(operator, "/admin/"))


def test_protection_is_told_with_since_when_why_and_what_it_means(operator: Client) -> None:
    assert "Protection is on" not in html(operator, "/admin/")
    since = timezone.now() - dt.timedelta(minutes=3)
    Protection.objects.create(id=1, since=since, reason="13 of 15 leases ran out at once")
    told = text(html(operator, "/admin/"))
    assert "Protection is on for 3 min" in told
    assert "13 of 15 leases ran out at once. Nothing expires" in told


def test_the_home_page_asks_the_same_number_of_questions_whatever_there_is(operator: Client) -> None:
    run("s0", [U])
    counts = []
    for size in (1, 40):
        for number in range(size):
            run(f"s{number}", [H, U], dependencies=["s0", "gone"])
        counts.append(min(_asked(operator) for _ in range(3)))  # what is kept for a second may end in between
    assert counts[0] == counts[1] <= 20


def _asked(operator: Client) -> int:
    html(operator, "/admin/")
    with CaptureQueriesContext(connection) as queries:
        html(operator, "/admin/live/home/")
    return len(queries)


def test_the_graph_draws_every_service_with_a_link_and_a_table_behind(operator: Client) -> None:
    run("shop", [H], dependencies=["orders"])
    run("orders", [U], dependencies=["gone", "shop"])
    page = html(operator, "/admin/graph/")
    assert re.findall(r'<a href="([^"]+)" class="hub-node"', page) == [
        "/admin/registry/service/orders/change/",
        "/admin/registry/service/shop/change/",
    ]
    assert 'class="hub-node hub-node-missing" data-name="gone"' in page
    assert sorted(re.findall(r'class="hub-line hub-line-(\w+)"', page)) == ["circle", "circle", "missing"]
    assert "A circle: orders → shop → orders" in text(page)
    assert "The same as a table" in page


@pytest.mark.parametrize(
    ("query", "drawn"),
    [
        ("", {"shop", "orders", "mail", "alone"}),
        ("q=sho", {"shop", "orders"}),
        ("tag=core", {"shop", "orders", "mail"}),
        ("company=7", {"alone"}),
        ("company=none", set()),
        ("company=99999999999999999999", set()),
        ("around=mail", {"mail", "orders", "shop"}),
        ("q=nothing", set()),
    ],
)
def test_the_graph_is_filtered(operator: Client, query: str, drawn: set[str]) -> None:
    run("shop", [H], dependencies=["orders"])
    run("orders", [H], dependencies=["mail"], tags=["core"])
    run("mail", [H])
    run("alone", [H], company_id=7)
    page = html(operator, f"/admin/graph/?{query}")
    assert set(re.findall(r'class="hub-node" data-name="([^"]+)"', page)) == drawn
    assert drawn or "Nothing to draw" in page


def test_an_empty_graph_teaches(operator: Client) -> None:
    assert '"dependencies": ["payment-service"' in html(operator, "/admin/graph/")


def test_onlookers_see_the_console_and_strangers_a_word(onlooker: Client, stranger: Client) -> None:
    run("shop", [H])
    assert "shop" in html(onlooker, "/admin/")
    assert html(onlooker, "/admin/graph/")
    told = html(stranger, "/admin/")
    assert "Your account may not look at services" in told
    assert "shop" not in told
    for address in ("/admin/graph/", "/admin/live/home/"):
        assert stranger.get(address).status_code == 403
        assert Client().get(address).headers["Location"].startswith("/admin/login/")


def test_the_menu_has_what_the_operator_may_see(operator: Client, onlooker: Client, stranger: Client) -> None:
    def links(browser: Client) -> set[str]:
        menu = html(browser, "/admin/").partition('id="nav-sidebar-apps"')[2].partition("</nav>")[0]
        return set(re.findall(r'href="(/[^"]*)"', menu))

    assert {"/admin/registry/service/", "/admin/graph/", "/admin/auth/user/", "/api/docs"} <= links(operator)
    assert {"/admin/registry/service/", "/admin/graph/"} <= links(onlooker)
    assert "/admin/auth/user/" not in links(onlooker)
    assert not {"/admin/registry/service/", "/admin/graph/"} & links(stranger)


def test_the_search_finds_services_and_instances_and_keeps_to_the_permissions(
    operator: Client, stranger: Client
) -> None:
    run("shop", [H, Status.DEREGISTERED])
    address = "/admin/search/?extended=1&s="
    assert "/admin/registry/service/shop/change/" in html(operator, f"{address}sho")
    found = html(operator, f"{address}10.0.0")
    assert "10.0.0.1:8000" in found
    assert "10.0.0.2:8000" not in found
    assert "shop" not in html(stranger, f"{address}shop")


def test_pages_carry_a_policy_that_lets_no_script_stand_in_them(operator: Client) -> None:
    run("shop", [H])
    for address in ("/admin/", "/admin/graph/", "/admin/registry/service/shop/change/", "/admin/login/"):
        answer = operator.get(address)
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'unsafe-eval'"
        assert policy["frame-ancestors"] == "'none'"
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", answer.content.decode())
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.content.decode())


def test_what_is_wrong_with_the_bus_leads_to_its_pages(operator: Client) -> None:
    bus.letter()
    page = html(operator, "/admin/live/home/")
    assert "The hub: dead letters" in wrong(page)
    assert 'href="/admin/events/deadletter/"' in page
