"""`EventConsumer`: handlers by type of event, and how they are run."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self, TypeVar

from redis import Redis

from xerpium_sdk.events.collector import rare_collections
from xerpium_sdk.events.connection import connect, dedicated, default_url
from xerpium_sdk.events.engine import Engine, Report
from xerpium_sdk.events.idempotency import IdempotencyStore, WrappingStore
from xerpium_sdk.events.lag import StreamLag, read_lag
from xerpium_sdk.events.metrics import Metrics
from xerpium_sdk.events.options import Around, Options, allows_text, host_name
from xerpium_sdk.events.subscriptions import Batching, Subscription, Subscriptions, name_of
from xerpium_sdk.wire.envelope import EventType
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, stream_of_replays

__all__ = ["EventConsumer"]

Function = TypeVar("Function", bound=Callable[..., Any])

BLOCK_MS = 1000


class EventConsumer:
    """Handles the events of one service's group: at least once, in stream order per entity.

    ```python
    consumer = EventConsumer("inventory-service")

    @consumer.on(EventType.PRODUCT_CREATED)
    def stock_it(event: Envelope) -> None: ...

    consumer.run()
    ```

    A handler that raises is called again, up to ``max_attempts`` times, with growing pauses; meanwhile only the later
    events of the same entity wait. Then the event goes to the dead letters.

    Args:
        service_name: the service that consumes.
        consumer_group: those who share the work; default ``{service_name}-group``.
        client: a redis-py client of the server with the streams; the consumer makes connections of its own from its
            settings. Or ``redis_url``; default ``REDIS_URL`` of the environment.
        streams: what is read, besides what is replayed to this group.
        own_streams: those of them that no other group reads: what is done with is deleted there.
        consumer_name: stable over restarts and unique in the group; default ``{service}-{host}-{slot}``, the first slot
            that is free.
        ordered: one consumer of the group reads at a time, the others stand by, so that order per entity holds in the
            group. False: all read, and it holds only within each.
        start_at: where a group that does not exist yet begins; ``$`` leaves out what was published before.
        concurrency: how many calls of one handler run at a time, on different entities. It, ``timeout`` (seconds),
            ``max_attempts`` and ``retry_seconds`` (first and greatest pause) hold for each handler; `on` may differ.
        batch: entries read at once from each stream. ``max_in_hand``: read and not yet acknowledged.
        claim_idle_ms: after how long without a sign of life entries of consumers that are not ours are taken over.
        lease_seconds: after how long without a sign of life from the one that reads another takes over.
        grace_seconds: how long handlers that are at work may take when the consumer stops.
        idempotency: remembers which events are handled, so that effects happen once (see `IdempotencyStore`).
        is_outage: says of a handler's exception that what handlers stand on (the database) is away. That counts as no
            attempt; the consumer pauses and tries again. Asked in the handler's thread.
        around: makes a context manager that surrounds stretches of work in threads of handlers, at most a second each.
        text_ids: says of a stream whether ``entity_id`` and ``user_id`` may be text; default: all but `xerpium:events`.
    """

    def __init__(
        self,
        service_name: str,
        consumer_group: str | None = None,
        *,
        client: Redis | None = None,
        redis_url: str | None = None,
        streams: Sequence[str] = (STREAM_EVENTS, STREAM_EVENTS_CUSTOM),
        own_streams: Sequence[str] = (),
        consumer_name: str | None = None,
        ordered: bool = True,
        start_at: str = "0",
        concurrency: int = 8,
        timeout: float = 60.0,
        max_attempts: int = 5,
        retry_seconds: tuple[float, float] = (0.5, 30.0),
        batch: int = 500,
        max_in_hand: int = 5000,
        claim_idle_ms: int = 60_000,
        lease_seconds: float = 5.0,
        grace_seconds: float = 10.0,
        idempotency: IdempotencyStore | None = None,
        is_outage: Callable[[Exception], bool] = lambda error: False,
        around: Around | None = None,
        text_ids: Callable[[str], bool] = allows_text,
    ) -> None:
        self.service_name = service_name
        self.consumer_group = f"{service_name}-group" if consumer_group is None else consumer_group
        self.metrics = Metrics()
        self._client = client if client is not None else connect(redis_url or default_url())
        self._owns_client = client is None
        self._subscriptions = Subscriptions()
        self._defaults: dict[str, Any] = {
            "concurrency": concurrency,
            "timeout": timeout,
            "max_attempts": max_attempts,
            "retry_seconds": retry_seconds,
        }
        replays = stream_of_replays(self.consumer_group)
        self._options = Options(
            group=self.consumer_group,
            streams=tuple(dict.fromkeys((*streams, replays))),
            base_name=f"{service_name}-{host_name()}",
            consumer_name=consumer_name,
            ordered=ordered,
            start_at=start_at,
            batch=batch,
            max_in_hand=max_in_hand,
            claim_idle_ms=claim_idle_ms,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            block_ms=min(BLOCK_MS, int(lease_seconds * 400)),
            idempotency=idempotency,
            is_outage=is_outage,
            around=around,
            text_ids=text_ids,
            own_streams=frozenset(own_streams),
        )
        self._engine: Engine | None = None
        self._report = Report(0, 0, True)

    # --- handlers

    def on(self, *event_types: EventType | str, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that registers a function, or coroutine function, of one `Envelope`.

        Options: ``concurrency``, ``timeout``, ``max_attempts``, ``retry_seconds``, ``name``. ``"*"`` stands for every
        type that has no handler of its own.

        Raises:
            ValueError: a type has a handler already.
        """

        def register(function: Function) -> Function:
            self._register(event_types, function, options)
            return function

        return register

    def on_batch(
        self, *event_types: EventType | str, size: int = 500, seconds: float = 0.5, raw: bool = False, **options: Any
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a function, or coroutine function, of a list of events.

        It is called with up to ``size`` events, at the latest ``seconds`` after the first came; in stream order, with
        one batch at a time unless ``concurrency`` is given. A batch that fails is split until what fails is alone.
        ``raw``: it gets `Received`, and with ``"*"`` also what cannot be decoded. Options as for `on`.
        """

        def register(function: Function) -> Function:
            self._register(event_types, function, {"concurrency": 1, **options}, Batching(size, seconds, raw))
            return function

        return register

    def register_handler(self, event_type: EventType | str, handler: Callable[..., Any]) -> None:
        """Let ``handler`` handle events of ``event_type``."""
        self._register((event_type,), handler, {})

    def register_handlers(self, handlers: Mapping[Any, Callable[..., Any]]) -> None:
        """Register a handler for each type."""
        for event_type, handler in handlers.items():
            self.register_handler(event_type, handler)

    def _register(
        self,
        event_types: Sequence[EventType | str],
        function: Callable[..., Any],
        options: Mapping[str, Any],
        batching: Batching | None = None,
    ) -> None:
        if self._engine is not None:
            raise ValueError("Register handlers before the consumer starts.")
        values = {**self._defaults, "name": name_of(function), **options}
        subscription = Subscription(function=function, batching=batching, **values)
        if subscription.is_async and isinstance(self._options.idempotency, WrappingStore):
            raise ValueError(f"{subscription.name} is a coroutine function: this store takes plain functions only.")
        if any(one.name == subscription.name for one in self._subscriptions.all()):
            subscription = self._same(subscription) or replace(
                subscription, name=f"{subscription.name}:{event_types[0]}"
            )
        self._subscriptions.add(event_types, subscription)

    def _same(self, wanted: Subscription) -> Subscription | None:
        """Return the subscription that calls the same function in the same way: the two share their workers."""
        for one in self._subscriptions.all():
            if all(getattr(one, name) == getattr(wanted, name) for name in Subscription.__dataclass_fields__):
                return one
        return None

    # --- running

    def run(self) -> Report:
        """Consume until `stop`, in threads; return how it ended.

        For a program that does nothing else: meanwhile Python's collector runs more seldom (see `collector`).

        Raises:
            RedisError: at the start, what waiting cannot heal: a wrong password, a key that is no stream.
        """
        with rare_collections():
            engine = self._begin()
            try:
                engine.wait()
            except BaseException:
                engine.stop()
                engine.wait()
                raise
            finally:
                self._ended(engine)
        return self._report

    def start(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Consume in the background until `stop` or `close`. Raises as `run` does.

        Handlers that are coroutine functions run on ``loop``, which has to run in another thread than this; default: on
        one that the consumer has for itself.
        """
        self._begin(loop=loop)

    async def start_consuming(self) -> None:
        """Consume until `stop`; handlers that are coroutine functions run on this event loop. Raises as `run` does."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        engine = await asyncio.to_thread(self._begin, loop=loop, on_over=lambda: _call_on(loop, over.set))
        try:
            await over.wait()
        except asyncio.CancelledError:
            engine.stop()
            await over.wait()
            raise
        finally:
            self._ended(engine)

    def run_until_idle(self, timeout: float | None = None) -> Report:
        """Handle everything there is, retries included, and return; after ``timeout`` seconds in any case.

        In an ordered group whose other consumer is reading there is nothing to do but to wait for it.
        """
        engine = self._begin(drain=True)
        try:
            if not engine.wait(timeout):
                engine.stop()
                engine.wait()
        finally:
            self._ended(engine)
        return self._report

    def stop(self, *, grace_seconds: float | None = None) -> None:
        """Ask the consumer to end; returns at once, and may be called anywhere, in handlers and signal handlers too.

        ``grace_seconds``: how long handlers that are at work may take this time.
        """
        if self._engine is not None:
            self._engine.stop(grace_seconds)

    def give_up(self) -> bool:
        """End the consumer although Redis or a handler hangs; return whether it has ended.

        Returns at once; call it again until it is True, and `close` then. Handlers that are coroutine functions are
        cancelled. What was not acknowledged is handled again, by whoever reads next.
        """
        return self._engine is None or self._engine.give_up()

    def close(self) -> Report:
        """End the consumer, wait until it has, and return how. Not to be called by a handler."""
        engine = self._engine
        if engine is not None:
            engine.stop()
            engine.wait()
            self._ended(engine)
        if self._owns_client:
            self._client.close()
        return self._report

    def __enter__(self) -> Self:
        """Consume in the background within a ``with`` block."""
        self.start()
        return self

    def __exit__(self, *about: object) -> None:
        """End it."""
        self.close()

    @property
    def parts(self) -> tuple[Options, Subscriptions, Metrics]:
        """What an engine is made of, for `xerpium_sdk.testing`."""
        return self._options, self._subscriptions, self.metrics

    @property
    def running(self) -> bool:
        """Whether the consumer runs."""
        return self._engine is not None and not self._engine.over.is_set()

    def lag(self) -> dict[str, StreamLag]:
        """Return how far the group is behind on each stream. Raises what redis-py raises."""
        return {stream: read_lag(self._client, stream, self.consumer_group) for stream in self._options.streams}

    def _begin(
        self,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        on_over: Callable[[], None] = lambda: None,
        drain: bool = False,
    ) -> Engine:
        if self._engine is not None:
            raise RuntimeError("The consumer runs already.")
        engine = Engine(
            *(self._options, self._subscriptions, self.metrics),
            make_client=lambda timeout: dedicated(self._client, timeout=timeout),
            loop=loop,
            drain=drain,
        )
        engine.on_over = on_over
        self._engine = engine
        try:
            engine.start()
        except BaseException:
            self._engine = None
            raise
        return engine

    def _ended(self, engine: Engine) -> None:
        if engine.over.is_set() and self._engine is engine:
            self._engine = None
            self._report = engine.report or self._report
            if engine.error is not None:
                raise engine.error


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop was closed before the consumer ended
        loop.call_soon_threadsafe(function)
