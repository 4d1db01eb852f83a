"""The hub's groups as consumers of the SDK's engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection, reset_queries

from apps.core import redis
from apps.core.loop import OUTAGES
from apps.core.tenancy import company, global_rows, system, use
from apps.events.subscriptions import Copier, Subscription
from xerpium_sdk.events import EventConsumer, Handler
from xerpium_sdk.wire.envelope import Envelope

__all__ = ["make_consumer"]

SERVICE = "xerpium-hub"
BATCH = 500
IN_HAND = 5000
COPIERS_IN_HAND = 3 * BATCH
"""One batch at work, the others ready. Whatever a process has in hand when it is killed twice is begun one by one after
that, in case it was to blame, so it should not be more than is needed."""
BATCH_SECONDS = 0.25
"""How long an entry waits for others to be copied with; it is to be found within two seconds."""
GRACE_SECONDS = 5.0
"""Less than the supervisor waits before it kills."""
NEVER = 1_000_000_000
"""What copies entries may neither give one up nor be given up for being slow."""


def make_consumer(
    subscription: Subscription, client: redis.Redis, *, workers: int, name: str | None = None
) -> EventConsumer:
    """Return a consumer for ``subscription``, not started; ``workers`` is how many threads each handler may have."""
    consumer = EventConsumer(
        SERVICE,
        subscription.group,
        client=client,
        streams=subscription.streams,
        consumer_name=name,
        concurrency=workers,
        batch=BATCH,
        max_in_hand=COPIERS_IN_HAND if subscription.copier else IN_HAND,
        grace_seconds=GRACE_SECONDS,
        is_outage=_is_any_trouble if subscription.copier else is_outage,
        around=_tidy_connections,
    )
    if subscription.copier:
        register = consumer.on_batch(
            "*", size=BATCH, seconds=BATCH_SECONDS, raw=True, max_attempts=NEVER, timeout=float(NEVER)
        )
        register(_for_all(subscription.copier, subscription.group))
    else:
        consumer.register_handlers({name: _for_company(one) for name, one in subscription.handlers.items()})
    return consumer


def _for_all(copier: Copier, group: str) -> Copier:
    """Return ``copier``, which keeps entries of all companies."""
    return use(system(f"copy entries for {group}"))(copier)


def _for_company(handler: Handler) -> Handler:
    """Return ``handler``, a plain function, in the company of each event; for global rows where the event names none.

    Raises:
        TypeError: it is a coroutine function, which would run after its context has ended.
    """
    if iscoroutinefunction(handler):
        raise TypeError(f"{handler!r}: handlers of the hub are plain functions.")

    @wraps(handler)
    def handle(event: Envelope) -> object:
        with use(global_rows() if event.company_id is None else company(event.company_id)):
            return handler(event)

    return handle


def is_outage(error: Exception) -> bool:
    """Tell a database or Redis that is away from a query that fails: only the former would fail every event."""
    if isinstance(error, redis.AWAY):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    connection.close()
    try:
        connection.ensure_connection()
    except OUTAGES:
        return True
    return False


def _is_any_trouble(error: Exception) -> bool:
    """For what copies entries: no entry is the reason (see `journal`), so whatever the engines say is theirs."""
    if isinstance(error, DatabaseError | InterfaceError):
        connection.close()
        return True
    return isinstance(error, redis.AWAY)


@contextmanager
def _tidy_connections() -> Iterator[None]:
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
        reset_queries()  # with DEBUG, Django keeps the text of the last 9,000: the journal's hold whole batches
