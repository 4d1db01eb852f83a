"""Asks services how they are: fetches their health URLs concurrently, and only where the policy allows it.

Nothing is followed, kept or sent along: no redirects, proxies, cookies or credentials, and no connection is used twice.
(Reuse would halve the CPU time of a poll if it happened, but polls of one service are 30 s apart and uvicorn, gunicorn
and Node close an idle connection after 2 to 5 s. A fresh one also proves that the service still accepts any.)

Works on any event loop; on uvloop it takes a quarter less CPU time.
"""

import asyncio
import errno
import functools
import logging
import resource
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import aiohttp
from django.conf import settings
from yarl import URL

from apps.core.connecting import LOOKUP_SECONDS, JudgingConnector, look_up, lookup_pool, only_once, resolve
from apps.core.outward import OutwardRefused, OutwardURL, Policy, judge_address, judge_addresses, parse_url
from apps.registry.healthanswer import Finding, Word, judge_answer, no_answer

logger = logging.getLogger(__name__)

NO_ANSWER: Final = "no usable answer"
_STARTS_AT_ONCE: Final = 8
_SPARE_DESCRIPTORS: Final = 256
_LOCAL_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "the certificate is not valid for this host"),
    (aiohttp.ClientConnectorSSLError, "TLS failed"),
    (aiohttp.ClientConnectorDNSError, "the name does not resolve"),
    (aiohttp.ServerTimeoutError, "no connection in time"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ClientResponseError, "the answer is not HTTP, or its head is too large"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientConnectionError, "the connection was closed before an answer"),
    (TimeoutError, "no complete answer in time"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """An instance to ask. ``suspect``: its last poll failed, so it may be slow and waits in a lane of its own."""

    instance_pk: int
    url: str
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one poll found. ``reason`` is for operators, see ``public_reason``; ``excerpt`` is printable text."""

    instance_pk: int
    ok: bool
    word: Word
    status_code: int | None
    latency_ms: float
    reason: str
    excerpt: str

    @property
    def public_reason(self) -> str:
        """The reason as others may read it: refused, closed and silent look the same, or polls would scan ports."""
        return NO_ANSWER if self.status_code is None else self.reason


class LocalFault(Exception):
    """Raised when this machine, not the service, prevented a probe: it says nothing about the service."""


# --- At registration ------------------------------------------------------------------------------------------------

_registration_lookups: Final = lookup_pool("registration-lookup")


async def check_registrable(text: str, policy: Policy) -> OutwardURL:
    """Return the parts of a health URL that a service may register. Raises UrlRefused or AddressRefused.

    A name that does not resolve within a second is accepted: services register before their name is visible, and an
    outage of the name server must not answer every restart with an error that clients never retry. Each poll judges
    the name again. What is left for the curious is one bit: that a name exists and the policy refuses its addresses.
    """
    url = parse_url(text, policy)
    try:
        addresses = await resolve(url.host, url.port, pool=_registration_lookups)
    except OSError:
        return url
    judge_addresses(addresses, url.port, policy)
    return url


def check_registrable_blocking(text: str, policy: Policy) -> OutwardURL:
    """Do what ``check_registrable`` does, for a thread without an event loop: it is held up by one second at most."""
    url = parse_url(text, policy)
    if url.is_address:
        judge_addresses([url.host], url.port, policy)
        return url
    lookup = _registration_lookups.submit(look_up, url.host, url.port)
    try:
        addresses = lookup.result(LOOKUP_SECONDS)
    except OSError:
        lookup.cancel()
        return url
    judge_addresses(addresses, url.port, policy)
    return url


# --- The prober -----------------------------------------------------------------------------------------------------


class _Lane(NamedTuple):
    """What probes share that may wait for each other."""

    slots: asyncio.Semaphore
    session: aiohttp.ClientSession


class Prober:
    """Probes health URLs; ``async with Prober(policy) as prober`` opens it on the running event loop.

    It may be opened again, on another loop too, but not twice at a time; it keeps what it worked out about URLs.

    concurrency, slow_concurrency: probes under way at once, for targets in good standing and for suspects. Sockets
    are cheap: the fast lane has room for as many tar pits as nobody knows yet.
    total_timeout, connect_timeout: seconds for everything, and for TCP and TLS together.
    body_limit, header_limit: bytes. A longer body is cut and judged by its status code, a larger head is a failure.
    trust: certificate authorities in place of the system's.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        concurrency: int = 2048,
        slow_concurrency: int = 512,
        total_timeout: float = 3.0,
        connect_timeout: float = 1.0,
        body_limit: int = 64 * 1024,
        header_limit: int = 16 * 1024,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._lane_widths = (concurrency, slow_concurrency)
        self._total_timeout = total_timeout
        self._connect_timeout = connect_timeout
        self._body_limit = body_limit
        self._header_limit = header_limit
        self._trust = trust
        self._fast_lookups = lookup_pool("health-lookup")
        self._slow_lookups = lookup_pool("suspect-lookup")
        # The same targets come back every few seconds, and a policy never changes its mind.
        self._judge = functools.lru_cache(16384)(functools.partial(judge_address, policy=policy))
        self._parse = functools.lru_cache(16384)(self._parse_anew)

    async def __aenter__(self) -> Self:
        wanted = sum(self._lane_widths) + _SPARE_DESCRIPTORS
        fast, slow = _fitting(*self._lane_widths, descriptors=_raise_descriptor_limit(wanted))
        self._fast = self._open_lane(fast, self._fast_lookups)
        self._slow = self._open_lane(slow, self._slow_lookups)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._fast.session.close()
        await self._slow.session.close()

    async def probe(self, target: Target) -> ProbeResult:
        """Ask one instance, as soon as its lane has room. Raises LocalFault."""
        lane = self._slow if target.suspect else self._fast
        async with lane.slots:
            started = time.perf_counter()
            ok, word, status_code, reason, excerpt = await self._find(target.url, lane.session)
            latency_ms = (time.perf_counter() - started) * 1000
        return ProbeResult(target.instance_pk, ok, word, status_code, latency_ms, reason, excerpt)

    async def probe_all(self, targets: Iterable[Target], on_result: Callable[[ProbeResult], object]) -> None:
        """Ask all; ``on_result`` is called with each result as it comes, except where this machine was at fault.

        An exception of ``on_result`` ends the sweep.
        """
        faults: list[LocalFault] = []

        async def deliver(target: Target) -> None:
            try:
                result = await self.probe(target)
            except LocalFault as fault:
                faults.append(fault)
            else:
                on_result(result)

        async with asyncio.TaskGroup() as group:
            for number, target in enumerate(targets, start=1):
                group.create_task(deliver(target))
                if number % _STARTS_AT_ONCE == 0:
                    # Let answers in before asking more: all at once, each would seem as slow as all together.
                    await asyncio.sleep(0)
        if faults:
            logger.error("%d probes did not happen, this machine is short of resources: %s", len(faults), faults[0])

    def _open_lane(self, width: int, pool: ThreadPoolExecutor) -> _Lane:
        allowance = self._header_limit + self._body_limit
        session = aiohttp.ClientSession(
            connector=JudgingConnector(self._judge, pool=pool, allowance=allowance, trust=self._trust),
            headers={"User-Agent": f"XERPIUM-health/{settings.VERSION}", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(only_once,),
            auto_decompress=False,
            trust_env=False,
        )
        return _Lane(asyncio.Semaphore(width), session)

    def _parse_anew(self, text: str) -> URL:
        return URL(parse_url(text, self._policy).url, encoded=True)

    async def _find(self, text: str, session: aiohttp.ClientSession) -> Finding:
        try:
            async with (
                asyncio.timeout(self._total_timeout),
                session.get(self._parse(text), allow_redirects=False) as response,
            ):
                if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > self._header_limit:
                    return no_answer("the head of the answer is too large")
                return judge_answer(response.status, await self._read(response))
        except Exception as error:
            return _failure(error)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Return the body; None if it is longer than the limit or compressed."""
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > self._body_limit:
                return None
        encoding = response.headers.get("Content-Encoding", "identity")
        return bytes(body) if encoding.strip().lower() == "identity" else None


def _failure(error: Exception) -> Finding:
    """Return the finding for a probe that brought no answer. Raises LocalFault if the service is not to blame."""
    if isinstance(error, OSError) and error.errno in _LOCAL_ERRORS:
        raise LocalFault(str(error)) from error
    if isinstance(error, OutwardRefused):
        return no_answer(f"refused: {error.reason}")
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return no_answer(reason)
    # Strangers choose what arrives: one whose bytes upset a library must not end the polls of all others.
    logger.error("A probe failed in an unforeseen way", exc_info=error)
    return no_answer(f"the probe failed: {type(error).__name__}")


def _raise_descriptor_limit(wanted: int) -> int:
    """Return how many files this process may have open, after asking for as many as are wanted and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def _fitting(fast: int, slow: int, *, descriptors: int) -> tuple[int, int]:
    """Return the widths of both lanes, narrowed in proportion where there are not descriptors enough."""
    room = max(descriptors - _SPARE_DESCRIPTORS, 2)
    if fast + slow <= room:
        return fast, slow
    logger.warning("Room for %d probes at once instead of %d: raise the limit of open files", room, fast + slow)
    return max(fast * room // (fast + slow), 1), max(slow * room // (fast + slow), 1)
