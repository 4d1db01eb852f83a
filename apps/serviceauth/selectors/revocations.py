"""What was revoked, as services that verify tokens by themselves have to know it."""

import datetime as dt
from hashlib import sha256
from typing import Any

from apps.core.renderers import dumps
from apps.serviceauth.trust import trust
from xerpium_sdk.wire.credentials import revocation_mark

__all__ = ["REVOCATIONS_MAX_AGE", "revocation_list"]

REVOCATIONS_MAX_AGE = 30
"""Seconds after which who verifies offline asks again."""


def revocation_list() -> dict[str, Any]:
    """Return everything that is revoked, as of the last second, in an order that tells nothing.

    Raises:
        Unavailable: the database is away, and this process has never seen it.
    """
    void = trust.fresh().void
    revoked = sorted((revocation_mark(kind, subject), kind, until) for (kind, subject), until in void.items())
    told = [
        {"kind": kind, "mark": mark, "issued_before": dt.datetime.fromtimestamp(until, dt.UTC)}
        for mark, kind, until in revoked
    ]
    revision = sha256(dumps(told)).hexdigest()[:16]
    return {"revision": revision, "max_age": REVOCATIONS_MAX_AGE, "revocations": told}
