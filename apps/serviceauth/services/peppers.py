"""The peppers of the setting ``KEY_PEPPERS``: the first makes new digests, all recognise old ones."""

from typing import NamedTuple

from django.conf import settings

from apps.serviceauth import keys

__all__ = ["Digest", "digest_of", "digests_of", "recognises"]

_NO_DIGEST = bytes(32)


class Digest(NamedTuple):
    """What is stored of a secret."""

    value: bytes
    pepper_version: int


def digest_of(secret: str) -> Digest:
    """Return what to store of a new secret."""
    version, pepper = next(iter(settings.KEY_PEPPERS.items()))
    return Digest(keys.digest(secret, pepper), version)


def digests_of(secret: str) -> list[bytes]:
    """Return what ``secret`` may be stored as: one digest for each pepper that is known."""
    return [keys.digest(secret, pepper) for pepper in settings.KEY_PEPPERS.values()]


def recognises(stored: Digest | None, secret: str) -> bool:
    """Return whether ``stored`` is of ``secret``; no digest, or one of a pepper that is gone, is the same work."""
    peppers: dict[int, str] = settings.KEY_PEPPERS
    pepper = peppers.get(stored.pepper_version) if stored else None
    if stored is None or pepper is None:
        keys.is_digest_of(_NO_DIGEST, secret, next(iter(peppers.values())))
        return False
    return keys.is_digest_of(stored.value, secret, pepper)
