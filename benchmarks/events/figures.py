"""Arithmetic of the measurements: medians over rounds, ratios within rounds, slopes, order. Pure."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.report import Ratio, Row

__all__ = ["Round", "cpu_ratio", "disorder", "percentile", "ratio_of", "row_of", "slope_per_hour"]


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round: how many messages, in how many seconds, at which cost in processor time."""

    count: int
    seconds: float
    cpu: float
    """Seconds of the client's processor, all threads."""
    redis_cpu: float = 0.0
    """Seconds of the server's processor; the system counts in hundredths."""

    @property
    def rate(self) -> float:
        """Messages a second on the clock."""
        return self.count / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Messages for each second of the client's processor."""
        return self.count / self.cpu


def row_of(name: str, rounds: Sequence[Round], note: str = "") -> Row:
    """Return the table's row of a contestant: messages a second with spread, and what one message costs."""
    rates = [one.rate for one in rounds]
    client = statistics.median(one.cpu / one.count for one in rounds) * 1e6
    server = statistics.median(one.redis_cpu / one.count for one in rounds) * 1e6
    told = f"cpu {client:6.1f} µs, Redis {server:5.1f} µs each"
    unit = "messages/s"
    return Row(name, statistics.median(rates), unit, (min(rates), max(rates)), f"{told}  {note}".rstrip())


def ratio_of(
    name: str,
    over: Sequence[Round],
    under: Sequence[Round],
    target: float | None = None,
    stretch: float | None = None,
) -> Ratio:
    """Return how many times as fast ``over`` is as ``under``: the median of the ratios within each round."""
    return _ratio(name, [a.rate / b.rate for a, b in zip(over, under, strict=True)], target, stretch)


def cpu_ratio(name: str, over: Sequence[Round], under: Sequence[Round]) -> Ratio:
    """Return the same by the client's processor time, which neighbours on the machine change less than the clock."""
    return _ratio(name, [a.cpu_rate / b.cpu_rate for a, b in zip(over, under, strict=True)], None, None)


def _ratio(name: str, found: Sequence[float], target: float | None, stretch: float | None) -> Ratio:
    spread = (min(found), max(found))
    return Ratio(name, statistics.median(found), target, stretch=stretch, spread=spread)


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("There is no percentile of nothing.")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def slope_per_hour(samples: Sequence[tuple[float, float]]) -> float:
    """Return by how much a value grows in an hour: least squares over (seconds, value); 0 for less than two moments."""
    if len({moment for moment, _ in samples}) < 2:
        return 0.0
    return statistics.linear_regression([moment for moment, _ in samples], [value for _, value in samples]).slope * 3600


def disorder(seen: Mapping[object, Sequence[int]]) -> int:
    """Return how many events came before one that had been published earlier for the same entity."""
    return sum(later < earlier for numbers in seen.values() for earlier, later in pairwise(numbers))
