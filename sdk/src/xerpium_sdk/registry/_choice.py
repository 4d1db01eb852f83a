"""Which instance gets the next request. Pure but for the count of what is under way.

Healthy instances before degraded before starting ones; among equals the caller's own zone first; among those, two are
drawn at random by weight, and the one with less under way for its weight is taken. That is "the power of two choices"
(M. Mitzenmacher, 2001): it spreads load far better than one draw and, unlike taking the least loaded of all, does not
send every caller to the same instance.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Self

from xerpium_sdk._backoff import Random
from xerpium_sdk.wire.registry import InstanceRecord, Status
from xerpium_sdk.wire.versions import satisfies

__all__ = ["Candidates", "Endpoint", "Load", "eligible"]

_PREFERENCE = (Status.HEALTHY, Status.DEGRADED, Status.STARTING)


class Load:
    """What is under way at one instance. It outlives a change of the instance's record.

    A set of tokens instead of a number: adding and discarding are atomic, so threads need no lock, and nothing counts
    twice however often it is released.
    """

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        self.tokens: set[int] = set()


class Endpoint:
    """An instance that was chosen. It counts as busy until `done`, the end of its ``with`` block, or its disposal.

    >>> with catalog.choose("product-service", version="^1.4") as endpoint:
    ...     httpx2.get(f"{endpoint.url}/products/42")
    """

    __slots__ = ("_tokens", "instance")

    def __init__(self, instance: InstanceRecord, tokens: set[int]) -> None:
        self.instance = instance
        self._tokens = tokens
        tokens.add(id(self))

    @property
    def url(self) -> str:
        """The instance's ``api_base_url``, without a slash at its end."""
        return self.instance.api_base_url.rstrip("/")

    def done(self) -> None:
        """Say that the work is over; saying it twice does no harm."""
        self._tokens.discard(id(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done()

    # A caller that forgets `done` must not make the instance look busy for ever.
    __del__ = done

    def __repr__(self) -> str:
        return f"<Endpoint {self.instance.instance_id} {self.url}>"


class Candidates:
    """The instances that one question (service, version, zone) may be answered with, prepared for drawing."""

    __slots__ = ("_bounds", "_drawn", "_total")

    def __init__(self, instances: Sequence[InstanceRecord], loads: Sequence[Load]) -> None:
        weights = [instance.weight for instance in instances]
        if not any(weights):
            weights = [1] * len(instances)
        # A weight of 0 takes no part while another has some.
        self._drawn = [
            (instance, load.tokens, 1 / weight)
            for instance, load, weight in zip(instances, loads, weights, strict=True)
            if weight
        ]
        # Without its last bound, so that no rounding can draw beyond the end.
        self._bounds = list(accumulate(weight for weight in weights if weight))[:-1]
        self._total = sum(weights)

    def choose(self, random: Random) -> Endpoint | None:
        """Return one of them, or None when there is none."""
        if not self._bounds:
            return Endpoint(*self._drawn[0][:2]) if self._drawn else None
        bounds, total, drawn = self._bounds, self._total, self._drawn
        instance, tokens, share = drawn[bisect(bounds, random() * total)]
        other, other_tokens, other_share = drawn[bisect(bounds, random() * total)]
        if len(other_tokens) * other_share < len(tokens) * share:
            return Endpoint(other, other_tokens)
        return Endpoint(instance, tokens)


def eligible(instances: Iterable[InstanceRecord], version: str | None, zone: str | None) -> list[InstanceRecord]:
    """Return the instances to draw from: of the best status that any has, and of ``zone`` if one of those is there.

    Raises:
        VersionRangeError: when ``version`` is no range (and there is an instance to try it on).
    """
    matching = [item for item in instances if version is None or satisfies(item.version, version)]
    for status in _PREFERENCE:
        if best := [item for item in matching if item.status is status]:
            return [item for item in best if zone is not None and item.zone == zone] or best
    return []
