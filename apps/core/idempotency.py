"""``Idempotency-Key``: a write that is sent again gives the first answer again, byte for byte, and changes nothing.

The answer is stored in the transaction of the write, so there is never one without the other. While a write runs its
claim is an advisory lock of that transaction, which a crash releases: nothing has to be cleaned up. Refusals changed
nothing and are not stored; the same key may be used for the corrected request.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Self

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.core.errors import Conflict, FieldError, InvalidInput
from apps.core.models import IdempotencyRecord

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of a key: whose it is, for what, and the fingerprint of what was sent."""

    caller: str
    route: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, request: HttpRequest, *, caller: str, body: bytes) -> Self:
        """Return the claim that ``request``, which carries a key, makes.

        The same key may be used on every route; within one, another address, query or body is another request.

        Raises:
            InvalidInput: the key is not 1 to 255 visible ASCII characters.
        """
        key = request.headers[HEADER]
        if not _KEY.fullmatch(key):
            fault = FieldError(HEADER, "invalid", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
            raise InvalidInput(errors=[fault])
        route = request.resolver_match.route if request.resolver_match else request.path
        address = f"{request.path.rstrip('/')}?{request.META.get('QUERY_STRING', '')}"
        fingerprint = blake2b(address.encode() + b"\0" + body, digest_size=32).digest()
        return cls(caller, f"{request.method} {route}", key, fingerprint)

    @property
    def lock(self) -> int:
        """The number of the advisory lock: 64 bits of what tells claims apart."""
        digest = blake2b("\0".join((self.caller, self.route, self.key)).encode(), digest_size=8, person=b"idempotency")
        return int.from_bytes(digest.digest(), "big", signed=True)


def answer_once(claim: Claim, write: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Return the first answer to ``claim``: the stored one, or that of ``write``, which runs in this transaction.

    ``write`` returns a rendered answer. What it raises goes through and, like an answer of 400 and above, undoes its
    changes.

    Raises:
        Conflict: the first request with this key still runs.
        InvalidInput: the key was used for another request.
    """
    now = timezone.now()
    with transaction.atomic():
        _lock(claim)
        record = IdempotencyRecord.objects.filter(caller=claim.caller, route=claim.route, key=claim.key).first()
        if record is not None and record.created_at > now - KEPT:
            return _replay(record, claim)
        response = write()
        if response.status_code >= 400:
            transaction.set_rollback(True)
        elif isinstance(response, HttpResponse):
            _store(claim, response, now)
    return response


def _lock(claim: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [claim.lock])
        (locked,) = cursor.fetchone()
    if not locked:
        raise Conflict("The first request with this Idempotency-Key is still running.", code="idempotency_running")


def _replay(record: IdempotencyRecord, claim: Claim) -> HttpResponse:
    if bytes(record.fingerprint) != claim.fingerprint:
        message = "This Idempotency-Key was used for another request."
        raise InvalidInput(errors=[FieldError(HEADER, "idempotency_key_reused", message)])
    response = HttpResponse(bytes(record.body), status=record.status)
    del response.headers["Content-Type"]  # Django's default; an answer without a body has none
    for name, value in {**record.headers, REPLAYED: "true"}.items():
        response.headers[name] = value
    return response


def _store(claim: Claim, response: HttpResponse, now: datetime) -> None:
    IdempotencyRecord.objects.update_or_create(
        caller=claim.caller,
        route=claim.route,
        key=claim.key,
        defaults={
            "fingerprint": claim.fingerprint,
            "status": response.status_code,
            "headers": dict(response.items()),
            "body": response.content,
            "created_at": now,
        },
    )


def prune(now: datetime, *, batch: int = 1000) -> int:
    """Delete the answers that are older than a day, ``batch`` rows a transaction; return how many there were."""
    deleted = batch
    total = 0
    while deleted == batch:
        old = IdempotencyRecord.objects.filter(created_at__lte=now - KEPT).order_by("created_at").values("pk")
        deleted, _ = IdempotencyRecord.objects.filter(pk__in=old[:batch]).delete()
        total += deleted
    return total
