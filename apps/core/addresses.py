"""Addresses of pages that nothing can be found by."""

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.response import HttpResponseBase

__all__ = ["PageAddressMiddleware"]


class PageAddressMiddleware:
    """Answers 400 to an address of a page with U+0000 in it, which PostgreSQL takes nowhere; the API says it itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request`` if its address can be asked for.

        Raises:
            SuspiciousOperation: it cannot.
        """
        is_odd = "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", "")
        if is_odd and not request.path_info.startswith("/api/"):
            raise SuspiciousOperation("The address holds the character U+0000.")
        return self.get_response(request)
