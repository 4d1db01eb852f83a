"""The content security policies: nothing at all but on pages, and on each kind of page no more than it needs.

An answer of the API is no page; should a browser ever take one for a page, it may load nothing, run nothing, and stand
in no frame. Only the console needs ``'unsafe-eval'``: its library (Alpine, of django-unfold) evaluates attributes. Its
policy is the setting ``CONTENT_SECURITY_POLICY``.
"""

from csp.middleware import CSPMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

__all__ = ["DOCS", "HEADER", "PERMISSIONS", "STRICT", "PagesCSPMiddleware"]

HEADER = "Content-Security-Policy"
STRICT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the page that shows the API's documents: it draws with style elements, and none of its scripts is in the page."""
PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
"""What no page of the hub asks a browser for."""


class PagesCSPMiddleware(CSPMiddleware):
    """Puts its policy on every answer."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with the policy of its part of the hub."""
        path = request.path_info
        if path.startswith("/admin/"):
            response.headers["Permissions-Policy"] = PERMISSIONS
            return super().process_response(request, response)
        if path.startswith("/api/docs"):
            response.headers["Permissions-Policy"] = PERMISSIONS
            response.headers[HEADER] = DOCS
        else:
            response.headers[HEADER] = STRICT
        return response
