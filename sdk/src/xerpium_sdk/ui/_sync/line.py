# Generated from sdk/src/xerpium_sdk/ui/_async/line.py by tools/unasync.py; change that file, not this one.
"""What the clients of menus, UI and manifests have in common: a line to the hub that nobody has to close."""

from types import TracebackType
from typing import Self, TypeVar

from xerpium_sdk.auth._sync.client import ServiceAuthClient
from xerpium_sdk.registry._flows import Call
from xerpium_sdk.registry._sync.client import HubClient
from xerpium_sdk.ui._flows import Whose

__all__ = ["ServiceLine"]

T = TypeVar("T")
SECONDS = 10.0


class ServiceLine:
    """Calls a hub in the name of one service.

    Args:
        hub: the hub's address, or a client, which then stays open. With the address alone, tokens are sent if the
            environment has a key, as `HubClient` does, and no connection stays open after its request.
        service_name: whose menus, components and widgets these are.
        company_id: the company in which it speaks; None: the one of its tokens, or none in particular.
    """

    def __init__(self, hub: HubClient | str, service_name: str, *, company_id: int | None = None) -> None:
        self.whose = Whose(service_name, company_id)
        self._is_own = isinstance(hub, str)
        self._client = _client(hub, service_name, company_id) if isinstance(hub, str) else hub

    @property
    def service_name(self) -> str:
        """Whose menus, components and widgets these are."""
        return self.whose.service_name

    @property
    def hub_url(self) -> str:
        """Where the hub is."""
        return self._client.hub_url

    def run(self, call: Call[T]) -> T:
        """Drive one call of `_flows`; for the other parts of this package."""
        return self._client.run(call)

    def close(self) -> None:
        """Close the connections, unless the client was given."""
        if self._is_own:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _client(hub_url: str, service_name: str, company_id: int | None) -> HubClient:
    auth = ServiceAuthClient.from_environment(hub_url, service_name, company_id=company_id)
    return HubClient(hub_url, auth=auth, timeout=SECONDS, keep_alive=False)
