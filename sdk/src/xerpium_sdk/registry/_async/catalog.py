"""The live local catalogue."""

from time import monotonic
from types import TracebackType
from typing import Self

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.auth._async.client import AsyncServiceAuthClient
from xerpium_sdk.errors import HubError, HubUnavailable
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.registry._choice import Endpoint
from xerpium_sdk.registry._reader import CatalogReader
from xerpium_sdk.registry._tasks import Signal, Worker
from xerpium_sdk.registry._trouble import Trouble
from xerpium_sdk.registry._view import OutOfStep

__all__ = ["AsyncCatalog"]


class AsyncCatalog(CatalogReader):
    """All services, kept current over one connection to the hub and answered from memory.

    >>> async with AsyncCatalog("http://127.0.0.1:8000") as catalog:
    ...     with catalog.choose("product-service", version="^1.4") as endpoint:
    ...         await http.get(f"{endpoint.url}/products/42")

    When the hub is away, the last known state goes on answering (`age` says how old it is), and the connection is tried
    again with growing and random pauses.

    Args:
        hub: the hub's address, or a client, which then stays open at the end.
        zone: where this service runs; instances of the same zone are preferred.
        auth: gets the tokens for the hub when it is named by its address; default: by the key of the environment.
        ready_timeout: seconds that entering may wait for the first snapshot; without one by then, the block begins all
            the same and the catalogue fills when the hub answers.
        backoff: the pauses after lost connections.
    """

    def __init__(
        self,
        hub: AsyncHubClient | str,
        *,
        zone: str | None = None,
        auth: AsyncServiceAuthClient | None = None,
        ready_timeout: float = 2.0,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(zone=zone, backoff=backoff or Backoff(base=0.5, cap=10.0))
        self._hub, self._auth = hub, auth
        self._client: AsyncHubClient
        self._ready_timeout = ready_timeout
        self._worker = Worker("catalog")
        self._signal = Signal()
        self._trouble = Trouble("The catalogue")

    async def wait_ready(self, timeout: float) -> bool:
        """Return True as soon as a snapshot has been loaded, False when there is none within ``timeout`` seconds."""
        return await self._signal.wait_for(lambda: self.ready, timeout)

    async def wait_for(
        self, name: str, timeout: float, *, version: str | None = None, zone: str | None = None
    ) -> Endpoint:
        """Do as `choose` does, but wait up to ``timeout`` seconds for an instance that can take work.

        Raises:
            NoInstance: when there is none by then.
            VersionRangeError: when ``version`` is no range.
        """
        await self._signal.wait_for(lambda: self.can_choose(name, version), timeout)
        return self.choose(name, version, zone)

    async def __aenter__(self) -> Self:
        self._client = AsyncHubClient(self._hub, auth=self._auth) if isinstance(self._hub, str) else self._hub
        self._signal = Signal()
        self._worker.start(self._follow)
        try:
            await self.wait_ready(self._ready_timeout)
        except BaseException:  # cancelled or interrupted: nothing goes on in the background
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await self._worker.stop()
        if isinstance(self._hub, str):
            await self._client.aclose()

    async def _follow(self) -> None:
        while True:
            wanted = 0.0
            try:
                await self._read_stream()
            except (HubError, OutOfStep) as error:
                self._trouble.note(str(error))
                wanted = error.retry_after if isinstance(error, HubUnavailable) else 0.0
            await self._worker.sleep(self._follower.lost(monotonic(), retry_after=wanted))

    async def _read_stream(self) -> None:
        headers = self._follower.begin(monotonic())
        async with self._client.stream("catalog/stream", headers) as response:
            with self._worker.reading(response):
                async for piece in response.aiter_bytes():
                    for changed in self._follower.heard(monotonic(), piece):
                        self._signal.notify()
                        self._tell(changed)
                    self._trouble.over()
