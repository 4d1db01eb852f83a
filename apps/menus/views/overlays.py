"""``menus/overlays``: what operators change of items; ``menus/drift``: what services say otherwise since then."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.ownership import actor_of
from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.menus import answers
from apps.menus.selectors import decisions
from apps.menus.selectors.items import item
from apps.menus.serializers import DriftQuery, OverlayQuery, OverlaySerializer, OverlayWhereQuery
from apps.menus.services.overlays import overlay_remove, overlay_set
from apps.menus.views.callers import filters_of, require_operator, require_overlay_of, scope_number, where_of

__all__ = ["DriftView", "OverlayListView", "OverlayView"]

_EXAMPLE = {"name": "Goods", "parent_id": 0, "order_number": 1.5}


class OverlayListView(HubView):
    """All overlays."""

    scopes = {"get": "menus:read"}
    queries = {"get": OverlayQuery}

    @extend_schema(responses={200: answers.OverlayPage})
    def get(self, request: Request) -> Response:
        """List what operators changed, oldest first; filters are all optional and all must hold."""
        found = decisions.overlays(**filters_of(self.query))
        return Response(paginate(found, request, key=("id",)).as_json(answers.overlay))


class OverlayView(HubView):
    """What is changed of one item in one scope."""

    scopes = {"get": "menus:read", "put": "menus:write", "delete": "menus:write"}
    queries = {"get": OverlayWhereQuery, "put": OverlayWhereQuery, "delete": OverlayWhereQuery}

    @extend_schema(responses={200: answers.OverlayOut})
    def get(self, request: Request, scope: str, scope_id: str, item_id: int) -> Response:
        """Return what is changed of an item in a scope; 404 when nothing is."""
        number = scope_number(scope, scope_id)
        company = self._where(request, scope, number, item_id, writing=False)
        row = decisions.overlay(item_id=item_id, scope=scope, scope_id=number, company_id=company)
        return Response(answers.overlay(row))

    @extend_schema(
        request=OverlaySerializer,
        responses={200: answers.OverlayOut, 204: OpenApiResponse(description="Nothing is changed in this scope now.")},
        examples=[OpenApiExample("Another name, at the top", value=_EXAMPLE, request_only=True)],
    )
    def put(self, request: Request, scope: str, scope_id: str, item_id: int) -> Response:
        """Let something else count in a scope than what the service says.

        All that was changed there before is replaced. For operators; people may change their own menu (`user`): name,
        order, hidden, pinned. What counts is said for everybody (`global`, with any number or `-`), for a company, a
        role, a person, the later the more. `{}` takes everything back. No registration ever changes an overlay.
        """
        caller, number = caller_of(request), scope_number(scope, scope_id)
        told = OverlaySerializer.read(request.data)
        require_overlay_of(caller, scope, number, told)
        company = self._where(request, scope, number, item_id, writing=True)
        reason = told.pop("reason", "")
        if not told:
            return self._removed(caller, scope, number, company, item_id, missing_ok=True)
        overlay_set(
            item_id=item_id,
            scope=scope,
            scope_id=number,
            company_id=company,
            values=told,
            reason=reason,
            actor=actor_of(caller),
            now=timezone.now(),
        )
        row = decisions.overlay(item_id=item_id, scope=scope, scope_id=number, company_id=company)
        return Response(answers.overlay(row))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, scope: str, scope_id: str, item_id: int) -> Response:
        """Take back what is changed of an item in a scope. Repeated: 404."""
        caller, number = caller_of(request), scope_number(scope, scope_id)
        require_overlay_of(caller, scope, number)
        company = self._where(request, scope, number, item_id, writing=True)
        return self._removed(caller, scope, number, company, item_id)

    def _where(self, request: Request, scope: str, number: int, item_id: int, *, writing: bool) -> int | None:
        """Return in which company an overlay holds: for roles and people the item's own where none is named."""
        row = item(item_id)
        asked = self.query.get("company_id")
        if scope in ("role", "user") and asked is None:
            asked = row.company_id
        return where_of(caller_of(request), scope, number, asked)

    def _removed(
        self, caller: Principal, scope: str, number: int, company: int | None, item_id: int, missing_ok: bool = False
    ) -> Response:
        there = decisions.overlays(item_id=item_id, scope=scope, scope_id=number).filter(company_id=company).exists()
        if there or not missing_ok:
            overlay_remove(
                item_id=item_id,
                scope=scope,
                scope_id=number,
                company_id=company,
                actor=actor_of(caller),
                now=timezone.now(),
            )
        return Response(status=204)


class DriftView(HubView):
    """What drifted away from what operators decided."""

    scopes = {"get": "menus:read"}
    queries = {"get": DriftQuery}

    @extend_schema(responses={200: answers.DriftPage})
    def get(self, request: Request) -> Response:
        """List the overlays whose service says something else by now than when the operator decided.

        For operators. To keep it so, put the overlay again; to follow the service, take it back.
        """
        require_operator(caller_of(request))
        found = decisions.drifted(**filters_of(self.query))
        return Response(paginate(found, request, key=("id",)).as_json(answers.drift))
