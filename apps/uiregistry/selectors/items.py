"""Pages, forms and widgets as they are declared, and the one that a path leads to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.errors import NotAllowed, NotFound
from apps.menus.paths import route_key
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.routing import Route, RouteTable, first_segment
from apps.uiregistry.selectors.viewers import Viewer

__all__ = [
    "NO_WIDGET",
    "Resolved",
    "component",
    "components",
    "require_permissions",
    "resolved",
    "service_marks",
    "widget",
    "widgets",
]

NO_COMPONENT = "There is no such component."
NO_WIDGET = "There is no such widget."
NO_ROUTE = "No page has this path."

_EQUAL = ("service_name", "name", "company_id", "is_active", "component_type", "widget_type", "size")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a path leads to, and the values of the route's parameters."""

    component: Component
    params: Mapping[str, str]


def components(**wanted: Any) -> QuerySet[Component]:
    """Return the components in sight that meet every filter, none of which were taken back.

    Filters are fields, ``route_path`` (whatever its parameters are called), and ``q``: part of a name, a service or an
    address.
    """
    found = _filtered(Component.objects.filter(archived_at=None), wanted)
    if path := wanted.get("route_path"):
        found = found.filter(route_key=route_key(path))
    if text := wanted.get("q"):
        found = found.filter(_mentions(text) | Q(route_path__icontains=text))
    return found


def widgets(**wanted: Any) -> QuerySet[Widget]:
    """Return the widgets in sight that meet every filter, none of which were taken back; see `components`."""
    found = _filtered(Widget.objects.filter(archived_at=None), wanted)
    if text := wanted.get("q"):
        found = found.filter(_mentions(text))
    return found


def component(pk: int) -> Component:
    """Return a component.

    Raises:
        NotFound: there is none in sight.
    """
    found = Component.objects.filter(pk=pk, archived_at=None).first()
    if found is None:
        raise NotFound(NO_COMPONENT)
    return found


def widget(pk: int) -> Widget:
    """Return a widget.

    Raises:
        NotFound: there is none in sight.
    """
    found = Widget.objects.filter(pk=pk, archived_at=None).first()
    if found is None:
        raise NotFound(NO_WIDGET)
    return found


def service_marks(rows: Iterable[Component | Widget]) -> Mapping[str, str | None]:
    """Return what is to be said of the service behind each row: ``degraded``, ``unhealthy``, or None."""
    found = lifetimes_of(row.service_name for row in rows)
    return {name: lifetime.mark for name, lifetime in found.items()}


def resolved(path: str, viewer: Viewer) -> Resolved:
    """Return the component at ``path`` where ``viewer`` looks.

    A company's component takes the place of everybody's with the same route, also when it is switched off.

    Raises:
        NotFound: there is none, it is switched off, or its service is gone.
        NotAllowed: the viewer lacks a permission.
    """
    where = Q(company_id=None) | Q(company_id=viewer.company_id)
    first = first_segment(path)
    beginning = Q(route_key=f"/{first}") | Q(route_key__startswith="/:")
    if first:
        beginning |= Q(route_key__startswith=f"/{first}/")
    rows = Component.objects.filter(where, beginning, archived_at=None, displaced=False)
    table = RouteTable(Route(row[1], row[2], row[0]) for row in rows.values_list("pk", "route_path", "company_id"))
    found = table.match(path)
    row = None if found is None else Component.objects.filter(pk=found.route.target, archived_at=None).first()
    if (
        found is None
        or row is None
        or not row.is_active
        or not lifetimes_of([row.service_name])[row.service_name].is_shown
    ):
        raise NotFound(NO_ROUTE)
    require_permissions(viewer, row.permissions)
    return Resolved(row, found.params)


def require_permissions(viewer: Viewer, permissions: Sequence[str], *, any_of: bool = False) -> None:
    """Let a viewer through who has all of ``permissions``, or one of them.

    Raises:
        NotAllowed: the viewer lacks what is needed, which is named.
    """
    missing = [name for name in permissions if not viewer.may([name])]
    if missing and not (any_of and len(missing) < len(permissions)):
        words = f"One of these permissions is needed: {', '.join(missing)}." if any_of and len(missing) > 1 else ""
        raise NotAllowed(words or f"This needs the permission {', '.join(missing)}.", code="permission_missing")


def _filtered(rows: QuerySet[Any], wanted: Mapping[str, Any]) -> QuerySet[Any]:
    return rows.filter(**{name: wanted[name] for name in _EQUAL if name in wanted})


def _mentions(text: str) -> Q:
    return Q(name__icontains=text) | Q(service_name__icontains=text) | Q(api_endpoint__icontains=text)
