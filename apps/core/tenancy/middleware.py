"""The company context of requests: none, until it is known who asks.

Views of the API find out by themselves (`apps.core.views.HubView`); on pages it is the operator who signed in.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.access import operator_of
from apps.core.tenancy.context import acting, use

__all__ = ["NobodyMiddleware", "OperatorMiddleware"]

API = "/api/"


class NobodyMiddleware:
    """Begins every request in nobody's context, whatever the thread did before; among the outermost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request``."""
        with use(None):
            return self.get_response(request)


class OperatorMiddleware:
    """Answers pages for the operator who signed in; to be placed behind whatever says who that is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request``; who has not signed in sees no rows of companies."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path_info.startswith(API):
            return self.get_response(request)
        operator = operator_of(request.user)
        if operator is None:
            return self.get_response(request)
        with acting(operator):
            return self.get_response(request)
