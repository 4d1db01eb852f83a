"""Components and widgets over REST: ``components``, ``widgets``, their schemas, and what is at a path."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import FieldError, InvalidInput, NotFound
from apps.core.ownership import actor_of, company_for, require_change, require_company, require_own
from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.uiregistry import answers, schemas
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.selectors import items as selectors
from apps.uiregistry.selectors.viewers import PREVIEW, viewer_of
from apps.uiregistry.serializers import (
    ChangedComponentSerializer,
    ChangedWidgetSerializer,
    ComponentQuery,
    ComponentSerializer,
    ItemSerializer,
    ResolveQuery,
    SchemaQuery,
    WidgetQuery,
    WidgetSerializer,
)
from apps.uiregistry.services import declaring as services

__all__ = [
    "ComponentListView",
    "ComponentView",
    "ResolveView",
    "SchemaListView",
    "SchemaView",
    "WidgetListView",
    "WidgetView",
]

_SCOPES = {"get": "ui:read", "post": "ui:write"}
_SCOPES_OF_ONE = {"get": "ui:read", "put": "ui:write", "patch": "ui:write", "delete": "ui:write"}
_FORM = {
    "name": "Product Form",
    "component_type": "form",
    "service_name": "product-service",
    "route_path": "/products/edit/:id",
    "api_endpoint": "/api/v1/products/{id}",
    "permissions": ["product.edit"],
    "props": {
        "fields": [
            {"name": "title", "type": "text", "required": True},
            {"name": "unit", "type": "select", "options": ["piece", "box"]},
        ]
    },
}
_TABLE = {
    "name": "Late Orders",
    "service_name": "order-service",
    "widget_type": "table",
    "api_endpoint": "/api/v1/orders/late",
    "refresh_interval": 60,
    "permissions": ["order.view"],
    "config": {"columns": ["number", "customer", "due"], "max_rows": 20},
}
_NOT_YOURS = OpenApiResponse(description="It is declared in the name of another service or of another's company.")
_TAKEN = OpenApiResponse(description="Another service has this route (`route_taken`); it is named.")
_NAMED = OpenApiResponse(description="Another service has this route, or the service has another one of this name.")
_TYPE = OpenApiParameter("type", {"type": "string", "enum": list(schemas.TYPES)}, OpenApiParameter.PATH)


def _posted(caller: Principal, told: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of what declares an item that ``caller`` posts.

    Raises:
        NotAllowed: it speaks in another's name, or for a company that is not its own.
    """
    service_name, company_id = told.pop("service_name"), told.pop("company_id", None)
    require_own(caller, [("/service_name", service_name)])
    require_company(caller, [("/company_id", company_id)])
    return {
        "service_name": service_name,
        "declared_in": company_for(caller, company_id),
        "values": told,
        "actor": actor_of(caller, service_name),
        "now": timezone.now(),
    }


def _changing(
    row: Component | Widget, sent: Any, read: type[ItemSerializer], *, partial: bool
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes new values of those declared: ``sent`` alone, or on top of them."""

    def change(declared: Mapping[str, Any]) -> dict[str, Any]:
        merged = sent
        if partial and isinstance(sent, Mapping):
            merged = {**declared, **{name: value for name, value in sent.items() if value is not None}}
        values = read.read(merged)
        fixed = {"service_name": row.service_name, "company_id": row.company_id}
        if faults := [
            FieldError(f"/{name}", "fixed", f"This is {value!r} and stays so.")
            for name, value in fixed.items()
            if name in values and values.pop(name) != value
        ]:
            raise InvalidInput(errors=faults)
        return values

    return change


class ComponentListView(HubView):
    """All components."""

    scopes = _SCOPES
    queries = {"get": ComponentQuery}

    @extend_schema(responses={200: answers.ComponentPage})
    def get(self, request: Request) -> Response:
        """List the components in sight: pages, forms, modals and widgets of services' own."""
        page = paginate(selectors.components(**self.query), request, key=("id",))
        marks = selectors.service_marks(page.items)
        return Response(page.as_json(lambda row: answers.component(row, marks)))

    @extend_schema(
        request=ComponentSerializer,
        responses={201: answers.ComponentOut, 403: _NOT_YOURS, 409: _TAKEN},
        examples=[OpenApiExample("A form", value=_FORM, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Declare a component. The same service may repeat it, with changes too: its name tells which one it is.

        A company's component takes the place of everybody's at the same route, in that company. Keys of `props` and
        `metadata` that their schemas do not know are kept, and listed in `warnings`.
        """
        told = ComponentSerializer.read(request.data)
        pk, warnings = services.component_declare(**_posted(caller_of(request), told))
        return _component(pk, 201, warnings)


class ComponentView(HubView):
    """One component."""

    scopes = _SCOPES_OF_ONE

    @extend_schema(responses={200: answers.ComponentOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a component."""
        return _component(id)

    @extend_schema(request=ChangedComponentSerializer, responses={200: answers.ComponentOut, 409: _NAMED})
    def put(self, request: Request, id: int) -> Response:
        """Replace what is declared of a component; what is absent is as if it had never been said."""
        return self._changed(request, id, partial=False)

    @extend_schema(request=ChangedComponentSerializer, responses={200: answers.ComponentOut, 409: _NAMED})
    def patch(self, request: Request, id: int) -> Response:
        """Change some of what is declared of a component; what is absent or null stays."""
        return self._changed(request, id, partial=True)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Take a component back; declared again it has the same `id`. Repeated: 404."""
        caller = caller_of(request)
        row = _own(caller, selectors.component(id))
        services.component_archive(component_id=id, actor=actor_of(caller, row.service_name), now=timezone.now())
        return Response(status=204)

    def _changed(self, request: Request, id: int, *, partial: bool) -> Response:
        caller = caller_of(request)
        row = _own(caller, selectors.component(id))
        pk, warnings = services.component_update(
            component_id=id,
            change=_changing(row, request.data, ChangedComponentSerializer, partial=partial),
            actor=actor_of(caller, row.service_name),
            now=timezone.now(),
        )
        return _component(pk, warnings=warnings)


class WidgetListView(HubView):
    """All widgets."""

    scopes = _SCOPES
    area = "widgets"
    queries = {"get": WidgetQuery}

    @extend_schema(responses={200: answers.WidgetPage})
    def get(self, request: Request) -> Response:
        """List the widgets in sight."""
        page = paginate(selectors.widgets(**self.query), request, key=("id",))
        marks = selectors.service_marks(page.items)
        return Response(page.as_json(lambda row: answers.widget(row, marks)))

    @extend_schema(
        request=WidgetSerializer,
        responses={201: answers.WidgetOut, 403: _NOT_YOURS},
        examples=[OpenApiExample("A table", value=_TABLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Declare a widget. The same service may repeat it, with changes too: its name tells which one it is.

        Keys of `config` that the schema of its type does not know are kept, and listed in `warnings`.
        """
        told = WidgetSerializer.read(request.data)
        pk, warnings = services.widget_declare(**_posted(caller_of(request), told))
        return _widget(pk, 201, warnings)


class WidgetView(HubView):
    """One widget."""

    scopes = _SCOPES_OF_ONE
    area = "widgets"

    @extend_schema(responses={200: answers.WidgetOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a widget; its data is at `widgets/{id}/data`."""
        return _widget(id)

    @extend_schema(request=ChangedWidgetSerializer, responses={200: answers.WidgetOut})
    def put(self, request: Request, id: int) -> Response:
        """Replace what is declared of a widget; what is absent is as if it had never been said."""
        return self._changed(request, id, partial=False)

    @extend_schema(request=ChangedWidgetSerializer, responses={200: answers.WidgetOut})
    def patch(self, request: Request, id: int) -> Response:
        """Change some of what is declared of a widget; what is absent or null stays."""
        return self._changed(request, id, partial=True)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Take a widget back; declared again it has the same `id`, and its places. Repeated: 404."""
        caller = caller_of(request)
        row = _own(caller, selectors.widget(id))
        services.widget_archive(widget_id=id, actor=actor_of(caller, row.service_name), now=timezone.now())
        return Response(status=204)

    def _changed(self, request: Request, id: int, *, partial: bool) -> Response:
        caller = caller_of(request)
        row = _own(caller, selectors.widget(id))
        pk, warnings = services.widget_update(
            widget_id=id,
            change=_changing(row, request.data, ChangedWidgetSerializer, partial=partial),
            actor=actor_of(caller, row.service_name),
            now=timezone.now(),
        )
        return _widget(pk, warnings=warnings)


class ResolveView(HubView):
    """What is at a path."""

    scopes = {"get": "ui:read"}
    queries = {"get": ResolveQuery}

    @extend_schema(
        responses={
            200: answers.ResolvedOut,
            403: OpenApiResponse(description="The viewer lacks a permission of the component (`permission_missing`)."),
        }
    )
    def get(self, request: Request) -> Response:
        """Return the component at a path, with the values of the route's parameters.

        A static segment wins over a parameter; case and a trailing slash make no difference. In a company its own
        component takes the place of everybody's. A component whose service is gone is not there.
        """
        viewer = viewer_of(caller_of(request), **{name: self.query.get(name) for name in PREVIEW})
        found = selectors.resolved(self.query["path"], viewer)
        document = answers.component(found.component, selectors.service_marks([found.component]))
        return Response({"component": document, "params": found.params})


class SchemaListView(HubView):
    """All schemas."""

    scopes = {"get": "ui:read"}

    @extend_schema(responses={200: answers.SchemaListOut})
    def get(self, request: Request) -> Response:
        """List the JSON Schemas of props, config and metadata, with their versions."""
        return Response(answers.schema_list())


class SchemaView(HubView):
    """One schema."""

    scopes = {"get": "ui:read"}
    queries: ClassVar = {"get": SchemaQuery}

    @extend_schema(parameters=[_TYPE], responses={200: answers.SCHEMA})
    def get(self, request: Request, type: str) -> Response:
        """Return the JSON Schema (2020-12) of a type, as the hub uses it.

        Of `page`, `widget`, `modal` and `form` it is that of `props`; of `chart`, `metric`, `table` and `custom` that
        of `config`; `metadata` is that of every component's `metadata`.
        """
        if type not in schemas.TYPES:
            raise NotFound(f"There is no type {type[:100]!r}; there are {', '.join(schemas.TYPES)}.")
        return Response(schemas.document(type))


def _own(caller: Principal, row: Any) -> Any:
    """Return an item that the caller may change.

    Raises:
        NotAllowed: it is another service's, or everybody's and the caller is in a company.
    """
    require_change(caller, service=row.service_name, company_id=row.company_id)
    return row


def _component(pk: int, status: int = 200, warnings: answers.Warnings | None = None) -> Response:
    row = selectors.component(pk)
    return Response(answers.component(row, selectors.service_marks([row]), warnings), status=status)


def _widget(pk: int, status: int = 200, warnings: answers.Warnings | None = None) -> Response:
    row = selectors.widget(pk)
    return Response(answers.widget(row, selectors.service_marks([row]), warnings), status=status)
