"""The audit's hash chain: nothing in it can be changed, removed or added behind its back without being found."""

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from apps.core import sealing, tasks, verification
from apps.core.audit import record
from apps.core.chain import ENTRY_SQL, GENESIS, Entry, link
from apps.core.models import AuditCheck, AuditEntry, AuditPending, AuditSeal
from apps.core.tenancy import system, use
from tests.support.database import database_url, transactional_db
from tests.support.wait import wait_until

__all__ = ["transactional_db"]


def record_some(count: int = 5) -> list[int]:
    """Record and seal entries; return their ids."""
    for number in range(count):
        record("drained", "instance", number, company_id=number % 3 or None, before={"n": number}, after={"n": None})
    sealing.seal_all()
    with use(system("test")):
        return list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True)[:count])[::-1]


def tamper(statement: str, *values: Any) -> None:
    """Do what only the tables' owner can: change them with their triggers off."""
    tables = ("core_auditentry", "core_auditseal")
    with use(system("test")), transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement, values)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and its report."""
    out = io.StringIO()
    try:
        call_command("verify_audit", "--json", *arguments, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return int(str(end.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def kinds(report: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(fault["kind"], fault["entry_id"]) for fault in report["faults"]]


def test_the_format_is_the_documented_one() -> None:
    entry = Entry(
        7, "2026-11-27T21:00:00.000001Z", "operator", "änna", None, "drained", "instance", 'a"b\\\n', 3, "", "r-1",
        None, '{"n": 1}',
    )  # fmt: skip
    document = (
        '{"action":"drained","actor":"änna","actor_kind":"operator","after":"{\\"n\\": 1}",'
        '"at":"2026-11-27T21:00:00.000001Z","before":null,"company_id":3,"id":7,"object_id":"a\\"b\\\\\\n",'
        '"object_type":"instance","on_behalf_of":null,"request_id":"r-1","seal":1,"source":""}'
    )
    expected = hashlib.sha256(b"xerpium-audit-1\n" + bytes(32) + document.encode()).digest()

    assert link(GENESIS, 1, entry) == expected


@pytest.mark.django_db
def test_every_column_of_an_entry_is_in_its_hash() -> None:
    assert set(Entry._fields) == {field.name for field in AuditEntry._meta.get_fields()}


@pytest.mark.django_db
def test_what_is_sealed_is_intact() -> None:
    ids = record_some(5)

    code, report = verify()

    assert code == 0
    assert report["intact"]
    assert report["verified"] == {"from": 1, "to": 5}
    assert report["checkpoint"].startswith("5:")
    assert list(AuditSeal.objects.order_by("pk").values_list("pk", "entry_id")) == list(enumerate(ids, start=1))
    assert not AuditPending.objects.exists()


@pytest.mark.django_db
def test_verifying_seals_what_waits() -> None:
    record("drained", "instance", "1")

    assert verify() == (0, {**verify()[1], "newly_sealed": 1})


@pytest.mark.django_db
def test_an_empty_audit_is_intact() -> None:
    assert verify()[1]["checkpoint"] is None
    assert verify()[0] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("column", [name for name in Entry._fields if name != "id"])
def test_a_changed_column_is_found(column: str) -> None:
    ids = record_some(5)
    values: dict[str, Any] = {"at": timezone.now(), "company_id": 99, "on_behalf_of": 1, "before": "{}", "after": "{}"}

    tamper(f"UPDATE core_auditentry SET {column} = %s WHERE id = %s", values.get(column, "other"), ids[2])

    code, report = verify()
    assert code == 1
    assert kinds(report) == [("entry_changed", ids[2])]


@pytest.mark.django_db
def test_each_change_is_named_and_not_what_follows_it() -> None:
    ids = record_some(8)

    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = ANY(%s)", [ids[1], ids[5]])

    assert kinds(verify()[1]) == [("entry_changed", ids[1]), ("entry_changed", ids[5])]
    assert kinds(verify("--from", "4")[1]) == [("entry_changed", ids[5])]


@pytest.mark.django_db
def test_a_removed_entry_is_found() -> None:
    ids = record_some(5)

    tamper("DELETE FROM core_auditentry WHERE id = %s", ids[2])

    assert kinds(verify()[1]) == [("entry_missing", ids[2])]


@pytest.mark.django_db
def test_an_entry_removed_with_its_seal_is_found() -> None:
    ids = record_some(5)

    tamper("DELETE FROM core_auditentry WHERE id = %s", ids[2])
    tamper("DELETE FROM core_auditseal WHERE entry_id = %s", ids[2])

    [fault] = verify()[1]["faults"]
    assert fault["kind"] == "gap"
    assert fault["text"].endswith("seal 3 is missing.")


@pytest.mark.django_db
def test_a_chain_closed_after_a_removal_is_found() -> None:
    ids = record_some(5)

    tamper("DELETE FROM core_auditentry WHERE id = %s", ids[2])
    tamper("DELETE FROM core_auditseal WHERE entry_id = %s", ids[2])
    tamper("UPDATE core_auditseal SET id = id - 1 WHERE id > 3")

    assert ("broken_link", ids[3]) in kinds(verify()[1])


@pytest.mark.django_db
def test_a_seal_made_to_fit_breaks_the_next_link() -> None:
    ids = record_some(3)

    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = %s", ids[0])
    reseal(1)

    assert kinds(verify()[1]) == [("broken_link", ids[1])]


@pytest.mark.django_db
def test_a_chain_that_was_rewritten_does_not_pass_a_checkpoint() -> None:
    ids = record_some(4)
    checkpoint = verify()[1]["checkpoint"]

    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = %s", ids[1])
    for seal in (2, 3, 4):
        reseal(seal)

    assert verify()[0] == 0  # all links fit: whoever can write everything can forge everything
    code, report = verify("--expect", checkpoint)
    assert code == 1
    assert kinds(report) == [("checkpoint", None)]


@pytest.mark.django_db
def test_a_chain_that_was_cut_does_not_pass_a_checkpoint() -> None:
    ids = record_some(4)
    checkpoint = verify()[1]["checkpoint"]
    tamper("DELETE FROM core_auditseal WHERE id > 3")
    tamper("DELETE FROM core_auditentry WHERE id = %s", ids[3])

    assert verify()[0] == 0
    assert kinds(verify("--expect", checkpoint)[1]) == [("checkpoint", None)]
    assert verify("--expect", verify()[1]["checkpoint"])[0] == 0


@pytest.mark.django_db
def test_an_entry_added_behind_the_hubs_back_is_found() -> None:
    record_some(2)

    tamper(
        "INSERT INTO core_auditentry (actor_kind, actor, action, object_type, object_id, source, request_id)"
        " VALUES ('operator', 'anna', 'drained', 'instance', '1', '', '')"
    )

    [fault] = verify()[1]["faults"]
    assert fault["kind"] == "unsealed"


@pytest.mark.django_db
def test_an_entry_removed_before_it_was_sealed_is_found() -> None:
    record_some(2)
    record("drained", "instance", "x")

    tamper("DELETE FROM core_auditentry WHERE object_id = 'x'")

    assert [fault["kind"] for fault in verify()[1]["faults"]] == ["entry_missing"]


@pytest.mark.django_db
def test_a_sealing_that_stands_still_is_told() -> None:
    record_some(1)
    record("drained", "instance", "x")
    tamper("UPDATE core_auditentry SET at = now() - interval '2 minutes' WHERE object_id = 'x'")

    assert [fault["kind"] for fault in verify()[1]["faults"]] == ["waiting"]
    assert verify()[0] == 0


@pytest.mark.django_db
def test_people_are_told_what_was_found_and_what_to_do() -> None:
    ids = record_some(3)
    out = io.StringIO()
    call_command("verify_audit", stdout=out, stderr=io.StringIO())
    assert "Intact: seals 1 to 3." in out.getvalue()
    assert "--expect" in out.getvalue()

    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = %s", ids[1])
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_audit", stdout=out, stderr=io.StringIO())

    assert f"Entry {ids[1]} or its seal 2 was changed." in out.getvalue()
    assert "What to do:" in out.getvalue()


def test_a_checkpoint_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="64 hexadecimal"):
        call_command("verify_audit", "--expect", "5:abc")


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["core_auditentry", "core_auditseal"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}", "DELETE FROM {} WHERE false"]
)
def test_the_database_refuses_to_change_the_audit_even_to_its_owner(table: str, statement: str) -> None:
    record_some(1)

    with use(system("test")), connection.cursor() as cursor, pytest.raises(ProgrammingError, match="only added to"):
        cursor.execute(statement.format(table))


@pytest.mark.usefixtures("transactional_db")
def test_an_entry_that_commits_late_is_sealed_next() -> None:
    with late_entry() as commit:
        ids = record_some(2)
        commit()
    sealing.seal_all()

    sealed = list(AuditSeal.objects.order_by("pk").values_list("entry_id", flat=True))
    assert sealed[:2] == ids
    assert sealed[2] < ids[0]
    assert verify()[0] == 0


@pytest.mark.usefixtures("transactional_db")
def test_many_who_seal_at_once_make_one_chain() -> None:
    def work(number: int) -> None:
        for step in range(10):
            record("drained", "instance", f"{number}/{step}")
            sealing.seal_some(most=3)
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealing.seal_all()

    code, report = verify()
    assert (code, report["verified"]["to"]) == (0, 80)


@pytest.mark.usefixtures("transactional_db")
def test_a_pass_that_is_killed_in_the_middle_has_done_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        record("drained", "instance", number)
    store = sealing._store

    def killed(cursor: Any, *arguments: Any) -> None:
        store(cursor, *arguments)
        with psycopg.connect(database_url(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    monkeypatch.setattr(sealing, "_store", killed)
    with pytest.raises(Exception):  # noqa: B017  # whatever a broken connection raises
        sealing.seal_all()
    connection.close()
    monkeypatch.setattr(sealing, "_store", store)

    assert not AuditSeal.objects.exists()
    tasks.seal_audit()
    assert verify()[1]["verified"]["to"] == 5


@pytest.mark.django_db
def test_the_hub_watches_the_chain_round_by_round() -> None:
    record_some(5)
    now = timezone.now()

    assert verification.check_some(now=now, most=3).position == 3
    note = verification.check_some(now=now, most=3)
    assert (note.position, note.intact_until, note.intact_at, note.fault) == (0, 5, now, "")


@pytest.mark.django_db
def test_a_fault_stays_in_the_note_until_a_round_finds_none() -> None:
    ids = record_some(5)
    now = timezone.now()
    tasks.check_audit()
    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = %s", ids[1])

    for _ in range(3):
        assert verification.check_some(now=now, most=3).fault == f"Entry {ids[1]} or its seal 2 was changed."
    with use(system("test")):
        actor = AuditEntry.objects.get(pk=ids[0]).actor
    tamper("UPDATE core_auditentry SET actor = %s WHERE id = %s", actor, ids[1])

    assert verification.check_some(now=now, most=3).fault  # the round in which it was seen ends
    assert verification.check_some(now=now, most=9).fault == ""


@pytest.mark.django_db
def test_the_watch_finds_a_chain_that_was_rewritten() -> None:
    ids = record_some(3)
    tasks.check_audit()
    tamper("UPDATE core_auditentry SET actor = 'nobody' WHERE id = %s", ids[0])
    for seal in (1, 2, 3):
        reseal(seal)

    assert "was rewritten or cut" in tasks.check_audit()
    assert AuditCheck.objects.get().intact_until == 3


def reseal(number: int) -> None:
    """Make a seal fit its entry and the seal before, as a forger would."""
    with use(system("test")), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ENTRY_SQL} FROM core_auditseal s JOIN core_auditentry e ON e.id = s.entry_id WHERE s.id = %s",
            [number],
        )
        entry = Entry(*cursor.fetchone())
    previous = verification.seal_hash(number - 1) or GENESIS
    forged = link(previous, number, entry)
    tamper("UPDATE core_auditseal SET previous = %s, hash = %s WHERE id = %s", previous, forged, number)


@contextmanager
def late_entry() -> Iterator[Callable[[], None]]:
    """Record an entry in a transaction that stays open until the function that the block gets is called."""
    written, finish = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            record("drained", "instance", "late")
            written.set()
            assert finish.wait(20)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(written.is_set, 20, "the late entry")

    def commit() -> None:
        finish.set()
        thread.join()

    try:
        yield commit
    finally:
        commit()
