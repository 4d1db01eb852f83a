"""Whether the database is as this code wants it, told without starting Django."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import django


def fingerprint(base: Path, installed_apps: Iterable[str]) -> str:
    """Return a digest of everything that decides what `preparehub` would do to the database.

    Wrong only in the harmless direction: it also changes when something changes that needs no migration.
    """
    digest = hashlib.sha256(repr([django.VERSION, *installed_apps]).encode())
    patterns = ("apps/*/migrations/*.py", "apps/core/management/commands/*.py", "apps/core/postgres/*.py")
    sources = [path for pattern in patterns for path in base.glob(pattern)]
    for path in [base / "requirements.txt", *sorted(sources)]:
        digest.update(str(path.relative_to(base)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
