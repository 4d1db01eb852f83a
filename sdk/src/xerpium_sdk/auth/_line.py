"""The line to the hub on which tokens, keys and lists are fetched: seldom, and from threads."""

import os
from collections.abc import Mapping
from typing import Any

import httpx2

from xerpium_sdk import __version__
from xerpium_sdk._answers import Answer, NoAnswer, address
from xerpium_sdk.wire.envelope import dump_data

__all__ = ["Line", "common_headers"]


ONE_BY_ONE = httpx2.Limits(max_keepalive_connections=0)
"""What is asked every half minute at most is not worth an open connection, which nobody might close."""


def common_headers() -> dict[str, str]:
    """Return what goes with every request."""
    return {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"xerpium-sdk/{__version__}",
    }


class Line:
    """Sends single requests; opens its connections when they are needed, and anew in a process that was forked."""

    def __init__(self, hub_url: str, *, timeout: float, transport: httpx2.BaseTransport | None = None) -> None:
        self.hub_url = address(hub_url)
        self._timeout, self._transport = timeout, transport
        self._process = os.getpid()
        self._http: httpx2.Client | None = None

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer | NoAnswer:
        """Return what the hub answers to one request; ``path`` begins with a slash."""
        content = None if body is None else dump_data(body).encode()
        try:
            response = self._client().request(method, path, content=content, headers=headers)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            reason = f"No answer from the hub at {self.hub_url}: {type(error).__name__} {error}"
            return NoAnswer(reason.rstrip())
        return Answer(response.status_code, response.headers, response.content)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        http, self._http = self._http, None
        if http is not None and self._process == os.getpid():
            http.close()

    def _client(self) -> httpx2.Client:
        if self._process != os.getpid():
            self._process, self._http = os.getpid(), None  # the connections are the parent's
        if self._http is None:
            self._http = httpx2.Client(
                base_url=self.hub_url,
                headers=common_headers(),
                timeout=self._timeout,
                limits=ONE_BY_ONE,
                transport=self._transport,
            )
        return self._http
