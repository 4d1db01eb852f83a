"""Every stream and Redis key of the hub. Nothing else in the house spells one out."""

__all__ = [
    "PERSISTENT_KEYS",
    "REGISTRY_CATALOG",
    "REGISTRY_CHANGES",
    "REGISTRY_LEASES",
    "REGISTRY_PROTECTION",
    "REGISTRY_SEEN",
    "RELAY_ALIVE",
    "STREAM_EVENTS",
    "STREAM_EVENTS_CUSTOM",
    "STREAM_EVENTS_DEAD",
    "STREAM_HUB",
    "registry_report",
]

STREAM_EVENTS = "xerpium:events"
"""Events of the types that every consumer of today can read (`EventType`)."""
STREAM_EVENTS_CUSTOM = "xerpium:events:custom"
"""Events of types that services declare themselves."""
STREAM_EVENTS_DEAD = "xerpium:events:dead"
"""Messages that a group gave up on, with the reason."""
STREAM_HUB = "xerpium:hub"
"""What the hub itself has to tell."""

REGISTRY_CATALOG = "xerpium:registry:catalog"
"""Hash: ``meta`` -> ``{"revision": N}``, ``<instance pk>`` -> instance row as JSON."""
REGISTRY_CHANGES = "xerpium:registry:changes"
"""Stream of changes of the catalogue; the entry of revision N has the id ``N-0``."""
REGISTRY_LEASES = "xerpium:registry:leases"
"""Sorted set: instance pk -> end of its lease, Unix milliseconds."""
REGISTRY_SEEN = "xerpium:registry:seen"
"""Sorted set: instance pk -> last time it was heard of, Unix milliseconds."""
REGISTRY_PROTECTION = "xerpium:registry:protection"
"""``{"since": ISO time, "reason": text}`` while protection is on; set anew by every sweep, with a TTL of 5 s."""
RELAY_ALIVE = "xerpium:relay:alive"
"""Set by the relay with a TTL of 3 s; gone when the relay is away."""

PERSISTENT_KEYS = frozenset(
    {
        STREAM_EVENTS,
        STREAM_EVENTS_CUSTOM,
        STREAM_EVENTS_DEAD,
        STREAM_HUB,
        REGISTRY_CATALOG,
        REGISTRY_CHANGES,
        REGISTRY_LEASES,
        REGISTRY_SEEN,
    }
)
"""The keys that live without a TTL; any other key under ``xerpium:`` without one is a leak."""


def registry_report(instance_pk: int) -> str:
    """Return the key that holds the last report of one instance (with a TTL)."""
    return f"xerpium:registry:report:{instance_pk}"
