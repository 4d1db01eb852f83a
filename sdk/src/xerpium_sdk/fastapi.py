"""One line to join the hub, and one to follow its catalogue, for FastAPI and any other Starlette application."""

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

__all__ = ["follow", "join"]


def join(
    app: "Starlette",
    hub: AsyncHubClient | str,
    registration: Registration,
    *,
    status: Supplier[Status | str] | None = None,
    details: Supplier[Mapping[str, Any]] | None = None,
) -> AsyncMember:
    """Make ``app`` a member of the hub from the end of its own start to the beginning of its own shutdown.

    A hub that is away does not keep the application from starting; see `AsyncMember` for the arguments.
    """
    member = AsyncMember(hub, registration, status=status, details=details)
    _live_within(app, member)
    return member


def follow(app: "Starlette", hub: AsyncHubClient | str, *, zone: str | None = None) -> AsyncCatalog:
    """Return the live catalogue for ``app``, current for as long as it runs; see `AsyncCatalog`."""
    catalog = AsyncCatalog(hub, zone=zone)
    _live_within(app, catalog)
    return catalog


def _live_within(app: "Starlette", part: AbstractAsyncContextManager[object]) -> None:
    """Enter ``part`` after the application's lifespan as it was until now, and leave it before that ends."""
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: "Starlette") -> AsyncIterator[Any]:
        async with outer(running) as state, part:
            yield state

    app.router.lifespan_context = lifespan
