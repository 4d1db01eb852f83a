"""Signing keys as values: made, published as JWKs, sealed for the database. No database and no clock here.

ES256 is the default: a fully specified algorithm that every verifier knows; RS256 is there because RFC 9068 (section 5)
has both sides support it. A private key is stored encrypted, with a key that is derived from the pepper (HKDF, RFC
5869): a copy of the database alone signs nothing.
"""

import base64
import json
from hashlib import sha256
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

__all__ = ["ALGORITHMS", "CannotUnseal", "PrivateKey", "new_private_key", "public_jwk", "seal", "thumbprint", "unseal"]

ALGORITHMS = ("ES256", "RS256")
RSA_BITS = 2048
_PURPOSE = b"xerpium signing keys v1"
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CannotUnseal(Exception):
    """Raised when a stored private key was sealed with another pepper, or was changed."""


def new_private_key(algorithm: str) -> PrivateKey:
    """Return a new key for ``ES256`` (P-256) or ``RS256`` (2048 bits).

    Raises:
        ValueError: any other algorithm.
    """
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    raise ValueError(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}.")


def public_jwk(key: PrivateKey, algorithm: str) -> dict[str, str]:
    """Return the public part as a JWK (RFC 7517), with its thumbprint as ``kid``."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        members = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        members = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    members = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    return {**members, "use": "sig", "alg": algorithm, "kid": thumbprint(members)}


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the thumbprint of a JWK (RFC 7638): SHA-256 over its required members, base64url."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def seal(key: PrivateKey, pepper: str) -> bytes:
    """Return the private key (PKCS #8) encrypted for the database."""
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _cipher(pepper).encrypt(plain)


def unseal(sealed: bytes, pepper: str) -> PrivateKey:
    """Return the private key that `seal` encrypted.

    Raises:
        CannotUnseal: the pepper is another one.
    """
    try:
        plain = _cipher(pepper).decrypt(sealed)
    except InvalidToken as error:
        raise CannotUnseal("The signing key was sealed with another pepper: look at KEY_PEPPERS.") from error
    return cast(PrivateKey, serialization.load_der_private_key(plain, password=None))


def _cipher(pepper: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(pepper.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
