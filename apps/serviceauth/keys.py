"""Service keys and enrolment tokens as texts: made up, read, recognised. Pure but for the system's random numbers.

``xrp_<key id>_<secret>_<checksum>``: only digits, letters and ``_``, so that a double click marks all of it; a prefix
that scanners look for, and a CRC32 in base62 that tells a key from what only looks like one (GitHub's form). The key id
is public. The secret has 256 bits from the system: a slow hash would add nothing but a way to keep the hub busy, so
what is stored is an HMAC-SHA-256 with a pepper that is not in the database (docs/decisions/0019).
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from zlib import crc32

__all__ = [
    "ENROLMENT_PATTERN",
    "KEY_PATTERN",
    "NewEnrolment",
    "NewKey",
    "ParsedKey",
    "digest",
    "is_digest_of",
    "new_enrolment",
    "new_key",
    "parse_enrolment",
    "parse_key",
]

ID_LENGTH = 12
SECRET_LENGTH = 43
"""62^43 is just above 2^256."""
CHECKSUM_LENGTH = 6

KEY_PATTERN = r"\bxrp_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\b"
"""For scanners of secrets: finds keys in any text."""
ENROLMENT_PATTERN = r"\bxre_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\b"
"""For scanners of secrets: finds enrolment tokens in any text."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"(xrp_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))_([0-9A-Za-z]{6})", re.ASCII)
_ENROLMENT = re.compile(r"(xre_([0-9A-Za-z]{43}))_([0-9A-Za-z]{6})", re.ASCII)


class NewKey(NamedTuple):
    """A key that was just made up; ``text`` and ``secret`` are shown once and never stored."""

    text: str
    key_id: str
    secret: str

    def __repr__(self) -> str:
        """Return the public part only: a repr ends in logs and tracebacks."""
        return f"NewKey({self.key_id})"


class NewEnrolment(NamedTuple):
    """An enrolment token that was just made up."""

    text: str
    secret: str

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "NewEnrolment()"


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """The parts of a key whose form and checksum are right."""

    key_id: str
    secret: str

    def __repr__(self) -> str:
        """Return the public part only: a repr ends in logs and tracebacks."""
        return f"ParsedKey({self.key_id})"


def new_key() -> NewKey:
    """Return a key of 256 random bits."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))
    secret = _base62(secrets.randbits(256), SECRET_LENGTH)
    return NewKey(_sealed(f"xrp_{key_id}_{secret}"), key_id, secret)


def new_enrolment() -> NewEnrolment:
    """Return an enrolment token of 256 random bits."""
    secret = _base62(secrets.randbits(256), SECRET_LENGTH)
    return NewEnrolment(_sealed(f"xre_{secret}"), secret)


def parse_key(text: str) -> ParsedKey | None:
    """Return the parts of a key, or ``None`` for what is none: another form, or a wrong checksum."""
    found = _KEY.fullmatch(text)
    if found is None or _checksum(found[1]) != found[4]:
        return None
    return ParsedKey(found[2], found[3])


def parse_enrolment(text: str) -> str | None:
    """Return the secret of an enrolment token, or ``None`` for what is none."""
    found = _ENROLMENT.fullmatch(text)
    if found is None or _checksum(found[1]) != found[3]:
        return None
    return found[2]


def digest(secret: str, pepper: str) -> bytes:
    """Return what recognises ``secret`` and does not tell it: HMAC-SHA-256 under ``pepper``."""
    return hmac.digest(pepper.encode(), secret.encode(), sha256)


def is_digest_of(stored: bytes, secret: str, pepper: str) -> bool:
    """Return whether ``stored`` is the digest of ``secret``, in a time that does not depend on the answer."""
    return hmac.compare_digest(stored, digest(secret, pepper))


def _sealed(body: str) -> str:
    return f"{body}_{_checksum(body)}"


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """Return ``number`` in base62, with zeros in front up to ``length`` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
