"""What HTTP clients of both kinds take to send tokens by themselves."""

from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future

import httpx2

from xerpium_sdk.auth import _tasks, _threads
from xerpium_sdk.auth._source import TokenSource, Want
from xerpium_sdk.errors import HubError

__all__ = ["ServiceAuth"]


class ServiceAuth(httpx2.Auth):
    """Sends a token with every request of an HTTP client, and once more with another one after a 401.

    >>> async with httpx2.AsyncClient(auth=auth.auth()) as http:
    ...     await http.get("http://product-service:8001/api/v1/products")

    Use such a client for services of the hub only: whoever gets the token can use it until it ends.

    Both flows raise `HubError` when there is no token to be had.
    """

    def __init__(self, source: TokenSource, want: Want) -> None:
        self._source, self._want = source, want

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See `httpx2.Auth`."""
        found = self._source.get(self._want)
        token = _threads.waited(found) if isinstance(found, Future) else found
        response = yield _with(request, token)
        if response.status_code == 401:
            try:
                other = self._source.renew(self._want, token)
                if isinstance(other, Future):
                    other = _threads.waited(other)
            except HubError:
                return
            if other is not None:
                yield _with(request, other)

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """See `httpx2.Auth`."""
        found = self._source.get(self._want)
        token = await _tasks.waited(found) if isinstance(found, Future) else found
        response = yield _with(request, token)
        if response.status_code == 401:
            try:
                other = self._source.renew(self._want, token)
                if isinstance(other, Future):
                    other = await _tasks.waited(other)
            except HubError:
                return
            if other is not None:
                yield _with(request, other)


def _with(request: httpx2.Request, token: str) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
