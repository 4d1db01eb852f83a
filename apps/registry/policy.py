"""The SSRF policy that the settings describe."""

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from apps.registry.healthurl import Policy


@lru_cache(maxsize=1)
def health_policy() -> Policy:
    """Return the policy by which health URLs are judged; the hub's own engines are never polled.

    Raises:
        ValueError: a CIDR or a port in the settings cannot be read; the message names it.
    """
    return Policy.from_strings(
        allow_cidrs=settings.HEALTH_ALLOW_CIDRS,
        deny_cidrs=settings.HEALTH_DENY_CIDRS,
        allow_public=settings.HEALTH_ALLOW_PUBLIC,
        development=settings.DEVELOPMENT,
        denied_ports=settings.HEALTH_DENY_PORTS,
        denied_endpoints=own_endpoints(),
    )


def own_endpoints() -> frozenset[tuple[str, int]]:
    """Return host and port of PostgreSQL and Redis as the settings name them."""
    found = set()
    for url, default in ((settings.DATABASE_URL, 5432), (settings.REDIS_URL, 6379)):
        parts = urlsplit(url)
        if parts.hostname:
            found.add((parts.hostname, parts.port or default))
    return frozenset(found)
