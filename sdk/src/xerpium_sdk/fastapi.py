"""One line to join the hub, to follow its catalogue, to publish and to handle events: FastAPI and Starlette apps."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from xerpium_sdk.registry._async.catalog import AsyncCatalog
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.registry._async.member import AsyncMember
from xerpium_sdk.registry._tasks import Supplier
from xerpium_sdk.wire.registry import Registration, Status

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from xerpium_sdk.events import AsyncEventPublisher, EventConsumer
    from xerpium_sdk.wire.manifests import Manifest

__all__ = ["consume", "follow", "join", "live_within", "publish"]

logger = logging.getLogger(__name__)


def join(
    app: "Starlette",
    hub: AsyncHubClient | str,
    registration: Registration,
    *,
    status: Supplier[Status | str] | None = None,
    details: Supplier[Mapping[str, Any]] | None = None,
    manifest: "Manifest | None" = None,
) -> AsyncMember:
    """Make ``app`` a member of the hub from the end of its own start to the beginning of its own shutdown.

    A hub that is away, or does not take the ``manifest``, does not keep the application from starting; see
    `AsyncMember` for the arguments.
    """
    member = AsyncMember(hub, registration, status=status, details=details, manifest=manifest)
    live_within(app, member)
    return member


def follow(app: "Starlette", hub: AsyncHubClient | str, *, zone: str | None = None) -> AsyncCatalog:
    """Return the live catalogue for ``app``, current for as long as it runs; see `AsyncCatalog`."""
    catalog = AsyncCatalog(hub, zone=zone)
    live_within(app, catalog)
    return catalog


def publish(app: "Starlette", publisher: "AsyncEventPublisher") -> "AsyncEventPublisher":
    """Close ``publisher`` when ``app`` ends, after the consumers that were added later."""
    live_within(app, publisher)
    return publisher


def consume(app: "Starlette", consumer: "EventConsumer") -> "EventConsumer":
    """Let ``consumer`` handle events from the end of the application's own start to the beginning of its shutdown.

    Handlers that are coroutine functions run on the application's event loop, others in threads. A Redis that is away
    does not keep the application from starting; what waiting cannot heal (a wrong password) is logged, and the
    application runs without events.
    """
    live_within(app, _consuming(consumer))
    return consumer


@asynccontextmanager
async def _consuming(consumer: "EventConsumer") -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.start_consuming(), name=f"events of {consumer.consumer_group}")
    task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        consumer.stop()
        await asyncio.wait({task})


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("%s are not handled any more: %s", task.get_name(), error, exc_info=error)


def live_within(app: "Starlette", part: AbstractAsyncContextManager[object]) -> None:
    """Enter ``part`` after the application's lifespan as it was until now, and leave it before that ends."""
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: "Starlette") -> AsyncIterator[Any]:
        async with outer(running) as state, part:
            yield state

    app.router.lifespan_context = lifespan
