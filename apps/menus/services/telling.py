"""Telling of changes of menus: the audit and the hub's stream, in the transaction that made them."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from apps.core import audit
from apps.core.requestid import current_request_id
from apps.events.services import publish_many
from xerpium_sdk.wire.envelope import MAX_TEXT_ID, Envelope
from xerpium_sdk.wire.times import format_time

__all__ = ["HUB", "announce", "declaration_tell"]

HUB = "xerpium-hub"
MOST_KEYS = 100
"""How many items an event names; whoever wants all of them reads the tree."""

Sides = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def declaration_tell(
    *,
    service_name: str,
    changes: Mapping[int | None, Mapping[str, Sides]],
    revision: int,
    actor: str,
    now: dt.datetime,
) -> None:
    """Record and announce what a service declares otherwise than before, one company at a time.

    Args:
        service_name: whose items they are.
        changes: by company, and then by the key of the item, what was declared before and after; None where it was
            not there.
        revision: the one that the changes made.
        actor: who did it.
        now: when.
    """
    envelopes = []
    for company, of in changes.items():
        before = {key: sides[0] for key, sides in of.items() if sides[0] is not None}
        after = {key: sides[1] for key, sides in of.items() if sides[1] is not None}
        audit.record("menu_declared", "menu", service_name, company_id=company, before=before, after=after)
        told = {
            "created": [key for key in of if key not in before],
            "updated": [key for key in of if key in before and key in after],
            "removed": [key for key in of if key not in after],
        }
        data = {"service_name": service_name, "revision": revision, "actor": actor}
        data |= {f"{what}_count": len(keys) for what, keys in told.items()}
        data |= {what: keys[:MOST_KEYS] for what, keys in told.items()}
        envelopes.append(announcement("menu", service_name, company, data, now))
    publish_many(envelopes)


def announce(
    entity_type: str, entity_id: str | int, companies: Iterable[int | None], data: Mapping[str, Any], now: dt.datetime
) -> None:
    """Announce ``menu_changed`` to each of ``companies`` (None: to everybody)."""
    publish_many(announcement(entity_type, entity_id, company, data, now) for company in companies)


def announcement(
    entity_type: str, entity_id: str | int, company_id: int | None, data: Mapping[str, Any], now: dt.datetime
) -> Envelope:
    """Return the event that tells of a change of menus."""
    return Envelope(
        event_id=str(uuid.uuid4()),
        event_type="menu_changed",
        service_name=HUB,
        entity_type=entity_type,
        entity_id=entity_id if isinstance(entity_id, int) else entity_id[:MAX_TEXT_ID],
        company_id=company_id,
        user_id=None,
        timestamp=format_time(now.astimezone(dt.UTC)),
        data=dict(data),
        correlation_id=current_request_id() or None,
    )
