"""The health of a FastAPI or Starlette application at ``/health``, ``/health/live`` and ``/health/ready``."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from xerpium_sdk.health._monitor import Report
from xerpium_sdk.health.checker import HealthChecker

__all__ = ["health_router"]

_UNHEALTHY: dict[int | str, dict[str, Any]] = {503: {"description": "A critical check fails."}}
_KEPT_BY_NOBODY = {"Cache-Control": "no-store"}


def health_router(checker: HealthChecker) -> APIRouter:
    """Return routes that answer with what ``checker`` finds: 200, or 503 when a critical check fails.

    ``/health`` has all checks, ``/health/ready`` those that decide whether this instance gets work, and
    ``/health/live`` asks nobody: it says that the process can answer.
    """
    router = APIRouter(tags=["health"])

    @router.get("/health", responses=_UNHEALTHY)
    async def health() -> JSONResponse:
        """Say how this service is."""
        report = await checker.report_async()
        return _answer(checker.document(report), report)

    @router.get("/health/ready", responses=_UNHEALTHY)
    async def ready() -> JSONResponse:
        """Say whether this instance can take work."""
        report = await checker.report_async()
        return _answer(checker.readiness(report), report)

    @router.get("/health/live")
    async def live() -> JSONResponse:
        """Say that this process answers."""
        return JSONResponse(checker.alive(), headers=_KEPT_BY_NOBODY)

    return router


def _answer(document: dict[str, Any], report: Report) -> JSONResponse:
    return JSONResponse(document, 503 if report.status == "unhealthy" else 200, headers=_KEPT_BY_NOBODY)
