"""When a part that died is started again. Pure: how long it lived is told, not measured."""

from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 0.2
QUICK_DEATHS_ALLOWED = 5
SLOW_PAUSE_SECONDS = 30.0
PROVEN_SECONDS = 30.0
"""A part that lived this long has proved that it can run; what it did before is forgotten."""


@dataclass(frozen=True)
class Backoff:
    """How often a part died young in a row."""

    quick_deaths: int = 0

    def after_death(self, lived_seconds: float) -> "Backoff":
        """Return the state after the part died, having lived for ``lived_seconds``."""
        return Backoff(1 if lived_seconds >= PROVEN_SECONDS else self.quick_deaths + 1)

    @property
    def is_hopeless(self) -> bool:
        """Whether somebody has to look: the part dies as soon as it is started."""
        return self.quick_deaths >= QUICK_DEATHS_ALLOWED

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start: doubling, and long once it is hopeless."""
        if self.is_hopeless:
            return SLOW_PAUSE_SECONDS
        return FIRST_PAUSE_SECONDS * 2.0 ** max(0, self.quick_deaths - 1)
