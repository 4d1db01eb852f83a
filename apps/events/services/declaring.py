"""What services say of their event types: declared once, changed by their owner, gone when the owner says so."""

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.core import audit
from apps.core.errors import Conflict, FieldError, InvalidInput, NotAllowed, NotFound
from apps.core.requestid import current_request_id
from apps.events.declarations import forget_after_commit
from apps.events.models import EventTypeDeclaration
from apps.events.schemas import MAX_SCHEMA_BYTES, Checks, Schema, schema_faults
from apps.events.services.outbox import publish
from apps.events.visibility import Companies, visible
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.times import format_time

__all__ = ["EVENT_TYPE", "type_declare", "type_delete", "type_update"]

EVENT_TYPE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
MAX_EVENT_TYPE = 100
MAX_DESCRIPTION = 2000
HUB = "xerpium-hub"
CHANGEABLE = frozenset({"description", "schema", "example"})


def type_declare(
    *,
    event_type: str,
    service_name: str,
    company_id: int | None = None,
    description: str = "",
    schema: Mapping[str, Any] | None = None,
    example: Mapping[str, Any] | None = None,
    companies: Companies = "*",
    actor: str,
) -> tuple[EventTypeDeclaration, bool]:
    """Store what ``service_name`` says of a type, or change what it said; return it and whether it is new.

    Saying the same again changes nothing and announces nothing. The seed's types may be declared too: the schema then
    holds for everybody who publishes them.

    Raises:
        InvalidInput: the name, the schema or the example cannot be used (pointers of the request's fields).
        Conflict: another service declares this type; its name is told only to who may see it.
    """
    _require_valid(event_type=event_type, description=description, schema=schema, example=example)
    told = {"description": description, "schema": schema, "example": example}
    with transaction.atomic():
        try:
            row, created = EventTypeDeclaration.objects.select_for_update().get_or_create(
                event_type=event_type, defaults={"service_name": service_name, "company_id": company_id, **told}
            )
        except IntegrityError as error:
            # There is one, and it is not in sight.
            raise Conflict(f"The event type {event_type} is taken.") from error
        if created:
            _announce("event_type_declared", row, actor)
            _record("declared", row, before=None, after={"service_name": service_name, **told})
        elif (row.service_name, row.company_id) != (service_name, company_id):
            raise Conflict(_taken(row, companies))
        else:
            _change(row, told, actor)
    return row, created


def type_update(
    *,
    event_type: str,
    changes: Mapping[str, Any],
    service_name: str | None,
    companies: Companies = "*",
    actor: str,
) -> EventTypeDeclaration:
    """Change ``description``, ``schema`` or ``example`` of a declared type; what ``changes`` does not name stays.

    Args:
        event_type: the declared type.
        changes: new values by field.
        service_name: the owner who asks; None for an operator.
        companies: the companies in the caller's sight.
        actor: who did it, for the announcement.

    Raises:
        NotFound: nobody has declared it, or another company's service has.
        NotAllowed: another service has.
        InvalidInput: the result cannot be used.
    """
    with transaction.atomic():
        row = _owned(event_type, service_name, companies)
        told = {name: changes.get(name, getattr(row, name)) for name in CHANGEABLE}
        _require_valid(event_type=event_type, **told)
        _change(row, told, actor)
    return row


def type_delete(*, event_type: str, service_name: str | None, companies: Companies = "*", actor: str) -> None:
    """Forget what was declared of a type; events of it are undeclared from now on, the seed's types unverified.

    Raises as `type_update` does.
    """
    with transaction.atomic():
        row = _owned(event_type, service_name, companies)
        _announce("event_type_removed", row, actor)
        before = {name: getattr(row, name) for name in ("service_name", *sorted(CHANGEABLE))}
        _record("declaration_deleted", row, before=before, after=None)
        row.delete()


def _owned(event_type: str, service_name: str | None, companies: Companies) -> EventTypeDeclaration:
    row = EventTypeDeclaration.objects.select_for_update().filter(event_type=event_type).first()
    if row is None or not visible(row.company_id, companies):
        raise NotFound(f"Nobody has declared the event type {event_type[:MAX_EVENT_TYPE]!r}.")
    if service_name not in (None, row.service_name):
        raise NotAllowed(f"The event type {event_type} belongs to {row.service_name}.")
    return row


def _change(row: EventTypeDeclaration, told: Mapping[str, Any], actor: str) -> None:
    changed = [name for name, value in told.items() if getattr(row, name) != value]
    if changed:
        before = {name: getattr(row, name) for name in changed}
        for name in changed:
            setattr(row, name, told[name])
        row.save(update_fields=[*changed, "updated_at"])
        _announce("event_type_changed", row, actor)
        _record("declaration_changed", row, before=before, after={name: told[name] for name in changed})


def _record(
    action: str, row: EventTypeDeclaration, *, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    audit.record(action, "event_type", row.event_type, company_id=row.company_id, before=before, after=after)


def _taken(row: EventTypeDeclaration, companies: Companies) -> str:
    if visible(row.company_id, companies):
        return f"The event type {row.event_type} is declared by {row.service_name}."
    return f"The event type {row.event_type} is taken."


def _require_valid(*, event_type: str, description: str, schema: Any, example: Any) -> None:
    faults = []
    if len(event_type) > MAX_EVENT_TYPE or not EVENT_TYPE.fullmatch(event_type):
        text = f"A type is written in lower_snake_case, with at most {MAX_EVENT_TYPE} characters."
        faults.append(FieldError("/event_type", "invalid_name", text))
    if len(description) > MAX_DESCRIPTION:
        faults.append(FieldError("/description", "too_long", f"At most {MAX_DESCRIPTION} characters."))
    found = [] if schema is None else schema_faults(schema)
    faults += [FieldError(f"/schema{fault.pointer}", fault.code, fault.message) for fault in found]
    if example is not None:
        faults += _example_faults(example, schema if not found else None)
    if faults:
        raise InvalidInput(errors=faults)


def _example_faults(example: Any, schema: Mapping[str, Any] | None) -> list[FieldError]:
    if not isinstance(example, Mapping):
        return [FieldError("/example", "invalid", "The data of an event is an object.")]
    if len(orjson.dumps(example)) > MAX_SCHEMA_BYTES:
        return [FieldError("/example", "too_large", f"An example has at most {MAX_SCHEMA_BYTES // 1024} KiB.")]
    return Checks().faults(Schema(schema) if schema is not None else None, example, "/example")


def _announce(what: str, row: EventTypeDeclaration, actor: str) -> None:
    """Tell the hub's stream, in the transaction that changed the row, and let this process look anew after it."""
    forget_after_commit()
    now = timezone.now()
    publish(
        Envelope(
            event_id=str(uuid.uuid4()),
            event_type=what,
            service_name=HUB,
            entity_type="event_type",
            entity_id=row.event_type[:64],
            company_id=row.company_id,
            user_id=None,
            timestamp=format_time(now.astimezone(dt.UTC)),
            data={"event_type": row.event_type, "service_name": row.service_name, "actor": actor},
            correlation_id=current_request_id() or None,
        )
    )
