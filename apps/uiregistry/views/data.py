"""What services say, for whoever looks: ``widgets/{id}/data`` and ``menus/{id}/badge``."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.core.access import Principal, caller_of
from apps.core.errors import NotFound
from apps.core.views import HubView
from apps.menus.selectors.items import item as menu_item
from apps.uiregistry import answers
from apps.uiregistry.selectors import items as selectors
from apps.uiregistry.selectors.viewers import PREVIEW, Viewer, viewer_of
from apps.uiregistry.serializers import DataQuery
from apps.uiregistry.services.data import Source, data_for, source_of

__all__ = ["BadgeView", "WidgetDataView"]

_RESPONSES = {
    200: answers.DataOut,
    403: OpenApiResponse(
        description="The viewer lacks a permission (`permission_missing`), or the service refuses it to the viewer"
        " (`service_refused`)."
    ),
    503: OpenApiResponse(description="The service does not answer, and never did (`no_data`)."),
}


class WidgetDataView(HubView):
    """The data of a widget."""

    scopes = {"get": "ui:read"}
    area = "widgets"
    queries = {"get": DataQuery}

    @extend_schema(responses=_RESPONSES)
    def get(self, request: Request, id: int) -> HttpResponse:
        """Return what the widget's service says, with the viewer's rights.

        The hub asks a healthy instance, with a token that is good for a minute and at that service alone. It says in
        which company and with which permissions somebody looks, and who it is only where the config of the widget
        says `personal`. An answer is kept for `refresh_interval` seconds (0: until `refresh=true`), for everybody with
        the same company and permissions, or for that person. When the service does not answer, the last good answer
        comes with `stale: true`.
        """
        row = selectors.widget(id)
        viewer = _viewer(caller_of(request), self.query, row.company_id)
        if not row.is_active or not viewer.is_of(row.company_id):
            raise NotFound(selectors.NO_WIDGET)
        selectors.require_permissions(viewer, row.permissions)
        return _data(caller_of(request), viewer, source_of(row), self.query)


class BadgeView(HubView):
    """The badge of a menu item."""

    scopes = {"get": "menus:read"}
    queries = {"get": DataQuery}

    @extend_schema(responses=_RESPONSES)
    def get(self, request: Request, id: int) -> HttpResponse:
        """Return what the item's service says at its badge's endpoint, as `widgets/{id}/data` does.

        Badges are about persons: what is kept is kept for whoever asked.
        """
        row = menu_item(id)
        viewer = _viewer(caller_of(request), self.query, row.company_id)
        if not row.is_active or not viewer.is_of(row.company_id) or not row.badge:
            raise NotFound("There is no such badge.")
        selectors.require_permissions(viewer, row.required_permissions, any_of=row.permission_mode == "any")
        badge: Mapping[str, Any] = row.badge
        source = Source("badge", id, row.service_name, badge["endpoint"], badge.get("refresh_interval", 30), True)
        return _data(caller_of(request), viewer, source, self.query)


def _viewer(caller: Principal, query: Mapping[str, Any], company_id: int | None) -> Viewer:
    """Return who looks; an operator who names no company looks into that of what is looked at."""
    asked = {name: query.get(name) for name in PREVIEW}
    if caller.kind in ("operator", "open") and asked["company_id"] is None:
        asked["company_id"] = company_id
    return viewer_of(caller, **asked)


def _data(caller: Principal, viewer: Viewer, source: Source, query: Mapping[str, Any]) -> HttpResponse:
    found = data_for(caller, viewer, source, refresh=query.get("refresh", False), now=timezone.now())
    return HttpResponse(found.to_json(), content_type="application/json")
