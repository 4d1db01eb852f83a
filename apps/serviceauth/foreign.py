"""Tokens about people from issuers that operators trust: their keys, and what such a token says.

Keys are fetched where the issuer publishes them, under the rules for all outgoing connections, and kept in this
process. A key id that nobody knows causes another look, but not more often than `UNKNOWN_KID_SECONDS`.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jwt
import structlog
from jwt import PyJWK

from apps.core import strictjson
from apps.core.errors import Unavailable
from apps.core.fetching import FetchFailed, fetch, outward_policy
from apps.core.tenancy import Companies
from apps.serviceauth.errors import SubjectRefused
from apps.serviceauth.jwks import BadKeySet, PublicKey, key_for, read_keys
from apps.serviceauth.models import TrustedIssuer
from apps.serviceauth.tokens import LONGEST_TOKEN, SKEW_SECONDS

__all__ = ["OLDEST_SECONDS", "Foreign", "IssuerKeys", "fetch_keys", "foreign_of", "issuer_keys", "unverified_issuer"]

FRESH_SECONDS = 300.0
"""For how long fetched keys are used before somebody looks again."""
STALE_SECONDS = 3600.0
"""For how long they go on to count while the issuer does not answer."""
UNKNOWN_KID_SECONDS = 30.0
RETRY_SECONDS = 10.0
"""After a fetch that failed, for an issuer of which no key is known."""
OLDEST_SECONDS = 3600
"""How old a token may be: revocations of people are kept for as long, so no older one may slip past them."""
SET_LIMIT = 64 * 1024

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_MOST = 2**63 - 1
# Times, issuer and audience are checked below: by a clock that is passed in, and by what operators wrote down.
_SIGNATURE_ONLY: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
_NOTHING: Any = {"verify_signature": False, **_SIGNATURE_ONLY}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a good token of another issuer says; ``companies`` is None where its tokens name none."""

    user_id: int
    companies: frozenset[int] | None
    trusted_for: Companies
    issued_at: int
    expires_at: int


@dataclass(slots=True)
class _Held:
    """The keys of one issuer, and when somebody looked for them (s, this process's clock)."""

    source: tuple[str, object]
    lock: threading.Lock
    keys: tuple[PublicKey, ...] = ()
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


class IssuerKeys:
    """The keys of all issuers, as far as this process needed them; as many as operators have written down."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._changing = threading.Lock()

    def find(self, issuer: TrustedIssuer, kid: str, algorithm: str) -> PyJWK | None:
        """Return the key that ``issuer`` signs with under this id; None when it has no such key.

        Raises:
            Unavailable: its keys are not known, and it does not answer.
        """
        held = self._of(issuer)
        if not issuer.jwks_url:
            return key_for(held.keys, kid, algorithm)
        now = self._clock()
        if now - held.fetched_at >= FRESH_SECONDS:
            self._look(held, issuer, RETRY_SECONDS)
        found = key_for(held.keys, kid, algorithm)
        if found is None and held.keys:
            self._look(held, issuer, UNKNOWN_KID_SECONDS)
            found = key_for(held.keys, kid, algorithm)
        if not held.keys or self._clock() - held.fetched_at >= STALE_SECONDS:
            raise Unavailable("The keys of this issuer cannot be fetched for the moment.", retry_after=RETRY_SECONDS)
        return found

    def forget(self) -> None:
        """Know no keys; for tests, and after an operator changed an issuer."""
        with self._changing:
            self._held.clear()

    def _of(self, issuer: TrustedIssuer) -> _Held:
        source = (issuer.jwks_url, issuer.jwks)
        with self._changing:
            held = self._held.get(issuer.issuer)
            if held is None or held.source != source:
                held = self._held[issuer.issuer] = _Held(source, threading.Lock())
                if not issuer.jwks_url:
                    held.keys = _written_down(issuer)
        return held

    def _look(self, held: _Held, issuer: TrustedIssuer, pause: float) -> None:
        """Fetch the keys, unless somebody just tried; who has keys does not wait for another thread that fetches."""
        if not held.lock.acquire(blocking=not held.keys):
            return
        try:
            if self._clock() - held.tried_at < pause:
                return
            held.tried_at = self._clock()
            held.keys, held.fetched_at = fetch_keys(issuer.jwks_url), self._clock()
        except (FetchFailed, BadKeySet) as error:
            _log.warning("issuer_keys_not_fetched", issuer=issuer.issuer, error=str(error))
        finally:
            held.lock.release()


issuer_keys = IssuerKeys()
"""The ones of this process."""


def fetch_keys(url: str) -> tuple[PublicKey, ...]:
    """Return the keys that are published at ``url``.

    Operators wrote the address down, so that public addresses may be asked; whatever else the rules for outgoing
    connections close stays closed.

    Raises:
        FetchFailed: there is no answer, or the address may not be asked.
        BadKeySet: the answer is no set of keys.
    """
    body = fetch(url, outward_policy(allow_public=True), limit=SET_LIMIT)
    try:
        return read_keys(strictjson.parse(body, limit=SET_LIMIT))
    except strictjson.NotJSON as error:
        raise BadKeySet(f"The answer is not JSON: {error}") from None


def unverified_issuer(token: str) -> str:
    """Return whom a token claims to be from: good for choosing how to check it, and for nothing else.

    Raises:
        SubjectRefused: it is no JWT.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        raise SubjectRefused("not a JWT")
    try:
        said = jwt.decode(token, options=_NOTHING)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SubjectRefused("the token cannot be read") from error
    issuer = said.get("iss")
    if not isinstance(issuer, str) or not issuer.isprintable():
        raise SubjectRefused("no issuer")
    return issuer


def foreign_of(token: str, issuer: TrustedIssuer, keys: IssuerKeys, *, now: float) -> Foreign:
    """Return what a token of ``issuer`` says, if it is good at ``now`` (epoch, s).

    Raises:
        SubjectRefused: it is not good, or says nothing that the hub could use.
        Unavailable: the issuer's keys cannot be had.
    """
    kid, algorithm = _header(token)
    if algorithm not in issuer.algorithms:
        raise SubjectRefused("an algorithm that this issuer is not trusted with")
    key = keys.find(issuer, kid, algorithm)
    if key is None:
        raise SubjectRefused("unknown key")
    try:
        said = jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SubjectRefused(f"refused: {type(error).__name__}") from error
    issued_at, expires_at = _checked_times(said, now)
    _check_parties(said, issuer)
    user = _number(said.get(issuer.user_claim))
    if user is None:
        raise SubjectRefused("no person", f"its claim {issuer.user_claim} is no person's number.")
    trusted_for: Companies = "*" if issuer.all_companies else frozenset(issuer.companies)
    return Foreign(user, _companies(said, issuer.company_claim), trusted_for, issued_at, expires_at)


def _header(token: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise SubjectRefused("the header cannot be read") from error
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(kid, str) or not isinstance(algorithm, str) or "crit" in header or "b64" in header:
        raise SubjectRefused("a header that is not understood")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise SubjectRefused("another kind of token")
    return kid, algorithm


def _checked_times(said: dict[str, Any], now: float) -> tuple[int, int]:
    issued_at, expires_at = _moment(said.get("iat")), _moment(said.get("exp"))
    if expires_at <= now:
        raise SubjectRefused("expired")
    if issued_at > now + SKEW_SECONDS or _moment(said.get("nbf", issued_at)) > now + SKEW_SECONDS:
        raise SubjectRefused("from the future")
    if issued_at < now - OLDEST_SECONDS:
        raise SubjectRefused("too old", f"it is older than {OLDEST_SECONDS} seconds; get a fresh one.")
    return issued_at, expires_at


def _check_parties(said: dict[str, Any], issuer: TrustedIssuer) -> None:
    if said.get("iss") != issuer.issuer:
        raise SubjectRefused("another issuer")
    audience = said.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise SubjectRefused("meant for somebody else")
    if not isinstance(said.get("sub"), str):
        raise SubjectRefused("no subject")


def _companies(said: dict[str, Any], claim: str) -> frozenset[int] | None:
    if not claim:
        return None
    value = said.get(claim)
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    return frozenset(number for one in values if (number := _number(one)) is not None)


def _number(value: Any) -> int | None:
    """Return a person's or a company's number, which issuers write as a number or as text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST
    return value if is_number else None


def _moment(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SubjectRefused("a time is missing")
    return int(value)


def _written_down(issuer: TrustedIssuer) -> tuple[PublicKey, ...]:
    try:
        return read_keys(issuer.jwks)
    except BadKeySet as error:
        _log.error("issuer_keys_unusable", issuer=issuer.issuer, error=str(error))
        return ()
