"""Whether a token is good, and who brings it. Good tokens are remembered until they end, so the second look is cheap.

`verify` may ask the database what is revoked (at most once a second a process); `verify_cached` never waits for
anything, for who answers on an event loop.
"""

import threading
import time
from dataclasses import dataclass
from hashlib import sha256

import structlog
from django.conf import settings
from jwt import PyJWK

from apps.core.access import Principal
from apps.core.errors import NotAuthenticated
from apps.serviceauth.tokens import AUDIENCE, Claims, TokenFault, decoded, header_of
from apps.serviceauth.trust import Trust, trust

__all__ = [
    "InvalidToken",
    "claims_of",
    "forget",
    "generation",
    "is_good",
    "is_known",
    "unwatch",
    "verify",
    "verify_cached",
    "watch",
]

MOST_REMEMBERED = 20_000
UNKNOWN_KID_SECONDS = 1.0
"""Made-up key ids cause a look at the database at most so often."""

_log = structlog.get_logger(__name__)


class InvalidToken(NotAuthenticated):
    """Raised when a token is not good now; the answer is the same for every reason (RFC 6750, 3.1)."""

    code = "invalid_token"
    detail = "The token is not good: it has ended, was revoked, or is not one of this hub's."

    @property
    def headers(self) -> dict[str, str]:
        """The challenge, which tells clients to fetch another token."""
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@dataclass(slots=True)
class _Good:
    """A token whose signature was checked; ``generation`` is the trust that it was last held against."""

    kid: str
    claims: Claims
    principal: Principal
    generation: int


_remembered: dict[bytes, _Good] = {}
_remembering, _looking = threading.Lock(), threading.Lock()
_last_unknown = float("-inf")


def verify(token: str, *, now: float | None = None) -> Principal:
    """Return who brings ``token`` to the hub; ``now`` is in seconds since the epoch.

    Raises:
        InvalidToken: it is not good, or not meant for the hub.
    """
    claims = claims_of(token, now=now)
    if AUDIENCE not in claims.audience:
        raise _refusal(TokenFault("meant for somebody else"))
    return _remembered_principal(token, claims)


def claims_of(token: str, *, now: float | None = None) -> Claims:
    """Return what ``token`` says if this hub issued it and it is good now, for whomever it is meant.

    Raises:
        InvalidToken: it is not.
    """
    try:
        good = _judge(token, trust.fresh(), time.time() if now is None else now)
    except TokenFault as fault:
        raise _refusal(fault) from fault
    return good.claims


def verify_cached(token: bytes) -> Principal | None:
    """Return who brings ``token`` if that can be said without waiting; None leaves it to `verify`."""
    if not trust.is_fresh:
        return None
    try:
        good = _judge(token.decode("ascii"), trust.present, time.time(), may_look=False)
    except (TokenFault, UnicodeDecodeError):
        return None
    return good.principal if AUDIENCE in good.claims.audience else None


def is_known(token: str) -> bool:
    """Return whether ``token`` was found good here before, so that to judge it again is next to no work."""
    return _mark(token) in _remembered


def is_good(token: bytes) -> bool:
    """Return whether a token that was good is so still: not ended, not revoked. Waits for nothing."""
    try:
        good = _judge(token.decode("ascii"), trust.present, time.time(), may_look=False)
    except (TokenFault, UnicodeDecodeError):
        return False
    return AUDIENCE in good.claims.audience


def generation() -> int:
    """Return a number that is another one whenever a key or a revocation came or went."""
    return trust.present.generation


def watch() -> None:
    """Keep what `verify_cached` goes by fresh, until `unwatch`; see `TrustStore.watch`."""
    trust.watch()


def unwatch() -> None:
    """End what `watch` began."""
    trust.unwatch()


def forget() -> None:
    """Know no key and no token; for tests."""
    global _last_unknown
    with _remembering:
        _remembered.clear()
        _last_unknown = float("-inf")
    trust.forget()


def _judge(token: str, known: Trust, now: float, *, may_look: bool = True) -> _Good:
    mark = _mark(token)
    good = _remembered.get(mark)
    if good is not None and good.generation == known.generation and now < good.claims.expires_at:
        return good
    if good is None:
        good = _checked(token, known, now, may_look=may_look)
    elif now >= good.claims.expires_at or good.kid not in known.keys:
        _drop(mark)
        raise TokenFault("expired")
    if known.is_void(good.claims):
        _drop(mark)
        raise TokenFault("revoked")
    # As of the trust that it was held against: if that was overtaken meanwhile, the next look finds out.
    good.generation = known.generation
    _remember(mark, good)
    return good


def _mark(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _checked(token: str, known: Trust, now: float, *, may_look: bool) -> _Good:
    kid, algorithm = header_of(token)
    key = known.keys.get(kid)
    if key is None and may_look:
        key = _look_for(kid)
    if key is None:
        raise TokenFault("unknown key")
    if key.algorithm_name != algorithm:
        raise TokenFault("another algorithm")
    claims = decoded(token, key, issuer=settings.HUB_PUBLIC_URL, now=now)
    return _Good(kid, claims, claims.principal(), known.generation)


def _look_for(kid: str) -> PyJWK | None:
    """Look whether a key has come that nobody here has seen, unless somebody just looked for another."""
    global _last_unknown
    with _looking:  # who comes second waits for what the first one finds
        known = trust.present.keys.get(kid)
        if known is not None or time.monotonic() - _last_unknown < UNKNOWN_KID_SECONDS:
            return known
        found = trust.look().keys.get(kid)
        _last_unknown = time.monotonic()
        return found


def _remember(mark: bytes, good: _Good) -> None:
    with _remembering:
        while len(_remembered) >= MOST_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[mark] = good


def _drop(mark: bytes) -> None:
    with _remembering:
        _remembered.pop(mark, None)


def _remembered_principal(token: str, claims: Claims) -> Principal:
    good = _remembered.get(_mark(token))
    return good.principal if good is not None and good.claims is claims else claims.principal()


def _refusal(fault: TokenFault) -> InvalidToken:
    _log.info("token_refused", reason=str(fault))
    return InvalidToken()
