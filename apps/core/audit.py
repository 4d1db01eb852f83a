"""The audit: who did what to which object, when, from where; with what changed. Entries are only ever added.

`record` writes in the caller's transaction: what was undone was not done, and what was done was recorded. The chain
that shows later changes to the entries themselves is made afterwards (`apps.core.sealing`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.differences import changed, told
from apps.core.models import AuditEntry
from apps.core.requestid import current_request_id, current_source
from apps.core.tenancy.context import current, principal, system, use

__all__ = ["Actor", "actor", "record"]

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
    by = by or actor()
    before, after = changed(before, after)
    entry = AuditEntry(
        actor_kind=told(by.kind, 20),
        actor=told(by.name, 200),
        on_behalf_of=by.on_behalf_of,
        action=told(action, 60),
        object_type=told(object_type, 60),
        object_id=told(object_id, 300),
        company_id=company_id,
        source=told(current_source(), 60),
        request_id=told(current_request_id(), 128),
        before=before,
        after=after,
    )
    # Whoever may do something cannot be kept from leaving a trace of it: also who may write no global rows.
    with use(_WRITING):
        entry.save(force_insert=True)
