"""Signing keys as operators see them: stages, the next step, the picture, what is wrong."""

import datetime as dt
from dataclasses import dataclass

import pytest

from apps.serviceauth import keyring
from apps.serviceauth.keyring import draw, next_step, signing_trouble, stage
from xerpium_sdk.wire.registry import Status

NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
WEEK, AHEAD = 7 * DAY, 10 * MINUTE


@dataclass
class Key:
    kid: str
    created_at: dt.datetime
    signs_from: dt.datetime
    signs_until: dt.datetime | None = None
    verifies_until: dt.datetime | None = None
    algorithm: str = "ES256"


OLD = Key("old", NOON - WEEK, NOON - WEEK, NOON + 5 * MINUTE, NOON + HOUR)
NEW = Key("new", NOON - 5 * MINUTE, NOON + 5 * MINUTE)
BOTH = {"old", "new"}


@pytest.mark.parametrize(
    ("key", "now", "usable", "expected"),
    [
        (NEW, NOON, BOTH, keyring.PUBLISHED),
        (NEW, NOON + 5 * MINUTE, BOTH, keyring.SIGNS),
        (OLD, NOON, BOTH, keyring.SIGNS),
        (OLD, NOON + 5 * MINUTE, BOTH, keyring.VERIFIES),
        (OLD, NOON + 5 * MINUTE, set(), keyring.VERIFIES),
        (NEW, NOON, {"old"}, keyring.SEALED),
    ],
)
def test_stages(key: Key, now: dt.datetime, usable: set[str], expected: object) -> None:
    assert stage(key, now, usable) is expected


def test_what_comes_next() -> None:
    def step(keys: list[Key], now: dt.datetime) -> tuple[dt.datetime, str]:
        found = next_step(keys, now, lifetime=WEEK, ahead=AHEAD)
        assert found is not None
        return found.at, found.text

    assert next_step([], NOON, lifetime=WEEK, ahead=AHEAD) is None
    assert step([NEW, OLD], NOON) == (NOON + 5 * MINUTE, "new takes over")
    assert step([NEW, OLD], NOON + 6 * MINUTE) == (NOON + HOUR, "old is forgotten with its last token")
    assert step([NEW], NOON + DAY) == (NOON + 5 * MINUTE + WEEK - AHEAD, "the next key is made and published")


def test_the_picture_has_each_key_from_its_publication_to_its_end() -> None:
    ring = draw([NEW, OLD], NOON, BOTH, lifetime=WEEK)
    new, old = ring.lanes
    assert [segment.word for segment in new.segments] == ["published", "signs"]
    assert [segment.word for segment in old.segments] == ["signs", "verifies"]
    for lane in ring.lanes:
        ends = [round(segment.start + segment.width, 1) for segment in lane.segments]
        assert [round(segment.start, 1) for segment in lane.segments[1:]] == ends[:-1]
    assert old.segments[0].start == 0
    assert old.segments[0].start < ring.now < old.segments[0].start + old.segments[0].width
    assert round(new.segments[-1].start + new.segments[-1].width, 1) == 100
    assert (new.goes_on, old.goes_on) == (True, False)
    assert [tick.word for tick in ring.ticks] == ["7 d ago", "now", "in 7 d"]
    assert all(segment.width >= 3 for lane in ring.lanes for segment in lane.segments)
    assert draw([], NOON, (), lifetime=WEEK).lanes == []


@pytest.mark.parametrize(
    ("kids", "since", "follows", "status"),
    [
        ((), None, False, None),
        (("a",), NOON - WEEK, False, None),
        (("a",), NOON - WEEK - DAY, False, None),
        (("a",), NOON - WEEK - DAY - MINUTE, True, None),
        (("a",), NOON - WEEK - DAY - MINUTE, False, Status.DEGRADED),
        (("a",), None, False, Status.UNHEALTHY),
    ],
)
def test_what_is_wrong(kids: tuple[str, ...], since: dt.datetime | None, follows: bool, status: Status | None) -> None:
    found = signing_trouble(kids=kids, signs_since=since, follows=follows, now=NOON, lifetime=WEEK)
    assert (found.status if found else None) == status
