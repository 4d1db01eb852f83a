"""The content security policy of the pages; programs that read the API have no use for one."""

from csp.middleware import CSPMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class PagesCSPMiddleware(CSPMiddleware):
    """Puts the policy on everything but the API, where putting it together would cost more than some answers."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with the policy of the settings."""
        if request.path_info.startswith("/api/v1/"):
            return response
        return super().process_response(request, response)
