"""What stands on the pages of the catalogue of event types. Reads only."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max, Sum
from django.utils import timezone

from apps.core.errors import NotFound
from apps.core.secrecy import masked
from apps.events import selectors, snippets
from apps.events.models import EventTypeHour, JournalEntry
from apps.events.selectors import EventTypeView
from apps.events.wording import verdict_of

__all__ = ["MOST_PROPERTIES", "Property", "properties", "type_page", "types_page"]

DAY = dt.timedelta(hours=24)
LOOKED_BACK = dt.timedelta(days=7)
MOST_EVENTS = 8
MOST_PROPERTIES = 200
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """A type that nobody declared and that came all the same."""

    event_type: str
    count_24h: int
    last_seen: dt.datetime


@dataclass(frozen=True, slots=True)
class Property:
    """A value of the data as a schema tells it; ``name`` is the way to it: ``address.street``, ``lines[].price``."""

    name: str
    kind: str
    is_required: bool
    description: str
    limits: str


def types_page(*, q: str = "") -> dict[str, Any]:
    """Return the catalogue, and what was seen undeclared."""
    now = timezone.now()
    views = selectors.event_types(now=now)
    undeclared = _undeclared({view.event_type for view in views}, now)
    wanted = q.casefold()
    shown = [v for v in views if wanted in f"{v.event_type} {v.service_name} {v.description}".casefold()]
    return {
        "q": q,
        "standard": [view for view in shown if view.is_seed],
        "declared": [view for view in shown if not view.is_seed],
        "undeclared": [seen for seen in undeclared if wanted in seen.event_type.casefold()],
        "total": len(views),
        "has_declared": any(not view.is_seed for view in views),
        "declare_curl": snippets.declare_curl("invoice_paid", "my-service", settings.HUB_PUBLIC_URL),
    }


def type_page(name: str, *, may_see_events: bool) -> dict[str, Any] | None:
    """Return everything that the page of a type shows; None for one that nobody declared and that never came."""
    view: EventTypeView | None = None
    try:
        view = selectors.event_type(name)
    except NotFound:
        seen = _undeclared(set(), timezone.now(), only=name)
        if not seen:
            return None
    last = JournalEntry.objects.filter(event_type=name).order_by("-id")
    entries = list(last[:MOST_EVENTS]) if may_see_events else []
    data = view.example if view else _data(entries)
    service = (view.service_name if view else "") or (entries[0].service_name if entries else "")
    entity = entries[0].entity_type if entries else ""
    schema = view.schema if view else None
    return {
        "name": name,
        "view": view,
        "seen": None if view else seen[0],
        "entries": [(entry, verdict_of(entry.verdict)) for entry in entries],
        "schema": schema,
        "properties": list(properties(schema)) if schema else [],
        "has_example": bool(view and view.example is not None),
        "example": snippets.envelope_example(name, service, entity, data),
        "publish_code": snippets.publish_code(name, service, entity, data),
        "handle_code": snippets.handle_code(name),
        "publish_curl": snippets.publish_curl(name, service, entity, data, settings.HUB_PUBLIC_URL),
        "declare_curl": snippets.declare_curl(name, service, settings.HUB_PUBLIC_URL, _data(entries)),
        "declare_code": snippets.declare_code(name, service, settings.HUB_PUBLIC_URL, _data(entries)),
    }


def _data(entries: list[JournalEntry]) -> Mapping[str, Any] | None:
    """Return the data of the newest event: it shows what a type that nobody described looks like."""
    return next((masked(entry.data) for entry in entries if isinstance(entry.data, dict)), None)


def _undeclared(known: set[str], now: dt.datetime, only: str = "") -> list[Seen]:
    hours = EventTypeHour.objects.filter(hour__gt=now - LOOKED_BACK).exclude(event_type="").order_by()
    hours = hours.filter(event_type=only) if only else hours.exclude(event_type__in=known)
    last = {row["event_type"]: row["last"] for row in hours.values("event_type").annotate(last=Max("last_at"))}
    recent = hours.filter(hour__gt=now - DAY).values("event_type").annotate(sum=Sum("count"))
    counts = {row["event_type"]: row["sum"] for row in recent}
    return [Seen(name, counts.get(name, 0), last[name]) for name in sorted(last, key=lambda name: -counts.get(name, 0))]


def properties(schema: Mapping[str, Any], way: str = "", level: int = 0) -> Iterator[Property]:
    """Yield what a schema says of the data, flat, for a table; at most a few levels deep."""
    required = schema.get("required")
    needed = set(required) if isinstance(required, list) else set()
    members = schema.get("properties")
    for name, part in members.items() if isinstance(members, dict) else ():
        if not isinstance(part, dict):
            continue
        yield Property(f"{way}{name}", _kind(part), name in needed, str(part.get("description", "")), _limits(part))
        items = part.get("items")
        if level < DEEPEST:
            yield from properties(part, f"{way}{name}.", level + 1)
            if isinstance(items, dict):
                yield from properties(items, f"{way}{name}[].", level + 1)


def _kind(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    if isinstance(kind, list):
        told = " or ".join(str(one) for one in kind)
    elif kind is None:
        told = next((word for name, word in _OTHERWISE if name in part), "anything")
    else:
        told = str(kind)
    items = part.get("items")
    return f"{told} of {_kind(items)}" if told == "array" and isinstance(items, dict) else told


_OTHERWISE = (("enum", "one of"), ("const", "always the same"), ("$ref", "see the schema"), ("oneOf", "one of several"),
              ("anyOf", "any of several"), ("allOf", "all of several"))  # fmt: skip
_LIMITS = {
    "format": "{}", "enum": "one of {}", "const": "always {}", "minimum": "≥ {}", "maximum": "≤ {}",
    "exclusiveMinimum": "> {}", "exclusiveMaximum": "< {}", "minLength": "at least {} characters",
    "maxLength": "at most {} characters", "pattern": "like {}", "minItems": "at least {}", "maxItems": "at most {}",
    "default": "otherwise {}", "$ref": "{}",
}  # fmt: skip


def _limits(part: Mapping[str, Any]) -> str:
    told = []
    for name, words in _LIMITS.items():
        if name in part:
            value = part[name]
            shown = ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
            told.append(words.format(shown))
    return "; ".join(told)
