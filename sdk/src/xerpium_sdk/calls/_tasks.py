"""What the client for asyncio needs of asyncio. Its twin is `_threads`; the two are the only pair written by hand."""

import asyncio
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from xerpium_sdk.auth._background import begin
from xerpium_sdk.resilience.retry import call_again_async as call_again

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["Deadline", "call_again", "end_of"]


async def end_of(shared: "SharedBreakers") -> None:
    """Stop what shares breakers, which may wait for Redis a little."""
    await asyncio.wrap_future(begin("end of breakers", shared.stop, lambda: None))


class Deadline:
    """A block that may take so long; its ``with`` raises TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self.ends = monotonic() + seconds
        self._timeout = asyncio.timeout(seconds)

    @property
    def left(self) -> float:
        """Seconds until the end, not below 0."""
        return max(0.0, self.ends - monotonic())

    @property
    def is_over(self) -> bool:
        """Whether it was this block that ran out of time, and not something within it."""
        return self._timeout.expired()

    async def __aenter__(self) -> "Deadline":
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
