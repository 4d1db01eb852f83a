"""One life of a consumer: its threads, from the start to the last acknowledgement."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from redis import Redis
from redis.exceptions import RedisError

from xerpium_sdk.events.connection import cannot_heal, hang_up
from xerpium_sdk.events.coordinator import Coordinator
from xerpium_sdk.events.desk import Desk
from xerpium_sdk.events.group import RedisGroup
from xerpium_sdk.events.idempotency import WrappingStore
from xerpium_sdk.events.membership import RedisMembership
from xerpium_sdk.events.metrics import Metrics
from xerpium_sdk.events.options import Options
from xerpium_sdk.events.reader import Held, Reader
from xerpium_sdk.events.standing import Standing
from xerpium_sdk.events.subscriptions import Subscription, Subscriptions
from xerpium_sdk.events.suspects import unclear_deaths
from xerpium_sdk.events.tasks import TaskPool
from xerpium_sdk.events.workers import Pool, ThreadPool

__all__ = ["Engine", "Report"]

logger = logging.getLogger(__name__)

JOIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a consumer ended."""

    handed_back: int
    """Entries in hand that were not begun, or not known to be done: they stay pending for whoever reads next."""
    unfinished: int
    """Handlers that were still at work when the grace period was over; their events will be handled again."""
    finished: bool
    """Whether Redis has heard of everything that was done."""


class Engine:
    """Runs a consumer once, over two connections: one that blocks, one that answers."""

    def __init__(
        self,
        options: Options,
        subscriptions: Subscriptions,
        metrics: Metrics,
        *,
        make_client: Callable[[float], Redis],
        loop: asyncio.AbstractEventLoop | None,
        drain: bool,
    ) -> None:
        self.report: Report | None = None
        self.error: BaseException | None = None
        self.over = Event()
        self.on_over: Callable[[], None] = lambda: None
        self._options, self._metrics, self._loop = options, metrics, loop
        self._own_loop: Thread | None = None
        self._stop = Event()
        self._given_up = Event()
        self._grace_seconds = options.grace_seconds
        self._drain = drain
        self._desk = Desk()
        self._held: Held = {stream: {} for stream in options.streams}
        self._reading = make_client(options.block_ms / 1000 + 3.0)
        self._telling = make_client(max(min(3.0, options.lease_seconds / 2), 0.5))
        self._group = RedisGroup(
            self._telling, group=options.group, streams=options.streams, own_streams=options.own_streams
        )
        self._read_group = RedisGroup(self._reading, group=options.group, streams=options.streams)
        members = RedisMembership(self._telling, options.group)
        deaths = unclear_deaths(subscriptions.all())
        self._reader = Reader(
            *(options, self._read_group, RedisMembership(self._reading, options.group), self._desk),
            *(self._held, metrics),
            unclear_deaths=deaths,
            drain=drain,
        )
        self.standing = Standing(options, members, self._desk, metrics)
        self._pools = {one: self._pool(one) for one in subscriptions.all()}
        self._coordinator = Coordinator(
            *(options, subscriptions, self._pools),
            desk=self._desk,
            group=self._group,
            standing=self.standing,
            reader=self._reader,
            held=self._held,
            metrics=metrics,
        )
        self._threads = [
            Thread(target=self._read, name=f"xerpium-read-{options.group}", daemon=True),
            Thread(target=self._coordinate, name=f"xerpium-events-{options.group}", daemon=True),
        ]

    def start(self) -> None:
        """Begin. Raises a `RedisError` that waiting cannot heal; when Redis is just away, it is waited for."""
        try:
            for stream in self._options.streams:
                self._group.create(stream, self._options.start_at)
        except RedisError as error:
            if cannot_heal(error):
                self._end_loop()
                _close(self._reading)
                _close(self._telling)
                raise
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float | None = None) -> None:
        """Ask it to end; returns at once. ``grace_seconds``: how long handlers may take, in place of the options'."""
        if grace_seconds is not None:
            self._grace_seconds = grace_seconds
        self._desk.stopping = True
        self._stop.set()
        self._desk.ring()

    def give_up(self) -> bool:
        """Make an end, whoever still waits for Redis or for a handler; return whether it has come to that.

        Returns at once. Call it again until it is True: what is opened at this very moment is missed. Nothing is lost,
        since whatever is not acknowledged is handled again. A handler that hangs in a thread of its own stays there.
        """
        self._given_up.set()
        self.stop()
        for client in (self._reading, self._telling):
            hang_up(client)
        ended = [pool.give_up() for pool in self._pools.values()]
        return self.over.is_set() and all(ended)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, and return whether it came; not from a handler's thread."""
        return self.over.wait(timeout)

    # --- the coordinator's thread

    def _coordinate(self) -> None:
        coordinator, desk = self._coordinator, self._desk
        try:
            while not self._stop.is_set():
                desk.wait(coordinator.turn())
                if self._drain and self._reader.idle and coordinator.is_idle:
                    break
        except BaseException as error:  # a fault of this engine: end loudly rather than stand still
            logger.exception("The consumer of group %s failed", self._options.group)
            self.error = error
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self.report = self._wind_up()
        except BaseException as error:
            self.error = self.error or error
        finally:
            _close(self._telling)
            self.over.set()
            self.on_over()

    def _wind_up(self) -> Report:
        desk, coordinator = self._desk, self._coordinator
        began = time.monotonic()
        desk.stopping = True
        self._reader.stop()
        self._interrupt_reader()
        for pool in self._pools.values():
            pool.stop()
        told = self._tell(coordinator)
        while (coordinator.in_progress or not told) and not self._given_up.is_set():
            if time.monotonic() >= began + self._grace_seconds:
                break
            desk.wait(0.05)
            told = self._tell(coordinator)
        self._threads[0].join(JOIN_SECONDS)
        unfinished = coordinator.in_progress
        told = self._tell(coordinator) and told
        self._leave(nothing_pending=not unfinished)
        self._end_loop()
        return Report(coordinator.handed_back, unfinished, told)

    def _tell(self, coordinator: Coordinator) -> bool:
        """Say what is done and renew the right to be at work; False when Redis does not listen."""
        if self._given_up.is_set():
            return False
        now = self._desk.clock()
        try:
            if now >= self.standing.next_due:
                self.standing.keep(now)
            coordinator.finish(now)
        except Exception as error:
            logger.warning("Redis does not hear what is done: %s", error)
            return False
        return True

    def _leave(self, *, nothing_pending: bool) -> None:
        if self._given_up.is_set():
            logger.warning("%s ends without taking its leave, its lease will run out", self.standing.name)
            return
        try:
            empty = self._group.drop(self.standing.name) if self.standing.name else True
            self.standing.leave(nothing_pending=empty and nothing_pending)
        except Exception as error:
            logger.warning("%s could not take its leave, its lease will run out: %s", self.standing.name, error)

    def _interrupt_reader(self) -> None:
        """End the blocking read: what it might still answer stays pending and is taken up by the next."""
        if self._threads[0].is_alive() and not self._given_up.is_set():
            try:
                client_id = self._read_group.client_id
                if client_id is not None:
                    self._telling.execute_command("CLIENT UNBLOCK", client_id)
            except Exception:
                logger.debug("The reader could not be woken; its read ends by itself", exc_info=True)

    def _read(self) -> None:
        """Run the reader, and close its connections where nobody else uses them any more."""
        try:
            self._reader.run()
        finally:
            self._read_group.hang_up()
            _close(self._reading)

    # --- who calls the handlers

    def _pool(self, subscription: Subscription) -> Pool:
        options = self._options
        store = options.idempotency
        if subscription.is_async:
            loop = self._loop or self._begin_loop()
            return TaskPool(subscription, self._desk, loop=loop, is_outage=options.is_outage)
        return ThreadPool(
            *(subscription, self._desk),
            group=options.group,
            store=store if isinstance(store, WrappingStore) else None,
            is_outage=options.is_outage,
            around=options.around,
        )

    def _begin_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.new_event_loop()

        def live() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
                for task in (left := asyncio.all_tasks(loop)):
                    task.cancel()
                if left:
                    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                loop.close()

        self._own_loop = Thread(target=live, name=f"xerpium-loop-{self._options.group}", daemon=True)
        self._own_loop.start()
        return loop

    def _end_loop(self) -> None:
        if self._own_loop is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._own_loop.join(JOIN_SECONDS)


def _close(client: Redis) -> None:
    client.close()
    client.connection_pool.disconnect()
