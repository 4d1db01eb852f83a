"""What the consumer of the soak keeps of what it handled, and what has to come out. Pure."""

from benchmarks.events.payload import ENTITIES

__all__ = ["FATAL", "GROUP", "SERVICE", "STUMBLE", "Ledger", "expected", "expected_total", "fatal", "is_fatal"]

SERVICE = "soak"
GROUP = f"{SERVICE}-group"
STUMBLE = 997
"""One event in so many fails at first."""
FATAL = 100_003
"""One event in so many always fails, and goes to the dead letters."""


class Ledger:
    """Counts events by their numbers in memory that does not grow: it is what is measured."""

    def __init__(self) -> None:
        self.handled = self.total = self.out_of_order = 0
        self._last = [-1] * ENTITIES
        self._stumbled: set[int] = set()

    def note(self, number: int) -> None:
        """Count event ``number``, or fail as it is meant to.

        Raises:
            RuntimeError: it is one that fails, the first time or always.
        """
        if is_fatal(number):
            raise RuntimeError("This one always fails.")
        if number % STUMBLE == STUMBLE - 1 and number not in self._stumbled:
            self._stumbled.add(number)
            raise RuntimeError("This one fails at first.")
        self._stumbled.discard(number)
        entity = number % ENTITIES
        self.out_of_order += number < self._last[entity]
        self._last[entity] = number
        self.handled += 1
        self.total += number


def is_fatal(number: int) -> bool:
    """Whether event ``number`` always fails."""
    return number % FATAL == FATAL - 1


def fatal(count: int) -> int:
    """Return how many of the first ``count`` events always fail."""
    return count // FATAL


def expected(count: int) -> int:
    """Return how many of the first ``count`` events are handled in the end."""
    return count - fatal(count)


def expected_total(count: int) -> int:
    """Return the sum of the numbers of those that are handled in the end."""
    return count * (count - 1) // 2 - sum(range(FATAL - 1, count, FATAL))
