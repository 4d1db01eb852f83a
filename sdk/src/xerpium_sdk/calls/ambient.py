"""A client of services that is made once, when a module is imported, and begins with its first call."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx2

from xerpium_sdk.auth import _environment
from xerpium_sdk.calls._async.client import AsyncServiceClient
from xerpium_sdk.calls.endpoint import ServiceEndpoint
from xerpium_sdk.calls.policy import CallPolicy

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["ServiceClient"]

READY_SECONDS = 5.0


class ServiceClient(AsyncServiceClient):
    """Calls other services by their names, as `AsyncServiceClient` does, without a block around it.

    >>> service_client = ServiceClient()  # the hub: XERPIUM_HUB_URL
    >>> answer = await service_client.call_service("product-service", "products/42")

    It follows the hub's catalogue from its first call until `aclose`, or until its event loop ends: another loop begins
    anew.

    Args:
        hub_url: where the hub is; default ``XERPIUM_HUB_URL``.
        policy: the limits around each call.
        policies: other limits for some services, by name.
        zone: where this service runs; instances of the same zone are preferred.
        shared_breakers: see `AsyncServiceClient`.
        transport: another way to the services, for tests.

    Raises:
        ValueError: nobody says where the hub is.
    """

    def __init__(
        self,
        hub_url: str | None = None,
        *,
        policy: CallPolicy | None = None,
        policies: Mapping[str, CallPolicy] | None = None,
        zone: str | None = None,
        shared_breakers: "SharedBreakers | bool" = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        hub_url = _environment.required(hub_url, _environment.HUB_URL, "The address of the hub")
        super().__init__(
            hub_url,
            policy=policy,
            policies=policies,
            zone=zone,
            shared_breakers=shared_breakers,
            transport=transport,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beginning: asyncio.Lock | None = None

    async def request(self, service: str, method: str, path: str, **options: Any) -> httpx2.Response:
        """Return a good answer (below 400) of a service; see `AsyncServiceClient.request`."""
        await self._begun()
        return await super().request(service, method, path, **options)

    async def get_service(self, service_name: str) -> ServiceEndpoint | None:
        """Return the instance of a service that would be called now; None when there is none."""
        await self._begun()
        return await super().get_service(service_name)

    async def check_service_capability(
        self,
        service_name: str,
        capability: str,
    ) -> bool:
        """Return whether some instance of a service that can take work has a capability."""
        await self._begun()
        return await super().check_service_capability(service_name, capability)

    async def aclose(self) -> None:
        """Stop following the catalogue and close all connections; the next call begins anew."""
        begun, self._loop = self._loop, None
        if begun is asyncio.get_running_loop():
            await super().aclose()

    async def _begun(self) -> None:
        """Follow the catalogue on the running loop; who calls first waits for it a little."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._beginning is None or self._loop is not None:
            self._beginning = asyncio.Lock()
        async with self._beginning:
            if self._loop is loop:
                return
            if self._loop is not None:  # what belonged to the former loop ended with it
                self._http = self._connections()
            await self.catalog.__aenter__()
            await self.catalog.wait_ready(READY_SECONDS)
            self._loop = loop
