"""How far a stream may be cut: never past who counts, never past what is not stored."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.events.trimming import COUNTS_FOR, IDLE_AT_CAP, Cut, Limits, Reader, active_at, alarm, decide
from xerpium_sdk.events.entry import id_key

NOW = dt.datetime(2031, 5, 6, 12, 0, tzinfo=dt.UTC)
LIMITS = Limits(target=1000, hard=5000)
KEEPER = "hub-journal"


def reader(group: str, needs_from: str, *, idle: dt.timedelta = dt.timedelta()) -> Reader:
    return Reader(group=group, needs_from=needs_from, active_at=NOW - idle)


def cuts(length: int, *readers: Reader) -> tuple[Cut, ...]:
    return decide(length=length, readers=readers, keeper=KEEPER, limits=LIMITS, now=NOW).cuts


def test_a_short_stream_is_left_alone() -> None:
    assert cuts(1000, reader(KEEPER, "900-0")) == ()


def test_the_slowest_group_decides() -> None:
    decision = decide(
        length=1500,
        readers=[reader(KEEPER, "900-0"), reader("shop", "40-0"), reader("mail", "70-2")],
        keeper=KEEPER,
        limits=LIMITS,
        now=NOW,
    )
    assert decision.cuts == (Cut(below="40-0", down_to=1000),)
    assert decision.held_by == ("shop",)


def test_a_group_that_was_away_for_a_week_no_longer_counts() -> None:
    assert cuts(1500, reader(KEEPER, "900-0"), reader("shop", "40-0", idle=COUNTS_FOR)) == (
        Cut(below="900-0", down_to=1000),
    )
    almost = COUNTS_FOR - dt.timedelta(seconds=1)
    assert cuts(1500, reader(KEEPER, "900-0"), reader("shop", "40-0", idle=almost))[0].below == "40-0"


def test_what_is_not_stored_stays_whatever_happens() -> None:
    week = COUNTS_FOR * 2
    assert cuts(9000, reader("shop", "900-0")) == ()
    assert cuts(9000, reader("shop", "900-0"), reader(KEEPER, "0-0", idle=week)) == ()
    found = cuts(9000, reader("shop", "900-0"), reader(KEEPER, "30-0", idle=week))
    assert {cut.below for cut in found} == {"30-0"}


def test_at_the_cap_idle_groups_no_longer_count_and_busy_ones_keep_what_is_below_it() -> None:
    idle = reader("shop", "40-0", idle=IDLE_AT_CAP)
    assert cuts(4999, reader(KEEPER, "900-0"), idle) == (Cut(below="40-0", down_to=1000),)
    assert cuts(5000, reader(KEEPER, "900-0"), idle) == (Cut(below="900-0", down_to=1000),)
    busy = reader("mail", "50-0")
    assert cuts(5600, reader(KEEPER, "900-0"), idle, busy) == (
        Cut(below="50-0", down_to=1000),
        Cut(below="900-0", down_to=5000),
    )


IDS = st.builds("{}-{}".format, st.integers(0, 50), st.integers(0, 3))
READERS = st.lists(
    st.builds(
        Reader,
        group=st.sampled_from([KEEPER, "a", "b", "c"]),
        needs_from=IDS | st.just(""),
        active_at=st.integers(0, 14 * 24).map(lambda hours: NOW - dt.timedelta(hours=hours)),
    ),
    unique_by=lambda found: found.group,
)


@given(st.integers(0, 8000), READERS)
def test_no_cut_passes_who_counts_nor_what_is_not_stored(length: int, readers: list[Reader]) -> None:
    decision = decide(length=length, readers=readers, keeper=KEEPER, limits=LIMITS, now=NOW)
    keeper = next((found for found in readers if found.group == KEEPER), None)
    for cut in decision.cuts:
        assert keeper is not None
        assert id_key(cut.below) <= id_key(keeper.needs_from)
        assert cut.down_to >= LIMITS.target
        for found in readers:
            patience = COUNTS_FOR if length < LIMITS.hard else IDLE_AT_CAP
            counts = found.group == KEEPER or NOW - found.active_at < patience
            if counts and cut.down_to < LIMITS.hard:
                assert id_key(cut.below) <= id_key(found.needs_from or "0-0")
    if length < LIMITS.hard:
        assert len(decision.cuts) <= 1
    assert set(decision.held_by) <= {KEEPER, *(found.group for found in readers)}


@pytest.mark.parametrize(
    ("length", "held_by", "told"),
    [
        (3999, ["shop"], ""),
        (4000, ["shop", "mail"], "kept for mail, shop. At the cap"),
        (4000, [KEEPER], "hub-journal is behind"),
        (4000, [], "4,000 of at most 5,000"),
    ],
)
def test_an_alarm_comes_before_the_cap(length: int, held_by: list[str], told: str) -> None:
    found = alarm(length=length, limits=LIMITS, held_by=held_by, keeper=KEEPER)
    assert told in found
    assert bool(found) is bool(told)


def test_activity_is_what_moved_or_what_redis_says() -> None:
    then = NOW - dt.timedelta(days=3)
    same = ("5-0", "3-0", 2)
    assert active_at(before=None, was_active_at=None, after=same, idle_ms=None, now=NOW) == NOW
    assert active_at(before=same, was_active_at=then, after=same, idle_ms=None, now=NOW) == then
    assert active_at(before=same, was_active_at=then, after=("6-0", "3-0", 2), idle_ms=None, now=NOW) == NOW
    assert active_at(before=same, was_active_at=then, after=("5-0", "4-0", 2), idle_ms=10**12, now=NOW) == NOW
    found = active_at(before=same, was_active_at=then, after=same, idle_ms=60_000, now=NOW)
    assert found == NOW - dt.timedelta(minutes=1)
    assert active_at(before=same, was_active_at=then, after=same, idle_ms=10**10, now=NOW) == then
