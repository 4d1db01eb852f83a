"""What an instance and a service are, and every move between those states (contract, "Registry").

An instance's status is never set, it follows from its `Vitals`. Whoever learns something (a report, a poll, the end of
a lease, an operator's word) changes those, asks `instance_status` for the verdict, and `move` for the history's entry.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from xerpium_sdk.wire.registry import Status

__all__ = [
    "FAILURES_UNTIL_DOWN",
    "RULES",
    "SUCCESSES_UNTIL_UP",
    "Cause",
    "IllegalMoveError",
    "Move",
    "PollState",
    "Rule",
    "Vitals",
    "after_poll",
    "discoverable",
    "instance_status",
    "move",
    "preference",
    "registered_again",
    "resumed",
    "service_status",
    "worst",
]

FAILURES_UNTIL_DOWN = 3
SUCCESSES_UNTIL_UP = 2

worst = Status.worst


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """What the polls of one instance have shown: up or down, and how many in a row went well (at most 2) or badly."""

    polled: Status | None = None
    failures: int = 0
    successes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """All that the status of an instance is made of.

    ``draining`` is an operator's drain, which only resume lifts; a service that reports ``draining`` of itself
    says so in ``reported``, and its next report replaces that.
    """

    reported: Status | None = None
    polled: Status | None = None
    draining: bool = False
    lease_over: bool = False
    deregistered: bool = False


def instance_status(vitals: Vitals) -> Status:
    """Return the worst of what is known of an instance; ``starting`` while neither a report nor a poll says more."""
    known = [word for word in (vitals.reported, vitals.polled) if word is not None]
    facts = (
        (vitals.deregistered, Status.DEREGISTERED),
        (vitals.lease_over, Status.STALE),
        (vitals.draining, Status.DRAINING),
    )
    return worst(*(status for holds, status in facts if holds), *(known or [Status.STARTING]))


def registered_again(vitals: Vitals) -> Vitals:
    """Return the vitals after the instance has registered (again): an operator's drain stays, in every case.

    One that was gone or stale begins anew. One that is still there keeps what polls and reports have shown, so that a
    restart does not look like a failure; only its own ``draining`` goes, for a process that registers is not leaving.
    """
    if vitals.deregistered or vitals.lease_over:
        return Vitals(draining=vitals.draining)
    return _not_leaving(vitals)


def resumed(vitals: Vitals) -> Vitals:
    """Return the vitals after an operator's resume, which lifts a drain that the service told of itself as well."""
    return _not_leaving(replace(vitals, draining=False))


def _not_leaving(vitals: Vitals) -> Vitals:
    reported, polled = (None if word is Status.DRAINING else word for word in (vitals.reported, vitals.polled))
    return replace(vitals, reported=reported, polled=polled)


def after_poll(state: PollState, ok: bool, word: Status, *, hold: bool) -> PollState:
    """Return the state after one more poll.

    Down after three that failed in a row, up after two good ones. The first good poll of an instance never polled
    counts at once; one or two failures of it say nothing yet.

    Args:
        state: what the polls before it have shown.
        ok: whether the health endpoint answered as one that is well.
        word: what the answer said. An answer that says unhealthy is a failed poll; without answer it means nothing.
        hold: protection mode is on: failures are counted but take nothing down.
    """
    if not ok or word is Status.UNHEALTHY:
        failures = state.failures + 1
        down = failures >= FAILURES_UNTIL_DOWN and not hold
        return PollState(polled=Status.UNHEALTHY if down else state.polled, failures=failures)
    successes = min(state.successes + 1, SUCCESSES_UNTIL_UP)
    still_down = state.polled is Status.UNHEALTHY and successes < SUCCESSES_UNTIL_UP
    return PollState(polled=Status.UNHEALTHY if still_down else word, successes=successes)


def service_status(instances: Iterable[Status]) -> Status:
    """Return the status of a service from those of its instances.

    `healthy` if all live ones are, `degraded` if only some do their work, `starting` if none does yet but some will,
    else `unhealthy`. A degraded instance does its work. Draining ones leave on purpose and do not count while others
    are live, or every rolling update would raise an alarm. A service without instances has left: `deregistered`.
    """
    present = {status for status in instances if status is not Status.DEREGISTERED}
    if not present:
        return Status.DEREGISTERED
    staying = {status for status in present if status.is_live} - {Status.DRAINING}
    if staying == {Status.HEALTHY}:
        return Status.HEALTHY
    if staying & {Status.HEALTHY, Status.DEGRADED}:
        return Status.DEGRADED
    return Status.STARTING if Status.STARTING in staying else Status.UNHEALTHY


def discoverable(status: Status) -> bool:
    """Whether an instance takes part in discovery: its lease runs and it has not left."""
    return status.is_live


_PREFERENCE = {
    status: rank
    for rank, status in enumerate(
        [Status.HEALTHY, Status.DEGRADED, Status.STARTING, Status.UNHEALTHY, Status.DRAINING, Status.STALE]
    )
}


def preference(status: Status) -> int:
    """Return the place of a status in discovery's order, 0 first: healthy, degraded, starting, then the rest."""
    return _PREFERENCE.get(status, len(_PREFERENCE))


class Cause(StrEnum):
    """Why an instance's status was judged again; the word that the history keeps."""

    REGISTERED = "registered"
    REPORTED = "reported"
    POLL_FAILED = "poll_failed"
    POLL_ANSWERED = "poll_answered"
    LEASE_OVER = "lease_over"
    DRAINED = "drained"
    RESUMED = "resumed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class IllegalMoveError(ValueError):
    """Raised when a cause cannot have led from one status to the other: a defect of the caller."""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of an instance's status; ``before`` is None for an instance that was never there."""

    before: Status | None
    after: Status
    cause: Cause
    reason: str
    """Plain words for the history, such as "has not reported for 95 s (lease 90 s)"."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a cause may lead from and to, and the reason text with the facts it needs."""

    before: frozenset[Status | None]
    after: frozenset[Status]
    reason: str


_UP_OR_DOWN = frozenset({Status.HEALTHY, Status.STARTING, Status.DEGRADED, Status.UNHEALTHY})
_LIVE = _UP_OR_DOWN | {Status.DRAINING}
_LISTED = _LIVE | {Status.STALE}

RULES: dict[Cause, Rule] = {
    Cause.REGISTERED: Rule(_LISTED | {Status.DEREGISTERED, None}, _LIVE, "registered version {version}"),
    Cause.REPORTED: Rule(_LISTED, _LIVE, "reported {word}"),
    Cause.POLL_FAILED: Rule(_UP_OR_DOWN, frozenset({Status.UNHEALTHY}), "{failures} polls in a row failed: {error}"),
    Cause.POLL_ANSWERED: Rule(_LISTED, _LIVE, "answered its health check: {word}"),
    Cause.LEASE_OVER: Rule(_LIVE, frozenset({Status.STALE}), "has not reported for {silent:.0f} s (lease {lease} s)"),
    Cause.DRAINED: Rule(_UP_OR_DOWN, frozenset({Status.DRAINING}), "drained: {why}"),
    Cause.RESUMED: Rule(frozenset({Status.DRAINING}), _UP_OR_DOWN, "resumed: {why}"),
    Cause.WITHDRAWN: Rule(_LISTED, frozenset({Status.DEREGISTERED}), "deregistered: {why}"),
    Cause.EXPIRED: Rule(
        frozenset({Status.STALE}), frozenset({Status.DEREGISTERED}), "stale for {silent:.0f} s (leaves after {limit} s)"
    ),
}
"""Every move there is: from stale any sign of life leads back, from deregistered only a registration."""


def move(before: Status | None, after: Status, cause: Cause, **facts: object) -> Move | None:
    """Return the move to put into the history, or None when the status is the same as before.

    Args:
        before: the status so far, None for an instance that was never there.
        after: the verdict of `instance_status` now.
        cause: what made it be judged again.
        **facts: what the reason text of that cause names; durations in seconds.

    Raises:
        IllegalMoveError: when ``cause`` cannot lead from ``before`` to ``after``.
    """
    if before is after:
        return None
    rule = RULES[cause]
    if before not in rule.before or after not in rule.after:
        raise IllegalMoveError(f"{cause} cannot turn {before or 'nothing'} into {after}")
    return Move(before, after, cause, rule.reason.format(**facts))
