"""Dashboards: the collection, the layouts of each, and the one that a viewer gets to see."""

from dataclasses import dataclass
from typing import Any, Self

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import FieldError, InvalidInput, NotAllowed, NotFound
from apps.core.ownership import actor_of, company_for, require_change, require_company
from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.uiregistry import dashboard_answers as answers
from apps.uiregistry.dashboard_serializers import (
    ChangedDashboardSerializer,
    DashboardQuery,
    DashboardSerializer,
    LayoutQuery,
    LayoutSerializer,
    ShownQuery,
)
from apps.uiregistry.models import SCOPES, Dashboard
from apps.uiregistry.selectors import dashboards as selectors
from apps.uiregistry.selectors.viewers import viewer_of
from apps.uiregistry.services import dashboards as services

__all__ = ["DashboardListView", "DashboardView", "LayoutView", "ShownDashboardView"]

_EXAMPLE = {
    "slug": "sales",
    "title": "Sales",
    "placements": [{"widget_id": 4, "x": 0, "y": 0, "w": 3, "h": 2}, {"widget_id": 7, "x": 3, "y": 0, "w": 6, "h": 4}],
}
_SCOPE = OpenApiParameter(
    "scope", {"type": "string", "enum": list(SCOPES)}, OpenApiParameter.PATH, description="For whom it is arranged."
)
_SCOPE_ID = OpenApiParameter(
    "scope_id",
    {"type": "string", "pattern": "^(-|[0-9]{1,18})$"},
    OpenApiParameter.PATH,
    description="The number of the company, role or person; for `global` a dash.",
)


def _require_operator(caller: Principal) -> None:
    """Let operators through, and callers of an open hub, who may do as operators do.

    Raises:
        NotAllowed: it is a service, or a person.
    """
    if caller.kind not in ("operator", "open"):
        raise NotAllowed("Dashboards are arranged by operators.", code="operators_only")


class DashboardListView(HubView):
    """All dashboards."""

    scopes = {"get": "ui:read", "post": "ui:write"}
    area = "dashboards"
    queries = {"get": DashboardQuery}

    @extend_schema(responses={200: answers.DashboardPage})
    def get(self, request: Request) -> Response:
        """List the dashboards in sight, each with the layout that everybody gets."""
        wanted = {name: value for name, value in self.query.items() if name in ("q", "company_id")}
        page = paginate(selectors.dashboards(**wanted), request, key=("id",))
        layouts = selectors.default_layouts(page.items)
        return Response(page.as_json(lambda row: answers.dashboard(row, layouts.get(row.pk))))

    @extend_schema(
        request=DashboardSerializer,
        responses={
            201: answers.DashboardOut,
            403: OpenApiResponse(description="The caller is no operator, or does not act for this company."),
            409: OpenApiResponse(description="There is a dashboard of this slug in this company."),
        },
        examples=[OpenApiExample("Two widgets beside each other", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Make a dashboard. A company's own takes the place of everybody's with the same slug, in that company.

        Without `placements` it shows all widgets that its viewer may see, placed by their sizes.
        """
        caller = caller_of(request)
        _require_operator(caller)
        told = DashboardSerializer.read(request.data)
        require_company(caller, [("/company_id", told["company_id"])])
        told["company_id"] = company_for(caller, told["company_id"])
        made = services.dashboard_create(**told, actor=actor_of(caller))
        return Response(_document(made), status=201)


class DashboardView(HubView):
    """One dashboard."""

    scopes = {"get": "ui:read", "put": "ui:write", "patch": "ui:write", "delete": "ui:write"}
    area = "dashboards"

    @extend_schema(responses={200: answers.DashboardOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a dashboard with the layout that everybody gets."""
        return Response(_document(selectors.dashboard(id)))

    @extend_schema(request=ChangedDashboardSerializer, responses={200: answers.DashboardOut})
    def put(self, request: Request, id: int) -> Response:
        """Replace slug, title and the layout that everybody gets; without `placements` that layout is taken away."""
        told = {"placements": None, **ChangedDashboardSerializer.read(request.data)}
        return self._changed(request, id, told)

    @extend_schema(request=ChangedDashboardSerializer, responses={200: answers.DashboardOut})
    def patch(self, request: Request, id: int) -> Response:
        """Change slug, title or the layout that everybody gets; what is absent or null stays."""
        return self._changed(request, id, ChangedDashboardSerializer.read(request.data, partial=True))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Take a dashboard away, with its layouts. Repeated: 404."""
        caller = caller_of(request)
        self._changeable(caller, id)
        services.dashboard_delete(dashboard_id=id, actor=actor_of(caller))
        return Response(status=204)

    def _changeable(self, caller: Principal, id: int) -> Dashboard:
        """Return a dashboard that the caller may change.

        Raises:
            NotFound: there is none in sight.
            NotAllowed: the caller is no operator, or it is everybody's and the caller acts for some companies.
        """
        known = selectors.dashboard(id)
        _require_operator(caller)
        require_change(caller, service="", company_id=known.company_id)
        return known

    def _changed(self, request: Request, id: int, told: dict[str, Any]) -> Response:
        caller = caller_of(request)
        known = self._changeable(caller, id)
        if "company_id" in told and told.pop("company_id") != known.company_id:
            message = f"This is {known.company_id or 'for all companies'} and stays so."
            raise InvalidInput(errors=[FieldError("/company_id", "fixed", message)])
        changed = services.dashboard_update(dashboard_id=id, changes=told, actor=actor_of(caller))
        return Response(_document(changed))


def _document(row: Dashboard) -> dict[str, Any]:
    return answers.dashboard(row, selectors.default_layouts([row]).get(row.pk))


@dataclass(frozen=True, slots=True)
class Where:
    """The scope of a layout, as an address names it."""

    scope: str
    scope_id: int
    company_id: int | None

    @classmethod
    def of(cls, caller: Principal, row: Dashboard, scope: str, number: str, company_id: int | None) -> Self:
        """Return the scope that an address means.

        Raises:
            NotFound: the address names none.
            InvalidInput: the dashboard has no such scope, or ``company_id`` contradicts it.
        """
        if scope not in SCOPES or (scope != "global" and not _is_number(number)):
            raise NotFound
        if scope == "global":
            wanted = cls(scope, 0, None)
        elif scope == "company":
            wanted = cls(scope, int(number), int(number))
        else:
            own = company_id if company_id is not None else row.company_id
            return cls._within(row, cls(scope, int(number), company_for(caller, own)))
        if company_id is not None and company_id != wanted.company_id:
            raise _wrong_company("This scope says by itself whose it is.")
        return cls._within(row, wanted)

    @classmethod
    def _within(cls, row: Dashboard, wanted: Self) -> Self:
        if row.company_id is not None and wanted.company_id != row.company_id:
            raise _wrong_company(f"This dashboard is company {row.company_id}'s: it is arranged for that company only.")
        return wanted


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19 and int(text) > 0


def _wrong_company(message: str) -> InvalidInput:
    return InvalidInput(errors=[FieldError("?company_id", "wrong_company", message)])


class LayoutView(HubView):
    """How a dashboard is arranged for one scope."""

    scopes = {"get": "ui:read", "put": "ui:write", "delete": "ui:write"}
    area = "dashboards"
    queries = {"get": LayoutQuery, "put": LayoutQuery, "delete": LayoutQuery}

    @extend_schema(parameters=[_SCOPE, _SCOPE_ID], responses={200: answers.LayoutOut})
    def get(self, request: Request, id: int, scope: str, scope_id: str) -> Response:
        """Return the layout of exactly this scope; 404 where nobody made one, so that a less specific one counts."""
        caller = caller_of(request)
        row = selectors.dashboard(id)
        where = Where.of(caller, row, scope, scope_id, self.query.get("company_id"))
        if caller.kind == "user" and where.scope == "user" and where.scope_id != caller.user_id:
            raise NotAllowed("This is how another person has arranged it.", code="not_yours")
        found = selectors.layout(row, scope=where.scope, scope_id=where.scope_id, company_id=where.company_id)
        if found is None:
            raise NotFound(services.NO_LAYOUT)
        return Response(answers.layout(found))

    @extend_schema(
        parameters=[_SCOPE, _SCOPE_ID],
        request=LayoutSerializer,
        responses={
            200: answers.LayoutOut,
            403: OpenApiResponse(description="Services arrange nothing; a person only what is their own."),
        },
    )
    def put(self, request: Request, id: int, scope: str, scope_id: str) -> Response:
        """Arrange the dashboard for a scope. The most specific layout counts, as a whole: user, role, company, global.

        A token of a person arranges what that person sees, and nothing else.
        """
        caller = caller_of(request)
        row = selectors.dashboard(id)
        where = self._writable(caller, row, scope, scope_id)
        told = LayoutSerializer.read(request.data)
        found = services.layout_put(
            dashboard_id=row.pk,
            scope=where.scope,
            scope_id=where.scope_id,
            company_id=where.company_id,
            placements=told["placements"],
            actor=actor_of(caller),
        )
        return Response(answers.layout(found))

    @extend_schema(parameters=[_SCOPE, _SCOPE_ID], responses={204: None})
    def delete(self, request: Request, id: int, scope: str, scope_id: str) -> Response:
        """Take this layout away: the next less specific one counts from then on. Repeated: 404."""
        caller = caller_of(request)
        row = selectors.dashboard(id)
        where = self._writable(caller, row, scope, scope_id)
        services.layout_reset(
            dashboard_id=row.pk,
            scope=where.scope,
            scope_id=where.scope_id,
            company_id=where.company_id,
            actor=actor_of(caller),
        )
        return Response(status=204)

    def _writable(self, caller: Principal, row: Dashboard, scope: str, scope_id: str) -> Where:
        """Return the scope, for a caller who may arrange it.

        Raises:
            NotAllowed: it is a service, or a person who arranges more than their own, or of another company.
        """
        where = Where.of(caller, row, scope, scope_id, self.query.get("company_id"))
        own = caller.kind == "user" and where.scope == "user" and where.scope_id == caller.user_id
        if not own:
            _require_operator(caller)
        require_change(caller, service=caller.speaks_for or "", company_id=where.company_id)
        return where


class ShownDashboardView(HubView):
    """A dashboard as its viewer sees it."""

    scopes = {"get": "ui:read"}
    area = "dashboards"
    queries = {"get": ShownQuery}

    @extend_schema(responses={200: answers.ShownDashboardOut})
    def get(self, request: Request, slug: str) -> Response:
        """Return the most specific layout with those widgets that the viewer may see and whose service is there.

        Each comes with its record and the address of its data. Widgets of a service that has gone are left out; those
        of a service that is unwell say so in `service_status`. Without any layout all widgets stand by their sizes.
        """
        viewer = viewer_of(caller_of(request), **{"permissions": None, **self.query})
        return Response(answers.shown_dashboard(selectors.shown_dashboard(slug, viewer)))
