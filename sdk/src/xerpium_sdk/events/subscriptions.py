"""Which function handles which type of event, and how."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from xerpium_sdk.wire.envelope import Envelope

__all__ = ["ANY_TYPE", "BatchHandler", "Batching", "Handler", "Received", "Subscription", "Subscriptions", "name_of"]

ANY_TYPE = "*"
"""Every type that has no handler of its own."""

Handler: TypeAlias = Callable[[Envelope], object] | Callable[[Envelope], Awaitable[object]]
"""A function or coroutine function of one event; it may see an event again after a fault."""
BatchHandler: TypeAlias = Callable[[Sequence[Any]], object] | Callable[[Sequence[Any]], Awaitable[object]]
"""A function or coroutine function of a list of `Envelope`, or of `Received` when it was registered as raw."""


class Received(NamedTuple):
    """One entry as a raw batch handler gets it; ``envelope`` is None when it cannot be read, and ``fault`` says why."""

    stream: str
    entry_id: str
    fields: Mapping[bytes, bytes]
    envelope: Envelope | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Batching:
    """When a batch is handed over: at ``size`` events or ``seconds`` after its first, whichever comes first."""

    size: int
    seconds: float
    raw: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """One handler and how it is called."""

    name: str
    function: Callable[[Any], Any]
    concurrency: int
    timeout: float
    max_attempts: int
    retry_seconds: tuple[float, float]
    batching: Batching | None = None
    is_async: bool = field(init=False)
    """Whether it is called on an event loop."""
    in_stream_order: bool = field(init=False)
    """Whether its batches come one at a time: an entity's later events need not wait for its earlier ones."""

    def __post_init__(self) -> None:
        called = getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is a coroutine function
        is_async = inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(called)
        object.__setattr__(self, "is_async", is_async)
        object.__setattr__(self, "in_stream_order", self.batching is not None and self.concurrency == 1)


class Subscriptions:
    """Event type -> subscription."""

    def __init__(self) -> None:
        self._by_type: dict[str, Subscription] = {}
        self.any_type: Subscription | None = None

    def add(self, types: Iterable[str], subscription: Subscription) -> None:
        """Let ``subscription`` handle ``types``.

        Raises:
            ValueError: there are none, or one has a handler already.
        """
        wanted = [str(getattr(kind, "value", kind)) for kind in types]
        if not wanted:
            raise ValueError("Name at least one event type, or '*' for every type without a handler of its own.")
        for kind in wanted:
            if kind in self._by_type or (kind == ANY_TYPE and self.any_type):
                raise ValueError(f"{kind} has a handler already; a consumer has one handler for each type.")
        for kind in wanted:
            if kind == ANY_TYPE:
                self.any_type = subscription
            else:
                self._by_type[kind] = subscription

    def all(self) -> list[Subscription]:
        """Return each subscription once, in the order of registration."""
        found = [*self._by_type.values(), *([self.any_type] if self.any_type else [])]
        return list(dict.fromkeys(found))

    def finder(self) -> Callable[[str], Subscription | None]:
        """Return a function: event type -> who handles it, or None."""
        by_type, rest = dict(self._by_type), self.any_type
        if rest is None:
            return by_type.get
        return lambda kind: by_type.get(kind, rest)


def name_of(function: Callable[..., object]) -> str:
    """Return how a handler is called in dead letters, metrics and logs: where it is defined."""
    qualified = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', type(function).__module__)}.{qualified}"
