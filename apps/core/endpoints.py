"""The hub's own addresses: health, metrics, and the documents of its API. All of them are public."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import health, metrics
from apps.core.renderers import dumps
from apps.core.views import PublicView

SERVICE = "xerpium"


class HealthView(PublicView):
    """``GET /health``: all checks; 503 only when a critical one fails, for then nobody can be served."""

    live = True

    def get(self, request: Request) -> Response:
        """Return the state of the hub, of at most a second ago."""
        report = health.report()
        protection = health.protection()
        document = {
            "service": SERVICE,
            "timestamp": timezone.now(),
            "status": report.status,
            "version": settings.VERSION,
            "protection": {
                "active": protection.active,
                "since": protection.since,
                "reason": protection.reason,
            },
            "checks": {name: check.as_json() for name, check in report.checks.items()},
        }
        return Response(document, status=503 if report.status == "unhealthy" else 200)


class LiveView(PublicView):
    """``GET /health/live``: this process answers. No I/O: restarting it would not bring a database back."""

    live = True

    def get(self, request: Request) -> Response:
        """Return that the process lives."""
        return Response({"service": SERVICE, "status": "alive"})


class ReadyView(PublicView):
    """``GET /health/ready``: what serving needs is there, which is the database with all its migrations."""

    live = True

    def get(self, request: Request) -> Response:
        """Return 200, or 503 with what is missing."""
        missing = _missing_for_serving()
        status = "unready" if missing else "ready"
        return Response({"service": SERVICE, "status": status, "missing": missing}, status=503 if missing else 200)


def _missing_for_serving() -> list[str]:
    if not health.report().checks["database"].result.healthy:
        return ["database"]
    return [] if _migrated.holds() else ["migrations"]


class _Migrated:
    """Whether all migrations are applied; once they are they stay, so only "no" is asked again."""

    def __init__(self) -> None:
        self._known = False

    def holds(self) -> bool:
        """Return whether no migration is missing."""
        if not self._known:
            try:
                executor = MigrationExecutor(connection)
                self._known = not executor.migration_plan(executor.loader.graph.leaf_nodes())
            except DatabaseError:
                return False
        return self._known


_migrated = _Migrated()


class MetricsView(PublicView):
    """``GET /metrics``: Prometheus text."""

    live = True

    def get(self, request: Request) -> HttpResponse:
        """Return the metrics of this process."""
        return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


class SchemaView(PublicView):
    """``GET /api/schema/``: the OpenAPI 3.1 document."""

    def get(self, request: Request) -> HttpResponse:
        """Return the document as JSON."""
        return HttpResponse(_schema(), content_type="application/json")


@lru_cache(maxsize=1)
def _schema() -> bytes:
    return dumps(SchemaGenerator().get_schema(public=True))


class DocsView(SpectacularSwaggerSplitView):
    """``GET /api/docs/``: the same document for people; no script stands in the page, all come from this host."""

    authentication_classes: Any = ()
    permission_classes = (AllowAny,)
    url_name = "schema"
