"""What the client for threads needs of them. Its twin is `_tasks`; the two are the only pair written by hand."""

from time import monotonic
from typing import TYPE_CHECKING

from xerpium_sdk.resilience.retry import call_again

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["Deadline", "call_again", "end_of"]


def end_of(shared: "SharedBreakers") -> None:
    """Stop what shares breakers."""
    shared.stop()


class Deadline:
    """How long a block may take. Nobody can stop a thread: each step of a request is given the time that is left."""

    def __init__(self, seconds: float) -> None:
        self.ends = monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end, not below 0."""
        return max(0.0, self.ends - monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0

    def __enter__(self) -> "Deadline":
        return self

    def __exit__(self, *error: object) -> None:
        return None
