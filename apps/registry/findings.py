"""What is wrong, why, and how it is mended, in the words in which an operator would be told by a colleague.

Decides from facts that are handed in; a healthy service yields no finding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.times import spell
from xerpium_sdk.wire.registry import Status

__all__ = [
    "LONG_DRAIN",
    "Finding",
    "InstanceFacts",
    "cycle_finding",
    "how_to_mend",
    "impaired_findings",
    "status_finding",
    "why",
]

LONG_DRAIN = timedelta(hours=1)
"""An instance that drains for longer was probably forgotten."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``status`` says how bad it is; ``word`` names it where no status does."""

    status: Status
    text: str
    mend: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """What the status of an instance is made of, as far as it explains anything. Times are aware."""

    status: Status
    since: datetime
    last_seen: datetime
    lease_seconds: int
    deregister_after_seconds: int
    reported: Status | None = None
    draining: bool = False
    failures: int = 0
    check_failed: bool = False
    reason: str = ""
    health_check_url: str = ""


def why(facts: InstanceFacts, now: datetime) -> str:
    """Return why an instance has its status; empty where there is nothing to explain."""
    match facts.status:
        case Status.STALE:
            silent = spell(now - facts.last_seen)
            return f"has not been heard of for {silent} (its lease is {facts.lease_seconds} s)"
        case Status.DRAINING:
            return "was taken out of rotation by an operator" if facts.draining else "reported that it is draining"
        case Status.STARTING:
            return "reported starting" if facts.reported else "has registered, but was not checked yet"
        case Status.UNHEALTHY | Status.DEGRADED if facts.reported is facts.status:
            return f"reported {facts.status.value}"
        case Status.DEGRADED:
            return "answers its health check with degraded"
        case Status.UNHEALTHY:
            return _failed_checks(facts)
        case Status.DEREGISTERED:
            return "has left the registry"
    return _failed_checks(facts) if facts.check_failed else ""


def _failed_checks(facts: InstanceFacts) -> str:
    failed = "failed its last check" if facts.failures < 2 else f"failed its last {facts.failures} checks"
    return f"{failed}: {facts.reason}" if facts.reason else failed


def how_to_mend(facts: InstanceFacts, now: datetime) -> str:
    """Return what an operator can do about the status of an instance; empty where nothing needs to be done."""
    match facts.status:
        case Status.STALE:
            left = facts.since + timedelta(seconds=facts.deregister_after_seconds) - now
            leaves = f"in {spell(left)}" if left > timedelta() else "any moment"
            return f"Start it again: it registers by itself. If it is gone for good, it leaves the list {leaves}."
        case Status.DRAINING if facts.draining:
            return "Resume it when the work on it is done, or deregister it."
        case Status.UNHEALTHY if facts.reported is Status.UNHEALTHY:
            return "Look into the service's own log: it says of itself that it cannot work."
        case Status.UNHEALTHY:
            return f"See whether it runs and what {facts.health_check_url} answers, then press Check now."
        case Status.DEGRADED:
            return "Look at the details of its last report, or into its log."
    return ""


def status_finding(statuses: Mapping[Status, int], status: Status) -> Finding | None:
    """Return what is wrong with a service as a whole.

    Args:
        statuses: how many instances it has of each status; deregistered ones do not count.
        status: its own, as `lifecycle.service_status` judges it.
    """
    total = sum(count for word, count in statuses.items() if word is not Status.DEREGISTERED)
    draining = statuses.get(Status.DRAINING, 0)
    lame = {word: statuses[word] for word in _LAME if statuses.get(word)}
    match status:
        case Status.DEREGISTERED:
            return Finding(status, "All its instances have left.", "It is back as soon as one registers again.")
        case Status.UNHEALTHY if draining == total:
            text = f"{_all_of(total)} out of rotation: nobody gets an answer."
            return Finding(status, text, "Resume an instance, or start another one.")
        case Status.UNHEALTHY:
            told = _listed(lame | ({Status.DRAINING: draining} if draining else {}))
            return Finding(status, f"No instance works: {told}.", "Callers get no answer until one works again.")
        case Status.STARTING:
            text = f"No instance is ready yet: {_listed(lame)}."
            return Finding(status, text, "They count once a check or a report is good.")
        case Status.DEGRADED if sum(lame.values()) == total:
            return Finding(status, f"{_all_of(total)} not well: {_listed(lame)}.", "Callers still get answers.")
        case Status.DEGRADED:
            return Finding(status, f"{_some_of(lame, total)}.", "The others answer meanwhile.")
        case _ if lame:
            # Only stale ones can be left: a healthy service has no other that does not work.
            return Finding(Status.STALE, f"{_some_of(lame, total)}.", "What does not return leaves the list by itself.")
    return None


_LAME = (Status.UNHEALTHY, Status.STALE, Status.DEGRADED, Status.STARTING)


def _listed(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{count:,} {word.value}" for word, count in counts.items())


def _some_of(lame: Mapping[Status, int], total: int) -> str:
    """Return ``1 of 2 instances is stale`` or ``3 of 9 instances are not well: 2 unhealthy, 1 stale``."""
    count = sum(lame.values())
    is_are = "is" if count == 1 else "are"
    told = next(iter(lame)).value if len(lame) == 1 else f"not well: {_listed(lame)}"
    return f"{count:,} of {total:,} instances {is_are} {told}"


def _all_of(total: int) -> str:
    return "The only instance is" if total == 1 else f"All {total:,} instances are"


def impaired_findings(impaired: Iterable[tuple[str, Status | None]]) -> list[Finding]:
    """Return a finding for each declared dependency that is missing (no status) or does not work."""
    return [_impaired(name, status) for name, status in impaired]


def _impaired(name: str, status: Status | None) -> Finding:
    if status in (None, Status.DEREGISTERED):
        mend = f"Start {name}, or take it out of the dependencies that this service declares."
        return Finding(Status.DEGRADED, f"It needs {name}, which is not registered.", mend)
    return Finding(Status.DEGRADED, f"It needs {name}, which is unhealthy.", f"Mend {name} first.")


def cycle_finding(cycle: Sequence[str]) -> Finding:
    """Return what a circle of dependencies means; ``cycle`` is closed (first name = last)."""
    text = f"Needs itself in a circle: {' → '.join(cycle)}."
    mend = "When one of them is down, none of them can start cleanly: cut one dependency."
    return Finding(Status.DEGRADED, text, mend, "circle")
