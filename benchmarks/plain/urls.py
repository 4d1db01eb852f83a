"""Routes of the plain project."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter

from benchmarks.plain.menus import menu
from benchmarks.plain.models import PlainService


class PlainSerializer(serializers.ModelSerializer[PlainService]):
    """All fields, as the generator makes them; a name that is known already is the lookup's business."""

    class Meta:
        model = PlainService
        fields = "__all__"
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}


class PlainViewSet(viewsets.ModelViewSet[PlainService]):
    """The whole API in one class."""

    queryset = PlainService._default_manager.all()
    serializer_class = PlainSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"

    @action(detail=False, methods=["post"])
    def register(self, request: Request) -> Response:
        """Create or update by name."""
        data: Any = request.data
        known = PlainService._default_manager.filter(name=data.get("name")).first()
        serializer: Any = self.get_serializer(known, data=data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data, status=201)

    @action(detail=False, methods=["post"])
    def health(self, request: Request) -> Response:
        """Store a heartbeat."""
        data: Any = request.data
        service = PlainService._default_manager.get(name=data["service_name"])
        service.status = data["status"]
        service.save(update_fields=["status", "last_seen"])
        return Response({"status": service.status})


def ready(request: HttpRequest) -> HttpResponse:
    """Answer that the server is up."""
    return HttpResponse("ok")


router = DefaultRouter()
router.register("services", PlainViewSet)
urlpatterns = [path("ready", ready), path("menus", menu), path("api/v1/", include(router.urls))]
