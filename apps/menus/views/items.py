"""``menu-items``: what services declare one by one."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import FieldError, InvalidInput
from apps.core.ownership import actor_of, company_for, require_change, require_company, require_own, sight
from apps.core.pagination import Page, paginate
from apps.core.views import HubView
from apps.menus import answers
from apps.menus.models import MenuItem
from apps.menus.selectors import items as selectors
from apps.menus.serializers import ChangedItemSerializer, ItemQuery, ItemSerializer
from apps.menus.services.items import item_archive, item_declare, item_update
from apps.menus.views.callers import filters_of

__all__ = ["ItemListView", "ItemView"]

_TAKEN = OpenApiResponse(description="Another service has this path (`path_taken`); the answer names it.")
_EXAMPLE = {
    "service_name": "shipping-service",
    "name": "Parcels",
    "path": "/shipping/parcels",
    "icon": "package",
    "parent_name": "Shipping",
    "order_number": 10,
    "required_permissions": ["shipping.view_parcel"],
    "labels": {"pl": "Paczki"},
    "badge": {"endpoint": "/api/v1/parcels/open-count", "refresh_interval": 60},
}


class ItemListView(HubView):
    """All menu items."""

    scopes = {"get": "menus:read", "post": "menus:write"}
    queries = {"get": ItemQuery}

    @extend_schema(responses={200: answers.ItemPage})
    def get(self, request: Request) -> Response:
        """List menu items, oldest first; filters are all optional and all must hold."""
        page: Page[MenuItem] = paginate(selectors.items(**filters_of(self.query)), request, key=("id",))
        views = selectors.items_shown(page.items, caller_of(request).company_id)
        return Response(Page(views, page.next).as_json(answers.item))

    @extend_schema(
        request=ItemSerializer,
        responses={201: answers.ItemOut, 409: _TAKEN},
        examples=[OpenApiExample("An item below another", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Declare a menu item. The same item again (service, company and key) changes it: 201, with the same `id`.

        A parent that is not there yet is waited for: the item has `pending_parent: true` and is in no tree until then.
        """
        caller = caller_of(request)
        told = ItemSerializer.read(request.data)
        service = told.pop("service_name")
        require_own(caller, [("/service_name", service)])
        require_company(caller, [("/company_id", told.get("company_id"))])
        number, _ = item_declare(
            service_name=service,
            declared_in=company_for(caller, None),
            values=told,
            companies=sight(caller),
            actor=actor_of(caller, service),
            now=timezone.now(),
        )
        return _shown(request, number, status=201)


class ItemView(HubView):
    """One menu item."""

    scopes = {"get": "menus:read", "put": "menus:write", "patch": "menus:write", "delete": "menus:write"}

    @extend_schema(responses={200: answers.ItemOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a menu item: what its service declares, and what counts."""
        return _shown(request, id)

    @extend_schema(request=ChangedItemSerializer, responses={200: answers.ItemOut, 409: _TAKEN})
    def put(self, request: Request, id: int) -> Response:
        """Replace what is declared of a menu item; what is absent is as if it had never been said.

        What operators changed stays as they want it.
        """
        return self._changed(request, id, ChangedItemSerializer.read(request.data), partial=False)

    @extend_schema(request=ChangedItemSerializer, responses={200: answers.ItemOut, 409: _TAKEN})
    def patch(self, request: Request, id: int) -> Response:
        """Change what is declared of a menu item; what is absent or null stays (PUT empties)."""
        return self._changed(request, id, ChangedItemSerializer.read(request.data, partial=True), partial=True)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Take a menu item back. Repeated: 404. What is below it waits; it returns with what operators changed."""
        caller = caller_of(request)
        row = _own(caller, id)
        item_archive(
            id=id,
            service_name=caller.speaks_for,
            companies=sight(caller),
            actor=actor_of(caller, row.service_name),
            now=timezone.now(),
        )
        return Response(status=204)

    def _changed(self, request: Request, id: int, told: dict[str, Any], *, partial: bool) -> Response:
        caller = caller_of(request)
        row = _own(caller, id)
        named = told.pop("service_name", row.service_name)
        if named != row.service_name:
            words = f"This is {row.service_name!r} and stays so."
            raise InvalidInput(errors=[FieldError("/service_name", "fixed", words)])
        item_update(
            id=id,
            changes=told,
            partial=partial,
            service_name=caller.speaks_for,
            companies=sight(caller),
            actor=actor_of(caller, row.service_name),
            now=timezone.now(),
        )
        return _shown(request, id)


def _own(caller: Principal, id: int) -> MenuItem:
    """Return an item that the caller may change.

    Raises:
        NotFound: there is none that the caller may see.
        NotAllowed: it is another service's, or everybody's and the caller is in a company.
    """
    row = selectors.item(id)
    require_change(caller, service=row.service_name, company_id=row.company_id)
    return row


def _shown(request: Request, id: int, status: int = 200) -> Response:
    [view] = selectors.items_shown([selectors.item(id)], caller_of(request).company_id)
    return Response(answers.item(view), status=status)
