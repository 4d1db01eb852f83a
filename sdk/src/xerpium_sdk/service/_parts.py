"""The parts of a service. Each is made, and what it stands on imported, when it is first wanted."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from xerpium_sdk.auth import AsyncServiceAuthClient, ServiceAuthClient, has_key
from xerpium_sdk.health import HealthChecker
from xerpium_sdk.registry import AsyncCatalog
from xerpium_sdk.registry._tasks import Supplier
from xerpium_sdk.service._declaring import Declarations
from xerpium_sdk.service._settings import Settings

if TYPE_CHECKING:
    from xerpium_sdk.auth import TokenVerifier
    from xerpium_sdk.calls import AsyncServiceClient, CallPolicy, ServiceClient
    from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPublisher
    from xerpium_sdk.registry import Catalog
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["Parts"]


class Parts:
    """What a service is made of; see `XerpiumService` for what each part does."""

    def __init__(
        self,
        settings: Settings,
        declarations: Declarations,
        *,
        service_key: str | None,
        key_file: str | Path | None,
        follow: bool,
        ready_seconds: float,
        details: Supplier[Mapping[str, Any]] | None,
        make_health: Callable[[str, str], HealthChecker],
        make_consumer: Callable[[str, str | None], "EventConsumer"],
        policy: "CallPolicy | None",
        policies: "Mapping[str, CallPolicy] | None",
        shared_breakers: "SharedBreakers | bool",
    ) -> None:
        self.settings, self.declarations = settings, declarations
        self.follow, self.ready_seconds, self.details = follow, ready_seconds, details
        self._key: dict[str, Any] = {"service_key": service_key, "key_file": key_file}
        self._make_health, self._make_consumer = make_health, make_consumer
        self._limits: dict[str, Any] = {"policy": policy, "policies": policies}
        self._shared_breakers = shared_breakers
        self._lock = RLock()

    def made(self, name: str) -> Any:
        """Return a part if it was wanted by anybody, else None."""
        return self.__dict__.get(name)

    def get(self, name: str) -> Any:
        """Return a part, made once however many threads ask for it first."""
        if name in self.__dict__:
            return self.__dict__[name]
        with self._lock:
            return getattr(self, name)

    @property
    def has_key(self) -> bool:
        """Whether this service has a key: whether it takes part in authentication."""
        return any(self._key.values()) or has_key()

    @cached_property
    def auth(self) -> AsyncServiceAuthClient | None:
        """The service's tokens."""
        return AsyncServiceAuthClient(*self._identity(), **self._credentials()) if self.has_key else None

    @cached_property
    def auth_sync(self) -> ServiceAuthClient | None:
        """The same tokens, for threads."""
        return ServiceAuthClient(*self._identity(), **self._credentials()) if self.has_key else None

    @cached_property
    def verifier(self) -> "TokenVerifier":
        """Who brings which token."""
        from xerpium_sdk.auth import TokenVerifier

        return TokenVerifier(*self._identity(), auth=self.get("auth_sync"))

    @cached_property
    def health(self) -> HealthChecker:
        """How the service is."""
        return self._make_health(self.settings.name, self.settings.version)

    @cached_property
    def catalog(self) -> AsyncCatalog:
        """The live catalogue."""
        zone, auth = self.settings.zone, self.get("auth")
        return AsyncCatalog(self.settings.hub_url, zone=zone, auth=auth, ready_timeout=self.ready_seconds)

    @cached_property
    def services(self) -> "AsyncServiceClient":
        """Calls of other services."""
        from xerpium_sdk.calls import AsyncServiceClient

        shared = self.get("shared") or False
        return AsyncServiceClient(self.get("catalog"), auth=self.get("auth"), shared_breakers=shared, **self._limits)

    @cached_property
    def services_sync(self) -> "ServiceClient":
        """The same for threads; it only reads the catalogue, which any thread may."""
        from xerpium_sdk.calls import ServiceClient

        catalog, shared = cast("Catalog", self.get("catalog")), self.get("shared") or False
        return ServiceClient(catalog, auth=self.get("auth_sync"), shared_breakers=shared, **self._limits)

    @cached_property
    def shared(self) -> "SharedBreakers | None":
        """Makes the breakers of all processes one; None: it was not asked for."""
        if not isinstance(self._shared_breakers, bool):
            return self._shared_breakers
        if not self._shared_breakers:
            return None
        from xerpium_sdk.calls._sharing import new_shared

        return new_shared(self.settings.redis_url, self.settings.name)

    @cached_property
    def publisher(self) -> "AsyncEventPublisher":
        """Events to others."""
        from xerpium_sdk.events import AsyncEventPublisher

        return AsyncEventPublisher(self.settings.name, redis_url=self.settings.redis_url)

    @cached_property
    def publisher_sync(self) -> "EventPublisher":
        """The same for threads."""
        from xerpium_sdk.events import EventPublisher

        return EventPublisher(self.settings.name, redis_url=self.settings.redis_url)

    @cached_property
    def consumer(self) -> "EventConsumer":
        """Events of others."""
        return self._make_consumer(self.settings.name, self.settings.redis_url)

    @property
    def uses_events(self) -> bool:
        """Whether anything here needs Redis."""
        return any(self.made(name) is not None for name in ("publisher", "publisher_sync", "consumer"))

    def _identity(self) -> tuple[str, str]:
        return self.settings.hub_url, self.settings.name

    def _credentials(self) -> dict[str, Any]:
        return {**self._key, "company_id": self.settings.company_id}
