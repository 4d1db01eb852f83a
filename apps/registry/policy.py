"""The SSRF policy by which health URLs are judged."""

from functools import lru_cache
from typing import Final

from django.conf import settings

from apps.core.fetching import outward_policy, own_endpoints
from apps.core.outward import Policy

__all__ = ["REFUSED_TEXT", "health_policy", "own_endpoints"]

REFUSED_TEXT: Final = (
    "This health_check_url cannot be used. It must be a plain http or https URL of the service itself, at an address "
    'and a port that the operators of this hub allow; see "Health URLs" in the documentation.'
)


@lru_cache(maxsize=1)
def health_policy() -> Policy:
    """Return the policy by which health URLs are judged; the hub's own engines are never polled.

    Raises:
        ValueError: a CIDR or a port in the settings cannot be read; the message names it.
    """
    return outward_policy(allow_public=settings.HEALTH_ALLOW_PUBLIC)
