"""One run of a service, on one event loop: from its start to the last thread and task."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Any

from xerpium_sdk.auth._background import begin
from xerpium_sdk.registry import AsyncHubClient, AsyncMember, ServiceRecord
from xerpium_sdk.registry._tasks import call
from xerpium_sdk.service._checks import SilentHub, redis_check
from xerpium_sdk.service._parts import Parts
from xerpium_sdk.service._seat import Seat
from xerpium_sdk.service._state import ServiceState
from xerpium_sdk.wire.registry import Registration, Status

if TYPE_CHECKING:
    from redis import Redis

    from xerpium_sdk.events import EventConsumer
    from xerpium_sdk.health import HealthChecker

__all__ = ["Life"]

log = logging.getLogger("xerpium_sdk.service")
LAST_SECONDS = 1.0
"""How long before the deadline whatever still waits is broken off."""
LOOK_SECONDS = 0.02
FOR_TASKS = ("services", "publisher", "auth")
FOR_THREADS = ("services_sync", "publisher_sync", "auth_sync")
SEAT_SECONDS = 0.5
"""How often a process that is not the one that joins looks whether it may."""
ADDRESS_SECONDS = 2.0
"""How long the system may take to say which address this machine has."""


class Life:
    """Starts the parts of a service that it has, and ends them."""

    def __init__(self, parts: Parts) -> None:
        self.member: AsyncMember | None = None
        self._parts, self._name = parts, parts.settings.name
        self._client: AsyncHubClient | None = None
        self._seat: Seat | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._catalog_runs = False
        self._unfollow: Callable[[], None] = lambda: None
        self._started: Future[None] | None = None
        self._asked_redis: Redis | None = None
        self._numbers: Mapping[str, Any] = {}

    async def begin(self) -> None:
        """Start everything; a hub or a Redis that is away is no reason not to.

        Raises:
            ValueError: something that has no default is not known.
            InvalidManifest: what was declared contradicts itself.
        """
        settings = self._parts.settings
        joins, follows = settings.joins, self._parts.follow
        member = self._new_member(await self._registration()) if joins else None
        self._add_checks(joins=joins, follows=follows)
        try:
            if follows:
                self._catalog_runs = True
                await self._parts.get("catalog").__aenter__()
            if (shared := self._parts.get("shared")) is not None:
                shared.start()
            self._begin_consumer()
            if member is not None:
                await self._join(member)
        except BaseException:
            await self.end(LAST_SECONDS)
            raise
        does = [f"joins {settings.hub_url}" if joins else "", "follows the catalogue" if follows else ""]
        does.append("handles events" if self._started is not None else "")
        log.info("%s %s has started: %s.", self._name, settings.version, ", ".join(filter(None, does)) or "alone")

    async def end(self, seconds: float) -> None:
        """End everything within ``seconds``: what waits for a hub or a Redis that hangs is broken off then."""
        deadline = monotonic() + seconds
        soft = deadline - min(LAST_SECONDS, seconds / 2)
        self._unfollow()
        consuming = asyncio.create_task(self._end_consumer(soft, deadline))
        await self._all([self._leave()], soft)
        await asyncio.wait({consuming})
        await self._all(self._closings(deadline), deadline - LAST_SECONDS / 4)
        log.info("%s has stopped.", self._name)

    @property
    def state(self) -> ServiceState:
        """What works."""
        member, catalog = self.member, self._parts.made("catalog") if self._catalog_runs else None
        keeper = member.manifest if member is not None else None
        manifest = None
        if keeper is not None:
            manifest = "applied" if keeper.applied else "pending" if keeper.trouble is None else "refused"
        consumer: EventConsumer | None = self._parts.made("consumer") if self._started is not None else None
        return ServiceState(
            running=True,
            joined=member.joined if member is not None else None,
            hub_trouble=member.trouble if member is not None else "",
            manifest=manifest,  # type: ignore[arg-type]
            catalog_age=catalog.age if catalog is not None else None,
            consuming=consumer.running if consumer is not None else None,
            events_trouble=self._events_trouble(),
        )

    def changed(self) -> None:
        """Tell the hub at once how this service is now; may be called from any thread."""
        self._parts.get("health").forget()
        if self.member is not None:
            self.member.report_now()

    # --- the start

    async def _registration(self) -> Registration:
        settings = self._parts.settings
        asked = begin(f"address of {self._name}", settings.registration, lambda: None)
        done, _ = await asyncio.wait({asyncio.wrap_future(asked)}, timeout=ADDRESS_SECONDS)
        if not done:
            raise ValueError("The system does not say which address this machine has: set XERPIUM_HOST, or pass it.")
        return done.pop().result()

    def _new_member(self, registration: Registration) -> AsyncMember:
        self._client = AsyncHubClient(self._parts.settings.hub_url, auth=self._parts.get("auth"))
        manifest = self._parts.declarations.manifest
        return AsyncMember(self._client, registration, status=self._status, details=self._details, manifest=manifest)

    async def _join(self, member: AsyncMember) -> None:
        about = member.registration
        self._seat = Seat(self._parts.settings.hub_url, about.name, about.effective_instance_id)
        if self._seat.take():
            await member.__aenter__()
            self.member = member
        else:
            log.info("Another process is %s to the hub; this one will be when that ends.", about.effective_instance_id)
            self._waiting = asyncio.create_task(self._join_later(member, self._seat), name=f"seat of {self._name}")

    async def _join_later(self, member: AsyncMember, seat: Seat) -> None:
        while not seat.take():  # noqa: ASYNC110 - it is another process that gives it back
            await asyncio.sleep(SEAT_SECONDS)
        await member.__aenter__()
        self.member = member

    def _begin_consumer(self) -> None:
        consumer: EventConsumer | None = self._parts.made("consumer")
        if consumer is None:
            return
        loop = asyncio.get_running_loop()
        # It asks Redis before it returns, which may take its time.
        self._started = begin(f"start of {consumer.consumer_group}", lambda: consumer.start(loop=loop), lambda: None)
        self._started.add_done_callback(self._log_failure)

    def _log_failure(self, started: "Future[None]") -> None:
        if error := started.exception():
            log.error("Events are not handled by %s: %s", self._name, error)

    def _add_checks(self, *, joins: bool, follows: bool) -> None:
        health, known = self._parts.get("health"), self._parts.get("health").names
        if joins and "hub" not in known:
            health.register("hub", SilentHub(self), counts=False)
        if follows and self._parts.settings.dependencies:
            if "external_services" not in known:
                health.requires(self._parts.get("catalog"), self._parts.settings.dependencies)
            self._unfollow = self._parts.get("catalog").on_change(self._service_changed)
        if self._parts.uses_events and "redis" not in known:
            self._asked_redis, check = redis_check(self._parts.settings.redis_url)
            health.register("redis", check, critical=False)

    def _service_changed(self, record: ServiceRecord) -> None:
        if record.name in self._parts.settings.dependencies:
            self.changed()

    # --- what the hub is told

    async def _status(self) -> Status:
        health: HealthChecker = self._parts.get("health")
        status, self._numbers = await health.heartbeat()
        return status

    async def _details(self) -> dict[str, Any]:
        own = await call(self._parts.details) if self._parts.details is not None else {}
        return {**self._numbers, **own}

    def _events_trouble(self) -> str:
        if self._started is None or not self._started.done():
            return ""
        error = self._started.exception()
        return "" if error is None else f"{type(error).__name__}: {error}"

    # --- the end

    async def _leave(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait({self._waiting})
        member, self.member = self.member, None
        try:
            if member is not None:
                await member.__aexit__(None, None, None)
        finally:
            if self._seat is not None:
                self._seat.give_back()

    async def _end_consumer(self, soft: float, deadline: float) -> None:
        started, consumer = self._started, self._parts.made("consumer")
        if started is None or consumer is None:
            return
        grace = max(0.0, (soft - monotonic()) * 0.8)  # the rest is for taking leave of Redis
        while (now := monotonic()) < deadline:
            consumer.stop(grace_seconds=grace)  # it may be just about to start
            over = started.done() and not consumer.running
            if (over or now >= soft) and consumer.give_up() and over:
                break
            await asyncio.sleep(LOOK_SECONDS)
        else:
            log.warning("Handlers of %s still hang in their threads.", self._name)
            if not started.done() or consumer.running:
                return
        try:
            consumer.close()
        except Exception as error:  # how it failed stands in the log already
            log.debug("The consumer of %s had failed: %s", self._name, error)

    def _closings(self, deadline: float) -> list[Coroutine[Any, Any, Any]]:
        parts, closings = self._parts, []
        if self._catalog_runs:
            self._catalog_runs = False
            closings.append(parts.get("catalog").__aexit__(None, None, None))
        made = {name: parts.made(name) for name in (*FOR_TASKS, *FOR_THREADS)}
        closings += [made[name].aclose() for name in FOR_TASKS if made[name] is not None]
        closings += [_later(made[name].close) for name in FOR_THREADS if made[name] is not None]
        if (shared := parts.made("shared")) is not None:
            from xerpium_sdk.calls._tasks import end_of

            closings.append(end_of(shared))
        if self._client is not None:
            closings.append(self._client.aclose())
        closings.append(self._end_checks(deadline))
        return closings

    async def _end_checks(self, deadline: float) -> None:
        from_redis, health = self._asked_redis, self._parts.get("health")
        if from_redis is not None:
            health.unregister("redis")
        if not await health.settle(max(0.0, deadline - LAST_SECONDS / 2 - monotonic())):
            log.warning("A health check of %s still hangs in its thread.", self._name)
        if from_redis is not None:
            from_redis.close()

    async def _all(self, work: list[Coroutine[Any, Any, Any]], until: float) -> None:
        """Do all of ``work`` at once, and break off what is not done ``until`` then."""
        tasks = {asyncio.create_task(one, name=f"end of {self._name}") for one in work}
        _, late = await asyncio.wait(tasks, timeout=max(LOOK_SECONDS, until - monotonic()))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                log.warning("%s did not end well: %s: %s", self._name, type(error).__name__, error)


async def _later(close: Callable[[], Any]) -> None:
    close()
