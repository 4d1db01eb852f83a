"""Connections to what others named: names resolved once, every address judged before anything is connected to.

A name is resolved once for a request and the connection goes to one of the addresses that were judged: what the name
resolves to a moment later is of no consequence. The host name stays in ``Host``, in SNI and in the check of the
certificate.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

Judge = Callable[[str, int], None]  # takes address and port, raises AddressRefused

LOOKUP_SECONDS: Final = 1.0
# The C library cannot be told to give up: a lookup that no name server answers holds its thread for some 10 s.
LOOKUP_THREADS: Final = 32


def lookup_pool(name: str) -> ThreadPoolExecutor:
    """Return threads for lookups; they start when they are needed."""
    return ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix=name)


async def resolve(
    host: str, port: int, *, within: float = LOOKUP_SECONDS, pool: ThreadPoolExecutor | None = None
) -> list[str]:
    """Return the distinct addresses of a host, which may be an address. Raises OSError if there are none in time.

    within: seconds. pool: the threads that wait for the C library's resolver; the event loop's own by default.
    """
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(within):
            return await asyncio.get_running_loop().run_in_executor(pool, look_up, host, port)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer from the name server in time") from None


def look_up(host: str, port: int) -> list[str]:
    """Return the distinct addresses that the C library finds for a name, however long it takes. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class JudgingResolver(AbstractResolver):
    """Hands aiohttp the addresses of a name, if all of them are allowed. Addresses in URLs do not pass through here."""

    def __init__(self, judge: Judge, pool: ThreadPoolExecutor) -> None:
        self._judge = judge
        self._pool = pool

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; raises what the judge raises when one of them is not allowed."""
        addresses = await resolve(host, port, pool=self._pool)
        for address in addresses:
            self._judge(address, port)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """Close nothing: the threads outlive the connections, or hanging lookups would pile up from round to round."""


class BoundedHandler(ResponseHandler):
    """aiohttp's protocol, with an end to what a peer can send.

    aiohttp bounds a header line and the number of lines, not their sum and not a flood of 1xx answers. Beyond the
    allowance nothing is read; an answer that is not complete by then runs into the timeout.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, allowance: int) -> None:
        super().__init__(loop)
        self._allowance = allowance

    def data_received(self, data: bytes) -> None:
        """Take what is left of the allowance and stop reading when that is used up; asyncio calls this."""
        data = data[: self._allowance]
        self._allowance -= len(data)
        if not self._allowance and self.transport is not None:
            self.transport.pause_reading()
        super().data_received(data)

    def close(self) -> None:
        """Close, not politely: a TLS peer that never says goodbye would keep the socket for another 30 s."""
        self.abort()


class JudgingConnector(aiohttp.TCPConnector):
    """Judges an address before a socket for it exists, and again by what the connected socket says of its peer.

    pool: the threads that look names up. allowance: how many bytes a peer may send. trust: certificate authorities in
    place of the system's.
    """

    def __init__(
        self, judge: Judge, *, pool: ThreadPoolExecutor, allowance: int, trust: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(
            resolver=JudgingResolver(judge, pool),
            use_dns_cache=False,
            force_close=True,
            limit=0,
            ssl=True if trust is None else trust,
            socket_factory=self._open_socket,
        )
        self._judge = judge
        # aiohttp has no public way to choose the protocol; the tests of floods fail should this one go away.
        self._factory = cast(
            "functools.partial[ResponseHandler]", functools.partial(BoundedHandler, self._loop, allowance)
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> aiohttp.connector.Connection:
        """Return a connection whose peer was judged; raises what the judge raises."""
        connection = await super().connect(req, traces, timeout)
        try:
            self._judge_peer(connection.transport)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        self._judge(address[0], address[1])
        return socket.socket(family, kind, protocol)

    def _judge_peer(self, transport: asyncio.Transport | None) -> None:
        peer = None if transport is None else transport.get_extra_info("peername")
        if not peer:
            raise aiohttp.ClientConnectionError("closed as soon as it was open")
        self._judge(peer[0], peer[1])


async def only_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from asking a second time by itself after a peer hung up, which it does for every GET."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("closed before an answer") from error
