"""Searching what is stored: the journal, and the dead letters."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.events.models import DeadLetter, JournalEntry, Verdict
from apps.events.visibility import Companies

__all__ = ["dead_letters", "dead_letters_waiting", "journal"]


def journal(
    *,
    companies: Companies = "*",
    event_id: str | None = None,
    event_type: str | None = None,
    service_name: str | None = None,
    entity_type: str | None = None,
    entity_id: str | None = None,
    company_id: int | None = None,
    user_id: str | None = None,
    timestamp: str | None = None,
    version: str | None = None,
    correlation_id: str | None = None,
    stream: str | None = None,
    verdict: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    q: str | None = None,
) -> QuerySet[JournalEntry]:
    """Return the journalled events that meet every filter given, newest first.

    ``companies`` are those in the caller's sight; global events are in everybody's. ``since`` (included) and ``until``
    (excluded) are about ``occurred_at``. ``q`` is free text: part of a type, a service or an entity type, or a whole
    id.
    """
    exact = {
        "event_id": event_id,
        "event_type": event_type,
        "service_name": service_name,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "company_id": company_id,
        "user_id": user_id,
        "timestamp": timestamp,
        "version": version,
        "correlation_id": correlation_id,
        "stream": stream,
        "verdict": verdict,
    }
    found = _in_sight(JournalEntry.objects.filter(**_given(exact)), companies, ~Q(verdict=Verdict.UNDECODABLE))
    found = _between(found, "occurred_at", since, until)
    if q:
        found = found.filter(_free_text(q))
    return found.order_by("-id")


def dead_letters(
    *,
    companies: Companies = "*",
    state: str | None = None,
    group: str | None = None,
    handler: str | None = None,
    reason: str | None = None,
    stream: str | None = None,
    event_id: str | None = None,
    event_type: str | None = None,
    service_name: str | None = None,
    entity_type: str | None = None,
    entity_id: str | None = None,
    company_id: int | None = None,
    correlation_id: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    q: str | None = None,
) -> QuerySet[DeadLetter]:
    """Return the dead letters that meet every filter given, newest first.

    ``since`` (included) and ``until`` (excluded) are about ``dead_at``; ``q`` is free text as in
    `journal`, or part of an error.
    """
    exact = {
        "state": state,
        "group": group,
        "handler": handler,
        "reason": reason,
        "stream": stream,
        "event_id": event_id,
        "event_type": event_type,
        "service_name": service_name,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "company_id": company_id,
        "correlation_id": correlation_id,
    }
    found = _in_sight(DeadLetter.objects.filter(**_given(exact)), companies, Q(fields__company_id=""))
    found = _between(found, "dead_at", since, until)
    if q:
        found = found.filter(_free_text(q) | Q(error__icontains=q) | Q(group__icontains=q))
    return found.order_by("-id")


def dead_letters_waiting() -> int:
    """Return how many dead letters wait for a decision, from their small index."""
    return DeadLetter.objects.filter(state=DeadLetter.State.WAITING).count()


def _given(exact: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in exact.items() if value is not None}


def _in_sight(found: "QuerySet[Any]", companies: Companies, named_none: Q) -> "QuerySet[Any]":
    """Keep what the caller may see; a row without a company is everybody's only if its entry ``named_none``.

    The company of what cannot be read is not known: it is shown to those who see all.
    """
    if companies == "*":
        return found
    return found.filter(Q(company_id=None) & named_none | Q(company_id__in=companies))


def _between(
    found: "QuerySet[Any]", field: str, since: dt.datetime | None, until: dt.datetime | None
) -> "QuerySet[Any]":
    return found.filter(**_given({f"{field}__gte": since, f"{field}__lt": until}))


def _free_text(text: str) -> Q:
    """What looks like an id is one, and found by an index; other text may be part of a name."""
    ids = Q(event_id=text) | Q(correlation_id=text) | Q(entity_id=text)
    try:
        UUID(text)
    except ValueError:
        parts = Q(event_type__icontains=text) | Q(service_name__icontains=text) | Q(entity_type__icontains=text)
        return ids | parts
    return ids
