"""The audit in the console: finding, what changed, the chain's state, the file; and whose entries one sees."""

import datetime as dt
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.console.chainstate import ChainFacts, chain_state
from apps.console.diffs import Line, lines, summary
from apps.core import sealing, verification
from apps.core.audit import Actor, record
from apps.core.models import AuditCheck, AuditEntry
from apps.core.requestid import RequestIds, request_context
from apps.serviceauth.models import Operator
from tests.support.operators import staff, superuser

pytestmark = pytest.mark.django_db

LIST = "/admin/core/auditentry/"
NOW = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
CANARY = "canary-of-company-3"


def of_two() -> Client:
    browser = superuser("bob")
    Operator.objects.create(user=User.objects.get(username="bob"), companies=[2])
    return browser


def note(thing: str = "orders/1", company: int | None = None, *, by: str = "anna", **sides: Any) -> AuditEntry:
    with request_context(RequestIds(f"request-of-{thing}", None, "192.0.2.7")):
        record("drained", "instance", thing, company_id=company, by=Actor("operator", by), **sides)
    found: AuditEntry = AuditEntry.objects.latest("pk")
    return found


def page(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def things(shown: str) -> list[str]:
    return sorted(set(re.findall(r'title="(thing-\w+)"', shown)))


def exported(browser: Client, query: str = "") -> list[dict[str, Any]]:
    answer = browser.get(f"{LIST}export/{query}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["thing-a", "thing-b", "thing-c"]),
        ("?actor=anna", ["thing-a", "thing-b"]),
        ("?object_type=instance&object_id=thing-b", ["thing-b"]),
        ("?company=2", ["thing-b"]),
        ("?company=none", ["thing-a", "thing-c"]),
        ("?action=undrained", []),
        ("?q=anna", ["thing-a", "thing-b"]),
        ("?q=instance thing-c", ["thing-c"]),
        ("?request_id=request-of-thing-a", ["thing-a"]),
        ("?within=1h", ["thing-a", "thing-b", "thing-c"]),
        ("?until=2020-01-01T00:00", []),
        ("?actor_kind=service", []),
    ],
    ids=str,
)
def test_an_entry_is_found_by_who_what_where_and_when(query: str, found: list[str]) -> None:
    note("thing-a")
    note("thing-b", 2)
    note("thing-c", by="carl")
    browser = superuser("anton")

    assert things(page(browser, LIST + query)) == found
    assert sorted(row["object_id"] for row in exported(browser, query) if row["object_type"] == "instance") == found


def test_an_entry_shows_what_changed_and_leads_to_what_else_was_done() -> None:
    entry = note(
        "thing-a",
        2,
        before={"weight": 100, "same": {"deep": 1}},
        after={"weight": 50, "why": "<b>late</b>", "token": "x"},
    )
    sealing.seal_all()
    shown = page(superuser(), f"{LIST}{entry.pk}/change/")

    assert "<del>100</del>" in shown
    assert "<ins>50</ins>" in shown
    assert "&lt;b&gt;late&lt;/b&gt;" in shown
    assert "<b>late" not in shown
    assert "(hidden)" in shown
    assert "192.0.2.7" in shown
    assert "request-of-thing-a" in shown
    assert "?object_type=instance&amp;object_id=thing-a" in shown


def test_nobody_changes_an_entry_here() -> None:
    entry = note("thing-a")
    browser = superuser()

    assert browser.post(f"{LIST}{entry.pk}/change/", {"action": "x"}).status_code == 403
    assert browser.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get(f"{LIST}add/").status_code == 403


def test_who_may_not_see_the_audit_gets_neither_list_nor_file() -> None:
    entry = note("thing-a")
    browser = staff("otto", "view_service")

    for address in (LIST, f"{LIST}export/", f"{LIST}{entry.pk}/change/"):
        assert browser.get(address).status_code == 403
    assert Client().get(f"{LIST}export/").status_code == 302


def test_an_operator_of_a_company_sees_its_entries_and_no_others() -> None:
    other = note(CANARY, 3)
    note("thing-everybodys")
    note("thing-own", 2)
    sealing.seal_all()
    browser = of_two()

    assert things(page(browser, LIST)) == ["thing-own"]
    for query in ("", "?company=3", f"?object_id={CANARY}", f"?q={CANARY}", "?company=none"):
        assert not things(page(browser, LIST + query)) or not query
        assert f"{other.pk}/change/" not in page(browser, LIST + query)
        rows = exported(browser, query)
        assert {row["company_id"] for row in rows} <= {2}
        assert all("seal" not in row for row in rows)
    assert browser.get(f"{LIST}{other.pk}/change/").status_code == 302  # as one that is not there
    assert "hub-chain" not in page(browser, LIST)  # how much the others do is not told either


def test_the_file_is_read_in_batches_bounded_and_can_be_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        note(f"thing-{number}")
    sealing.seal_all()
    monkeypatch.setattr("apps.console.auditing.MOST_EXPORTED", 5)
    monkeypatch.setattr("apps.console.auditing.BATCH", 2)
    browser = superuser()

    *first, end = exported(browser, "?object_type=instance")
    assert [row["object_id"] for row in first] == [f"thing-{number}" for number in (6, 5, 4, 3, 2)]
    assert end == {"more": True, "before": first[-1]["id"]}
    rest = exported(browser, f"?object_type=instance&before={end['before']}")
    assert [row["object_id"] for row in rest] == ["thing-1", "thing-0"]
    assert len(bytes.fromhex(rest[0]["seal_hash"])) == 32
    assert dt.datetime.fromisoformat(rest[0]["at"]).tzinfo is not None


def test_the_list_says_how_far_the_chain_is_verified_and_when_it_is_broken() -> None:
    browser = superuser()
    for number in range(3):
        note(f"thing-{number}")
    sealing.seal_all()
    verification.check_some(now=timezone.now())
    assert "is as it was written" in page(browser, LIST)

    AuditCheck.objects.update(fault="Entry 2 or its seal 2 was changed.")
    shown = page(browser, LIST)
    assert "Entry 2 or its seal 2 was changed." in shown
    assert "manage.py verify_audit" in shown
    assert "Entry 2 or its seal 2 was changed." in page(browser, "/admin/")


def facts(**changes: Any) -> ChainFacts:
    known = {
        "seals": 100, "waiting": 0, "intact_until": 90, "intact_at": NOW, "position": 0, "looked_at": NOW, "fault": "",
    }  # fmt: skip
    return ChainFacts(**(known | changes))


@pytest.mark.parametrize(
    ("changes", "word", "tones"),
    [
        ({}, "intact", ["green", "blue"]),
        ({"waiting": 3}, "intact", ["green", "blue", "grey"]),
        ({"intact_until": 100}, "intact", ["green"]),
        ({"fault": "Entry 5 was changed."}, "broken", ["amber", "red"]),
        ({"looked_at": None, "intact_at": None, "intact_until": 0}, "not looked at yet", ["blue"]),
        ({"looked_at": NOW - dt.timedelta(hours=1)}, "unwatched", ["green", "blue"]),
        ({"seals": 0, "intact_until": 0, "looked_at": None}, "empty", []),
        ({"seals": 0, "intact_until": 0, "waiting": 2}, "intact", ["grey"]),
    ],
    ids=range(8),
)
def test_the_chain_is_told_in_a_word_and_drawn_to_scale(changes: dict[str, Any], word: str, tones: list[str]) -> None:
    state = chain_state(facts(**changes), NOW)

    assert state.word == word
    assert [piece.tone for piece in state.pieces] == tones
    assert not tones or sum(piece.width for piece in state.pieces) == pytest.approx(1000, abs=0.5)


def test_what_changed_is_told_value_by_value() -> None:
    before = {"weight": 100, "tags": ["a"], "token": "(hidden)", "gone": True, "deep": {"x": 1, "y": 2}}
    after = {"weight": 50, "tags": ["a", "b"], "token": "(hidden)", "why": "late", "deep": {"x": 1, "y": 3}}

    assert lines(before, after) == [
        Line("weight", "100", "50", "changed"),
        Line("tags", "a", "a, b", "changed"),
        Line("token", "(hidden)", "(hidden)", "hidden"),
        Line("gone", "true", None, "removed"),
        Line("deep.x", "1", "1", "kept"),
        Line("deep.y", "2", "3", "changed"),
        Line("why", None, "late", "added"),
    ]
    assert summary({"weight": 100}, {"weight": 50, "why": "x" * 90}) == f"weight 100 → 50 · why {'x' * 39}…"
    assert lines(None, None) == []
