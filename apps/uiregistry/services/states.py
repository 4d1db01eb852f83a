"""Every state that a manifest was in: kept with each change, in the scope of the hub itself.

A state is whole, also where who changes it sees a part of it (rows for companies that it does not act for); what
somebody gets to see of it is decided when it is read.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.core import audit
from apps.core.requestid import current_request_id
from apps.core.tenancy import system, use
from apps.events.services import publish
from apps.menus import services as menus
from apps.uiregistry.manifest import digest
from apps.uiregistry.models import Manifest
from apps.uiregistry.selectors import manifests as selectors
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.times import format_time

__all__ = [
    "ITEMS",
    "MOST_STATES",
    "PUT",
    "REMOVED",
    "Cause",
    "head_of",
    "manifest_keep_pending",
    "manifest_touch",
    "restored",
    "state_keep",
    "state_pending_keep",
    "states_keep_pending",
    "states_thin",
    "told",
]

HUB = "xerpium-hub"
MOST_STATES = 200
"""So many states of one manifest are kept."""
MOST_ACTORS = 200
_KEEPING = system("keep the states of manifests")

Cause = str
PUT: Cause = "put"
ITEMS: Cause = "items"
REMOVED: Cause = "removed"


def restored(number: int) -> Cause:
    """Return the cause of a state that is an earlier one again."""
    return f"restored from {number}"


def head_of(service_name: str, company_id: int | None) -> Manifest:
    """Return the row of a manifest, made where there is none; under `apps.menus.services.lock`."""
    with use(_KEEPING):
        head, _ = Manifest.objects.get_or_create(service_name=service_name, company_id=company_id)
    return head


def manifest_touch(*, service_name: str, company_id: int | None, actor: str) -> None:
    """Note that ``actor`` changed single items of a service, in the transaction that does.

    What they make together becomes one state, before the next one at the latest (`state_pending_keep`).
    """
    head = head_of(service_name, company_id)
    actors = [name for name in head.touched_by.split(", ") if name]
    if actor in actors or len(", ".join([*actors, actor])) > MOST_ACTORS:
        return
    head.touched_by = ", ".join([*actors, actor])
    with use(_KEEPING):
        head.save(update_fields=["touched_by"])


def state_pending_keep(head: Manifest, *, now: dt.datetime) -> None:
    """Keep what single items made of a manifest as a state of its own, if they made anything new of it."""
    if head.touched_by:
        state_keep(head, cause=ITEMS, actor=head.touched_by, now=now)


def state_keep(head: Manifest, *, cause: Cause, actor: str, now: dt.datetime) -> None:
    """Store the head of a manifest, and the state that its rows are in, unless that is the last one already."""
    with use(_KEEPING):
        body = selectors.manifest_body(head.service_name, head.company_id, head)
        mark = digest(body)
        last = head.revisions.order_by("-number").values_list("digest", flat=True).first()
        head.touched_by, head.updated_at = "", now
        if mark != last and not (body is None and last is None):
            head.number += 1
            head.revisions.create(
                number=head.number, digest=mark, body=body, cause=cause, actor=actor[:200], created_at=now
            )
        head.save()


def manifest_keep_pending(*, service_name: str, company_id: int | None, now: dt.datetime) -> None:
    """Keep what single items made of one manifest, before somebody reads its states."""
    with use(_KEEPING):
        head = selectors.head(service_name, company_id)
        if head is not None and head.touched_by:
            _keep_pending_of(head.pk, now)


def states_keep_pending(*, now: dt.datetime) -> int:
    """Keep what single items made of manifests; return of how many. Each is a transaction of its own."""
    touched = list(Manifest.objects.exclude(touched_by="").order_by("id").values_list("pk", flat=True))
    for key in touched:
        _keep_pending_of(key, now)
    return len(touched)


def _keep_pending_of(key: int, now: dt.datetime) -> None:
    with transaction.atomic():
        menus.lock()
        # Once more, for somebody else may have been quicker.
        head = Manifest.objects.filter(pk=key).first()
        if head is not None:
            state_pending_keep(head, now=now)


def states_thin() -> int:
    """Forget the oldest states beyond `MOST_STATES` of a manifest, but never its first; return how many."""
    forgotten = 0
    with use(_KEEPING):
        for head in Manifest.objects.filter(number__gt=MOST_STATES):
            numbers = list(head.revisions.order_by("number").values_list("number", flat=True))
            excess = numbers[1 : len(numbers) - MOST_STATES + 1]
            if excess:
                head.revisions.filter(number__in=excess).delete()
                forgotten += len(excess)
    return forgotten


def told(
    head: Manifest,
    *,
    cause: Cause,
    actor: str,
    revision: int,
    lists: Mapping[str, Sequence[Mapping[str, Any]]],
    now: dt.datetime,
) -> None:
    """Record a change of a manifest and tell the hub's stream, in the transaction that made it."""
    amounts = {name: len(lists[name]) for name in ("created", "updated", "removed")}
    audit.record(
        "manifest_removed" if cause == REMOVED else "manifest_applied",
        "manifest",
        head.service_name,
        company_id=head.company_id,
        after={"cause": cause, "version": head.version, "generation": head.generation, "state": head.number, **amounts},
    )
    publish(
        Envelope(
            event_id=str(uuid.uuid4()),
            event_type="manifest_applied",
            service_name=HUB,
            entity_type="manifest",
            entity_id=head.service_name[:64],
            company_id=head.company_id,
            user_id=None,
            timestamp=format_time(now.astimezone(dt.UTC)),
            data={
                "service_name": head.service_name,
                "cause": cause,
                "version": head.version,
                "generation": head.generation,
                "number": head.number,
                "revision": revision,
                "actor": actor,
                **amounts,
            },
            correlation_id=current_request_id() or None,
        )
    )
