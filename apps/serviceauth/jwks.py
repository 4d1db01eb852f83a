"""Public keys of somebody else, as JWK sets (RFC 7517): what is read of them, and which key a token may be held to.

Only asymmetric algorithms, one for each key, never what a token's header says alone (RFC 8725, 3.1 and 3.2). No
database, no network, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt import PyJWK

__all__ = ["ALGORITHMS", "MOST_KEYS", "BadKeySet", "PublicKey", "key_for", "read_keys"]

# For each algorithm the type of its keys, and their curve.
_KINDS: Mapping[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    **{f"{family}{size}": ("RSA", None) for family in ("RS", "PS") for size in (256, 384, 512)},
}
ALGORITHMS = tuple(sorted(_KINDS))
"""What another issuer may sign with."""
MOST_KEYS = 50
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


class BadKeySet(ValueError):
    """Raised when something is no set of public keys; the text says why, for operators."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a set: its id, and what it verifies by algorithm."""

    kid: str
    by_algorithm: Mapping[str, PyJWK] = field(repr=False)


def read_keys(document: object) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK set that signatures can be held to; others in it are passed over (RFC 7517, 5).

    Raises:
        BadKeySet: it is no JWK set, holds a private or a symmetric key, or nothing that can be used.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise BadKeySet('A JWK set is an object with a list "keys".')
    if len(keys) > MOST_KEYS:
        raise BadKeySet(f"The set has {len(keys)} keys; at most {MOST_KEYS} are read.")
    if any(isinstance(key, dict) and not _PRIVATE.isdisjoint(key) for key in keys):
        raise BadKeySet("The set holds a private or a symmetric key: leave it out, and replace that key.")
    found = tuple(public for key in keys if isinstance(key, dict) and (public := _read(key)))
    if not found:
        raise BadKeySet("No key of the set can be used: a key needs a kid, and to be EC, RSA or OKP, for signatures.")
    return found


def key_for(keys: tuple[PublicKey, ...], kid: str, algorithm: str) -> PyJWK | None:
    """Return the key that a token with this header has to be signed with; None when there is none."""
    return next((key.by_algorithm[algorithm] for key in keys if key.kid == kid and algorithm in key.by_algorithm), None)


def _read(jwk: dict[str, Any]) -> PublicKey | None:
    kid, own = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str) or not 0 < len(kid) <= 200 or jwk.get("use", "sig") != "sig":
        return None
    kind = (jwk.get("kty"), jwk.get("crv"))
    names = [name for name, needed in _KINDS.items() if needed == kind and own in (None, name)]
    usable = {name: key for name in names if (key := _made(jwk, name))}
    return PublicKey(kid, usable) if usable else None


def _made(jwk: dict[str, Any], algorithm: str) -> PyJWK | None:
    try:
        key = PyJWK(jwk, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    bits = getattr(key.key, "key_size", 0)
    if algorithm[:2] in ("RS", "PS") and not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
        return None
    return key
