"""The lists of services and instances: what is wrong first, filters, search, and no query for each row."""

import datetime as dt
import random
import re
import time
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.registry import observed
from apps.registry.lifecycle import service_status
from apps.registry.models import HistoryEntry, Instance, Service
from apps.serviceauth.models import Company
from tests.support import operators
from tests.support.registry import NO_REDIS, redis_at
from tests.support.services import register, report, run
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

H, D, U, S = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.STARTING
DR, ST, DE = Status.DRAINING, Status.STALE, Status.DEREGISTERED


@pytest.fixture
def browser(hub: None) -> Client:
    """An operator's."""
    return operators.superuser()


def page(browser: Client, model: str, **query: str) -> str:
    answer = browser.get(f"/admin/registry/{model}/?{urlencode(query)}")
    assert answer.status_code == 200
    return answer.content.decode()


def names(browser: Client, **query: str) -> list[str]:
    """Return the services that the list shows, in its order."""
    rows = re.findall(r'<td class="field-name_link.*?</td>', page(browser, "service", **query), re.S)
    return [re.findall(r'title="([^"]+)"', row)[0] for row in rows]


def instances(browser: Client, **query: str) -> list[str]:
    """Return the instances that the list shows as ``service/status``, in its order."""
    text = page(browser, "instance", **query)
    badges = re.findall(r"field-status_badge.*?</svg>(\w+)</span>", text, re.S)
    services = re.findall(r'field-service_link.*?title="([^"]+)"', text, re.S)
    return [f"{service}/{badge}" for service, badge in zip(services, badges, strict=True)]


def test_the_sql_of_a_services_status_is_the_rule(transactional_db: None) -> None:
    rng = random.Random(7)
    kinds = [random.Random(seed).sample(list(Status), rng.randint(1, 6)) for seed in range(60)] + [
        [],
        *([s] for s in Status),
    ]
    service_rows = Service.objects.bulk_create(Service(name=f"s{number:03d}") for number in range(len(kinds)))
    Instance.objects.bulk_create(
        Instance(service=service, instance_id=str(number), port=1, status=status)
        for service, statuses in zip(service_rows, kinds, strict=True)
        for number, status in enumerate(statuses * rng.randint(1, 3))
    )
    judged = dict(observed.services_by_status().values_list("name", "status"))
    assert judged == {s.name: service_status(kind) for s, kind in zip(service_rows, kinds, strict=True)}
    ranked = list(observed.services_by_status().order_by("rank").values_list("status", flat=True))
    assert ranked == sorted(ranked, key=observed.WORST_SERVICES_FIRST.index)
    states = {name: state.status for name, state in observed.service_states().items()}
    assert states == {name: status for name, status in judged.items() if status != DE}


def test_services_that_are_wrong_come_first(browser: Client) -> None:
    run("fine", [H])
    run("broken", [U])
    run("limping", [H, U])
    run("coming", [S])
    run("gone", [DE])
    assert names(browser) == ["broken", "limping", "coming", "fine"]
    assert names(browser, status="any") == ["broken", "limping", "coming", "fine", "gone"]
    assert names(browser, status="deregistered") == ["gone"]
    assert names(browser, status="degraded") == ["limping"]


def test_instances_that_are_wrong_come_first(browser: Client) -> None:
    run("a", [H, DR, D])
    run("b", [S, U, DE])
    run("c", [ST])
    told = [entry.partition("/")[2] for entry in instances(browser)]
    assert told == ["unhealthy", "stale", "degraded", "draining", "starting", "healthy"]
    assert instances(browser, status="deregistered") == ["b/deregistered"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"tags": "core"}, ["one", "two"]),
        ({"tags": "unheard-of"}, []),
        ({"capabilities": "order.read"}, ["two"]),
        ({"zone": "eu-1"}, ["one"]),
        ({"version": "2.0.0"}, ["two"]),
        ({"company": "7"}, ["three"]),
        ({"company": "none"}, ["one", "two"]),
        ({"company": "nonsense"}, []),
        ({"draining": "yes"}, ["three"]),
        ({"draining": "no", "tags": "core"}, ["one", "two"]),
        ({"q": "THR"}, ["three"]),
        ({"q": "cor"}, ["one", "two"]),
        ({"q": "order"}, ["two"]),
        ({"q": "core two"}, ["two"]),
        ({"q": "nothing-like-it"}, []),
    ],
)
def test_filters_and_search_find_services_and_their_instances(
    browser: Client, query: dict[str, str], found: list[str]
) -> None:
    run("one", [H], tags=["core"], zone="eu-1")
    run("two", [H], tags=["core"], capabilities=["order.read"], version="2.0.0")
    run("three", [DR], company_id=7)
    run("gone", [DE], tags=["core"], zone="eu-1", capabilities=["order.read"])
    assert sorted(names(browser, **query)) == sorted(found)
    assert sorted(entry.partition("/")[0] for entry in instances(browser, **query)) == sorted(found)


def test_instances_are_found_by_id_and_host_and_by_their_service(browser: Client) -> None:
    run("one", [H, H])
    run("two", [H])
    assert instances(browser, q="10.0.0.2:80") == ["one/healthy"]
    assert instances(browser, service="two") == ["two/healthy"]


def test_companies_are_named_in_their_filter(browser: Client) -> None:
    Company.objects.create(id=7, name="Seven & Sons", last_event_at=timezone.now())
    run("one", [H], company_id=7)
    run("two", [H], company_id=8)
    text = page(browser, "service")
    assert "Seven &amp; Sons" in text
    assert "Company 8" in text


def test_impaired_services_are_marked(browser: Client) -> None:
    run("shop", [H], dependencies=["payment", "gone"])
    run("payment", [U])
    assert "Does not work, and it needs it: gone, payment" in page(browser, "service")


def test_last_seen_is_live_and_falls_back_to_the_last_flush(browser: Client) -> None:
    early = timezone.now() - dt.timedelta(minutes=40)
    row = register("one", now=early, lease_seconds=3600)
    assert "40 min ago" in page(browser, "instance")
    report(row, now=timezone.now() - dt.timedelta(seconds=30))
    assert re.search(r"3\d s ago", page(browser, "instance"))
    assert re.search(r"3\d s ago", page(browser, "service"))
    with redis_at(NO_REDIS):
        assert "40 min ago" in page(browser, "instance")
        assert "40 min ago" in page(browser, "service")


def test_an_empty_list_teaches_and_a_search_without_result_offers_what_has_left(browser: Client) -> None:
    assert "curl -X POST http" in page(browser, "service")
    assert "Nothing here yet" in page(browser, "historyentry")
    text = page(browser, "service", q="old")
    assert "Nothing matches" in text
    assert "?q=old&amp;status=any" in text


def test_strange_names_stay_text(browser: Client) -> None:
    run("one", [H], tags=["<script>alert(1)</script>"], zone='"><b>')
    text = page(browser, "service") + page(browser, "instance")
    assert "<script>alert" not in text
    assert "<b>" not in text


@pytest.fixture
def many(hub: None) -> None:
    """Sixty services of one instance each."""
    for number in range(60):
        run(f"s{number:03d}", [H if number % 7 else U], tags=["a", "b"])


@pytest.mark.usefixtures("many")
def test_no_list_asks_for_each_row(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    most: dict[type[Model], int] = {Service: 16, Instance: 16, HistoryEntry: 8}
    for model, limit in most.items():
        counts = []
        for rows in (10, 60):
            monkeypatch.setattr(admin.site.get_model_admin(model), "list_per_page", rows)
            with CaptureQueriesContext(connection) as queries:
                text = page(browser, str(model._meta.model_name))
            assert text.count("data-row") == rows, model
            counts.append(len(queries))
        assert counts[0] == counts[1] <= limit, model


def test_ten_thousand_instances_are_listed_in_pages(browser: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TEN_THOUSAND)
    page(browser, "instance")
    started = time.perf_counter()
    assert "10000 instances" in page(browser, "instance")
    assert time.perf_counter() - started < 5  # about 0.3 s; far more means that all of them are read


TEN_THOUSAND = """
    INSERT INTO registry_service (name, notes, revision) SELECT 's' || n, '', 0 FROM generate_series(1, 100) n;
    INSERT INTO registry_instance (
        service_id, instance_id, version, host, port, health_check_url, api_base_url, tags, capabilities, dependencies,
        weight, metadata, lease_seconds, deregister_after_seconds, poll_interval_seconds, status, draining, revision)
    SELECT s.id, 'i' || n, '1.' || n % 9, '10.0.0.1', 1, '', '', array['t' || n % 50], array['c'], '{}', 100, '{}', 90,
           600, 30, CASE n WHEN 1 THEN 'unhealthy' ELSE 'healthy' END, false, 0
    FROM registry_service s, generate_series(1, 100) n;
    INSERT INTO registry_vitals (instance_id, failures, successes, reason) SELECT id, 0, 0, '' FROM registry_instance;
    ANALYZE registry_instance, registry_vitals, registry_service;
"""


def test_who_may_only_look_sees_the_lists_without_actions(hub: None) -> None:
    run("one", [H])
    browser = operators.staff("otto", *operators.LOOKING)
    assert names(browser) == ["one"]
    assert 'name="action"' not in page(browser, "service")
    assert 'name="action"' in page(operators.superuser(), "service")


def test_who_may_not_look_is_refused(hub: None) -> None:
    browser = operators.staff("sven")
    for model in ("service", "instance", "historyentry"):
        assert browser.get(f"/admin/registry/{model}/").status_code == 403


def test_history_is_listed_newest_first_without_a_count(browser: Client) -> None:
    run("one", [H])
    run("two", [U])
    with CaptureQueriesContext(connection) as queries:
        text = page(browser, "historyentry")
    assert text.index("two") < text.index("one</a>")
    assert not [query for query in queries if "COUNT(*)" in query["sql"] and "historyentry" in query["sql"]]
    assert "reported unhealthy" in page(browser, "historyentry", q="two")
    assert "reported unhealthy" not in page(browser, "historyentry", q="one")
