"""What the audit notes: who, from where, for whom, what changed, and nothing secret."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction

from apps.core import audit
from apps.core.access import Principal
from apps.core.audit import record
from apps.core.differences import MOST_BYTES, changed, told
from apps.core.models import AuditEntry
from apps.core.requestid import RequestIds, request_context
from apps.core.tenancy import acting, company, global_rows, system, use

KEY = "xrp_Ab3dEf6hIj9l_" + "k" * 43 + "_0a1B2c"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJvcmRlcnMifQ.c2lnbmF0dXJl"


def entries(**conditions: Any) -> list[AuditEntry]:
    with use(system("test")):
        return list(AuditEntry.objects.filter(**conditions).order_by("pk"))


@pytest.mark.django_db
def test_an_entry_says_who_did_what_from_where_and_what_changed() -> None:
    service = Principal("service", "orders", companies=frozenset({7}), company_id=7, user_id=42)

    with request_context(RequestIds("r-1", None, "192.0.2.7")), acting(service):
        record(
            "type_declared", "event_type", "order_paid", company_id=7, before={"a": 1, "b": 2}, after={"a": 1, "b": 3}
        )

    [entry] = entries()
    assert (entry.actor_kind, entry.actor, entry.on_behalf_of) == ("service", "orders", 42)
    assert (entry.action, entry.object_type, entry.object_id) == ("type_declared", "event_type", "order_paid")
    assert (entry.source, entry.request_id, entry.company_id) == ("192.0.2.7", "r-1", 7)
    assert (entry.before, entry.after) == ({"b": 2}, {"b": 3})
    assert abs(entry.at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (Principal("operator", "anna"), ("operator", "anna", None)),
        (Principal("operator", "anna", user_id=5), ("operator", "anna", None)),
        (Principal("user", "user:42", user_id=42), ("user", "user:42", None)),
        (Principal("user", "user:42", user_id=42, actors=("orders", "gateway")), ("service", "orders", 42)),
        (Principal("open", "open"), ("open", "open", None)),
    ],
)
def test_each_kind_of_caller_has_a_name(who: Principal, expected: tuple[str, str, int | None]) -> None:
    with acting(who):
        assert audit.actor() == audit.Actor(*expected)


def test_the_hub_itself_says_why_it_acts() -> None:
    with use(system("task core.prune")):
        assert audit.actor() == audit.Actor("hub", "task core.prune")
    with use(None):
        assert audit.actor() == audit.Actor("hub", "no context")


@pytest.mark.django_db
def test_what_was_undone_was_not_recorded() -> None:
    with transaction.atomic():
        record("key_issued", "service_key", "k")
        transaction.set_rollback(True)

    assert entries() == []


@pytest.mark.django_db
def test_whoever_acts_leaves_a_trace_also_where_he_may_write_nothing() -> None:
    with use(company(1)):
        record("signed_in", "operator", "anna")
    record("sign_in_failed", "operator", "anna")

    assert [entry.company_id for entry in entries()] == [None, None]


@pytest.mark.django_db
def test_operators_of_companies_see_entries_of_their_companies_only() -> None:
    for number in (1, 2, None):
        record("role_created", "role", number, company_id=number)

    with use(company(1)):
        assert [entry.company_id for entry in AuditEntry.objects.all()] == [1]
    with use(global_rows([1, 2])):
        assert sorted(entry.company_id for entry in AuditEntry.objects.all()) == [1, 2]
    with use(global_rows()):
        assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_no_secret_gets_into_an_entry() -> None:
    record(
        "key_issued",
        f"key {KEY}",
        f"Bearer {TOKEN}",
        after={"password": "hunter22", "nested": [{"service_key": KEY}], "note": f"see {KEY}", KEY: 1},
        before={"url": "https://me:hunter22@example.test/", "token": TOKEN, "header": "Basic aHVudGVyMjI6eA=="},
    )

    [entry] = entries()
    stored = repr(vars(entry))
    for secret in ("k" * 43, TOKEN, "hunter22", "aHVudGVyMjI6eA"):
        assert secret not in stored
    assert "xrp_Ab3dEf6hIj9l_" in entry.object_type  # the public part stays: it says which key


@pytest.mark.django_db
def test_what_postgresql_cannot_store_is_replaced() -> None:
    record(
        "sign_in_failed", "operator", "an\x00na\ud800", after={"n\x00": "x\x00", "f": float("inf"), "b": b"1", "s": {2}}
    )

    [entry] = entries()
    assert entry.object_id == "an\ufffdna\ufffd"
    assert entry.after == {"n\ufffd": "x\ufffd", "f": "inf", "b": "(1 bytes)", "s": [2]}


def test_a_changed_secret_is_seen_to_have_changed() -> None:
    assert changed({"token": "a", "n": 1}, {"token": "b", "n": 1}) == ({"token": "(hidden)"}, {"token": "(hidden)"})
    assert changed({"token": "a"}, {"token": "a"}) == ({}, {})


def test_new_and_removed_fields_are_on_their_side_only() -> None:
    assert changed({"old": 1}, {"new": None}) == ({"old": 1}, {"new": None})
    assert changed(None, {"a": 1}) == (None, {"a": 1})


@pytest.mark.parametrize(
    "large",
    [
        {f"field{n}": "x" * 499 for n in range(90)},
        {"one": ["y" * 499] * 90},
        {"deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
        {"many": list(range(100_000))},
        {"text": "é" * 1_000_000},
    ],
)
def test_an_entry_never_gets_large(large: dict[str, Any]) -> None:
    import json

    _, after = changed(None, large)

    assert len(json.dumps(after, ensure_ascii=False).encode()) <= MOST_BYTES
    assert after is not None
    assert set(after) == set(large)


def test_long_texts_end_in_dots() -> None:
    assert told("x" * 400, 300) == "x" * 299 + "…"


@pytest.mark.django_db
def test_recording_is_one_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        record("drained", "instance", "orders/1", after={"reason": "x"})
