"""``events/dead-letters``: what groups gave up on, and what operators decide, one by one and many at once."""

import datetime as dt
import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.access import Principal
from apps.events.models import DeadLetter, OutboxEntry
from tests.support.api import Api, faults_of
from xerpium_sdk.wire.keys import STREAM_EVENTS, stream_of_replays

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
FIELDS = {
    "event_id": "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d",
    "event_type": "product_updated",
    "service_name": "product-service",
    "entity_type": "Product",
    "entity_id": "42",
    "company_id": "",
    "user_id": "",
    "timestamp": "2026-05-04T12:00:00.000Z",
    "data": '{"name":"Tisch"}',
    "version": "1.0",
    "correlation_id": "import-1",
}


def dead(number: int = 1, **changes: Any) -> DeadLetter:
    """Store a dead letter."""
    fields = {**FIELDS, "company_id": str(changes.get("company_id") or "")}
    about = {name: fields[name] for name in ("event_id", "event_type", "service_name", "entity_type", "entity_id")}
    return DeadLetter.objects.create(
        **{
            "entry_id": f"{number}-0",
            "group": "billing",
            "handler": "billing.handlers.invoice",
            "reason": "max_attempts",
            "error": "ValueError: no",
            "attempts": 5,
            "stream": STREAM_EVENTS,
            "stream_id": f"{number}-7",
            "dead_at": NOW,
            "correlation_id": "import-1",
            "fields": fields,
            **about,
            **changes,
        }
    )


def states() -> dict[str, str]:
    """Return the state of each dead letter by its entry id."""
    return dict(DeadLetter.objects.order_by("id").values_list("entry_id", "state"))


def sent_again() -> list[tuple[str, str]]:
    """Return stream and dead letter of every replay that waits for the relay, in order."""
    return [(row.stream, row.fields["replay_of"]) for row in OutboxEntry.objects.order_by("id")]


def found(api: Api, query: str = "") -> list[str]:
    answer = api.get(f"/events/dead-letters?{query}")
    assert answer.status_code == 200, answer.content
    return [one["stream_id"].partition("-")[0] for one in answer.json()["results"]]


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_a_dead_letter(api: Api) -> None:
    letter = dead()
    again = dead(2, replay_of=letter, state="discarded")
    shown = api.get(f"/events/dead-letters/{letter.pk}/").json()
    assert shown == {
        "id": letter.pk,
        "group": "billing",
        "handler": "billing.handlers.invoice",
        "reason": "max_attempts",
        "error": "ValueError: no",
        "attempts": 5,
        "stream": STREAM_EVENTS,
        "stream_id": "1-7",
        "dead_at": "2026-05-04T12:00:00.000Z",
        "event_id": FIELDS["event_id"],
        "event_type": "product_updated",
        "service_name": "product-service",
        "entity_type": "Product",
        "entity_id": 42,
        "company_id": None,
        "correlation_id": "import-1",
        "state": "waiting",
        "replayable": True,
        "decided_at": None,
        "decided_by": None,
        "replay_of": None,
        "fields": FIELDS,
        "replays": [{"id": again.pk, "state": "discarded", "dead_at": "2026-05-04T12:00:00.000Z"}],
    }
    listed = next(one for one in api.get("/events/dead-letters").json()["results"] if one["id"] == letter.pk)
    assert listed == {name: value for name, value in shown.items() if name not in ("fields", "replays")}


@pytest.fixture
def pile(api: Api) -> Api:
    """Five dead letters, each different in its own way."""
    dead(1)
    dead(2, group="stock", handler="", reason="undecodable", event_type="", is_text=False)
    dead(3, company_id=7, event_type="order_created", service_name="order-service", entity_id="9")
    dead(4, dead_at=NOW + dt.timedelta(hours=1), correlation_id="x", stream="xerpium:events:custom")
    dead(5, state="discarded", decided_at=NOW, decided_by="operator:ann")
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["5", "4", "3", "2", "1"]),
        ("group=stock", ["2"]),
        ("handler=billing.handlers.invoice&state=waiting", ["4", "3", "1"]),
        ("reason=undecodable", ["2"]),
        ("event_type=order_created", ["3"]),
        ("service_name=order-service", ["3"]),
        ("entity_type=Product&entity_id=9", ["3"]),
        (f"event_id={FIELDS['event_id']}&group=stock", ["2"]),
        ("company_id=7", ["3"]),
        ("correlation_id=x", ["4"]),
        ("stream=xerpium:events:custom", ["4"]),
        ("state=discarded", ["5"]),
        ("state=replayed", []),
        ("since=2026-05-04T12:30:00Z", ["4"]),
        ("until=2026-05-04T12:30:00Z&state=waiting", ["3", "2", "1"]),
    ],
)
def test_filters(query: str, expected: list[str], pile: Api) -> None:
    assert found(pile, query) == expected


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("state=gone", ("?state", "invalid_choice")),
        ("since=x", ("?since", "invalid")),
        ("group=", ("?group", "blank")),
        ("all=true", ("?all", "unknown_parameter")),
        ("cursor=x", ("?cursor", "invalid")),
    ],
)
def test_filters_that_are_refused(query: str, fault: tuple[str, str], pile: Api) -> None:
    assert faults_of(pile.get(f"/events/dead-letters?{query}")) == {fault}


def test_pages_and_queries(api: Api) -> None:
    for number in range(25):
        dead(number)
    with CaptureQueriesContext(connection) as asked:
        assert len(found(api, "limit=500")) == 25
    assert len(asked) == 1
    assert '"fields"' not in asked[0]["sql"]
    with CaptureQueriesContext(connection) as asked:
        api.get(f"/events/dead-letters/{DeadLetter.objects.order_by('id')[0].pk}")
    assert len(asked) == 3  # one is the test's own
    seen, query = [], "limit=10"
    while query:
        page = api.get(f"/events/dead-letters?{query}").json()
        seen += [one["id"] for one in page["results"]]
        query = f"limit=10&cursor={page['next']}" if page["next"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 25


def test_reads_carry_a_strong_tag(pile: Api) -> None:
    for path in ("/events/dead-letters", f"/events/dead-letters/{DeadLetter.objects.all()[0].pk}"):
        tag = pile.get(path).headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]+"', tag)
        assert pile.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", ["0", "9" * 18, "9" * 30, "x", "-1", "1.5", "%00"])
def test_nothing_is_there(path: str, pile: Api) -> None:
    assert pile.get(f"/events/dead-letters/{path}").status_code == 404
    for verb in ("replay", "discard"):
        assert pile.post(f"/events/dead-letters/{path}/{verb}").status_code == 404


# --- One --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}])
def test_a_replay_goes_to_the_group_that_gave_up(body: Any, api: Api) -> None:
    letter = dead()
    answer = api.post(f"/events/dead-letters/{letter.pk}/replay/", body)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["state"], shown["decided_by"]) == ("replayed", "open:open")
    assert shown["decided_at"].endswith("Z")
    [row] = OutboxEntry.objects.all()
    assert row.stream == stream_of_replays("billing")
    assert row.fields == {**FIELDS, "replay_of": str(letter.pk), "replay_stream": STREAM_EVENTS}


def test_a_discard_sends_nothing(api: Api) -> None:
    letter = dead()
    assert api.post(f"/events/dead-letters/{letter.pk}/discard").json()["state"] == "discarded"
    assert OutboxEntry.objects.count() == 0


@pytest.mark.parametrize("first", ["replay", "discard"])
@pytest.mark.parametrize("second", ["replay", "discard"])
def test_what_was_decided_stays_decided(first: str, second: str, api: Api) -> None:
    path = f"/events/dead-letters/{dead().pk}"
    assert api.post(f"{path}/{first}").status_code == 200
    answer = api.post(f"{path}/{second}")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
    assert first[:6] in answer.json()["detail"]
    assert OutboxEntry.objects.count() == (first == "replay")


def test_what_was_no_text_cannot_be_sent_again(api: Api) -> None:
    path = f"/events/dead-letters/{dead(is_text=False).pk}"
    answer = api.post(f"{path}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_replayable")
    assert api.post(f"{path}/discard").status_code == 200


def test_of_many_decisions_at_once_one_counts(api: Api) -> None:
    path = f"/events/dead-letters/{dead().pk}"
    answers: list[int] = []

    def decide(verb: str) -> None:
        answers.append(Api().post(f"{path}/{verb}").status_code)
        connection.close()

    threads = [threading.Thread(target=decide, args=[verb]) for verb in ("replay", "discard") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7
    assert OutboxEntry.objects.count() == (DeadLetter.objects.get().state == "replayed")


def test_actions_take_nothing(api: Api) -> None:
    path = f"/events/dead-letters/{dead().pk}/replay"
    assert faults_of(api.post(path, {"group": "x"})) == {("/group", "unknown_field")}
    assert faults_of(api.post(f"{path}?force=1")) == {("?force", "unknown_parameter")}
    assert api.send("POST", path, raw=b"[").status_code == 400
    assert states() == {"1-0": "waiting"}


def test_a_repeated_key_gets_the_first_answer(api: Api) -> None:
    path, key = f"/events/dead-letters/{dead().pk}/replay", {"Idempotency-Key": "k1"}
    first, again = (api.post(path, headers=key) for _ in range(2))
    assert (again.status_code, again.content) == (200, first.content)
    assert len(sent_again()) == 1


# --- Many -------------------------------------------------------------------------------------------------------------


def test_the_replay_of_a_filter(pile: Api) -> None:
    answer = pile.post("/events/dead-letters/replay", {"group": "billing", "until": "2026-05-04T12:30:00Z"})
    assert (answer.status_code, answer.json()) == (200, {"replayed": 2, "not_replayable": 0})
    assert states() == {
        "1-0": "replayed",
        "2-0": "waiting",
        "3-0": "replayed",
        "4-0": "waiting",
        "5-0": "discarded",
    }
    expected = DeadLetter.objects.filter(state="replayed").order_by("id").values_list("pk", flat=True)
    assert sent_again() == [(stream_of_replays("billing"), str(pk)) for pk in expected]


def test_everything_is_meant_only_when_it_is_said(pile: Api) -> None:
    for verb in ("replay", "discard"):
        assert faults_of(pile.post(f"/events/dead-letters/{verb}", {})) == {("", "empty_filter")}
        assert faults_of(pile.post(f"/events/dead-letters/{verb}", {"group": None})) == {("", "empty_filter")}
        assert faults_of(pile.post(f"/events/dead-letters/{verb}", {"all": False})) == {("", "empty_filter")}
        answer = pile.post(f"/events/dead-letters/{verb}", {"all": True, "group": "billing"})
        assert faults_of(answer) == {("/all", "contradiction")}
        assert pile.post(f"/events/dead-letters/{verb}", raw=b"").status_code == 400
    assert list(states().values()) == ["waiting"] * 4 + ["discarded"]
    assert pile.post("/events/dead-letters/replay", {"all": True}).json() == {"replayed": 3, "not_replayable": 1}
    assert pile.post("/events/dead-letters/discard", {"all": True}).json() == {"discarded": 1}
    assert list(states().values()) == ["replayed", "discarded", "replayed", "replayed", "discarded"]


def test_some(pile: Api) -> None:
    pks = list(DeadLetter.objects.order_by("id").values_list("pk", flat=True))
    answer = pile.post("/events/dead-letters/discard", {"ids": [pks[0], pks[3], pks[4], 1, 2**63 - 1]})
    assert answer.json() == {"discarded": 2}
    assert pile.post("/events/dead-letters/replay", {"ids": [pks[2]], "group": "stock"}).json()["replayed"] == 0


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"ids": []}, ("/ids", "empty")),
        ({"ids": [1] * 1001}, ("/ids", "max_length")),
        ({"ids": ["1"]}, ("/ids/0", "invalid_type")),
        ({"ids": [0]}, ("/ids/0", "min_value")),
        ({"group": 7}, ("/group", "invalid_type")),
        ({"since": "x"}, ("/since", "invalid")),
        ({"state": "discarded"}, ("/state", "unknown_field")),
        ({"gruop": "x"}, ("/gruop", "unknown_field")),
        ({"all": "true"}, ("/all", "invalid_type")),
    ],
)
def test_selections_that_are_refused(body: Any, fault: tuple[str, str], pile: Api) -> None:
    for verb in ("replay", "discard"):
        assert fault in faults_of(pile.post(f"/events/dead-letters/{verb}", body))
    assert list(states().values()) == ["waiting"] * 4 + ["discarded"]


def test_a_thousand_are_a_few_statements(api: Api) -> None:
    DeadLetter.objects.bulk_create(
        DeadLetter(
            entry_id=f"{number}-0",
            group="billing",
            reason="max_attempts",
            stream=STREAM_EVENTS,
            stream_id="1-1",
            dead_at=NOW,
            fields=FIELDS,
        )
        for number in range(1000)
    )
    with CaptureQueriesContext(connection) as asked:
        answer = api.post("/events/dead-letters/replay", {"group": "billing"})
    assert answer.json() == {"replayed": 1000, "not_replayable": 0}
    assert OutboxEntry.objects.count() == 1000
    assert len(asked) < 20


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_a_service_decides_on_what_its_own_groups_gave_up(api: Api, come_in_as: Any) -> None:
    groups = ["billing", "billing-group", "billing-group-eu", "billing-returns-group", "shop-group"]
    letters = [dead(number, group=group) for number, group in enumerate(groups)]
    come_in_as(Principal("service", "billing"))
    assert len(found(api)) == 5
    for letter in letters[3:]:
        for verb in ("replay", "discard"):
            answer = api.post(f"/events/dead-letters/{letter.pk}/{verb}", {})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    for verb in ("replay", "discard"):
        answer = api.post(f"/events/dead-letters/{verb}", {"group": "shop-group"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/group")
    assert set(states().values()) == {"waiting"}
    assert api.post(f"/events/dead-letters/{letters[0].pk}/discard").json()["decided_by"] == "service:billing"
    assert api.post("/events/dead-letters/discard", {"all": True}).json() == {"discarded": 2}
    pks = [letter.pk for letter in letters]
    assert api.post("/events/dead-letters/discard", {"ids": pks}).json() == {"discarded": 0}
    assert list(states().values()) == ["discarded"] * 3 + ["waiting"] * 2


def test_a_service_in_a_company_decides_on_what_is_the_companys(api: Api, come_in_as: Any) -> None:
    everybodys, own, others = dead(1), dead(2, company_id=7), dead(3, company_id=8)
    come_in_as(Principal("service", "billing", frozenset({7}), company_id=7))
    statuses = [
        api.post(f"/events/dead-letters/{letter.pk}/discard").status_code for letter in (everybodys, own, others)
    ]
    assert statuses == [403, 200, 404]
    come_in_as(Principal("service", "billing", frozenset({7})))
    assert api.post("/events/dead-letters/discard", {"all": True}).json() == {"discarded": 1}
    assert list(states().values()) == ["discarded", "discarded", "waiting"]


def test_an_operator_decides_and_is_named(api: Api, settings: Any) -> None:
    settings.HUB_OPEN = False
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("ann"))
    path = f"/events/dead-letters/{dead().pk}/discard"
    assert api.post(path).status_code == 401
    assert Api(browser).post(path).status_code == 403
    token = "t" * 32
    browser.cookies["csrftoken"] = token
    answer = Api(browser).post(path, headers={"X-CSRFToken": token})
    assert (answer.status_code, answer.json()["decided_by"]) == (200, "operator:ann")


@pytest.fixture
def companies(api: Api) -> Api:
    """Dead letters of two companies, of all of them, and one of nobody knows whom."""
    dead(1, group="hub-core")
    dead(2, company_id=7)
    dead(3, company_id=8)
    dead(4, fields={**FIELDS, "company_id": "seven"})
    dead(5, fields={"colour": "red"})
    return api


def test_another_companys_are_not_there(companies: Api, come_in_as: Any) -> None:
    assert len(found(companies)) == 5
    come_in_as(Principal("operator", "ann", frozenset({7})))
    assert found(companies) == ["2", "1"]
    assert found(companies, "company_id=8") == []
    for letter in DeadLetter.objects.exclude(entry_id__in=["1-0", "2-0"]):
        for verb, path in (("GET", ""), ("POST", "/replay"), ("POST", "/discard")):
            assert companies.send(verb, f"/events/dead-letters/{letter.pk}{path}").status_code == 404
    pks = list(DeadLetter.objects.values_list("pk", flat=True))
    assert companies.post("/events/dead-letters/discard", {"ids": pks}).json() == {"discarded": 1}
    assert companies.post("/events/dead-letters/replay", {"all": True}).json() == {"replayed": 0, "not_replayable": 0}
    assert list(states().values()) == ["waiting", "discarded", "waiting", "waiting", "waiting"]
