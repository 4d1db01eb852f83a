"""How the service behind a page or widget is doing, and what that means for what is shown. Pure.

Nothing of this is stored: it follows from the registry alone, so a service that comes back has everything back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.badges import BADGES, Badge
from xerpium_sdk.wire.registry import Status

__all__ = ["GONE", "STALE", "UNREGISTERED", "WELL", "Standing", "standing_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry knows of a service.

    Attributes:
        is_shown: whether what it declared is shown.
        mark: how it is marked where it is shown; empty for a service that is well.
        badge: how operators see it.
    """

    is_shown: bool
    mark: str
    badge: Badge


_SIGNS = {status: badge.icon for status, badge in BADGES.items()}

UNREGISTERED = Standing(
    True, "", Badge("not registered", "faint", "M8 3.4v6M8 12.6h.01", "It never registered: what it declared is shown.")
)
STALE = Standing(
    False, "", Badge("stale", "grey", _SIGNS[Status.STALE], "Nobody hears from its service: it is hidden until then.")
)
GONE = Standing(
    False, "", Badge("gone", "grey", _SIGNS[Status.DEREGISTERED], "Its service has left: it comes back with it.")
)
WELL = Standing(True, "", Badge("shown", "green", _SIGNS[Status.HEALTHY], "Its service is there."))
_MARKED = {
    status: Standing(True, status.value, Badge(status.value, BADGES[status].tone, _SIGNS[status], meaning))
    for status, meaning in (
        (Status.DEGRADED, "It is shown and marked: its service works, but not as it should."),
        (Status.UNHEALTHY, "It is shown and marked: its service does not do its work."),
    )
}


def standing_of(statuses: Mapping[Status, int] | None, *, known: bool) -> Standing:
    """Return how a service stands.

    Args:
        statuses: how many of its registered instances have each status; None or empty: it has none.
        known: whether it was ever registered.
    """
    if not statuses:
        return GONE if known else UNREGISTERED
    live = {status for status in statuses if status.is_live}
    if not live:
        return STALE
    if live <= {Status.HEALTHY, Status.STARTING}:
        return WELL
    return _MARKED[Status.DEGRADED if any(status.is_choosable for status in live) else Status.UNHEALTHY]
