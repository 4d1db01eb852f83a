"""How groups and streams are doing, in words: what is wrong, how far behind, and what to do. Pure.

A group is judged by how long its oldest entry has waited and by whether anybody works on it; how many entries wait says
little by itself: a thousand are nothing for a group that handles ten thousand a second.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.badges import Badge
from apps.core.times import spell
from apps.events.wording import CROSS, DASH, MARK, OK, RING

__all__ = ["CALM_SECONDS", "Condition", "GroupFigures", "Level", "StreamFigures", "group_condition", "stream_condition"]

CALM_SECONDS = 30.0
"""What waits for less than this is on its way."""
STILL_SECONDS = 60.0
"""A group that did nothing for longer, with work waiting, stands still."""
NEAR_SHARE = 0.5
"""A stream that has used this share of its hard cap is worth a word."""


@dataclass(frozen=True, slots=True)
class Level:
    """How bad it is; the smaller ``rank``, the sooner somebody should look."""

    rank: int
    badge: Badge


STUCK = Level(0, Badge("stands still", "red", CROSS, "Events wait, and nobody handles them."))
BEHIND = Level(1, Badge("behind", "amber", MARK, "It works, and is behind."))
EMPTY = Level(2, Badge("nobody listens", "grey", DASH, "Nothing waits, and no consumer runs."))
FINE = Level(3, Badge("up to date", "green", OK, "It handles events as they come."))
QUIET = Level(4, Badge("no replays", "faint", RING, "Nothing was sent again."))


@dataclass(frozen=True, slots=True)
class Condition:
    """A finding: how bad, what, and what to do about it."""

    level: Level
    text: str
    mend: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should look."""
        return self.level.rank <= BEHIND.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """What is known of a group on one stream.

    Attributes:
        group: its name.
        lag: entries not read; None where nobody can tell.
        pending: entries read and not acknowledged.
        lag_seconds: age of the oldest of both.
        consumers: names that Redis knows.
        alive: consumers that beat within the last seconds; None where none of them runs on our engine.
        still_seconds: since it last did anything; None where that is not known.
    """

    group: str
    lag: int | None
    pending: int
    lag_seconds: float
    consumers: int
    alive: int | None
    still_seconds: float | None

    @property
    def waits(self) -> bool:
        """Whether anything waits."""
        return self.lag != 0 or self.pending > 0 or self.lag_seconds > 0

    @property
    def behind(self) -> int | None:
        """Entries that it has not acknowledged; None where nobody can tell."""
        return None if self.lag is None else self.lag + self.pending


def group_condition(facts: GroupFigures) -> Condition:
    """Return how a group is doing on one stream."""
    nobody = facts.alive == 0 or (facts.alive is None and facts.consumers == 0)
    if not facts.waits:
        if nobody:
            text = f"{facts.group} has handled everything, and no consumer of it runs now."
            return Condition(EMPTY, text, "What comes next waits until its service runs again.")
        return Condition(FINE, f"{facts.group} has handled everything.")
    told = f"{facts.group} is {_count(facts.behind)} behind; the oldest has waited {_spell(facts.lag_seconds)}."
    if facts.lag_seconds < CALM_SECONDS:
        return Condition(FINE, told)
    if nobody:
        return Condition(STUCK, f"{told} No consumer of it runs.", "Start its service: it goes on where it stopped.")
    if facts.still_seconds is not None and facts.still_seconds > STILL_SECONDS:
        text = f"{told} It has done nothing for {_spell(facts.still_seconds)}."
        return Condition(STUCK, text, _how_to_move(facts))
    if facts.alive is None:
        mend = "Its consumers do not say how they are doing: look at the log of its service."
        return Condition(BEHIND, told, mend)
    return Condition(BEHIND, told, "If it does not catch up: look which of its handlers is slow, or fails.")


def _how_to_move(facts: GroupFigures) -> str:
    if facts.alive is None:
        return "Its consumers do not say how they are doing: look whether its service hangs, and restart it."
    return "Its consumers live: look which of its handlers hangs or fails, and read its service's log."


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFigures:
    """What is known of a stream: entries, the length it is trimmed to, its hard cap, who holds it, and its alarm."""

    stream: str
    length: int
    target: int
    hard_max: int
    held_by: tuple[str, ...]
    alarm: str

    @property
    def share(self) -> float:
        """How much of the hard cap is used, from 0 on."""
        return self.length / self.hard_max


def stream_condition(facts: StreamFigures) -> Condition:
    """Return how a stream is doing."""
    if facts.alarm:
        return Condition(STUCK, f"{facts.stream}: {facts.alarm}", _how_to_release(facts.held_by))
    text = f"{facts.stream} holds {facts.length:,} entries, {facts.share:.0%} of its cap of {facts.hard_max:,}."
    if facts.held_by and facts.length > facts.target:
        return Condition(BEHIND, text, _how_to_release(facts.held_by))
    if facts.share >= NEAR_SHARE:
        return Condition(BEHIND, text, "It is trimmed as soon as every group has acknowledged its oldest entries.")
    return Condition(FINE, text)


def _how_to_release(held_by: Iterable[str]) -> str:
    names = ", ".join(held_by)
    if not names:
        return "Publish less, or raise EVENTS_HARD_MAX_LENGTH if Redis has the memory for it."
    return f"{names} holds it: let it catch up, or delete the group if nobody needs it any more."


def _count(number: int | None) -> str:
    if number is None:
        return "an unknown number of events"
    return "1 event" if number == 1 else f"{number:,} events"


def _spell(seconds: float) -> str:
    return spell(dt.timedelta(seconds=seconds))
