"""The audit: who did what to which object, when, from where; with what changed. Entries are only ever added.

`record` writes in the caller's transaction: what was undone was not done, and what was done was recorded. The chain
that shows later changes to the entries themselves is made afterwards (`apps.core.sealing`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.core.differences import changed, told
from apps.core.models import AuditEntry
from apps.core.requestid import current as request_ids
from apps.core.tenancy.context import current, principal, system, use

__all__ = ["ENTRIES_INSERT", "Actor", "actor", "entry", "record", "record_all"]

_WRITING = system("audit")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is doing something.

    Attributes:
        kind: ``service``, ``user``, ``operator``, ``open`` or ``hub``.
        name: its name; of the hub itself, why it acts.
        on_behalf_of: the person that a service acts for.
    """

    kind: str
    name: str
    on_behalf_of: int | None = None


def actor() -> Actor:
    """Return who the running code acts for. Where a service acts for a person, the service is the one who acts."""
    who = principal()
    if who is None:
        scope = current()
        return Actor("hub", scope.reason.removeprefix("system: ") if scope else "no context")
    if who.kind == "user" and who.actors:
        return Actor("service", who.actors[0], who.user_id)
    return Actor(who.kind, who.name, who.user_id if who.kind == "service" else None)


def record(
    action: str,
    object_type: str,
    object_id: object,
    *,
    company_id: int | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> None:
    """Note that the running code did ``action``, in the running transaction.

    Args:
        action: a verb in the past tense, such as ``key_issued``.
        object_type: what kind of thing it was done to, such as ``service_key``.
        object_id: which one, as people and addresses name it; never a secret.
        company_id: whose object it is. None is for what is everybody's, or several companies': operators of companies
            do not see those entries.
        before: the thing's fields before; None when it was not there. Only what differs from ``after`` is kept, with
            secrets hidden.
        after: the thing's fields afterwards; None when it is gone.
        by: who did it, where the running code cannot know (a sign-in).
    """
    fields = entry(action, object_type, object_id, company_id=company_id, before=before, after=after, by=by)
    # Whoever may do something cannot be kept from leaving a trace of it: also who may write no global rows.
    with use(_WRITING):
        AuditEntry(**fields).save(force_insert=True)


def entry(
    action: str,
    object_type: str,
    object_id: object,
    *,
    company_id: int | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> dict[str, Any]:
    """Return the columns of an entry, without those that have no value; the arguments are those of `record`.

    For statements that change something and record it in one round trip: the JSON of a list of entries is the
    parameter ``audit`` of `ENTRIES_INSERT`. They run in the caller's scope, so the row must be one of its own.
    """
    by = by or actor()
    before, after = changed(before, after)
    ids = request_ids()
    fields = {
        "actor_kind": told(by.kind, 20),
        "actor": told(by.name, 200),
        "on_behalf_of": by.on_behalf_of,
        "action": told(action, 60),
        "object_type": told(object_type, 60),
        "object_id": told(object_id, 300),
        "company_id": company_id,
        "source": told(ids.source, 60) if ids else "",
        "request_id": told(ids.request_id, 128) if ids else "",
        "before": before,
        "after": after,
    }
    return {name: value for name, value in fields.items() if value is not None}


def record_all(entries: Sequence[Mapping[str, Any]]) -> None:
    """Note what the running code did to many things, as `record` does, in one statement; each was made by `entry`."""
    if not entries:
        return
    # Not by orjson: jsonb gives 1e30 back as an integer, and that is too large for it.
    written = json.dumps(list(entries), ensure_ascii=False)
    with use(_WRITING), connection.cursor() as cursor:
        cursor.execute(ENTRIES_INSERT, {"audit": written})


ENTRIES_INSERT = (
    "INSERT INTO core_auditentry"
    " (actor_kind,actor,on_behalf_of,action,object_type,object_id,company_id,source,request_id,before,after)"
    " SELECT * FROM jsonb_to_recordset(%(audit)s::jsonb) AS r(actor_kind text,actor text,on_behalf_of bigint,"
    "action text,object_type text,object_id text,company_id bigint,source text,request_id text,before jsonb,"
    "after jsonb)"
)
"""Writes entries; a WITH part of a statement, or a statement of its own."""
