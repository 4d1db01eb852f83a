"""Manifests: ``services/{name}/manifest``, and every state that one was in."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import InsufficientScope, NotFound
from apps.core.ownership import actor_of, company_for, require_company, require_own, sight
from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.registry.selectors import service_known
from apps.uiregistry import manifest_answers as answers
from apps.uiregistry.manifest import MAX_BYTES
from apps.uiregistry.manifest_serializers import (
    DifferenceQuery,
    ManifestQuery,
    ManifestSerializer,
    PutQuery,
    RestoreQuery,
    RestoreSerializer,
    RevisionQuery,
    read_manifest,
    require_name,
)
from apps.uiregistry.selectors import manifests as selectors
from apps.uiregistry.services import manifests as services
from apps.uiregistry.services import states

__all__ = [
    "ManifestDifferenceView",
    "ManifestRestoreView",
    "ManifestRevisionListView",
    "ManifestRevisionView",
    "ManifestView",
]

MENUS = "menus:write"
_EXAMPLE = {
    "schema_version": 1,
    "version": "1.4.2",
    "generation": 41,
    "menus": [
        {"name": "Orders", "path": "/orders", "icon": "box", "required_permissions": ["order.view"]},
        {"name": "Open orders", "path": "/orders/open", "parent_name": "Orders", "order_number": 1},
    ],
    "components": [
        {
            "name": "Order list",
            "component_type": "page",
            "route_path": "/orders",
            "api_endpoint": "/api/v1/orders/",
            "permissions": ["order.view"],
        }
    ],
    "widgets": [
        {"name": "Open orders", "widget_type": "metric", "api_endpoint": "/api/v1/orders/count", "size": "small"}
    ],
}


class _View(HubView):
    """What the routes of a manifest share: whose is meant, and who may change it."""

    area = "manifests"

    def seen(self, request: Request) -> dict[str, Any]:
        """Return what the selectors want to know of who reads, and of which company's manifest.

        Raises:
            NotFound: it is another company's.
        """
        caller = caller_of(request)
        companies, company_id = sight(caller), company_for(caller, self.query.get("company_id"))
        if company_id is not None and companies != "*" and company_id not in companies:
            raise _nothing(self.kwargs["name"])
        return {"service_name": self.kwargs["name"], "company_id": company_id}

    def written(self, request: Request) -> dict[str, Any]:
        """Return what the services want to know of who writes which manifest.

        Raises:
            NotFound: there is no such service, or it is another company's.
            NotAllowed: it is another service's, or another company is named.
        """
        caller, name = caller_of(request), self.kwargs["name"]
        if caller.speaks_for not in (None, name):
            _require_in_sight(caller, name)
        require_own(caller, [("service_name", name)])
        require_company(caller, [("?company_id", self.query.get("company_id"))])
        if caller.kind in ("service", "user") and not caller.may(MENUS):
            raise InsufficientScope(MENUS)
        return {
            "service_name": name,
            "declared_in": company_for(caller, self.query.get("company_id")),
            "actor": actor_of(caller, name),
            "companies": sight(caller),
            "now": timezone.now(),
        }


def _require_in_sight(caller: Principal, name: str) -> None:
    if not selectors.is_known(name):
        service_known(name, companies=sight(caller))


def _nothing(name: str) -> NotFound:
    return NotFound(f"{name!r} has no manifest here.")


class ManifestView(_View):
    """Everything that a service declares."""

    scopes = {"get": "ui:read", "put": "ui:write", "delete": "ui:write"}
    queries = {"get": ManifestQuery, "put": PutQuery, "delete": ManifestQuery}
    body_limit = MAX_BYTES

    @extend_schema(responses={200: answers.ManifestOut})
    def get(self, request: Request, name: str) -> Response:
        """Return exactly what PUT takes: all that the service declares, single items included. 404: nothing."""
        body = selectors.manifest_body(**self.seen(request))
        if body is None:
            raise _nothing(name)
        return Response(body)

    @extend_schema(
        request=ManifestSerializer,
        responses={
            200: answers.AppliedOut,
            409: OpenApiResponse(
                description="`older_generation`: other content needs a greater generation than the stored one;"
                " `prune_guard`: more than half of all items, and more than five, would go; or a path is another's."
            ),
        },
        examples=[OpenApiExample("Everything of a service", value=_EXAMPLE, request_only=True)],
    )
    def put(self, request: Request, name: str) -> Response:
        """Declare everything of a service at once: what is new is added, what differs changed, what is missing removed.

        In one transaction, and also before the service registered. The same content again changes nothing and is no
        event, whatever its generation. What operators changed stays as they want it. A token needs the scope
        `menus:write` too. With `dry_run` the answer is the same, and nothing is done.
        """
        writing = self.written(request)
        require_name(name)
        body = read_manifest(request.data)
        return Response(
            services.manifest_apply(
                **writing,
                body=body,
                confirm_prune=self.query["confirm_prune"],
                dry_run=self.query["dry_run"],
            )
        )

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take everything back; put again, it returns with its ids and overlays. Repeated: 404."""
        services.manifest_remove(**self.written(request))
        return Response(status=204)


class ManifestRevisionListView(_View):
    """Every state that a manifest was in."""

    scopes = {"get": "ui:read"}
    queries = {"get": RevisionQuery}

    @extend_schema(responses={200: answers.RevisionPage})
    def get(self, request: Request, name: str) -> Response:
        """List the states of a manifest, newest first; at most 200 are kept, and the first one."""
        asked = self.seen(request)
        states.manifest_keep_pending(**asked, now=timezone.now())
        if selectors.head(**asked) is None:
            raise _nothing(name)
        found = selectors.revisions(**asked, companies=sight(caller_of(request)))
        return Response(paginate(found, request, key=("-number",)).as_json(answers.revision))


class ManifestRevisionView(_View):
    """One state of a manifest."""

    scopes = {"get": "ui:read"}
    queries = {"get": ManifestQuery}

    @extend_schema(responses={200: answers.WholeRevisionOut})
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return one state with all that it says."""
        found = selectors.revision(**self.seen(request), number=number, companies=sight(caller_of(request)))
        return Response(answers.whole_revision(found))


class ManifestDifferenceView(_View):
    """What is different between two states of a manifest."""

    scopes = {"get": "ui:read"}
    queries = {"get": DifferenceQuery}

    @extend_schema(responses={200: answers.DifferenceOut})
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return what leads to this state from the one before, from another one, or from what is there now."""
        against, found = selectors.revision_difference(
            **self.seen(request),
            number=number,
            against=self.query.get("against"),
            companies=sight(caller_of(request)),
        )
        return Response({"number": number, "against": against, **found.as_json()})


class ManifestRestoreView(_View):
    """Going back to an earlier state."""

    scopes = {"post": "ui:write"}
    queries = {"post": RestoreQuery}
    body_required = False

    @extend_schema(request=RestoreSerializer, responses={200: answers.AppliedOut})
    def post(self, request: Request, name: str, number: int) -> Response:
        """Make everything what it was in this state; items keep their ids and overlays.

        The generation stays as it is: the service cannot undo this by starting again, only by a newer manifest. A token
        needs the scope `menus:write` too.
        """
        writing = self.written(request)
        RestoreSerializer.read(request.data)
        return Response(services.manifest_restore(**writing, number=number, dry_run=self.query["dry_run"]))
