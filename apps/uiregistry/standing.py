"""How operators see the life of the service behind a page or widget. Pure.

Nothing of this is stored: it follows from the registry alone, so a service that comes back has everything back.
"""

from collections.abc import Mapping

from apps.core.badges import BADGES, Badge
from apps.menus.lifetimes import Lifetime
from xerpium_sdk.wire.registry import Status

__all__ = ["STANDINGS"]

STANDINGS: Mapping[Lifetime, Badge] = {
    Lifetime.WELL: Badge("shown", "green", BADGES[Status.HEALTHY].icon, "Its service is there."),
    Lifetime.DEGRADED: Badge(
        "degraded",
        "amber",
        BADGES[Status.DEGRADED].icon,
        "It is shown and marked: its service works, but not as it should.",
    ),
    Lifetime.UNHEALTHY: Badge(
        "unhealthy",
        "red",
        BADGES[Status.UNHEALTHY].icon,
        "It is shown and marked: its service does not do its work.",
    ),
    Lifetime.UNREGISTERED: Badge(
        "not registered", "faint", "M8 3.4v6M8 12.6h.01", "Its service never registered; what it declared is shown."
    ),
    Lifetime.STALE: Badge(
        "stale", "grey", BADGES[Status.STALE].icon, "Nobody hears from its service: it is hidden until somebody does."
    ),
    Lifetime.LEFT: Badge(
        "gone", "grey", BADGES[Status.DEREGISTERED].icon, "Its service has left: it is hidden, and comes back with it."
    ),
}
"""How what a service declared is doing, by how the service lives."""
