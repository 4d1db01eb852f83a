"""What a service says of its hub and of its Redis when somebody asks how it is."""

from math import isfinite
from typing import TYPE_CHECKING, Protocol

from xerpium_sdk.health import CheckFunction, CheckResult
from xerpium_sdk.service._state import ServiceState

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["SilentHub", "redis_check"]

SILENT_SECONDS = 20.0
"""The hub speaks every 15 s."""
REDIS_SECONDS = 1.0


class HasState(Protocol):
    """What runs."""

    @property
    def state(self) -> ServiceState:
        """What of it works."""


class SilentHub:
    """Checks that the hub knows this instance and is heard.

    It does not count for or against the instance, which does its work without a hub, and the one who asks is often the
    hub itself: one that comes back would find every service degraded, by its own absence.
    """

    def __init__(self, life: HasState) -> None:
        self._life = life

    def __call__(self) -> CheckResult:
        """Say what is known, without asking anybody."""
        state = self._life.state
        details: dict[str, object] = {"registered": state.joined, "in_touch": not state.hub_trouble}
        if state.manifest is not None:
            details["manifest"] = state.manifest
        heard = True
        if state.catalog_age is not None:
            heard = state.catalog_age <= SILENT_SECONDS
            details["heard_seconds_ago"] = round(state.catalog_age, 1) if isfinite(state.catalog_age) else None
        return CheckResult(state.joined is not False and not state.hub_trouble and heard, details)


def redis_check(url: str | None) -> "tuple[Redis, CheckFunction]":
    """Return a client that has little patience, and a check that asks it."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from xerpium_sdk.events.connection import default_url
    from xerpium_sdk.health import checks

    client = Redis.from_url(
        url or default_url(),
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return client, checks.redis(client)
