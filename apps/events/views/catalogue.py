"""The catalogue of event types: ``events/types``, and the AsyncAPI document made from it."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import FieldError, InvalidInput
from apps.core.ownership import actor_of, company_for, require_change, require_company, require_own, sight
from apps.core.pagination import paginate
from apps.core.renderers import dumps
from apps.core.tenancy import global_rows, use
from apps.core.views import HubView, PublicView
from apps.events import answers, asyncapi, selectors, services
from apps.events.serializers import ChangedTypeSerializer, EventTypeQuery, EventTypeSerializer
from apps.events.views.callers import filters_of

__all__ = ["AsyncAPIView", "EventTypeListView", "EventTypeView"]

_FIXED = ("event_type", "service_name", "company_id")
_EXAMPLE = {
    "event_type": "parcel_scanned",
    "service_name": "shipping-service",
    "description": "A parcel passed a gate.",
    "schema": {
        "type": "object",
        "required": ["gate"],
        "properties": {"gate": {"type": "string"}, "weight_grams": {"type": "integer", "minimum": 0}},
    },
    "example": {"gate": "north", "weight_grams": 1200},
}


class EventTypeListView(HubView):
    """All event types."""

    scopes = {"get": "events:read", "post": "events:declare"}
    area = "types"
    queries = {"get": EventTypeQuery}

    @extend_schema(responses={200: answers.EventTypePage})
    def get(self, request: Request) -> Response:
        """List the event types by name: the standard ones, and those that services declared."""
        wanted = filters_of(self.query)
        standard, company = wanted.pop("standard", None), wanted.pop("company_id", None)
        found = [
            view
            for view in selectors.event_types(companies=sight(caller_of(request)), **wanted)
            if standard in (None, view.is_seed) and company in (None, view.company_id)
        ]
        return Response(paginate(found, request, key=lambda view: (view.event_type,)).as_json(answers.event_type))

    @extend_schema(
        request=EventTypeSerializer,
        responses={
            201: answers.EventTypeOut,
            403: OpenApiResponse(description="It is declared in the name of another service or of another's company."),
            409: OpenApiResponse(description="Another service has declared this type."),
        },
        examples=[OpenApiExample("A type with a schema", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Declare an event type; the same service may repeat it, with changes too.

        From then on data that does not fit the schema is refused over REST, and marked as `mismatch` in the journal
        when it comes from a stream. A standard type may be declared as well: its schema then holds for everybody.
        """
        caller = caller_of(request)
        told = EventTypeSerializer.read(request.data)
        require_own(caller, [("/service_name", told["service_name"])])
        require_company(caller, [("/company_id", told["company_id"])])
        told["company_id"] = company_for(caller, told["company_id"])
        services.type_declare(**told, companies=sight(caller), actor=actor_of(caller, told["service_name"]))
        return _shown(request, told["event_type"], status=201)


class EventTypeView(HubView):
    """One event type."""

    scopes = {
        "get": "events:read",
        "put": "events:declare",
        "patch": "events:declare",
        "delete": "events:declare",
    }
    area = "types"

    @extend_schema(responses={200: answers.EventTypeOut})
    def get(self, request: Request, key: str) -> Response:
        """Return one type, by its name or by the `id` of its declaration."""
        return _shown(request, key)

    @extend_schema(request=ChangedTypeSerializer, responses={200: answers.EventTypeOut})
    def put(self, request: Request, key: str) -> Response:
        """Replace description, schema and example of a declared type; what is absent is emptied."""
        return self._changed(request, key, ChangedTypeSerializer.read(request.data))

    @extend_schema(request=ChangedTypeSerializer, responses={200: answers.EventTypeOut})
    def patch(self, request: Request, key: str) -> Response:
        """Change description, schema or example of a declared type; what is absent or null stays (PUT empties)."""
        return self._changed(request, key, ChangedTypeSerializer.read(request.data, partial=True))

    def _own(self, caller: Principal, key: str) -> selectors.EventTypeView:
        """Return a type that the caller may change, or that nobody has declared.

        Raises:
            NotFound: there is none that the caller may see.
            NotAllowed: it is another service's, or everybody's and the caller is in a company.
        """
        known = selectors.event_type(key, companies=sight(caller))
        if known.is_declared:
            require_change(caller, service=known.service_name, company_id=known.company_id)
        return known

    def _changed(self, request: Request, key: str, told: dict[str, Any]) -> Response:
        caller = caller_of(request)
        known = self._own(caller, key)
        faults = [
            FieldError(f"/{name}", "fixed", f"This is {getattr(known, name)!r} and stays so.")
            for name in _FIXED
            if name in told and told.pop(name) != getattr(known, name)
        ]
        if faults:
            raise InvalidInput(errors=faults)
        services.type_update(
            event_type=known.event_type,
            changes=told,
            service_name=caller.speaks_for,
            companies=sight(caller),
            actor=actor_of(caller, known.service_name),
        )
        return _shown(request, known.event_type)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take a declaration back. Repeated: 404; a standard type stays known, without its schema."""
        caller = caller_of(request)
        known = self._own(caller, key)
        services.type_delete(
            event_type=known.event_type,
            service_name=caller.speaks_for,
            companies=sight(caller),
            actor=actor_of(caller, known.service_name),
        )
        return Response(status=204)


def _shown(request: Request, key: str, status: int = 200) -> Response:
    view = selectors.event_type(key, companies=sight(caller_of(request)))
    return Response(answers.event_type(view), status=status)


class AsyncAPIView(PublicView):
    """``GET /api/asyncapi/``: the AsyncAPI 3.0 document of the streams.

    Everybody may read it, so it shows the types of all companies' only; those of one company are in ``events/types``.
    """

    def get(self, request: Request) -> HttpResponse:
        """Return the document as JSON."""
        with use(global_rows()):
            document = _document(selectors.catalogue_version())
        return HttpResponse(document, content_type="application/json")


@lru_cache(maxsize=1)
def _document(version: tuple[int, int]) -> bytes:
    """Return the document as of one state of the catalogue."""
    types = selectors.event_types(companies=frozenset())
    return dumps(asyncapi.document(types, hub_url=settings.HUB_PUBLIC_URL, version=settings.VERSION))
