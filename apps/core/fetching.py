"""Fetching a small document from an address that somebody wrote down, without becoming a way into the network."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog
from django.conf import settings
from yarl import URL

from apps.core.connecting import JudgingConnector, lookup_pool, only_once
from apps.core.outward import OutwardRefused, Policy, judge_address, parse_url

__all__ = ["FetchFailed", "fetch", "outward_policy", "own_endpoints"]

SECONDS: Final = 3.0
"""For everything: the name, the connection and the whole answer."""
HEAD_LIMIT: Final = 16 * 1024

_lookups: Final = lookup_pool("fetch-lookup")
_log = structlog.get_logger(__name__)


class FetchFailed(Exception):
    """Raised when there is no document to be had; the text is for operators.

    ``status`` is that of an answer which cannot be used; ``is_refused`` says that the policy forbade to ask.
    """

    def __init__(self, text: str, *, status: int | None = None, is_refused: bool = False) -> None:
        self.status, self.is_refused = status, is_refused
        super().__init__(text)


def outward_policy(*, allow_public: bool) -> Policy:
    """Return the policy that the settings describe; ``allow_public`` opens addresses of the internet.

    Raises:
        ValueError: a CIDR or a port in the settings cannot be read; the message names it.
    """
    return Policy.from_strings(
        allow_cidrs=settings.HEALTH_ALLOW_CIDRS,
        deny_cidrs=settings.HEALTH_DENY_CIDRS,
        allow_public=allow_public,
        development=settings.DEVELOPMENT,
        denied_ports=settings.HEALTH_DENY_PORTS,
        denied_endpoints=own_endpoints(),
    )


def own_endpoints() -> frozenset[tuple[str, int]]:
    """Return host and port of PostgreSQL and Redis as the settings name them."""
    found = set()
    for url, default in ((settings.DATABASE_URL, 5432), (settings.REDIS_URL, 6379)):
        parts = urlsplit(url)
        if parts.hostname:
            found.add((parts.hostname, parts.port or default))
    return frozenset(found)


def fetch(
    text: str,
    policy: Policy,
    *,
    limit: int,
    seconds: float = SECONDS,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the body of a 200 answer to a GET of ``text``; for a thread without an event loop.

    Nothing is followed, nothing is sent along but ``headers``, and nothing is connected to that the policy does not
    allow.

    Args:
        text: the URL.
        policy: what may be connected to.
        limit: bytes that the body may have; it may not be compressed.
        seconds: how long all of it may take.
        headers: what else the request has.

    Raises:
        FetchFailed: there is no such answer, or the policy forbids to ask.
    """
    try:
        url = URL(parse_url(text, policy).url, encoded=True)
        return asyncio.run(_fetched(url, policy, limit, seconds, headers or {}))
    except OutwardRefused as error:
        raise FetchFailed(f"refused: {error.reason}", is_refused=True) from error
    except TimeoutError as error:
        raise FetchFailed(f"no answer within {seconds:g} s") from error
    except FetchFailed:
        raise
    except Exception as error:
        # Strangers choose what arrives: whatever upsets a library is no answer.
        if not isinstance(error, aiohttp.ClientError | OSError):
            _log.error("fetch_failed_unforeseen", exc_info=error)
        raise FetchFailed(f"no answer: {type(error).__name__}") from error


async def _fetched(url: URL, policy: Policy, limit: int, seconds: float, headers: Mapping[str, str]) -> bytes:
    def judge(address: str, port: int) -> None:
        judge_address(address, port, policy)

    session = aiohttp.ClientSession(
        connector=JudgingConnector(judge, pool=_lookups, allowance=HEAD_LIMIT + limit),
        headers={**headers, "User-Agent": f"XERPIUM/{settings.VERSION}", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(only_once,),
        auto_decompress=False,
        trust_env=False,
    )
    async with asyncio.timeout(seconds), session, session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise FetchFailed(f"the answer is {response.status}, not 200", status=response.status)
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise FetchFailed("the answer is compressed", status=200)
        return await _read(response, limit)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > limit:
            raise FetchFailed(f"the answer is longer than {limit:,} bytes", status=200)
    return bytes(body)
