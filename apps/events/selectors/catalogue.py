"""The catalogue of event types: those that every consumer of today knows, and those that services declared."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Sum
from django.utils import timezone

from apps.core.errors import NotFound
from apps.events.models import EventTypeDeclaration, EventTypeHour
from apps.events.seed import SEED_TYPES, example_of
from apps.events.visibility import Companies, visible
from xerpium_sdk.wire.envelope import stream_of

__all__ = ["EventTypeView", "event_type", "event_types"]

DAY = dt.timedelta(hours=24)
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeView:
    """One type of the catalogue.

    Attributes:
        event_type: its name.
        stream: where its events travel.
        is_seed: every consumer of today knows it.
        service_name: who declared it; ``""`` for a seed type that nobody has.
        company_id: whose it is; None for everybody's.
        description: what the owner says of it.
        schema: JSON Schema of its data, if there is one.
        example: data of an example.
        count_24h: events that were journalled within 24 hours (to the hour).
        last_seen: when the last one was journalled, if within the last days.
        id: of its declaration; None for a seed type that nobody has declared.
        created_at: when it was first declared.
        updated_at: when its declaration was written.
    """

    event_type: str
    stream: str
    is_seed: bool
    service_name: str = ""
    company_id: int | None = None
    description: str = ""
    schema: Mapping[str, Any] | None = None
    example: Mapping[str, Any] | None = None
    count_24h: int = 0
    last_seen: dt.datetime | None = None
    id: int | None = None
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None

    @property
    def is_declared(self) -> bool:
        """Whether a service has declared it."""
        return bool(self.service_name)


def event_types(
    *, companies: Companies = "*", service_name: str | None = None, q: str | None = None, now: dt.datetime | None = None
) -> list[EventTypeView]:
    """Return the seed's types and all declared ones in the caller's sight, by name.

    ``service_name`` keeps those that this service declared, ``q`` those whose name or description holds a text.
    """
    rows = {row.event_type: row for row in EventTypeDeclaration.objects.all() if visible(row.company_id, companies)}
    names = sorted(rows.keys() | SEED_TYPES)
    seen = _seen(names, now or timezone.now())
    found = [_view(name, rows.get(name), *seen.get(name, (0, None))) for name in names]
    if service_name is not None:
        found = [view for view in found if view.service_name == service_name]
    if q:
        wanted = q.casefold()
        found = [view for view in found if wanted in view.event_type or wanted in view.description.casefold()]
    return found


def event_type(key: str, *, companies: Companies = "*", now: dt.datetime | None = None) -> EventTypeView:
    """Return one type; ``key`` is its name, or the id of its declaration (no name begins with a digit).

    Raises:
        NotFound: it is neither one of the seed's nor declared, or another company's.
    """
    wanted = {"pk": int(key)} if _ID.fullmatch(key) else {"event_type": key}
    row = EventTypeDeclaration.objects.filter(**wanted).first()
    if row is not None and not visible(row.company_id, companies):
        row = None
    if row is None and key not in SEED_TYPES:
        raise NotFound(f"Nobody has declared the event type {key[:100]!r}.")
    name = key if row is None else row.event_type
    return _view(name, row, *_seen([name], now or timezone.now()).get(name, (0, None)))


def _view(name: str, row: EventTypeDeclaration | None, count: int, last: dt.datetime | None) -> EventTypeView:
    is_seed = name in SEED_TYPES
    if row is None:
        return EventTypeView(
            event_type=name,
            stream=stream_of(name),
            is_seed=True,
            example=example_of(name),
            count_24h=count,
            last_seen=last,
        )
    return EventTypeView(
        event_type=name,
        stream=stream_of(name),
        is_seed=is_seed,
        service_name=row.service_name,
        company_id=row.company_id,
        description=row.description,
        schema=row.schema,
        example=row.example if row.example is not None or not is_seed else example_of(name),
        count_24h=count,
        last_seen=last,
        id=row.pk,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _seen(names: Iterable[str], now: dt.datetime) -> dict[str, tuple[int, dt.datetime | None]]:
    """Return how often each type came within a day, and when last, from the counts by the hour."""
    hours = EventTypeHour.objects.filter(event_type__in=list(names)).order_by()
    last = {row["event_type"]: row["last"] for row in hours.values("event_type").annotate(last=Max("last_at"))}
    recent = hours.filter(hour__gt=now - DAY).values("event_type").annotate(sum=Sum("count"))
    counts = {row["event_type"]: row["sum"] for row in recent}
    return {name: (counts.get(name, 0), at) for name, at in last.items()}
