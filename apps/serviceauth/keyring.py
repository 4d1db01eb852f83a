"""Signing keys as operators see them: what each is for now, what comes next, and all of them on one line of time. Pure.

Places are percent of the width; time is not quite to scale (`_scale`).
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

from apps.core.badges import Badge
from apps.core.times import ago, spell
from apps.serviceauth.timeline import Tick
from xerpium_sdk.wire.registry import Status

__all__ = ["Lane", "NextStep", "Ring", "Segment", "SigningTrouble", "draw", "next_step", "signing_trouble", "stage"]

PUBLISHED = Badge("published", "violet", "M8 13V3.6M3.8 7.6 8 3.4l4.2 4.2", "Verifiers learn it; it signs soon.")
SIGNS = Badge("signs", "green", "M3 8.6 6.4 12 13 4.4", "Every new token is signed with it.")
VERIFIES = Badge("verifies", "blue", "M5.4 3.4v9.2M10.6 3.4v9.2", "Signs no more; kept until its last token has ended.")
SEALED = Badge(
    "sealed", "red", "M3.8 3.8l8.4 8.4M12.2 3.8 3.8 12.2", "Cannot sign: KEY_PEPPERS are not those it was sealed with."
)
LATE = dt.timedelta(days=1)
"""A key may sign for so long more than it is meant to before somebody is told."""
LEAST = dt.timedelta(hours=1)
ROOM = 20.0
"""Percent of the width that a word at the end of the line needs; it is left out where "now" is nearer."""
LEAST_SEEN = 3.0
"""Percent of the width that every stretch of time has."""


class SigningKeyLike(Protocol):
    """What is looked at of a key."""

    kid: str
    algorithm: str
    created_at: dt.datetime
    signs_from: dt.datetime
    signs_until: dt.datetime | None
    verifies_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class NextStep:
    """What happens to the keys next without anybody's doing."""

    at: dt.datetime
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a key's life: ``published``, ``signs`` or ``verifies``."""

    word: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A key with its life; ``goes_on`` is set where the picture ends before it."""

    key: SigningKeyLike
    badge: Badge
    segments: Sequence[Segment]
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys, in the order in which they were given, and where now is."""

    lanes: Sequence[Lane]
    now: float
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class SigningTrouble:
    """What is wrong with the keys, and what to do."""

    status: Status
    text: str
    mend: str


def stage(key: SigningKeyLike, now: dt.datetime, usable: Collection[str]) -> Badge:
    """Return what a key is for now; ``usable`` are the ids of those that can be unsealed."""
    if key.signs_until is not None and key.signs_until <= now:
        return VERIFIES
    if key.kid not in usable:
        return SEALED
    return SIGNS if key.signs_from <= now else PUBLISHED


def next_step(
    keys: Sequence[SigningKeyLike], now: dt.datetime, *, lifetime: dt.timedelta, ahead: dt.timedelta
) -> NextStep | None:
    """Return what happens next; None where there is no key yet.

    Args:
        keys: all keys.
        now: the present.
        lifetime: how long a key signs.
        ahead: how long before it signs a key is published.
    """
    steps = []
    for key in keys:
        if key.signs_from > now:
            steps.append(NextStep(key.signs_from, f"{key.kid} takes over"))
        elif key.signs_until is None:
            steps.append(NextStep(key.signs_from + lifetime - ahead, "the next key is made and published"))
        if key.verifies_until is not None and key.verifies_until > now:
            steps.append(NextStep(key.verifies_until, f"{key.kid} is forgotten with its last token"))
    return min(steps, key=lambda step: step.at, default=None)


def draw(keys: Sequence[SigningKeyLike], now: dt.datetime, usable: Collection[str], *, lifetime: dt.timedelta) -> Ring:
    """Return all keys on one line of time around ``now``."""
    begin = min((key.created_at for key in keys), default=now)
    begin = min(begin, now - LEAST)
    last = max((_last(key, lifetime) for key in keys), default=now)
    last = max(last, now + LEAST, now + (now - begin) / 8)

    moments = {begin, last, now}.union(*(_moments(key) for key in keys))
    place = _scale(sorted(moment for moment in moments if begin <= moment <= last))
    lanes = [Lane(key, stage(key, now, usable), _segments(key, last, place), key.signs_until is None) for key in keys]
    ticks = [Tick(place(now), "now", now)]
    if place(now) > ROOM:
        ticks.insert(0, Tick(0.0, ago(begin, now), begin))
    if place(now) < 100 - ROOM:
        ticks.append(Tick(100.0, ago(last, now), last))
    return Ring(lanes, place(now), ticks)


def signing_trouble(
    *, kids: Collection[str], signs_since: dt.datetime | None, follows: bool, now: dt.datetime, lifetime: dt.timedelta
) -> SigningTrouble | None:
    """Return what is wrong with the keys; None when they do their work, or when nobody has needed one yet.

    Args:
        kids: the ids of all keys.
        signs_since: since when the present one signs; None: none can.
        follows: whether another waits to take over.
        now: the present.
        lifetime: how long a key is meant to sign.
    """
    if not kids:
        return None
    if signs_since is None:
        text = (
            "No token can be signed: the signing keys were sealed with another pepper. Tokens that are out stay good."
        )
        mend = (
            "Put the secret of before back into KEY_PEPPERS. If it is lost, withdraw the keys:"
            " manage.py rotate_signing_keys --withdraw KID."
        )
        return SigningTrouble(Status.UNHEALTHY, text, mend)
    age = now - signs_since
    if age > lifetime + LATE and not follows:
        text = f"The signing key should have been replaced after {spell(lifetime)}, and has signed for {spell(age)}."
        return SigningTrouble(Status.DEGRADED, text, "Start Celery beat and a worker, or look into their logs.")
    return None


def _moments(key: SigningKeyLike) -> set[dt.datetime]:
    found = (key.created_at, key.signs_from, key.signs_until, key.verifies_until)
    return {moment for moment in found if moment is not None}


def _scale(edges: Sequence[dt.datetime]) -> Callable[[dt.datetime], float]:
    """Return where a moment is: as on a clock, but that no stretch between two edges is too short to be seen.

    Beside the week in which a key signs, the ten minutes before it would be nothing.
    """
    gaps = [(end - start) / (edges[-1] - edges[0]) * 100 for start, end in pairwise(edges)]
    least = min(LEAST_SEEN, 50 / len(gaps))
    spare = sum(max(gap - least, 0.0) for gap in gaps)
    room = 100 - least * len(gaps)
    places = list(accumulate((least + max(gap - least, 0.0) / spare * room for gap in gaps), initial=0.0))

    def place(moment: dt.datetime) -> float:
        return round(places[bisect_left(edges, min(max(moment, edges[0]), edges[-1]))], 2)

    return place


def _last(key: SigningKeyLike, lifetime: dt.timedelta) -> dt.datetime:
    return key.verifies_until or key.signs_until or key.signs_from + lifetime


def _segments(key: SigningKeyLike, last: dt.datetime, place: Callable[[dt.datetime], float]) -> list[Segment]:
    signs_until = key.signs_until or last
    edges = [
        ("published", key.created_at, min(key.signs_from, signs_until)),
        ("signs", key.signs_from, signs_until),
        ("verifies", signs_until, key.verifies_until or signs_until),
    ]
    return [
        Segment(word, place(start), round(place(end) - place(start), 2)) for word, start, end in edges if end > start
    ]
