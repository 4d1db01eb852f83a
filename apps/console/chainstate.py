"""How far the audit is known to be as it was written: what the explorer says, and the bar that it draws. Pure."""

import datetime as dt
from dataclasses import dataclass

from apps.core.times import spell
from xerpium_sdk.wire.registry import Status

__all__ = ["UNWATCHED", "ChainFacts", "ChainState", "Piece", "chain_state"]

UNWATCHED = dt.timedelta(minutes=15)
"""The chain is looked at every two minutes; a round over a long one takes several of these."""
WIDTH = 1000.0
LEAST = 6.0
"""How narrow a piece may be drawn: one entry among millions is still seen."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What is stored: seals, the entries that wait for one, and how the last look went.

    ``intact_until`` is the last seal of the last round that found no fault; ``position`` how far the present one is.
    """

    seals: int
    waiting: int
    intact_until: int
    intact_at: dt.datetime | None
    position: int
    looked_at: dt.datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the bar: its colour's name, where it begins and how long it is (of 1000), and what it stands for."""

    tone: str
    start: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """What is said, and what is drawn; ``mend`` is what to do, empty when nothing is wrong."""

    status: Status
    word: str
    text: str
    mend: str
    pieces: tuple[Piece, ...]


def chain_state(facts: ChainFacts, now: dt.datetime) -> ChainState:
    """Return what to say of the chain, what is wrong first."""
    pieces = _pieces(facts)
    if facts.fault:
        return ChainState(
            Status.UNHEALTHY,
            "broken",
            f"The audit is not as it was written. {facts.fault}",
            "Leave the database as it is, run manage.py verify_audit, and compare with a backup.",
            pieces,
        )
    if not facts.seals and not facts.waiting:
        return ChainState(Status.STARTING, "empty", "Nothing has been recorded yet.", "", pieces)
    if facts.looked_at is None:
        text = "The first look at the chain comes within two minutes of a start, from Celery beat and a worker."
        return ChainState(Status.STARTING, "not looked at yet", text, "", pieces)
    if now - facts.looked_at > UNWATCHED:
        since = f"for {spell(now - facts.looked_at)}"
        mend = "Start a Celery worker and Celery beat, or run manage.py verify_audit."
        return ChainState(Status.DEGRADED, "unwatched", f"Nobody has looked at the chain {since}.", mend, pieces)
    until = "No round over the chain has ended yet"
    if facts.intact_until and facts.intact_at is not None:
        ago = spell(now - facts.intact_at)
        until = f"Every entry up to number {facts.intact_until:,} is as it was written; found {ago} ago"
    rest = facts.seals - facts.intact_until
    more = f" Looked at in the next round: {rest:,} newer." if rest > 0 else ""
    queue = f" Sealed within seconds: {facts.waiting:,} that just came." if facts.waiting else ""
    return ChainState(Status.HEALTHY, "intact", f"{until}.{more}{queue}", "", pieces)


def _pieces(facts: ChainFacts) -> tuple[Piece, ...]:
    total = facts.seals + facts.waiting
    if not total:
        return ()
    left = facts.seals - facts.intact_until
    rest = f"sealed, with a fault among them: {left:,}" if facts.fault else f"sealed, looked at next: {left:,}"
    verified = "verified before the fault was found" if facts.fault else "verified"
    counts = [
        ("amber" if facts.fault else "green", facts.intact_until, f"{verified}: {facts.intact_until:,}"),
        ("red" if facts.fault else "blue", left, rest),
        ("grey", facts.waiting, f"waiting for a seal: {facts.waiting:,}"),
    ]
    pieces, start = [], 0.0
    shown = [(tone, count, words) for tone, count, words in counts if count > 0]
    room = WIDTH - LEAST * len(shown)
    for tone, count, words in shown:
        width = LEAST + room * count / sum(one[1] for one in shown)
        pieces.append(Piece(tone, round(start, 1), round(width, 1), words))
        start += width
    return tuple(pieces)
