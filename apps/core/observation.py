"""Watches every request once, for the metrics and for the log."""

import logging
import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.access import Principal
from apps.core.metrics import observe_request

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_log = structlog.get_logger("xerpium.requests")


class ObservationMiddleware:
    """Measures how long answers take; logs writes and refusals at INFO, and the many reads that went well at DEBUG."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request``, and write down that it was answered."""
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        match = request.resolver_match
        route = f"/{match.route}" if match else "unmatched"
        verb = request.method or ""
        observe_request(route=route, verb=verb, status=response.status_code, seconds=seconds)
        _log.log(
            _level(verb, response.status_code),
            "request",
            verb=verb,
            path=request.path,
            status=response.status_code,
            ms=round(seconds * 1000, 2),
            caller=_caller_of(request),
        )
        return response


def _level(verb: str, status: int) -> int:
    if status >= 500:
        return logging.WARNING
    return logging.DEBUG if verb in _READS and status < 400 else logging.INFO


def _caller_of(request: HttpRequest) -> str | None:
    # Of the user that the session middleware leaves here, even asking for its class would query the database.
    user: object = request.__dict__.get("user")
    return user.scope if type(user) is Principal else None
