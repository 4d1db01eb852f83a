"""`XerpiumService`: one object for all that a service needs of a hub."""

import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from xerpium_sdk.registry._tasks import Supplier
from xerpium_sdk.service._declaring import Declarations, Item
from xerpium_sdk.service._life import Life
from xerpium_sdk.service._parts import Parts
from xerpium_sdk.service._settings import About, Settings
from xerpium_sdk.service._state import ServiceState
from xerpium_sdk.service._thread import LifeThread
from xerpium_sdk.wire.manifests import Manifest
from xerpium_sdk.wire.menus import Badge, MenuItem
from xerpium_sdk.wire.ui import UIComponent, UIWidget

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from xerpium_sdk.auth import AsyncServiceAuthClient, TokenVerifier
    from xerpium_sdk.calls import AsyncServiceClient, CallPolicy, ServiceClient
    from xerpium_sdk.events import AsyncEventPublisher, EventConsumer, EventPublisher
    from xerpium_sdk.health import HealthChecker
    from xerpium_sdk.registry import AsyncCatalog, AsyncMember
    from xerpium_sdk.resilience.shared import SharedBreakers
    from xerpium_sdk.wire.envelope import EventType

__all__ = ["XerpiumService"]

Function = TypeVar("Function", bound=Callable[..., Any])
log = logging.getLogger("xerpium_sdk.service")


class XerpiumService:
    """A service of a XERPIUM hub: it joins, shows menus, handles and publishes events, calls others.

    ```python
    app = FastAPI()
    service = XerpiumService("order-service", "1.0.0", port=8002)
    service.install(app)
    service.menu("Orders", "/orders", "receipt")
    ```

    Everything is optional and made when it is first used; what is not given comes from the environment. It runs while
    the application does (`install`, `lifespan`), within ``async with``, or from `start` to `stop` in a program without
    an event loop; it may be started again after it was stopped. A hub or a Redis that is away is tried again in the
    background, and keeps nothing from starting.

    Args:
        name: the service's name; default ``XERPIUM_SERVICE_NAME``.
        version: which release this is; default ``XERPIUM_SERVICE_VERSION``.
        hub_url: where the hub is; default ``XERPIUM_HUB_URL``.
        host: the name or address by which others reach this machine; default ``XERPIUM_HOST``, or that of
            ``api_base_url``, or the address from which this machine speaks to the hub.
        port: where it listens; default ``XERPIUM_PORT``, or that of ``api_base_url``.
        api_base_url: where its API begins: an address, or a path such as ``/api/v1`` at host and port; default
            ``XERPIUM_API_BASE_URL``.
        redis_url: where events are; default ``XERPIUM_REDIS_URL``, or ``REDIS_URL``.
        zone: where it runs; instances of the same zone are preferred; default ``XERPIUM_ZONE``.
        service_key: its key at the hub; default ``XERPIUM_SERVICE_KEY``. Or ``key_file``, a file with the key; default
            ``XERPIUM_SERVICE_KEY_FILE``. Without either it speaks to an open hub.
        join: whether it registers; default: unless ``XERPIUM_JOIN`` is 0.
        follow: whether it follows the live catalogue, which `services` and `catalog` need.
        ready_seconds: how long the start waits for the catalogue; it fills later if need be.
        stop_seconds: how long its end may take.
        manifest: what it shows, as one object; `menu`, `page`, `form`, `widget` and `declare` add to it.
        details: more to show to operators at each report.
        health: checks of its own; default: a `HealthChecker` with the usual ones.
        consumer: handles its events; default: an `EventConsumer` with the usual options.
        policy: the limits around each call of another service.
        policies: other limits for some services, by name.
        shared_breakers: lets all processes of this service have one breaker for each service that they call, through
            its Redis (True), or another one (`SharedBreakers`, which it starts and stops).
        about: what else `Registration` says: ``tags``, ``capabilities``, ``dependencies``, ``api_docs_url`` (also a
            path), ``lease_seconds``, … . Those named in ``dependencies`` are watched: while one is away, this service
            says that it is degraded.
    """

    def __init__(
        self,
        name: str | None = None,
        version: str | None = None,
        *,
        hub_url: str | None = None,
        host: str | None = None,
        port: int | None = None,
        api_base_url: str | None = None,
        redis_url: str | None = None,
        zone: str | None = None,
        service_key: str | None = None,
        key_file: str | Path | None = None,
        join: bool | None = None,
        follow: bool = True,
        ready_seconds: float = 2.0,
        stop_seconds: float = 10.0,
        manifest: Manifest | None = None,
        details: Supplier[Mapping[str, Any]] | None = None,
        health: "HealthChecker | None" = None,
        consumer: "EventConsumer | None" = None,
        policy: "CallPolicy | None" = None,
        policies: "Mapping[str, CallPolicy] | None" = None,
        shared_breakers: "SharedBreakers | bool" = False,
        **about: Unpack[About],
    ) -> None:
        self._settings = Settings(
            given_name=name,
            given_version=version,
            given_hub_url=hub_url,
            host=host,
            port=port,
            api_base_url=api_base_url,
            given_redis_url=redis_url,
            given_zone=zone,
            join=join,
            about=about,
        )
        self._declarations = Declarations(manifest)
        self._parts = Parts(
            self._settings,
            self._declarations,
            service_key=service_key,
            key_file=key_file,
            follow=follow,
            ready_seconds=ready_seconds,
            details=details,
            make_health=self._new_health if health is None else lambda name, version: health,
            make_consumer=self._new_consumer,
            policy=policy,
            policies=policies,
            shared_breakers=shared_breakers,
        )
        if consumer is not None:
            self._parts.consumer = consumer
        self.stop_seconds = stop_seconds
        self._lock = threading.Lock()
        self._life: Life | None = None
        self._thread: LifeThread | None = None
        self._process = 0
        self._ending = False

    def __repr__(self) -> str:
        """Return who this is, and whether it runs."""
        given = self._settings.given_name, self._settings.given_version
        return f"{type(self).__name__}{given!r}{' running' if self.running else ''}"

    # --- who it is

    @property
    def name(self) -> str:
        """Its name. Raises ValueError when neither an argument nor the environment says it."""
        return self._settings.name

    @property
    def version(self) -> str:
        """Which release it is. Raises as `name` does."""
        return self._settings.version

    @property
    def running(self) -> bool:
        """Whether it was started and not yet stopped, in this process."""
        return self._life is not None and self._process == os.getpid()

    @property
    def state(self) -> ServiceState:
        """What of it works at the moment."""
        life = self._life
        return ServiceState(running=False) if life is None or not self.running else life.state

    @property
    def has_key(self) -> bool:
        """Whether it has a key at the hub, and so should ask its callers for tokens."""
        return self._parts.has_key

    # --- its parts

    @property
    def member(self) -> "AsyncMember | None":
        """Its membership while it runs; None before and after, and if it does not join."""
        return self._life.member if self._life is not None else None

    @property
    def auth(self) -> "AsyncServiceAuthClient | None":
        """Gets its tokens; None: it has no key."""
        found: AsyncServiceAuthClient | None = self._parts.get("auth")
        return found

    @property
    def verifier(self) -> "TokenVerifier":
        """Tells who brings a token; needs the extra ``auth``."""
        found: TokenVerifier = self._parts.get("verifier")
        return found

    @property
    def health(self) -> "HealthChecker":
        """Says how it is: ``@service.health.check("printer")`` adds a check. The hub is told the same numbers."""
        found: HealthChecker = self._parts.get("health")
        return found

    @property
    def catalog(self) -> "AsyncCatalog":
        """All services, from memory; may be read in any thread."""
        found: AsyncCatalog = self._parts.get("catalog")
        return found

    @property
    def services(self) -> "AsyncServiceClient":
        """Calls other services: ``await service.services.get("product-service", "products/42")``."""
        found: AsyncServiceClient = self._parts.get("services")
        return found

    @property
    def services_sync(self) -> "ServiceClient":
        """Calls other services, in threads."""
        found: ServiceClient = self._parts.get("services_sync")
        return found

    @property
    def publisher(self) -> "AsyncEventPublisher":
        """Publishes events; needs the extra ``events``."""
        found: AsyncEventPublisher = self._parts.get("publisher")
        return found

    @property
    def publisher_sync(self) -> "EventPublisher":
        """Publishes events, in threads; needs the extra ``events``."""
        found: EventPublisher = self._parts.get("publisher_sync")
        return found

    @property
    def consumer(self) -> "EventConsumer":
        """Handles events; needs the extra ``events``."""
        found: EventConsumer = self._parts.get("consumer")
        return found

    # --- events

    def on(self, *event_types: "EventType | str", **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that registers a handler of events; ``options`` are those of `EventConsumer.on`."""
        return self._before_start().on(*event_types, **options)

    def on_batch(self, *event_types: "EventType | str", **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that registers a handler of many events; see `EventConsumer.on_batch`."""
        return self._before_start().on_batch(*event_types, **options)

    # --- what it shows

    @property
    def manifest(self) -> Manifest | None:
        """All that was declared; None: nothing."""
        return self._declarations.manifest

    def declare(self, *items: Item) -> None:
        """Show more: menu items, components and widgets. While it runs, the hub is told at once.

        Raises:
            InvalidManifest: it contradicts what was declared before.
            RuntimeError: it runs, and was started with nothing to show.
        """
        self._declare(lambda: self._declarations.add(items))

    def menu(
        self,
        name: str,
        path: str | None = None,
        icon: str | None = None,
        *,
        parent: str | None = None,
        order: int = 100,
        permissions: Sequence[str] = (),
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        badge: Badge | str | None = None,
        **more: Any,
    ) -> MenuItem:
        """Show a menu item; ``more`` are the other fields of `MenuItem`. A ``badge`` may be just its endpoint."""
        item = MenuItem(
            name, path, icon, parent, order_number=order, required_permissions=permissions, description=description,
            labels=labels, badge=Badge(badge) if isinstance(badge, str) else badge, **more,
        )  # fmt: skip
        self.declare(item)
        return item

    def badge(self, key: str, endpoint: str, *, refresh_interval: int = 60) -> None:
        """Put a number beside a menu item that was declared, named by its key, its path or its name.

        Raises:
            LookupError: there is no such item.
        """
        self._declare(lambda: self._declarations.badge(key, Badge(endpoint, refresh_interval)))

    def page(
        self,
        name: str,
        path: str,
        endpoint: str = "",
        *,
        permissions: Sequence[str] = (),
        title: str = "",
        **props: Any,
    ) -> UIComponent:
        """Show a page at ``path`` with data from ``endpoint``; ``props`` as its JSON Schema says."""
        return self._component("page", name, path, endpoint, permissions, title, props)

    def form(
        self,
        name: str,
        path: str,
        endpoint: str = "",
        *,
        permissions: Sequence[str] = (),
        title: str = "",
        **props: Any,
    ) -> UIComponent:
        """Show a form at ``path`` whose fields go to ``endpoint``; ``props`` as its JSON Schema says."""
        return self._component("form", name, path, endpoint, permissions, title, props)

    def widget(
        self,
        name: str,
        widget_type: str,
        endpoint: str,
        *,
        permissions: Sequence[str] = (),
        refresh_interval: int = 30,
        size: str = "medium",
        **config: Any,
    ) -> UIWidget:
        """Offer a widget for dashboards; ``config`` as the JSON Schema of its type says (`ui/schemas/chart`)."""
        widget = UIWidget(
            name, None, widget_type, endpoint, refresh_interval, size, permissions=permissions or None,
            config=config or None,
        )  # fmt: skip
        self.declare(widget)
        return widget

    # --- its life

    def install(self, app: "Starlette", *, health: bool = True) -> None:
        """Let it live as long as a FastAPI or Starlette application.

        The application also answers ``/health``, ``/health/ready`` and ``/health/live`` (unless it has a ``/health``,
        or ``health=False``), takes over the id and the trace of its requests, and judges tokens by `verifier`.
        """
        from xerpium_sdk.service._web import install  # who has no web application needs no Starlette

        install(app, self, health=health)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Be the lifespan of an application: ``FastAPI(lifespan=service.lifespan)``; `install` does this and more."""
        async with self:
            yield

    async def astart(self) -> None:
        """Start it on this event loop.

        Raises:
            ValueError: something that has no default is not known.
            RuntimeError: it runs already, or is being stopped.
        """
        life = self._claim()
        try:
            await life.begin()
        except BaseException:
            self._life = None
            raise

    async def astop(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as `stop` has it
        """Stop it within ``timeout`` seconds (default: `stop_seconds`); nothing happens when it does not run."""
        if self._thread is not None:
            raise RuntimeError("It was begun by start(): end it by stop().")
        with self._lock:
            life, self._life = self._life, None
            self._ending = life is not None
        if life is not None:
            try:
                await life.end(self.stop_seconds if timeout is None else timeout)
            finally:
                self._ending = False

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.astop()

    def start(self) -> None:
        """Start it in a thread of its own, for programs without an event loop. Raises as `astart` does.

        Handlers that are coroutine functions run in that thread.
        """
        life = self._claim()
        self._thread = LifeThread(life, self.name)
        try:
            self._thread.start()
        except BaseException:
            self._life = self._thread = None
            raise

    def stop(self, timeout: float | None = None) -> bool:
        """Stop what `start` began within ``timeout`` seconds (default: `stop_seconds`).

        Returns False when something is left then, which ends by itself. Nothing happens when it does not run.

        Raises:
            RuntimeError: it runs on an event loop, or this is called by a handler on its own.
        """
        with self._lock:
            if self._life is not None and self._thread is None and self.running:
                raise RuntimeError("It was begun on an event loop: end it there, by astop().")
            if self._thread is not None and self._thread.is_here:
                raise RuntimeError("A service is not stopped by what runs on its own event loop.")
            thread, self._life, self._thread = self._thread, None, None
            if thread is None or self._process != os.getpid():
                return True
            self._ending = True
        try:
            ended = thread.stop(self.stop_seconds if timeout is None else timeout)
        finally:
            self._ending = False
        if not ended:
            log.warning("%s has not stopped in time.", self.name)
        return ended

    def report_now(self) -> None:
        """Tell the hub at once how it is, because something has changed; may be called from any thread."""
        if self._life is not None:
            self._life.changed()

    # --- for those who know more than this class

    def _new_health(self, name: str, version: str) -> "HealthChecker":
        from xerpium_sdk.health import HealthChecker

        return HealthChecker(name, version)

    def _new_consumer(self, name: str, redis_url: str | None) -> "EventConsumer":
        from xerpium_sdk.events import EventConsumer

        return EventConsumer(name, redis_url=redis_url)

    # --- inside

    def _claim(self) -> Life:
        with self._lock:
            if self.running:
                raise RuntimeError(f"{self.name} runs already.")
            if self._ending and self._process == os.getpid():
                raise RuntimeError(f"{self.name} is being stopped.")
            self._process, self._thread = os.getpid(), None
            self._life = Life(self._parts)
            return self._life

    def _before_start(self) -> "EventConsumer":
        if self.running and self._parts.made("consumer") is None:
            raise RuntimeError("Register handlers before the service starts.")
        return self.consumer

    def _component(
        self, kind: str, name: str, path: str, endpoint: str, permissions: Iterable[str], title: str, props: Any
    ) -> UIComponent:
        about = {"title": title} if title else None
        component = UIComponent(name, kind, None, path, endpoint, tuple(permissions) or None, props or None, about)
        self.declare(component)
        return component

    def _declare(self, change: Callable[[], None]) -> None:
        life = self._life if self.running else None
        keeper = life.member.manifest if life is not None and life.member is not None else None
        if life is not None and life.member is not None and keeper is None:
            raise RuntimeError("It was started with nothing to show: declare something before.")
        change()
        if keeper is not None and self._declarations.manifest is not None:
            keeper.change(self._declarations.manifest)
