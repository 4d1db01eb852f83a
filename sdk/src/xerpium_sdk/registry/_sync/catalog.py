# Generated from sdk/src/xerpium_sdk/registry/_async/catalog.py by tools/unasync.py; change that file, not this one.
"""The live local catalogue."""

from time import monotonic
from types import TracebackType
from typing import Self

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.auth._sync.client import ServiceAuthClient
from xerpium_sdk.errors import HubError, HubUnavailable
from xerpium_sdk.registry._choice import Endpoint
from xerpium_sdk.registry._reader import CatalogReader
from xerpium_sdk.registry._sync.client import HubClient
from xerpium_sdk.registry._threads import Signal, Worker
from xerpium_sdk.registry._trouble import Trouble
from xerpium_sdk.registry._view import OutOfStep

__all__ = ["Catalog"]


class Catalog(CatalogReader):
    """All services, kept current over one connection to the hub and answered from memory.

    >>> with Catalog("http://127.0.0.1:8000") as catalog:
    ...     with catalog.choose("product-service", version="^1.4") as endpoint:
    ...         http.get(f"{endpoint.url}/products/42")

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
        hub: HubClient | str,
        *,
        zone: str | None = None,
        auth: ServiceAuthClient | None = None,
        ready_timeout: float = 2.0,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(zone=zone, backoff=backoff or Backoff(base=0.5, cap=10.0))
        self._hub, self._auth = hub, auth
        self._client: HubClient
        self._ready_timeout = ready_timeout
        self._worker = Worker("catalog")
        self._signal = Signal()
        self._trouble = Trouble("The catalogue")

    def wait_ready(self, timeout: float) -> bool:
        """Return True as soon as a snapshot has been loaded, False when there is none within ``timeout`` seconds."""
        return self._signal.wait_for(lambda: self.ready, timeout)

    def wait_for(self, name: str, timeout: float, *, version: str | None = None, zone: str | None = None) -> Endpoint:
        """Do as `choose` does, but wait up to ``timeout`` seconds for an instance that can take work.

        Raises:
            NoInstance: when there is none by then.
            VersionRangeError: when ``version`` is no range.
        """
        self._signal.wait_for(lambda: self.can_choose(name, version), timeout)
        return self.choose(name, version, zone)

    def __enter__(self) -> Self:
        self._client = HubClient(self._hub, auth=self._auth) if isinstance(self._hub, str) else self._hub
        self._signal = Signal()
        self._worker.start(self._follow)
        try:
            self.wait_ready(self._ready_timeout)
        except BaseException:  # cancelled or interrupted: nothing goes on in the background
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._worker.stop()
        if isinstance(self._hub, str):
            self._client.close()

    def _follow(self) -> None:
        while True:
            wanted = 0.0
            try:
                self._read_stream()
            except (HubError, OutOfStep) as error:
                self._trouble.note(str(error))
                wanted = error.retry_after if isinstance(error, HubUnavailable) else 0.0
            self._worker.sleep(self._follower.lost(monotonic(), retry_after=wanted))

    def _read_stream(self) -> None:
        headers = self._follower.begin(monotonic())
        with self._client.stream("catalog/stream", headers) as response:
            with self._worker.reading(response):
                for piece in response.iter_bytes():
                    for changed in self._follower.heard(monotonic(), piece):
                        self._signal.notify()
                        self._tell(changed)
                    self._trouble.over()
