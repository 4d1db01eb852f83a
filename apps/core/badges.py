"""How a status looks, once for every page: its word, its colour, its icon. Nobody has to tell colours apart.

An icon is the path of a stroke in a box of 16 by 16, so that badges, graph nodes and strips all draw the same sign.
"""

from dataclasses import dataclass

from xerpium_sdk.wire.registry import Status

__all__ = ["BADGES", "Badge", "badge_of"]


@dataclass(frozen=True, slots=True)
class Badge:
    """The look of one status. ``tone`` names a colour of ``hub.css``; ``meaning`` is one plain sentence for people."""

    word: str
    tone: str
    icon: str
    meaning: str


_RING_OF_DOTS = "M8 2.4h.01M12 4h.01M13.6 8h.01M12 12h.01M8 13.6h.01M4 12h.01M2.4 8h.01M4 4h.01"

BADGES: dict[Status, Badge] = {
    Status.HEALTHY: Badge("healthy", "green", "M3 8.6 6.4 12 13 4.4", "Does its work."),
    Status.DEGRADED: Badge("degraded", "amber", "M8 2.8v6.4M8 13h.01", "Works, but not as it should."),
    Status.UNHEALTHY: Badge("unhealthy", "red", "M3.8 3.8l8.4 8.4M12.2 3.8 3.8 12.2", "Does not do its work."),
    Status.STARTING: Badge("starting", "violet", "M8 13V3.6M3.8 7.6 8 3.4l4.2 4.2", "Registered, not ready yet."),
    Status.DRAINING: Badge("draining", "blue", "M5.4 3.4v9.2M10.6 3.4v9.2", "Out of rotation on purpose."),
    Status.STALE: Badge("stale", "grey", _RING_OF_DOTS, "Not heard of for longer than its lease."),
    Status.DEREGISTERED: Badge("deregistered", "faint", "M3.4 8h9.2", "Left the registry."),
}


def badge_of(status: str) -> Badge:
    """Return the look of a status word; one that this version does not know looks unhealthy."""
    return BADGES[Status.read(status)]
