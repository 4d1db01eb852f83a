"""Every stream and Redis key of the hub. Nothing else in the house spells one out."""

__all__ = [
    "BREAKERS",
    "LIMITS",
    "PERSISTENT_KEYS",
    "PERSISTENT_PREFIXES",
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
    "breaker_keys",
    "events_active",
    "events_handled",
    "events_members",
    "limits_guesses",
    "limits_mark",
    "registry_report",
    "requests_sent",
    "stream_of_replays",
    "stream_of_replies",
    "stream_of_requests",
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
LIMITS = "xerpium:limits"
"""Beginning of the names of rate limits' counters, each with a TTL of at most twice its window."""
BREAKERS = "xerpium:breaker"
"""Beginning of the names of what the processes of one service tell each other of the services that they call."""

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
PERSISTENT_PREFIXES = ("xerpium:events:replay:", "xerpium:requests:")
"""Beginnings of the names of streams that one group or service has for itself; they live without a TTL as well."""


def registry_report(instance_pk: int) -> str:
    """Return the key that holds the last report of one instance (with a TTL)."""
    return f"xerpium:registry:report:{instance_pk}"


def stream_of_replays(group: str) -> str:
    """Return the stream on which dead letters come back to the one group that gave them up."""
    return f"xerpium:events:replay:{group}"


def stream_of_requests(service: str) -> str:
    """Return the stream on which ``service`` takes requests of other services."""
    return f"xerpium:requests:{service}"


def stream_of_replies(requester: str) -> str:
    """Return the stream (with a TTL) on which one process, ``requester``, gets its replies."""
    return f"xerpium:replies:{requester}"


def requests_sent(requester: str) -> str:
    """Return the key (with a TTL) that holds the number of the last request of one process, ``requester``."""
    return f"xerpium:replies:{requester}:sent"


def events_members(group: str) -> str:
    """Return the hash of a group's consumers: name -> JSON of their last sign of life and their counts (with a TTL)."""
    return f"xerpium:events:members:{group}"


def events_active(group: str) -> str:
    """Return the key that holds which consumer of an ordered group may read (with a TTL of seconds)."""
    return f"xerpium:events:active:{group}"


def events_handled(group: str, handler: str, event_id: str) -> str:
    """Return the key that says that ``handler`` of ``group`` is done with an event, or is at it (with a TTL)."""
    return f"xerpium:events:handled:{group}:{handler}:{event_id}"


def limits_mark(digest: str) -> str:
    """Return the key (with a TTL) that says that a credential was good at a source; ``digest`` gives away neither."""
    return f"{LIMITS}:good:{digest}"


def limits_guesses(minute: int) -> str:
    """Return the hash (with a TTL) of the failed credentials of one minute since the epoch: who from where -> count."""
    return f"{LIMITS}:guesses:{minute}"


def breaker_keys(prefix: str, group: str, name: str) -> tuple[str, str, str, str]:
    """Return the keys (each with a TTL) of one breaker that the processes of ``group`` share.

    They say that it is open, which opening is over, who may try, and who would like to.
    """
    beginning = f"{prefix}:{group}:{name}"
    return f"{beginning}:open", f"{beginning}:over", f"{beginning}:trial", f"{beginning}:wanted"
