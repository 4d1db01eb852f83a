"""The health of a Django service: ``path("", include(health_urls(checker)))``."""

from typing import Any

from django.db import close_old_connections, connection, connections
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache

from xerpium_sdk.health import HealthChecker

__all__ = ["health_checker", "health_urls"]


def health_checker(service_name: str, version: str, **options: Any) -> HealthChecker:
    """Return a checker that asks Django's default database; ``options`` are those of `HealthChecker`."""
    return HealthChecker(service_name, version, **{"database": connection, "after_check": _give_back, **options})


def health_urls(checker: HealthChecker) -> list[URLPattern]:
    """Return the addresses ``health``, ``health/live`` and ``health/ready``: 503 when a critical check fails."""

    def health(request: HttpRequest) -> JsonResponse:
        report = checker.report()
        return JsonResponse(checker.document(report), status=503 if report.status == "unhealthy" else 200)

    def ready(request: HttpRequest) -> JsonResponse:
        report = checker.report()
        return JsonResponse(checker.readiness(report), status=503 if report.status == "unhealthy" else 200)

    def live(request: HttpRequest) -> JsonResponse:
        return JsonResponse(checker.alive())

    return [
        path(address, never_cache(view), name=name)
        for address, view, name in (
            ("health", health, "health"),
            ("health/live", live, "health-live"),
            ("health/ready", ready, "health-ready"),
        )
    ]


def _give_back() -> None:
    """Close what the thread of a check has opened: it ends, and nobody else would."""
    close_old_connections()
    for opened in connections.all(initialized_only=True):
        if not opened.in_atomic_block:
            opened.close()
