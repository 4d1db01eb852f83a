"""Verifying tokens that others bring, without asking the hub about each."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from random import random
from typing import Any

import httpx2

from xerpium_sdk.auth import _environment
from xerpium_sdk.auth._documents import Bearer, Documents, Keys
from xerpium_sdk.auth._kept import Kept
from xerpium_sdk.auth._line import Line
from xerpium_sdk.auth._sync.client import ServiceAuthClient
from xerpium_sdk.auth._tasks import waited
from xerpium_sdk.auth.context import CallContext
from xerpium_sdk.errors import HubError, HubUnavailable
from xerpium_sdk.wire.credentials import AUDIENCE, Claims, Revocations, TokenFault, check_claims

__all__ = ["CannotVerify", "InvalidToken", "TokenVerifier"]

KEYS_FRESH_SECONDS = 300.0
"""As long as the hub lets its key set be kept. It publishes a key at least twice as long before it signs with it."""
UNKNOWN_KEY_SECONDS = 5.0
"""Tokens with made-up key ids cause a look at the hub's keys at most so often."""
REVOCATIONS_FRESH_SECONDS = 30.0
REVOCATIONS_OLD_SECONDS = 60.0
"""A list older than this, of a service that was idle, is fetched before the next token is judged."""
MOST_REMEMBERED = 10_000
log = logging.getLogger("xerpium_sdk.auth")


class InvalidToken(Exception):
    """Raised when a token is not good now; ``str()`` says why, for the log: whoever sent it should not be told."""


class CannotVerify(HubUnavailable):
    """Raised when nobody can tell whether a token is good: no keys of the hub are known, or only very old ones."""


@dataclass(slots=True)
class _Good:
    """A token whose signature was checked, and the generations of keys and revocations that it was held against."""

    kid: str
    claims: Claims
    context: CallContext
    generations: tuple[int, int]


class TokenVerifier:
    """Tells who brings a token, by the hub's public keys and its list of revocations. Safe for threads and event loops.

    >>> verifier = TokenVerifier("http://127.0.0.1:8000", "product-service")
    >>> context = verifier.verify(token)        # in a thread
    >>> context = await verifier.averify(token)  # on an event loop

    Both documents are fetched when they are first needed, and again in the background: keys after five minutes and when
    a token names one that is not known, revocations after 30 s. So a revocation counts here within a minute; while the
    hub is away, tokens end by themselves (ten minutes, unless it is set up otherwise).

    Args:
        hub_url: where the hub is; default ``XERPIUM_HUB_URL``.
        service_name: who this is: tokens that are meant for this service alone are good here, beside those for all
            (RFC 8707); default ``XERPIUM_SERVICE_NAME``.
        auth: gets the token with which revocations are asked for; default: by the key of the environment.
        issuer: what must stand in tokens as their issuer; default ``XERPIUM_ISSUER``, or what the hub says of itself.
        leeway: seconds by which this machine's clock may be ahead of the hub's.
        trust_seconds: for how long known keys count while the hub is away.
        timeout: seconds for each step of a request, and for waiting for one.
        transport: another way to the hub, for tests (`xerpium_sdk.testing.TestIssuer` has one).
        now: a clock that only moves forward.
        wall: the clock that tokens go by.

    Raises:
        ImportError: PyJWT is missing; it comes with the extra ``auth``.
        ValueError: the hub's address or the service's name is not known.
    """

    def __init__(
        self,
        hub_url: str | None = None,
        service_name: str | None = None,
        *,
        auth: Bearer | None = None,
        issuer: str | None = None,
        leeway: float = 5.0,
        trust_seconds: float = 24 * 3600.0,
        timeout: float = 5.0,
        transport: httpx2.BaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        from xerpium_sdk import tokens  # here, so that services that verify nothing need no PyJWT

        self._tokens = tokens
        url = _environment.required(hub_url, _environment.HUB_URL, "The hub's address")
        self.service_name = _environment.required(service_name, _environment.NAME, "The service's name")
        if auth is None and transport is None:
            auth = ServiceAuthClient.from_environment(url, self.service_name)
        self._audiences = frozenset((AUDIENCE, self.service_name))
        self._leeway, self._trust_seconds, self._timeout = leeway, trust_seconds, timeout
        self._line = Line(url, timeout=timeout, transport=transport)
        self._wall = wall
        documents = Documents(self._line, tokens, issuer or _environment.value(_environment.ISSUER), auth)
        times: Any = {"now": now, "jitter": random}
        self._keys = Kept("keys", documents.keys, Keys(), fresh=KEYS_FRESH_SECONDS, **times)
        self._revoked = Kept(
            "revocations", documents.revocations, Revocations(), fresh=REVOCATIONS_FRESH_SECONDS, **times
        )
        self._remembered: dict[bytes, _Good] = {}
        self._remembering = threading.Lock()

    def __repr__(self) -> str:
        """Return whose tokens are judged for whom."""
        return f"TokenVerifier({self.service_name!r}, hub={self._line.hub_url!r})"

    def verify(self, token: str) -> CallContext:
        """Return who brings ``token``; waits only when something has to be fetched first.

        Raises:
            InvalidToken: it is not good.
            CannotVerify: nobody can tell.
        """
        steps = self._judging(token)
        while True:
            try:
                needed = next(steps)
            except StopIteration as done:
                context: CallContext = done.value
                return context
            with suppress(HubError, TimeoutError):
                needed.result(self._timeout)

    async def averify(self, token: str) -> CallContext:
        """Do as `verify` does, without holding up the event loop."""
        steps = self._judging(token)
        while True:
            try:
                needed = next(steps)
            except StopIteration as done:
                context: CallContext = done.value
                return context
            with suppress(HubError, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await waited(needed)

    def close(self) -> None:
        """Close the connections to the hub; they open again when they are needed."""
        self._line.close()

    def _judging(self, token: str) -> "Generator[Future[Any], None, CallContext]":
        """Judge ``token``; yields what should be waited for, whatever comes of that."""
        try:
            yield from self._fetching()
            return (yield from self._judged(token)).context
        except TokenFault as fault:
            log.info("A token was refused: %s", fault)
            raise InvalidToken(str(fault)) from fault

    def _fetching(self) -> "Generator[Future[Any], None, None]":
        """Keep what tokens are judged by fresh, and wait for it where it is too old."""
        keys, revoked = self._keys.refresh(), self._revoked.refresh()
        if keys is not None and self._keys.age > self._trust_seconds:
            yield keys
        if self._keys.age > self._trust_seconds:
            raise CannotVerify("The hub's keys are not known, or very old: no token can be verified.")
        if revoked is not None and self._revoked.age > REVOCATIONS_OLD_SECONDS:
            yield revoked

    def _judged(self, token: str) -> "Generator[Future[Any], None, _Good]":
        now, mark = self._wall(), sha256(token.encode("utf-8", "surrogatepass")).digest()
        generations = self._keys.generation, self._revoked.generation
        good = self._remembered.get(mark)
        if good is None:
            good = yield from self._checked(token)
        keys, revoked = self._keys.value, self._revoked.value
        if good.generations != generations:
            if good.kid not in keys.by_id:
                raise self._forgotten(mark, "its key is gone")
            if revoked.is_void(good.claims):
                raise self._forgotten(mark, "revoked")
            good.generations = generations
            self._remember(mark, good)
        try:
            check_claims(good.claims, issuer=keys.issuer, now=now, leeway=self._leeway)
        except TokenFault as fault:
            raise self._forgotten(mark, str(fault)) from None
        return good

    def _checked(self, token: str) -> "Generator[Future[Any], None, _Good]":
        """Check the signature and whom the token is meant for: what never changes, and is remembered."""
        kid, algorithm = self._tokens.header_of(token)
        if kid not in self._keys.value.by_id:
            needed = self._keys.refresh(at_most_every=UNKNOWN_KEY_SECONDS)
            if needed is not None:
                yield needed
        key = self._keys.value.by_id.get(kid)
        if key is None:
            raise TokenFault("unknown key")
        if key.algorithm_name != algorithm:
            raise TokenFault("another algorithm")
        claims = Claims.of(self._tokens.payload_of(token, key))
        if self._audiences.isdisjoint(claims.audience):
            raise TokenFault("meant for somebody else")
        return _Good(kid, claims, CallContext.of(claims), _NEVER)

    def _remember(self, mark: bytes, good: _Good) -> None:
        with self._remembering:
            while len(self._remembered) >= MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[mark] = good

    def _forgotten(self, mark: bytes, reason: str) -> TokenFault:
        with self._remembering:
            self._remembered.pop(mark, None)
        return TokenFault(reason)


_NEVER = (-1, -1)
