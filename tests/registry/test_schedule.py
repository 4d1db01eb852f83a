"""When instances are polled: soon, evenly spread, in the same rhythm, and rarely when they are dead."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.registry.schedule import LONGEST_BACKOFF_SECONDS, first_due, next_due

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
pks = st.integers(1, 10**9)
intervals = st.sampled_from([1, 5, 10, 30, 60, 3600])
times = st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def seconds(due: datetime, since: datetime) -> float:
    return (due - since).total_seconds()


class TestFirstDue:
    @given(pks, times, intervals)
    def test_polling_starts_within_ten_seconds(self, pk: int, registered_at: datetime, interval: int) -> None:
        wait = seconds(first_due(pk, registered_at, interval), registered_at)
        assert 0 <= wait <= min(interval, 10)

    def test_a_thousand_that_register_at_once_are_spread(self) -> None:
        per_second = Counter(int(seconds(first_due(pk, NOW, 30), NOW)) for pk in range(1000))
        assert set(per_second) == set(range(10))
        assert max(per_second.values()) < 150


class TestNextDue:
    @given(pks, times, intervals)
    def test_it_is_ahead_and_not_far(self, pk: int, now: datetime, interval: int) -> None:
        wait = seconds(next_due(pk, now, interval), now)
        assert 0.04 * interval < wait < 1.26 * interval

    @given(pks, times, intervals)
    def test_the_rhythm_is_the_interval_give_or_take_a_tenth(self, pk: int, now: datetime, interval: int) -> None:
        dues = [next_due(pk, now, interval)]
        for _ in range(20):
            dues.append(next_due(pk, dues[-1] + timedelta(milliseconds=20), interval))
        steps = [seconds(after, before) for before, after in pairwise(dues)]
        assert all(0.79 * interval < step < 1.21 * interval for step in steps)
        assert abs(sum(steps) - 20 * interval) < 0.21 * interval

    @given(pks, intervals)
    def test_a_hub_that_starts_again_finds_the_same_rhythm(self, pk: int, interval: int) -> None:
        due = next_due(pk, NOW, interval)
        before = NOW + timedelta(seconds=0.001 * interval)
        assert next_due(pk, before, interval) == due or seconds(due, before) < 0.3 * interval

    def test_instances_are_spread_over_the_interval_and_stay_so(self) -> None:
        for now in (NOW, NOW + timedelta(hours=1)):
            per_second = Counter(int(seconds(next_due(pk, now, 30), now)) for pk in range(3000))
            assert max(per_second.values()) < 200

    def test_neighbours_do_not_meet_in_every_round(self) -> None:
        meetings = 0
        one = other = NOW
        for _ in range(50):
            one, other = next_due(1, one, 30), next_due(2, other, 30)
            meetings += abs(seconds(one, other)) < 0.5
        assert meetings < 10


class TestBackoff:
    @given(pks, times, st.integers(0, 10**6))
    def test_with_a_lease_failures_change_nothing(self, pk: int, now: datetime, failures: int) -> None:
        assert next_due(pk, now, 30, failures=failures) == next_due(pk, now, 30)

    @given(pks, times, st.integers(0, 10**6))
    def test_a_stale_one_is_polled_at_least_about_every_five_minutes(
        self, pk: int, now: datetime, failures: int
    ) -> None:
        wait = seconds(next_due(pk, now, 30, stale=True, failures=failures), now)
        assert wait < 1.26 * LONGEST_BACKOFF_SECONDS

    @given(pks, times)
    def test_a_stale_one_is_polled_less_often_with_every_failure(self, pk: int, now: datetime) -> None:
        for failures, interval in [(0, 30), (1, 60), (2, 120), (3, 240), (4, 300), (50, 300)]:
            due = next_due(pk, now, 30, stale=True, failures=failures)
            assert due == next_due(pk, now, interval)

    @given(pks, times)
    def test_an_interval_longer_than_the_backoff_stays(self, pk: int, now: datetime) -> None:
        assert next_due(pk, now, 3600, stale=True, failures=9) == next_due(pk, now, 3600)
