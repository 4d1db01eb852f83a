"""Instances that failed a moment ago, put aside by this process before anybody else knows. Pure.

The hub notices a dead instance after its lease, or after three polls; a caller notices at once. Each failure in a row
puts it aside for twice as long. When all are aside, all are tried again: a guess must not become an outage (Envoy's
"panic" of outlier detection).
"""

from threading import Lock

__all__ = ["Aside"]

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
MOST_DOUBLINGS = 10


class Aside:
    """Which instances of one service are aside. Safe with threads."""

    def __init__(self, *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first, self._longest = first, longest
        self._known: dict[str, tuple[int, float, float]] = {}
        self._lock = Lock()

    def failed(self, instance_id: str, began: float, now: float) -> bool:
        """Put an instance aside that did not answer what was asked at ``began``; return whether that is news.

        It is none when the instance has been put aside since: many calls that one death breaks are one failure.
        """
        with self._lock:
            failures, _, at = self._known.get(instance_id, (0, 0.0, began))
            if failures and at >= began:
                return False
            seconds = min(self._longest, self._first * 2.0 ** min(failures, MOST_DOUBLINGS))
            self._forget(now)
            self._known[instance_id] = (failures + 1, now + seconds, now)
            return True

    def asked(self, instance_id: str, now: float) -> None:
        """Note that somebody finds out whether an instance is back: until the answer, others go elsewhere."""
        if instance_id in self._known:
            with self._lock:
                if (known := self._known.get(instance_id)) is not None:
                    failures, until, at = known
                    self._known[instance_id] = (failures, max(until, now + self._first), at)

    def worked(self, instance_id: str) -> None:
        """Take an instance back: it answered."""
        if self._known:
            with self._lock:
                self._known.pop(instance_id, None)

    def now(self, now: float) -> frozenset[str]:
        """Return the ids of the instances that are aside now."""
        if not self._known:
            return frozenset()
        with self._lock:
            return frozenset(name for name, (_, until, _) in self._known.items() if until > now)

    def suspected(self) -> frozenset[str]:
        """Return the ids of the instances whose last answer failed to come, also of those that may be tried again."""
        if not self._known:
            return frozenset()
        with self._lock:
            return frozenset(self._known)

    def _forget(self, now: float) -> None:
        """Forget instances that nobody has tried for long: they left, or will begin anew."""
        self._known = {name: known for name, known in self._known.items() if known[1] + self._longest > now}
