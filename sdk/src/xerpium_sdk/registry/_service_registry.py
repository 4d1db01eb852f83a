"""The registry as the first services know it: dicts in and out, and whether it worked instead of why not."""

import logging
from collections.abc import Mapping
from typing import Any

from xerpium_sdk.auth import _environment
from xerpium_sdk.errors import HubError, NotFound
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.wire.registry import Registration, Status

__all__ = ["ServiceRegistry"]

log = logging.getLogger("xerpium_sdk.registry")


class ServiceRegistry:
    """Registers a service and finds others, call by call.

    What the hub forgot is registered again with the next report, which `AsyncMember` and `XerpiumService` do by
    themselves, with the lease in time and leaving at the end: prefer those.

    Args:
        registry_url: where the hub is; default ``XERPIUM_HUB_URL``.

    Raises:
        ValueError: nobody says where the hub is.
    """

    def __init__(self, registry_url: str | None = None) -> None:
        self.registry_url = _environment.required(registry_url, _environment.HUB_URL, "The address of the hub")
        self.service_info: dict[str, Any] | None = None

    async def register_service(self, service_info: Mapping[str, Any]) -> bool:
        """Register an instance (the fields of `Registration`); return whether the hub took it. The log says why not."""
        self.service_info = dict(service_info)
        try:
            async with self._client() as hub:
                await hub.register(Registration.from_json(self.service_info))
        except (HubError, ValueError, TypeError, KeyError) as error:
            log.error("%s is not registered: %s", service_info.get("name", "The service"), error)
            return False
        return True

    async def update_health_status(self, status: str, details: Mapping[str, Any] | None = None) -> bool:
        """Say how the service is; return whether the hub heard it. One that it does not know is registered again."""
        if self.service_info is None:
            return False
        name = str(self.service_info["name"])
        try:
            async with self._client() as hub:
                await hub.report(name, Status(status), details=details)
        except NotFound:
            return await self.register_service(self.service_info)
        except (HubError, ValueError) as error:
            log.error("The report of %s did not get through: %s", name, error)
            return False
        return True

    async def discover_service(self, service_name: str) -> dict[str, Any] | None:
        """Return the record of a service as the hub answers it; None when there is none, or nobody can tell."""
        try:
            async with self._client() as hub:
                record = await hub.get_service(service_name)
        except HubError as error:
            log.warning("%s was not found: %s", service_name, error)
            return None
        return record.to_json()

    def _client(self) -> AsyncHubClient:
        # For one call: nobody closes this object, and loops come and go.
        return AsyncHubClient(self.registry_url, keep_alive=False)
