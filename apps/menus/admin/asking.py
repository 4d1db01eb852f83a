"""Addresses that the page's own program asks: JSON in and out, and every refusal a problem document."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods

from apps.core import errors, strictjson
from apps.core.problems import problem_response
from apps.menus.admin.choosing import MAY_CHANGE, MAY_LOOK

__all__ = ["answers", "body_of", "deeds"]

MOST_BYTES = 1 << 20
Document = Mapping[str, Any]
Ask = Callable[[HttpRequest], Document]


def answers(view: Ask) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return a view that answers GET with what ``view`` returns, to whoever may look at menus."""
    return _asked(view, "GET", MAY_LOOK)


def deeds(view: Ask) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return a view that answers POST with what ``view`` returns, to whoever may change menus."""
    return _asked(view, "POST", MAY_CHANGE)


def _asked(view: Ask, method: str, needed: str) -> Callable[[HttpRequest], HttpResponseBase]:
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.user.has_perm(needed):
            return problem_response(errors.NotAllowed())
        try:
            document = view(request)
        except errors.HubError as error:
            return problem_response(error)
        except Http404 as error:
            return problem_response(errors.NotFound(str(error)))
        except PermissionDenied:
            return problem_response(errors.NotAllowed())
        return HttpResponse(
            orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return admin.site.admin_view(require_http_methods([method])(answer))


def body_of(request: HttpRequest) -> Document:
    """Return the JSON object that was sent.

    Raises:
        MalformedBody: it is none.
        TooLarge: it has more than a megabyte.
    """
    try:
        found = strictjson.parse(request.body, limit=MOST_BYTES)
    except strictjson.TooLong:
        raise errors.TooLarge(MOST_BYTES) from None
    except strictjson.NotJSON as error:
        raise errors.MalformedBody(str(error)) from error
    if not isinstance(found, dict):
        raise errors.MalformedBody("Send a JSON object.")
    return found
