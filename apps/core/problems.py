"""Every error as an RFC 9457 problem document, whoever raised it: the hub, the REST framework, Django or an engine."""

import sys
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.defaults import ERROR_PAGE_TEMPLATE
from rest_framework.exceptions import APIException, Throttled, ValidationError

from apps.core import errors, redis
from apps.core.errors import HubError
from apps.core.pointers import faults
from apps.core.renderers import dumps
from apps.core.requestid import current_request_id
from xerpium_sdk.wire.problems import FieldProblem, Problem

CONTENT_TYPE = "application/problem+json"

# Seconds after which a database that is away may be tried again.
_DATABASE_RETRY_AFTER = 3.0
# PostgreSQL accepts no writes while a standby takes over; that it says so is no fault of the request.
_READ_ONLY = "25006"

_BY_STATUS: dict[int, type[HubError]] = {
    400: errors.MalformedBody,
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    404: errors.NotFound,
    415: errors.UnsupportedMediaType,
}

_log = structlog.get_logger(__name__)


def as_hub_error(error: BaseException | None) -> HubError:
    """Return the hub's own error for any exception; what nobody expected is a plain ``HubError``, a 500."""
    match error:
        case HubError():
            return error
        case ValidationError():
            return errors.InvalidInput(errors=faults(error.detail))
        case Throttled():
            return errors.TooManyRequests(retry_after=getattr(error, "wait", None))
        case APIException():
            return _of_framework(error)
        case Http404():
            return errors.NotFound()
        case PermissionDenied():
            return errors.NotAllowed()
        case RequestDataTooBig():
            return errors.TooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        case SuspiciousOperation():
            return errors.MalformedBody()
        case _:
            return _of_engine(error)


def _of_framework(error: APIException) -> HubError:
    known = _BY_STATUS.get(error.status_code, HubError)
    return known(str(error.detail) if known is errors.NotAllowed else "")


def _of_engine(error: BaseException | None) -> HubError:
    if _is_database_away(error):
        return errors.Unavailable("The database is away for the moment.", retry_after=_DATABASE_RETRY_AFTER)
    if isinstance(error, redis.AWAY):
        return errors.Unavailable("Redis is away for the moment.")
    return HubError()


def _is_database_away(error: BaseException | None) -> bool:
    if isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError):
        return True
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, psycopg.Error) and cause.sqlstate == _READ_ONLY


def problem_response(error: HubError) -> HttpResponse:
    """Return the answer that says ``error``, with the headers that it demands."""
    problem = Problem(
        status=error.status,
        title=error.title,
        detail=error.detail,
        code=error.code,
        request_id=current_request_id() or None,
        errors=tuple(FieldProblem(fault.pointer, fault.code, fault.message) for fault in error.errors),
    )
    headers = {"Cache-Control": "no-store", **error.headers}
    return HttpResponse(dumps(problem.to_json()), status=error.status, content_type=CONTENT_TYPE, headers=headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer an exception of a REST view; what nobody expected is logged with its traceback, and not shown."""
    return problem_response(judged(error, context.get("view")))


def judged(error: Exception, view: object) -> HubError:
    """Return the hub's own error for an exception of a REST view, after logging what operators have to know of."""
    known = as_hub_error(error)
    if known.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", view=type(view).__name__, exc_info=error)
    elif known.status == HTTPStatus.SERVICE_UNAVAILABLE and known is not error:
        _log.warning("engine_away", error=str(error))
    return known


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django found suspicious, such as a ``Host`` that is not ours (``handler400``)."""
    return _answer(request, as_hub_error(exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal outside of the REST views (``handler403``)."""
    return _answer(request, errors.NotAllowed())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nothing is mounted at (``handler404``)."""
    return _answer(request, errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception outside of the REST views, which Django has logged (``handler500``)."""
    return _answer(request, as_hub_error(sys.exc_info()[1]))


def _answer(request: HttpRequest, error: HubError) -> HttpResponse:
    """Return a problem document, or a plain page where a person looks at a part that is no API."""
    if request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", ""):
        return problem_response(error)
    page = ERROR_PAGE_TEMPLATE % {"title": error.title, "details": error.detail}
    return HttpResponse(page, status=error.status, headers=dict(error.headers))
