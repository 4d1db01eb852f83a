"""When an instance is polled next: spread evenly by a hash, never in step, the same after every restart of the hub.

Each instance has its own phase in a grid of Unix time, so a thousand that register at once are not polled at once, and
jitter keeps neighbours in that grid from meeting in every round. Both come from hashes: nothing here is random.
"""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

__all__ = ["FIRST_POLL_WITHIN_SECONDS", "LONGEST_BACKOFF_SECONDS", "first_due", "next_due"]

FIRST_POLL_WITHIN_SECONDS = 10.0
"""Polling starts within this time of a registration (contract, "Registry")."""
LONGEST_BACKOFF_SECONDS = 300.0
JITTER = 0.1
"""A poll comes up to this share of the interval before or after its place in the grid."""
_SHORTEST = 0.15
"""The share of an interval that lies between a poll and the next place in the grid, at least."""


def first_due(instance_pk: int, registered_at: datetime, interval: float) -> datetime:
    """Return when to poll an instance that has just registered: within ten seconds, or one interval if that is shorter.

    Args:
        instance_pk: the instance's primary key.
        registered_at: the aware time of the registration.
        interval: seconds between two polls of it.
    """
    return registered_at + timedelta(seconds=_share(f"{instance_pk}") * min(interval, FIRST_POLL_WITHIN_SECONDS))


def next_due(instance_pk: int, now: datetime, interval: float, *, stale: bool = False, failures: int = 0) -> datetime:
    """Return when to poll an instance again: its next place in the grid, give or take a tenth of the interval.

    An instance with a lease keeps its interval, however often it failed (contract: "repeats every 30 s"). A stale one
    costs a timeout each time, so its interval doubles with every failure, up to five minutes.

    Args:
        instance_pk: the instance's primary key.
        now: the aware time of the poll that has just ended.
        interval: seconds between two polls of it.
        stale: whether its lease is over.
        failures: how many of its polls in a row have failed.
    """
    seconds = _backed_off(interval, failures) if stale else interval
    phase = _share(f"{instance_pk}") * seconds
    slot = int((now.timestamp() + _SHORTEST * seconds - phase) // seconds) + 1
    jitter = (2 * _share(f"{instance_pk}:{slot}") - 1) * JITTER * seconds
    return datetime.fromtimestamp(slot * seconds + phase + jitter, UTC)


def _backed_off(interval: float, failures: int) -> float:
    # 2.0**9 s is past the longest backoff of the shortest interval, and a larger power could overflow.
    return max(interval, min(interval * 2.0 ** min(failures, 9), LONGEST_BACKOFF_SECONDS))


def _share(text: str) -> float:
    """Return a number in [0, 1) that is the same for the same text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48
