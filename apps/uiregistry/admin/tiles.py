"""What a widget shows on pages of the admin: its data as the hub fetches it for the operator, drawn."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import HttpRequest
from django.utils import timezone

from apps.core.access import Principal, operator_of
from apps.core.badges import BADGES, Badge
from apps.core.errors import HubError, NotAllowed
from apps.uiregistry import links
from apps.uiregistry.drawing import Drawing, draw
from apps.uiregistry.models import Widget
from apps.uiregistry.selectors.viewers import viewer_of
from apps.uiregistry.services.data import data_for, source_of
from xerpium_sdk.wire.registry import Status

__all__ = ["Answer", "Drawn", "Tile", "answer_for", "example_of", "tile_of"]

FORBIDDEN = Badge("forbidden", "amber", "M5 7.4V5.6a3 3 0 0 1 6 0v1.8M4 7.4h8v5.2H4z", "You may not see this data.")
FAILED = Badge("no data", "red", BADGES[Status.UNHEALTHY].icon, "Its service does not answer.")
STALE = Badge("old data", "grey", BADGES[Status.STALE].icon, "Its service does not answer; this is what it said last.")

_EXAMPLES = {
    "metric": '{"value": 42, "change": 3}',
    "table": '[{"name": "Desk", "stock": 3}, {"name": "Chair", "stock": 12}]',
    "chart": '[{"label": "Desks", "value": 12}, {"label": "Chairs", "value": 30}]',
    "custom": "{}",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A widget as a page holds it before its data is there: where to ask, and how often (in seconds; 0: by hand)."""

    row: Widget
    address: str
    every: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A widget with its data.

    Attributes:
        drawing: its data drawn; None where there is none.
        badge: what is to be said of it; None where all is well.
        told: what went wrong, and what to do.
        fetched_at: when the service said it.
    """

    title: str
    drawing: Drawing | None
    badge: Badge | None = None
    told: str = ""
    fetched_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What asking for a widget's data came to; ``state`` is ``fresh``, ``stale``, ``error`` or ``forbidden``."""

    data: Any = None
    state: str = "fresh"
    told: str = ""
    fetched_at: dt.datetime | None = None

    def drawn(self, row: Widget, config: Mapping[str, Any]) -> Drawn:
        """Return the widget drawn with this config."""
        title = config.get("title")
        title = title if isinstance(title, str) and title else row.name
        if self.state in ("error", "forbidden"):
            return Drawn(title, None, FORBIDDEN if self.state == "forbidden" else FAILED, self.told)
        badge = STALE if self.state == "stale" else None
        return Drawn(title, draw(row.widget_type, config, self.data), badge, self.told, self.fetched_at)


def tile_of(row: Widget, *, company_id: int | None = None) -> Tile:
    """Return where a page asks for what ``row`` shows, in a company if one is named."""
    return Tile(row, links.tile_url(row.pk, company=company_id), row.refresh_interval)


def example_of(widget_type: str) -> str:
    """Return data that a widget of this type can be drawn with."""
    return _EXAMPLES.get(widget_type, "{}")


def answer_for(request: HttpRequest, row: Widget, company_id: int | None) -> Answer:
    """Return the data of a widget as the operator of ``request`` gets it in a company."""
    operator = operator_of(request.user)
    if operator is None:
        return Answer(state="forbidden", told="Your account is no operator's.")
    try:
        return _fetched(operator, row, company_id)
    except NotAllowed as error:
        return Answer(state="forbidden", told=str(error))
    except HubError as error:
        return Answer(state="error", told=str(error))


def _fetched(operator: Principal, row: Widget, company_id: int | None) -> Answer:
    viewer = viewer_of(operator, company_id=company_id)
    if not viewer.is_of(row.company_id):
        return Answer(state="forbidden", told="This widget is of another company.")
    found = data_for(operator, viewer, source_of(row), refresh=False, now=timezone.now())
    at = dt.datetime.fromisoformat(found.fetched_at)
    return Answer(orjson.loads(found.body), "stale" if found.stale else "fresh", found.error or "", at)
