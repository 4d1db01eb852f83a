"""Signed access tokens with PyJWT: the signature is checked here, what a token says in `xerpium_sdk.wire.credentials`.

The hub and the services that verify by themselves share this module; it has no clock and asks nobody.
Needs the extra ``auth``.
"""

import binascii
from collections.abc import Mapping
from typing import Any

try:
    import jwt
    from jwt import PyJWK
except ImportError as missing:
    raise ImportError("Verifying tokens needs PyJWT with cryptography: pip install 'xerpium-sdk[auth]'") from missing

from xerpium_sdk.wire.credentials import ALGORITHMS, TokenFault, check_form, check_header

__all__ = ["header_of", "keys_of", "payload_of"]

MOST_KEYS = 100


def header_of(token: str) -> tuple[str, str]:
    """Return ``kid`` and ``alg`` of a token whose header is as ours are.

    Raises:
        TokenFault: it is no such token. Other members (``jku``, ``x5u``, ``jwk``, ``crit``) are refused, not ignored.
    """
    check_form(token)
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError, binascii.Error) as error:
        raise TokenFault("the header cannot be read") from error
    return check_header(header)


def payload_of(token: str, key: PyJWK) -> dict[str, Any]:
    """Return what stands in a token that ``key`` signed; nothing of it is checked yet.

    Raises:
        TokenFault: the key did not sign it, or not with its own algorithm.
    """
    try:
        return jwt.decode(token, key, algorithms=[str(key.algorithm_name)], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenFault(f"refused: {type(error).__name__}") from error


def keys_of(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    """Return the keys of a JWK set by id; those that sign nothing of ours, or cannot be read, are left out.

    Raises:
        TypeError: it is no JWK set.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise TypeError("there is no list of keys")
    found: dict[str, PyJWK] = {}
    for one in listed[:MOST_KEYS]:
        kid, algorithm, use = (one.get(name) if isinstance(one, dict) else None for name in ("kid", "alg", "use"))
        if not isinstance(kid, str) or algorithm not in ALGORITHMS or use not in ("sig", None):
            continue
        try:
            found[kid] = PyJWK(one, algorithm=algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found


# What is checked of the claims is checked by one module, and by a clock that is passed in.
_SIGNATURE_ONLY: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
