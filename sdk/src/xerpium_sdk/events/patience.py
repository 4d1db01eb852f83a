"""How long to try, and what an error of Redis means for what was sent. Pure.

A command whose answer was lost may have been done, so sending it again may do it twice; that is for the caller to bear,
and it is told. Nothing is sent again when the server said no.
"""

from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

__all__ = ["Endeavour", "Patience", "Undelivered"]

_PASSING = ("NOREPLICAS", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "BUSY")
"""How errors begin that a server answers for a while, in place of doing what was asked."""


class Undelivered(Exception):
    """Raised when Redis did not confirm; the last error is the cause."""

    def __init__(self, message: str, *, may_be_done: bool) -> None:
        super().__init__(message)
        self.may_be_done = may_be_done


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Args:
        attempts: how often at most.
        deadline: for how many seconds in all, one last answer apart.
        timeout: how many seconds one answer may take.
        pauses: the first pause between two attempts and the greatest, in seconds; each doubles, half of it is chance.
    """

    attempts: int = 8
    deadline: float = 10.0
    timeout: float = 5.0
    pauses: tuple[float, float] = (0.05, 1.0)

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.deadline, self.timeout, *self.pauses) <= 0:
            raise ValueError("There must be at least one attempt, and times above 0 seconds.")


class Endeavour:
    """The attempts at one call; ``sent`` is set by the caller when from now on it may be done."""

    def __init__(self, patience: Patience, address: str, now: float) -> None:
        self._patience, self._address, self._begun = patience, address, now
        self._failures = 0
        self._may_be_done = False
        self.sent = False

    def seconds_left(self, now: float) -> float:
        """Return how many seconds the next answer may take; a little is always left for the last one."""
        return min(self._patience.timeout, max(0.1, self._begun + self._patience.deadline - now))

    def failed(self, error: Exception, now: float, chance: Callable[[float, float], float]) -> float:
        """Return for how many seconds to pause before the next attempt; ``chance`` draws between two numbers.

        Raises:
            Undelivered: there is no next one.
        """
        self._failures += 1
        self._may_be_done |= self.sent and _answer_is_lost(error)
        self.sent = False
        first, greatest = self._patience.pauses
        pause = min(greatest, first * 2.0 ** (self._failures - 1)) * chance(0.5, 1)
        again = _may_pass(error) and self._failures < self._patience.attempts
        if again and now + pause < self._begun + self._patience.deadline:
            return pause
        raise Undelivered(self._complaint(error, now), may_be_done=self._may_be_done) from error

    @property
    def is_first_failure(self) -> bool:
        """Whether one attempt has failed, and no more."""
        return self._failures == 1

    def _complaint(self, error: Exception, now: float) -> str:
        tried = f" after {self._failures} attempts in {now - self._begun:.1f} s" if self._failures > 1 else ""
        return f"Redis at {self._address} {_meaning(error)}{tried}: {_words(error)}"


def _answer_is_lost(error: Exception) -> bool:
    """Return whether it may have been done all the same; an error that the server answered says that it was not."""
    return not isinstance(error, ResponseError | BusyLoadingError | AuthenticationError | AuthorizationError)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, AuthenticationError | AuthorizationError):
        return False
    if isinstance(error, ConnectionError | TimeoutError | OSError | ReadOnlyError):
        return True
    return isinstance(error, RedisError) and _words(error).startswith(_PASSING)


def _meaning(error: Exception) -> str:
    if isinstance(error, OutOfMemoryError):
        return "is full and takes nothing more (maxmemory)"
    if isinstance(error, ReadOnlyError):
        return "is a replica and takes no writes"
    if isinstance(error, BusyLoadingError):
        return "is still loading its data"
    if isinstance(error, AuthenticationError | AuthorizationError):
        return "does not let us in"
    if isinstance(error, ResponseError):
        return "refused"
    return "did not answer"


def _words(error: Exception) -> str:
    """Return an error's text with the word that redis-py takes from its beginning."""
    code = getattr(error, "status_code", None)
    text = str(error) or type(error).__name__
    return f"{code} {text}" if code and not text.startswith(str(code)) else text
