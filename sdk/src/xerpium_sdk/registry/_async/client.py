"""The client of the hub's registry API. Two lines per call: what a call does is in `_flows`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import random
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx2

from xerpium_sdk._answers import address, check
from xerpium_sdk.auth._async.client import AsyncServiceAuthClient
from xerpium_sdk.auth._line import common_headers
from xerpium_sdk.errors import HubUnavailable, UnreadableAnswer
from xerpium_sdk.registry import _flows
from xerpium_sdk.registry._flows import Answer, Call, NoAnswer, Pause, Renewal, Request, Retry
from xerpium_sdk.registry._tasks import sleep
from xerpium_sdk.wire.envelope import dump_data
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status

__all__ = ["AsyncHubClient"]

T = TypeVar("T")
MOST_CONNECTIONS = 100
STREAM_SILENCE_SECONDS = 45.0
"""A stream that says nothing for this long is dead: the hub speaks every 15 s."""


class AsyncHubClient:
    """Talks to one hub; connections are kept and shared.

    Args:
        hub_url: where the hub is, such as ``http://127.0.0.1:8000``.
        token: an access token of the hub, which is sent until it ends, and then no more good.
        auth: gets tokens, which are replaced before they end; default: by the key of the environment
            (``XERPIUM_SERVICE_KEY`` or ``XERPIUM_SERVICE_KEY_FILE``, and ``XERPIUM_SERVICE_NAME``). Where it has none,
            no token is sent: to an open hub.
        timeout: seconds for each step of a request (connect, send, first byte, …).
        retry: how calls are repeated when the hub does not answer or says "not now".
        keep_alive: False: no connection stays open after its request, for clients that nobody may close.
        transport: another way to the hub, for tests (``httpx2.MockTransport``, ``ASGITransport``, …).

    Every call raises `HubUnavailable`, `Refused` (or one of its kinds) or `UnreadableAnswer`; see `errors`.
    """

    def __init__(
        self,
        hub_url: str,
        *,
        token: str | None = None,
        auth: AsyncServiceAuthClient | None = None,
        timeout: float = 5.0,
        retry: Retry | None = None,
        keep_alive: bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.hub_url = address(hub_url)
        self.retry = retry or Retry()
        self._timeout = timeout
        if auth is None and token is None and transport is None:
            auth = AsyncServiceAuthClient.from_environment(self.hub_url)
        self._http = httpx2.AsyncClient(
            base_url=f"{self.hub_url}/api/v1/",
            headers=common_headers() | ({"Authorization": f"Bearer {token}"} if token is not None else {}),
            auth=auth.auth() if auth is not None else None,
            timeout=timeout,
            limits=httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=20 if keep_alive else 0),
            transport=transport,
        )

    async def register(self, registration: Registration) -> ServiceRecord:
        """Register an instance, again and again if need be; returns the record of its service."""
        return await self.run(_flows.register(registration))

    async def report(
        self,
        service_name: str,
        status: Status | str,
        *,
        details: Mapping[str, Any] | None = None,
        instance_id: str | None = None,
    ) -> Renewal:
        """Say how an instance is, which renews its lease; without ``instance_id`` the hub goes by the caller's address.

        Raises `NotFound` when the hub does not know the instance: register again.
        """
        return await self.run(_flows.report(service_name, Status(status), details, instance_id))

    async def get_service(self, name: str, *, version: str | None = None, zone: str | None = None) -> ServiceRecord:
        """Return a service; ``version`` is an npm-style range, ``zone`` a preference."""
        return await self.run(_flows.get_service(name, version, zone))

    async def list_services(
        self,
        *,
        tag: str | None = None,
        capability: str | None = None,
        status: Status | str | None = None,
        dependency: str | None = None,
        company_id: int | None = None,
        q: str | None = None,
    ) -> list[ServiceRecord]:
        """Return every service that all the given filters fit."""
        filters = {"tag": tag, "capability": capability, "status": status and Status(status).value}
        filters |= {"dependency": dependency, "q": q}
        return await self.run(_flows.list_services({**filters, "company_id": company_id}))

    async def deregister_instance(self, name: str, instance_id: str) -> None:
        """Take an instance out of the hub."""
        await self.run(_flows.deregister_instance(name, instance_id, uuid4().hex))

    async def drain(self, name: str, instance_id: str, *, reason: str = "") -> InstanceRecord:
        """Send no new work to an instance until it is resumed; a restart of it does not lift this."""
        return await self.run(_flows.drain(name, instance_id, reason, uuid4().hex))

    async def resume(self, name: str, instance_id: str, *, reason: str = "") -> InstanceRecord:
        """Lift a drain."""
        return await self.run(_flows.resume(name, instance_id, reason, uuid4().hex))

    async def history(self, name: str) -> list[dict[str, Any]]:
        """Return the changes of a service with time, cause and actor, as the hub lists them."""
        return await self.run(_flows.history(name))

    async def graph(self) -> dict[str, Any]:
        """Return who depends on whom: ``nodes, edges, missing, cycles``."""
        return await self.run(_flows.graph())

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def run(self, call: Call[T], retry: Retry | None = None) -> T:
        """Drive one call of `_flows`; for the other parts of this package."""
        flow = _flows.retrying(call, retry or self.retry, random)
        reply: Answer | NoAnswer | None = None
        while True:
            try:
                step = flow.send(reply)
            except StopIteration as done:
                result: T = done.value
                return result
            reply = await self._take(step)

    async def _take(self, step: Request | Pause) -> Answer | NoAnswer | None:
        if isinstance(step, Pause):
            await sleep(step.seconds)
            return None
        try:
            response = await self._http.request(
                step.method,
                step.path,
                params=step.params or None,
                content=None if step.body is None else dump_data(step.body).encode(),
                headers=step.headers,
            )
        except httpx2.TransportError as error:
            return NoAnswer(self._silence(error))
        except HubUnavailable as error:  # from our own `auth`: without a token there is no use in asking
            return NoAnswer(str(error), error.retry_after)
        return Answer(response.status_code, response.headers, response.content)

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
        """Open an event stream; for the other parts of this package."""
        timeout = httpx2.Timeout(self._timeout, read=STREAM_SILENCE_SECONDS)
        asked = {**_flows.STREAM_HEADERS, **headers}
        try:
            async with self._http.stream("GET", path, headers=asked, timeout=timeout) as response:
                if response.status_code != 200:
                    check(Answer(response.status_code, response.headers, await response.aread()))
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise UnreadableAnswer(f"What answers at {response.url} is no catalogue stream.")
                yield response
        except httpx2.TransportError as error:
            raise HubUnavailable(self._silence(error)) from error

    def _silence(self, error: httpx2.TransportError) -> str:
        return f"No answer from the hub at {self.hub_url}: {type(error).__name__} {error}".rstrip()
