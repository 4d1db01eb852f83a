"""Dashboards, their layouts, and the one that a viewer gets to see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.menus.lifetimes import Lifetime
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry.layouts import MOST_PLACEMENTS, Placement, arranged, placed
from apps.uiregistry.models import Dashboard, Layout, Widget
from apps.uiregistry.selectors.viewers import Viewer

__all__ = [
    "Place",
    "Shown",
    "dashboard",
    "dashboards",
    "default_layouts",
    "layout",
    "layouts_of",
    "shown_dashboard",
    "shown_to",
    "widgets_of_viewer",
]

NONE = "There is no such dashboard."


@dataclass(frozen=True, slots=True)
class Place:
    """A widget that is shown, and where; ``lifetime`` says how its service lives."""

    widget: Widget
    placement: Placement
    lifetime: Lifetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A dashboard as one viewer sees it.

    Attributes:
        dashboard: the dashboard.
        layout: the layout that counts for the viewer; None: nobody made one, so all widgets stand by their size.
        places: the widgets from top to bottom.
        left_out: how many more widgets there are than a dashboard without a layout shows.
    """

    dashboard: Dashboard
    layout: Layout | None
    places: tuple[Place, ...]
    left_out: int = 0


def dashboards(*, q: str = "", company_id: int | None = None) -> QuerySet[Dashboard]:
    """Return the dashboards in sight, of one company if one is named, with ``q`` in title or slug."""
    found = Dashboard.objects.all()
    if company_id is not None:
        found = found.filter(company_id=company_id)
    return found.filter(Q(title__icontains=q) | Q(slug__icontains=q)) if q else found


def dashboard(pk: int) -> Dashboard:
    """Return one dashboard.

    Raises:
        NotFound: there is none, or it is another company's.
    """
    found = Dashboard.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(NONE)
    return found


def default_layouts(found: Iterable[Dashboard]) -> Mapping[int, Layout]:
    """Return the layouts that count for everybody who may see each dashboard, by its id; one query."""
    own = {one.pk: one.company_id for one in found}
    layouts = Layout.objects.filter(dashboard_id__in=own, scope__in=("global", "company"))
    return {one.dashboard_id: one for one in layouts if one.company_id == own[one.dashboard_id]}


def layouts_of(of: Dashboard) -> list[Layout]:
    """Return the layouts of a dashboard that are in sight, the least specific first."""
    order = {"global": 0, "company": 1, "role": 2, "user": 3}
    return sorted(
        of.layouts.all(), key=lambda one: (order[one.scope], one.scope_id, one.company_id is not None, one.pk)
    )


def layout(of: Dashboard, *, scope: str, scope_id: int, company_id: int | None) -> Layout | None:
    """Return the layout of exactly this scope; None when nobody made one."""
    return of.layouts.filter(scope=scope, scope_id=scope_id, company_id=company_id).first()


def shown_dashboard(slug: str, viewer: Viewer) -> Shown:
    """Return the dashboard of a name as ``viewer`` sees it; a company's own comes before everybody's.

    Raises:
        NotFound: there is none, or another company has one.
    """
    found = {one.company_id: one for one in Dashboard.objects.filter(slug=slug) if viewer.is_of(one.company_id)}
    one = found.get(viewer.company_id) or found.get(None)
    if one is None:
        raise NotFound(NONE)
    return shown_to(one, viewer)


def shown_to(one: Dashboard, viewer: Viewer) -> Shown:
    """Return ``one`` as ``viewer`` sees it: the most specific layout, and of its widgets those that they may see."""
    counts = _counting(one, viewer)
    if counts is None:
        widgets = widgets_of_viewer(viewer)
        states = lifetimes_of(widget.service_name for widget in widgets)
        alive = [widget for widget in widgets if states[widget.service_name].is_shown]
        places = placed((widget.pk, widget.size) for widget in alive[:MOST_PLACEMENTS])
        return Shown(one, None, _places(places, alive, states), max(len(alive) - MOST_PLACEMENTS, 0))
    wanted = [Placement.of(place) for place in counts.placements]
    widgets = widgets_of_viewer(viewer, ids=[place.widget_id for place in wanted])
    states = lifetimes_of(widget.service_name for widget in widgets)
    return Shown(one, counts, _places(wanted, widgets, states))


def widgets_of_viewer(viewer: Viewer, *, ids: Sequence[int] | None = None) -> list[Widget]:
    """Return the widgets that ``viewer`` may see, of ``ids`` if those are named; whether services live is not asked."""
    found = Widget.objects.filter(archived_at=None, is_active=True).order_by("service_name", "position", "id")
    if ids is not None:
        found = found.filter(pk__in=ids)
    return [widget for widget in found if viewer.is_of(widget.company_id) and viewer.may(widget.permissions)]


def _counting(one: Dashboard, viewer: Viewer) -> Layout | None:
    """Return the layout that counts: the person's, a role's (the last by name), the company's, else everybody's."""
    here = Q(scope="global") | Q(company_id=viewer.company_id) | Q(company_id=None)
    known = {(row.scope, row.scope_id, row.company_id): row for row in one.layouts.filter(here)}
    roles = [role_id for role_id, _ in sorted(viewer.roles, key=lambda role: (role[1], role[0]), reverse=True)]
    for scope, numbers in (("user", [viewer.user_id]), ("role", roles), ("company", [viewer.company_id])):
        for number in numbers:
            for company in (viewer.company_id, None):
                if number is not None and (found := known.get((scope, number, company))):
                    return found
    return known.get(("global", 0, None))


def _places(
    wanted: Iterable[Placement], widgets: Iterable[Widget], states: Mapping[str, Lifetime]
) -> tuple[Place, ...]:
    known: dict[int, Any] = {widget.pk: widget for widget in widgets}
    found = (
        Place(known[place.widget_id], place, states[known[place.widget_id].service_name])
        for place in arranged(wanted)
        if place.widget_id in known
    )
    return tuple(place for place in found if place.lifetime.is_shown)
