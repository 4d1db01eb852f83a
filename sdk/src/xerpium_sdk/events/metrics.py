"""What a consumer did since it was made: counts, durations, and a picture of them that does not change any more."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["Durations", "HandlerCounts", "HandlerSnapshot", "Metrics", "Snapshot"]

_BOUNDS = [1e-6 * 2 ** (step / 4) for step in range(120)]
"""Upper bounds in seconds, four to a doubling, from a microsecond to a quarter of an hour: 19 % apart."""


class Durations:
    """A histogram of how long calls took. One thread adds; any may ask."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, durations: Iterable[float]) -> None:
        """Count calls, in seconds."""
        counts, total = self.counts, self.total
        for seconds in durations:
            counts[bisect_left(_BOUNDS, seconds)] += 1
            total += seconds
        self.total = total

    def quantile(self, share: float) -> float:
        """Return the seconds that ``share`` of the calls did not exceed, rounded up by up to 19 %; 0 without calls."""
        counts = list(self.counts)
        wanted = share * sum(counts)
        seen = 0
        for index, number in enumerate(counts):
            seen += number
            if number and seen >= wanted:
                return _BOUNDS[min(index, len(_BOUNDS) - 1)]
        return 0.0


class HandlerCounts:
    """The counts of one handler."""

    __slots__ = ("dead", "durations", "failed", "handled", "repeated", "retried")

    def __init__(self) -> None:
        self.handled = self.failed = self.retried = self.dead = self.repeated = 0
        self.durations = Durations()


@dataclass(frozen=True, slots=True)
class HandlerSnapshot:
    """One handler: events by outcome, and seconds of its calls (of whole batches for a batch handler)."""

    handled: int
    failed: int
    retried: int
    dead: int
    repeated: int
    seconds_p50: float
    seconds_p99: float
    seconds_total: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consumer since it was made."""

    handled: int
    """Events whose handler succeeded."""
    failed: int
    """Attempts that failed."""
    retried: int
    """Attempts that were made again after one that failed."""
    dead: int
    """Events that went to the dead letters, undecodable ones included."""
    ignored: int
    """Events of types without a handler."""
    repeated: int
    """Events that the idempotency store knew as handled."""
    recovered: int
    """Entries that were delivered before, to this consumer's earlier process or to another that is gone."""
    in_hand: int
    """Entries read and not yet acknowledged."""
    active: bool
    """Whether this consumer reads; in an ordered group one at a time does."""
    handlers: Mapping[str, HandlerSnapshot]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as the sign of life carries them."""
        return {name: getattr(self, name) for name in _PLAIN} | {
            "handlers": {name: asdict(one) for name, one in self.handlers.items()}
        }


_PLAIN = ("handled", "failed", "retried", "dead", "ignored", "repeated", "recovered", "in_hand", "active")


class Metrics:
    """The running counts; `snapshot` from any thread."""

    def __init__(self) -> None:
        self.ignored = self.recovered = self.undecodable = self.in_hand = 0
        self.active = False
        self.handlers: dict[str, HandlerCounts] = {}

    def of(self, handler: str) -> HandlerCounts:
        """Return the counts of one handler."""
        return self.handlers.setdefault(handler, HandlerCounts())

    def snapshot(self) -> Snapshot:
        """Return what there is now."""
        handlers = {
            name: HandlerSnapshot(
                handled=counts.handled,
                failed=counts.failed,
                retried=counts.retried,
                dead=counts.dead,
                repeated=counts.repeated,
                seconds_p50=counts.durations.quantile(0.5),
                seconds_p99=counts.durations.quantile(0.99),
                seconds_total=counts.durations.total,
            )
            for name, counts in list(self.handlers.items())
        }
        ones = handlers.values()
        return Snapshot(
            handled=sum(one.handled for one in ones),
            failed=sum(one.failed for one in ones),
            retried=sum(one.retried for one in ones),
            dead=sum(one.dead for one in ones) + self.undecodable,
            ignored=self.ignored,
            repeated=sum(one.repeated for one in ones),
            recovered=self.recovered,
            in_hand=self.in_hand,
            active=self.active,
            handlers=MappingProxyType(handlers),
        )
