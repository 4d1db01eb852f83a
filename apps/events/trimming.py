"""How far a stream may be cut. Pure: it decides from facts, and somebody else cuts.

A stream is cut down to its target, never past an entry that a counted group has not acknowledged, nor past one that the
keeper has not: the group that copies the stream somewhere (the journal), so that nothing is gone before it is stored.
A group counts while it was active within the last week. At the hard cap memory comes first: groups that did nothing for
an hour no longer count, and of what is above the cap not even busy ones can keep anything. The keeper always counts.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xerpium_sdk.events.entry import BEGINNING, id_key

__all__ = [
    "ALARM_SHARE",
    "COUNTS_FOR",
    "IDLE_AT_CAP",
    "Cut",
    "Decision",
    "Limits",
    "Reader",
    "active_at",
    "alarm",
    "decide",
]

COUNTS_FOR = dt.timedelta(days=7)
IDLE_AT_CAP = dt.timedelta(hours=1)
ALARM_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A group of the stream: the oldest id that it still needs, and when it last did anything."""

    group: str
    needs_from: str
    active_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Entries that a stream is cut down to, and the most that it may hold."""

    target: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Cut entries with ids below ``below``, until at most ``down_to`` are left."""

    below: str
    down_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to cut, in this order, and the groups that keep the stream from being cut further."""

    cuts: tuple[Cut, ...]
    held_by: tuple[str, ...]


def decide(*, length: int, readers: Sequence[Reader], keeper: str, limits: Limits, now: dt.datetime) -> Decision:
    """Return what may be cut off a stream of ``length`` entries that ``readers`` read and ``keeper`` stores."""
    stored = [reader for reader in readers if reader.group == keeper]
    if not stored:
        return Decision(cuts=(), held_by=(keeper,) if length > limits.target else ())
    if length <= limits.target:
        return Decision(cuts=(), held_by=())
    is_full = length >= limits.hard
    patience = IDLE_AT_CAP if is_full else COUNTS_FOR
    counted = [reader for reader in readers if reader.group == keeper or now - reader.active_at < patience]
    below = _slowest(counted)
    held_by = tuple(sorted(reader.group for reader in counted if reader.needs_from == below))
    cuts = [Cut(below=below, down_to=limits.target)]
    if length > limits.hard:
        cuts.append(Cut(below=_slowest(stored), down_to=limits.hard))
    return Decision(cuts=tuple(cut for cut in cuts if cut.below != BEGINNING), held_by=held_by)


def alarm(*, length: int, limits: Limits, held_by: Iterable[str], keeper: str) -> str:
    """Return what threatens to be lost when a stream goes on growing; ``""`` while it is far from its cap."""
    if length < ALARM_SHARE * limits.hard:
        return ""
    share = f"{length:,} of at most {limits.hard:,} entries"
    holders = sorted(held_by)
    if keeper in holders:
        return f"{share}: {keeper} is behind, and what it has not stored cannot be cut."
    if holders:
        return f"{share}: kept for {', '.join(holders)}. At the cap what they have not read is cut."
    return f"{share}."


def active_at(
    *,
    before: tuple[str, str, int] | None,
    was_active_at: dt.datetime | None,
    after: tuple[str, str, int],
    idle_ms: int | None,
    now: dt.datetime,
) -> dt.datetime:
    """Return when a group last did anything, from two looks at it.

    ``before`` and ``after`` are (last delivered id, oldest pending id, number of pending entries); what moved between
    the looks was done since. ``idle_ms`` is what Redis says of its consumers. Redis 6.2 notes no consumer that asks and
    gets nothing, which does no harm: a group that has read everything keeps nothing.
    """
    if before is None or was_active_at is None or before != after:
        return now
    if idle_ms is None:
        return was_active_at
    return max(was_active_at, now - dt.timedelta(milliseconds=idle_ms))


def _slowest(readers: Iterable[Reader]) -> str:
    return min((reader.needs_from or BEGINNING for reader in readers), key=id_key)
