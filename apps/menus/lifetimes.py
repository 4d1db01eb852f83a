"""Whether the items of a service are shown, by how the service lives. Pure; nothing of it is stored (decision 0025)."""

from collections.abc import Iterable
from enum import StrEnum

from apps.registry.lifecycle import service_status
from xerpium_sdk.wire.registry import Status

__all__ = ["Lifetime", "lifetime_of"]


class Lifetime(StrEnum):
    """How the service of an item lives, as far as its items are concerned."""

    UNREGISTERED = "unregistered"
    """It was never registered: its items are shown, for nobody says that anything is wrong."""
    WELL = "well"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    STALE = "stale"
    """All its leases have run out."""
    LEFT = "left"
    """It was registered and is not any more; its items return with it."""

    @property
    def is_shown(self) -> bool:
        """Whether its items are in trees."""
        return self not in (Lifetime.STALE, Lifetime.LEFT)

    @property
    def mark(self) -> str | None:
        """What its items say of it in trees, if anything."""
        return self.value if self in (Lifetime.DEGRADED, Lifetime.UNHEALTHY) else None


_OF_STATUS = {
    Status.HEALTHY: Lifetime.WELL,
    Status.STARTING: Lifetime.WELL,
    Status.DEGRADED: Lifetime.DEGRADED,
}


def lifetime_of(instances: Iterable[Status], *, was_registered: bool) -> Lifetime:
    """Return how a service lives.

    Args:
        instances: the statuses of its instances.
        was_registered: whether it ever had one.
    """
    present = {status for status in instances if status is not Status.DEREGISTERED}
    if not present:
        return Lifetime.LEFT if was_registered else Lifetime.UNREGISTERED
    if present == {Status.STALE}:
        return Lifetime.STALE
    return _OF_STATUS.get(service_status(present), Lifetime.UNHEALTHY)
