"""A service within a FastAPI or Starlette application."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xerpium_sdk.calls.asgi import PassOnMiddleware
from xerpium_sdk.fastapi import live_within
from xerpium_sdk.health import HealthChecker, Report

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from xerpium_sdk.service.service import XerpiumService

__all__ = ["install"]

PATH = "/health"


def install(app: "Starlette", service: "XerpiumService", *, health: bool) -> None:
    """Let ``service`` live as long as ``app``, pass requests on, and answer for its health unless the app does."""
    if app.router.lifespan_context != service.lifespan:
        live_within(app, service)
    app.state.xerpium_service = service
    app.add_middleware(PassOnMiddleware)
    if not health or any(getattr(route, "path", None) == PATH for route in app.routes):
        return
    if hasattr(app, "include_router"):
        from xerpium_sdk.health.fastapi import health_router

        app.include_router(health_router(service.health))
    else:
        app.router.routes.extend(_routes(service.health))


def _routes(checker: HealthChecker) -> list[Route]:
    """Return what `health_router` has, for an application without FastAPI."""

    async def whole(request: Request) -> Response:
        report = await checker.report_async()
        return _answer(checker.document(report), report)

    async def ready(request: Request) -> Response:
        report = await checker.report_async()
        return _answer(checker.readiness(report), report)

    async def live(request: Request) -> Response:
        return JSONResponse(checker.alive(), headers={"Cache-Control": "no-store"})

    return [Route(PATH, whole), Route(f"{PATH}/ready", ready), Route(f"{PATH}/live", live)]


def _answer(document: dict[str, object], report: Report) -> Response:
    status = 503 if report.status == "unhealthy" else 200
    return JSONResponse(document, status, headers={"Cache-Control": "no-store"})
