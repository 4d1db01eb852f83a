"""When a member speaks to the hub next, and what it says. Pure: the time and randomness are passed in.

register ──ok──▶ report ──ok──▶ report, every third of the lease (less up to a quarter of that, so that
   ▲                │           members that started together drift apart)
   └──404, refused──┘
Any failure waits longer each time. So does a hub that takes a registration and still does not know us (one of its
processes lags behind another): only a report that succeeds ends that count, and there is no tight loop.
"""

from enum import Enum, auto

from xerpium_sdk._backoff import Backoff, Random
from xerpium_sdk.errors import HubError, HubUnavailable, NotFound, Refused

__all__ = ["Lease", "Step", "member_backoff"]

_PART_OF_LEASE = 3
_SPREAD = 0.25


def member_backoff(lease_seconds: float) -> Backoff:
    """Return the pauses that fit a lease: it ends only after several tries, so there is no need to be in a hurry.

    Up to a thirtieth of it after the first failure, a third in the end (3 s and 30 s for the usual lease of 90 s).
    A thousand clients of a hub that was away for 20 s then return over half a minute, at most a fifth of them in any
    second.
    """
    lease = min(lease_seconds, 90.0)
    return Backoff(base=lease / 30, cap=lease / 3)


class Step(Enum):
    """What to do next."""

    REGISTER = auto()
    REPORT = auto()


class Lease:
    """The state of one membership; ``now`` is any clock in seconds that only moves forward."""

    def __init__(self, lease_seconds: float, backoff: Backoff, random: Random) -> None:
        self.step = Step.REGISTER
        self._lease_seconds = lease_seconds
        self._backoff = backoff
        self._random = random
        self._due: float | None = None
        self._ends: float | None = None
        self._failures = 0
        self._denials = 0

    def delay(self, now: float) -> float:
        """Return the seconds until the next step; 0 for the very first."""
        return 0.0 if self._due is None else max(0.0, self._due - now)

    def is_held(self, now: float) -> bool:
        """Whether the hub counts us as alive, as far as we can know."""
        return self._ends is not None and now < self._ends

    @property
    def calm(self) -> bool:
        """Whether nothing went wrong since the last success, so that there is no pause to keep."""
        return not self._failures and not self._denials

    def registered(self, now: float) -> None:
        """The hub knows us; how we are, it learns from a report, at once."""
        self.step = Step.REPORT
        self._failures = 0
        self._ends = now + self._lease_seconds
        self._due = now + (self._pause(self._denials) if self._denials else 0.0)

    def renewed(self, now: float, lease_seconds: float) -> None:
        """The lease runs from ``now`` for as long as the hub says."""
        self.step = Step.REPORT
        self._failures = self._denials = 0
        self._lease_seconds = lease_seconds
        self._ends = now + lease_seconds
        self._due = now + lease_seconds / _PART_OF_LEASE * (1 - _SPREAD * self._random())

    def missed(self, now: float, error: HubError) -> None:
        """The step did not succeed."""
        if isinstance(error, NotFound) and self.step is Step.REPORT:
            self._forgotten(now)
        elif isinstance(error, Refused):
            self._refused(now)
        else:
            self._failures += 1
            retry_after = error.retry_after if isinstance(error, HubUnavailable) else 0.0
            self._due = now + self._pause(self._failures, retry_after)

    def _forgotten(self, now: float) -> None:
        """The hub does not know us: register again, at once the first time."""
        self.step = Step.REGISTER
        self._ends = None
        self._due = now + (self._pause(self._denials) if self._denials else 0.0)
        self._denials += 1

    def _refused(self, now: float) -> None:
        """The hub said no. A person has to act, so there is no hurry; a registration is the fuller statement."""
        self.step = Step.REGISTER
        self._failures += 1
        self._due = now + self._backoff.cap * (1 + self._random()) / 2

    def _pause(self, failures: int, retry_after: float = 0.0) -> float:
        return self._backoff.delay(failures, self._random, retry_after=retry_after)
