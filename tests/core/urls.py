"""A small API on the tools of ``apps.core``, for the tests of those tools."""

from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import caller_of
from apps.core.errors import Conflict, NotFound
from apps.core.pagination import ListQuery, paginate
from apps.core.routing import api_path
from apps.core.schema import page_of
from apps.core.scopes import ANY_CALLER
from apps.core.serializers import StrictSerializer
from apps.core.views import HubView, PublicView


class PartInput(StrictSerializer):
    path = serializers.CharField()
    order = serializers.IntegerField(required=False, min_value=0)


class ThingInput(StrictSerializer):
    """A thing as callers send it."""

    name = serializers.CharField(max_length=100)
    count = serializers.IntegerField(required=False, min_value=-(2**63), max_value=2**63 - 1)
    share = serializers.FloatField(required=False)
    active = serializers.BooleanField(default=True)
    size = serializers.ChoiceField(["small", "large"], required=False)
    seen_at = serializers.DateTimeField(required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=20), required=False)
    labels = serializers.DictField(child=serializers.CharField(), required=False)
    parts = PartInput(many=True, required=False)
    metadata = serializers.JSONField(required=False)


class ThingSerializer(serializers.Serializer[Any]):
    """A thing as the hub shows it."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class ThingsQuery(ListQuery):
    name = serializers.CharField(required=False)
    size = serializers.ChoiceField(["small", "large"], required=False)
    tag = serializers.ListField(child=serializers.CharField(max_length=5), required=False)


class ThingsView(HubView):
    scopes: ClassVar = {"get": "registry:read", "post": "registry:write"}
    queries: ClassVar = {"get": ThingsQuery}

    @extend_schema(responses=page_of(ThingSerializer))
    def get(self, request: Request) -> Response:
        """List the things.

        In the order of their names.
        """
        page = paginate(Group.objects.all(), request, key=("name", "id"))
        return Response(page.as_json(lambda group: {"id": group.pk, "name": group.name}))

    @extend_schema(request=ThingInput, responses={201: ThingSerializer})
    def post(self, request: Request) -> Response:
        """Create a thing."""
        values = ThingInput.read(request.data)
        group, created = Group.objects.get_or_create(name=values["name"])
        if not created:
            raise Conflict("A thing of this name is there already.", code="name_taken")
        return Response({"id": group.pk, "name": group.name}, status=201, headers={"Location": f"things/{group.pk}"})


class ThingView(HubView):
    scopes: ClassVar = {"get": "registry:read", "patch": "registry:write", "delete": "registry:write"}
    body_required = False

    @extend_schema(responses=ThingSerializer)
    def get(self, request: Request, thing_id: int) -> Response:
        """Show a thing."""
        group = Group.objects.filter(pk=thing_id).first()
        if group is None:
            raise NotFound
        return Response({"id": group.pk, "name": group.name})

    @extend_schema(request=ThingInput, responses=ThingSerializer)
    def patch(self, request: Request, thing_id: int) -> Response:
        """Change a thing; an empty body changes nothing."""
        return Response({"id": thing_id, "name": "", "changed": sorted(ThingInput.read(request.data, partial=True))})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, thing_id: int) -> Response:
        """Delete a thing."""
        if not Group.objects.filter(pk=thing_id).delete()[0]:
            raise NotFound
        return Response(status=204)


class EchoView(HubView):
    """Shows what was read."""

    scopes: ClassVar = dict.fromkeys(("get", "post", "put", "patch", "delete"), ANY_CALLER)
    schema = None
    live = True

    def get(self, request: Request) -> Response:
        return Response({"caller": caller_of(request).scope})

    def post(self, request: Request) -> Response:
        return Response(request.data)

    put = patch = delete = post


class SmallView(EchoView):
    body_limit = 10


class RaisingView(PublicView):
    """Raises what the test put into ``error``."""

    error: ClassVar[Exception]

    def get(self, request: Request) -> Response:
        raise self.error


def broken(request: HttpRequest) -> HttpResponse:
    """Raise the same outside of the REST framework."""
    raise RaisingView.error


urlpatterns = [
    path(
        "api/v1/",
        include(
            [
                api_path("things", ThingsView, "things"),
                api_path("things/<int:thing_id>", ThingView, "thing"),
                api_path("echo", EchoView, "echo"),
                api_path("small", SmallView, "small"),
                api_path("raising", RaisingView, "raising"),
                api_path("broken", broken, "broken"),
            ]
        ),
    ),
    path("page", broken),
    path("", include("apps.core.urls")),
]

handler400 = "apps.core.problems.bad_request"
handler403 = "apps.core.problems.permission_denied"
handler404 = "apps.core.problems.page_not_found"
handler500 = "apps.core.problems.server_error"
