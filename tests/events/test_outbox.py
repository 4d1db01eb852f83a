"""Writing to the outbox."""

import datetime as dt
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.events import services
from apps.events.models import OutboxEntry
from apps.events.selectors import outbox_state
from tests.events.conftest import make_event


def rows() -> list[tuple[str, str | None, dict[str, str]]]:
    return list(OutboxEntry.objects.order_by("id").values_list("stream", "entry_id", "fields"))


@pytest.mark.usefixtures("transactional_db")
def test_an_event_without_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError, match=r"transaction\.atomic"):
        services.publish(make_event())
    assert rows() == []


@pytest.mark.usefixtures("transactional_db")
def test_an_event_shares_the_fate_of_its_transaction() -> None:
    kept = make_event(1)
    with transaction.atomic():
        services.publish(kept)
    with transaction.atomic():
        services.publish(make_event(2))
        transaction.set_rollback(True)
    assert rows() == [("xerpium:hub", None, kept.encode())]


@pytest.mark.django_db
def test_many_keep_their_order_and_their_ids() -> None:
    entries = [("xerpium:hub", {"n": str(n)}, f"{n}-0" if n % 2 else None) for n in range(50)]
    services.append_many(entries)
    assert rows() == [(stream, entry_id, fields) for stream, fields, entry_id in entries]


@pytest.mark.django_db
def test_nothing_to_append_is_no_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        services.publish_many([])
    with django_assert_num_queries(1):
        services.publish_many([make_event(n) for n in range(10)])


@pytest.mark.django_db
def test_text_of_any_kind_survives() -> None:
    strange = {"q'uote": 'back\\slash "and" \n newline', "emoji": "🦀", "empty": ""}
    services.append("xerpium:hub", strange)
    assert rows()[0][2] == strange


def test_the_relay_is_woken_by_the_commit_and_not_before(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {services.CHANNEL}")
        with transaction.atomic():
            services.publish(make_event())
            assert list(listener.notifies(timeout=0.05)) == []
        assert [woken.channel for woken in listener.notifies(timeout=5, stop_after=1)] == [services.CHANNEL]


def test_a_statement_may_announce_what_it_changes(dsn: str) -> None:
    announced = services.outbox_insert("SELECT 'xerpium:hub', NULL, jsonb_build_object('n', n::text) FROM changed")
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {services.CHANNEL}")
        with connection.cursor() as cursor:
            cursor.execute(f"WITH changed AS (SELECT 7 AS n), announced AS ({announced}) SELECT n FROM changed")
        assert len(list(listener.notifies(timeout=5, stop_after=1))) == 1
    assert rows() == [("xerpium:hub", None, {"n": "7"})]


@pytest.mark.django_db
def test_the_state_counts_what_waits_and_what_is_parked() -> None:
    assert outbox_state().pending == 0
    services.publish_many([make_event(n) for n in range(4)])
    first, second, third, _ = OutboxEntry.objects.order_by("id")
    OutboxEntry.objects.filter(pk=first.pk).update(created_at=timezone.now() - dt.timedelta(hours=1))
    OutboxEntry.objects.filter(pk=second.pk).update(parked_at=timezone.now(), error="ValueError: x")
    OutboxEntry.objects.filter(pk=third.pk).update(relayed_as="1-0", relayed_at=timezone.now())
    state = outbox_state()
    assert (state.pending, state.parked) == (2, 1)
    assert 3590 < state.oldest_seconds < 3700


@pytest.mark.django_db
def test_only_what_was_relayed_long_ago_is_forgotten() -> None:
    now = timezone.now()
    services.publish_many([make_event(n) for n in range(3)])
    old, fresh, pending = OutboxEntry.objects.order_by("id")
    OutboxEntry.objects.filter(pk=old.pk).update(relayed_as="1-0", relayed_at=now - dt.timedelta(minutes=61))
    OutboxEntry.objects.filter(pk=fresh.pk).update(relayed_as="2-0", relayed_at=now - dt.timedelta(minutes=59))
    assert services.outbox_prune(now=now) == 1
    assert set(OutboxEntry.objects.values_list("pk", flat=True)) == {fresh.pk, pending.pk}
