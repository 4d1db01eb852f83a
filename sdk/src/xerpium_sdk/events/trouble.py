"""Something that this consumer stands on is away: one line when that begins, one when it is over, pauses in between."""

import logging
import random
import time

__all__ = ["Trouble"]

logger = logging.getLogger(__name__)


class Trouble:
    """Counts failures in a row of one thing, ``what``; ``meaning`` says what follows from it.

    ``seconds`` is the first and the longest pause.
    """

    def __init__(self, what: str, meaning: str, *, seconds: tuple[float, float] = (0.05, 1.0)) -> None:
        self._what, self._meaning = what, meaning
        self._first, self._longest = seconds
        self._failures = 0
        self._since = 0.0

    def __bool__(self) -> bool:
        return self._failures > 0

    def met(self, error: BaseException) -> float:
        """Count a failure and return for how many seconds to pause."""
        if not self._failures:
            self._since = time.monotonic()
            logger.warning("%s is away; %s: %s: %s", self._what, self._meaning, type(error).__name__, error)
        self._failures += 1
        return min(self._longest, self._first * 2.0 ** min(self._failures - 1, 10)) * random.uniform(0.5, 1)

    def over(self) -> None:
        """It worked."""
        if self._failures:
            logger.info("%s is back after %.1f s", self._what, time.monotonic() - self._since)
            self._failures = 0
