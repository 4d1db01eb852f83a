"""Protection mode on stored leases and polls: its borders, what it holds back, and that it ends by itself."""

from typing import Any

import pytest
from django.conf import settings

from apps.core.redis import client
from apps.events.models import OutboxEntry
from apps.registry import leases, selectors
from apps.registry.documents import Row
from apps.registry.models import Instance, Protection, Vitals
from apps.registry.prober import ProbeResult
from apps.registry.services import expiry, leadership, polling
from apps.registry.services.expiry import Swept
from apps.registry.services.polling import Polled
from tests.support import services
from tests.support.registry import NOW, end_leases, events, seconds
from xerpium_sdk.wire.keys import REGISTRY_PROTECTION

pytestmark = pytest.mark.usefixtures("hub")


def register(count: int, **declared: Any) -> list[Row]:
    return [services.register("orders", number, now=NOW, **declared) for number in range(count)]


def sweep(after: float) -> Swept:
    done = expiry.sweep(now=NOW + seconds(after))
    assert done is not None
    return done


def fall_silent(rows: list[Row], after: float) -> None:
    """Let the leases of ``rows`` be over at ``after`` seconds."""
    end_leases((row["id"] for row in rows), NOW + seconds(after))


def answer(rows: list[Row], after: float, *, failing: int = 0) -> None:
    """Poll ``rows`` at ``after`` seconds; the first ``failing`` of them fail."""
    now = NOW + seconds(after)
    Vitals.objects.update(next_due_at=now)
    due = {check.target.instance_pk: check for check in polling.claim_due(now=now)}
    term = leadership.lead(leadership.POLL, now=now, holder="test")
    assert term is not None
    results = [
        ProbeResult(row["id"], False, "unhealthy", 503, 9.0, "HTTP 503", "")
        if number < failing
        else ProbeResult(row["id"], True, "healthy", 200, 9.0, "HTTP 200", "")
        for number, row in enumerate(rows)
    ]
    polling.polls_record(due=due, results=results, term=term, now=now, total=Polled())


def statuses() -> set[str]:
    return set(Instance.objects.values_list("status", flat=True))


@pytest.mark.parametrize(
    ("total", "lost", "protected"),
    [(20, 8, False), (20, 9, True), (8, 4, False), (12, 5, True), (13, 5, False), (5, 5, True), (4, 4, False)],
)
def test_more_than_two_fifths_of_the_leases_and_at_least_five(total: int, lost: int, protected: bool) -> None:
    rows = register(total)
    sweep(0)
    fall_silent(rows[:lost], 1)
    assert sweep(1) == (Swept(held=lost) if protected else Swept(stale=lost))
    assert Instance.objects.filter(status="stale").count() == (0 if protected else lost)
    assert selectors.protection_is_active() is protected


@pytest.mark.parametrize(
    ("total", "failing", "protected"), [(10, 5, False), (10, 6, True), (6, 4, False), (8, 5, True), (5, 5, True)]
)
def test_more_than_half_of_the_polls_and_at_least_five(total: int, failing: int, protected: bool) -> None:
    rows = register(total)
    answer(rows, 0)
    answer(rows, 30, failing=failing)
    sweep(31)
    assert selectors.protection_is_active() is protected
    answer(rows, 60, failing=failing)
    answer(rows, 90, failing=failing)
    assert Instance.objects.filter(status="unhealthy").count() == (0 if protected else failing)


def test_what_operators_and_programs_are_told() -> None:
    rows = register(10)
    sweep(0)
    fall_silent(rows, 1)
    sweep(1)
    found = selectors.protection()
    assert (found.since, found.reason) == (NOW + seconds(1), "10 of 10 leases ran out at once")
    assert events()[-1] == "protection_entered"
    event = OutboxEntry.objects.order_by("-id")[0].fields
    assert (event["entity_type"], event["entity_id"], event["company_id"]) == ("hub", "", "")
    assert "10 of 10 leases" in event["data"]
    assert client().ttl(REGISTRY_PROTECTION) <= 5


def test_it_ends_when_all_are_back() -> None:
    rows = register(10)
    sweep(0)
    fall_silent(rows, 1)
    sweep(1)
    leases.renew([(row["id"], 90) for row in rows], NOW + seconds(5))
    for moment in range(5, 15):
        sweep(moment)
        assert selectors.protection_is_active()
    assert sweep(15) == Swept()
    assert not selectors.protection_is_active()
    assert events()[-1] == "protection_left"
    assert statuses() == {"starting"}


def test_it_ends_when_it_has_lasted_too_long() -> None:
    """Then the losses are real; it does not begin again for the same ones."""
    rows = register(10, lease_seconds=3600)
    sweep(0)
    fall_silent(rows[:9], 1)
    for moment in range(1, settings.PROTECTION_MAX_SECONDS + 1, 5):
        assert sweep(moment) == Swept(held=9)
    assert sweep(settings.PROTECTION_MAX_SECONDS + 1) == Swept(stale=9)
    assert events().count("protection_entered") == 1
    assert Protection.objects.get().since is None
    assert sweep(settings.PROTECTION_MAX_SECONDS + 2) == Swept()


def test_the_stale_do_not_leave_while_it_lasts() -> None:
    first = register(1, lease_seconds=5, deregister_after_seconds=60)
    sweep(0)
    sweep(5)
    assert statuses() == {"stale"}
    rows = [services.register("orders", number, now=NOW + seconds(6)) for number in range(1, 11)]
    for moment in range(8, 58, 7):
        sweep(moment)
    fall_silent(rows, 60)
    for moment in range(60, 90, 5):
        assert sweep(moment) == Swept(held=10)
    assert Instance.objects.get(pk=first[0]["id"]).status == "stale"


def test_polls_take_down_those_who_stay_down_after_it() -> None:
    rows = register(10)
    answer(rows, 0)
    answer(rows, 30, failing=9)
    sweep(30)
    answer(rows, 60, failing=9)
    answer(rows, 90, failing=2)
    for moment in range(91, 103):
        sweep(moment)
    assert not selectors.protection_is_active()
    assert statuses() == {"healthy"}
    answer(rows, 120, failing=2)
    assert sorted(Instance.objects.values_list("status", flat=True)) == ["healthy"] * 8 + ["unhealthy"] * 2


def test_who_is_down_already_does_not_count() -> None:
    rows = register(20, lease_seconds=3600)
    answer(rows, 0)
    for moment in (30, 60, 90):
        answer(rows, moment, failing=10)
    assert Instance.objects.filter(status="unhealthy").count() == 10
    answer(rows, 120, failing=15)
    sweep(121)
    assert not selectors.protection_is_active()


def test_good_polls_still_count_while_it_lasts() -> None:
    rows = register(10)
    sweep(0)
    fall_silent(rows, 1)
    sweep(1)
    answer(rows, 2)
    assert statuses() == {"healthy"}
