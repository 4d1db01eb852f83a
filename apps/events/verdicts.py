"""What the hub makes of an event that somebody put into Redis: does it fit what its type's owner declared? Pure.

It is stored whatever the verdict, so judging must never hold up the journal: data beyond some size is not judged, and a
schema that turned out to be slow is left alone for a while.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from apps.events.schemas import Checks, Schema
from apps.events.seed import SEED_TYPES
from apps.events.visibility import visible
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_HUB

__all__ = ["Declaration", "Judge", "Judgement"]

MAX_JUDGED_BYTES = 256 * 1024
SLOW_SECONDS = 0.25
LEFT_ALONE_SECONDS = 600.0
TOLD_FAULTS = 5
MAX_TOLD = 8_000_000
"""As `schemas.MAX_TOLD`, for one event: about ten milliseconds."""


class Declaration(Protocol):
    """What is known of a declared type."""

    @property
    def company_id(self) -> int | None:
        """Whose it is."""

    @property
    def schema(self) -> Schema | None:
        """What its data must be."""


class Judgement(NamedTuple):
    """A verdict (see `models.Verdict`), and why."""

    verdict: str
    fault: str = ""


VALID = Judgement("valid")
UNVERIFIED = Judgement("unverified")
UNDECLARED = Judgement("undeclared")


class Judge:
    """Judges the events of one writer.

    Args:
        clock: a monotonic clock, in seconds.
        effort: how long the calling thread has been computing, in seconds. That it had to wait is no schema's fault.
    """

    def __init__(self, clock: "Clock", effort: "Clock") -> None:
        self._clock, self._effort = clock, effort
        self._slow: dict[str, float] = {}

    def judge(self, stream: str, event: Envelope, size: int, declared: Mapping[str, Declaration]) -> Judgement:
        """Return the verdict on ``event``, whose data has ``size`` bytes, by what is ``declared``."""
        if stream == STREAM_HUB:
            return UNVERIFIED  # the hub's own types, which nobody declares
        declaration = declared.get(event.event_type)
        if declaration is not None and not visible(declaration.company_id, _companies(event)):
            declaration = None
        if declaration is None:
            return UNVERIFIED if event.event_type in SEED_TYPES else UNDECLARED
        if declaration.schema is None:
            return UNVERIFIED
        if size > MAX_JUDGED_BYTES:
            return Judgement("unverified", f"Data of more than {MAX_JUDGED_BYTES // 1024} KiB is not checked.")
        return self._ask(event, declaration.schema)

    def _ask(self, event: Envelope, schema: Schema) -> Judgement:
        began = self._clock()
        if self._slow and self._slow.get(event.event_type, 0.0) > began:
            return Judgement("unverified", "Its schema is slow and is left alone for some minutes.")
        judgement = _judged(schema, event)
        if self._clock() - began > SLOW_SECONDS and self._computes_long(event, schema):
            self._slow[event.event_type] = self._clock() + LEFT_ALONE_SECONDS
        return judgement

    def _computes_long(self, event: Envelope, schema: Schema) -> bool:
        """Look again, at what it computes: it may just have waited. Asked each time, that clock would cost the most."""
        began = self._effort()
        _judged(schema, event)
        return self._effort() - began > SLOW_SECONDS


def _judged(schema: Schema, event: Envelope) -> Judgement:
    faults = Checks(told=MAX_TOLD).faults(schema, event.data)
    if not faults:
        return VALID
    told = [f"{fault.pointer or 'data'}: {fault.message}" for fault in faults[:TOLD_FAULTS]]
    if len(faults) > TOLD_FAULTS:
        told.append(f"and {len(faults) - TOLD_FAULTS} more")
    return Judgement("unverified" if faults[0].code == "too_much" else "mismatch", "; ".join(told))


def _companies(event: Envelope) -> frozenset[int]:
    return frozenset() if event.company_id is None else frozenset((event.company_id,))


class Clock(Protocol):
    """Tells seconds."""

    def __call__(self) -> float:
        """Return seconds since some moment."""
