"""The base of every REST view: strict input, declared parameters, ETags, idempotency, problems."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.bodies import read_body
from apps.core.errors import MalformedBody, MethodNotAllowed, UnsupportedMediaType
from apps.core.etags import conditional
from apps.core.parsers import body_limit_of
from apps.core.problems import exception_handler
from apps.core.serializers import Query


class NoQuery(Query):
    """What a verb without declared query parameters takes: none."""


class HubRequest(Request):
    """A request whose body may be chunked: the REST framework asks only ``Content-Length`` whether there is one."""

    def _parse(self) -> tuple[Any, MultiValueDict[str, Any]]:
        view = self.parser_context["view"]
        body = read_body(self._request, body_limit_of(view))
        if not body:
            if view.body_required:
                raise MalformedBody("The body is empty; send a JSON object.")
            return {}, MultiValueDict()
        parser = self.negotiator.select_parser(self, self.parsers)
        if parser is None:
            raise UnsupportedMediaType
        return parser.parse(BytesIO(body), self.content_type, self.parser_context), MultiValueDict()


class HubView(APIView):
    """Base of the REST views. A verb is a method that parses, calls one service and returns a ``Response``.

    ``queries`` declares the query parameters of each verb (lower case); their values are in ``self.query``.
    ``live`` views (blocking reads, streams) carry no ETag. ``body_limit`` is in bytes; without ``body_required`` an
    empty body is read as ``{}``.
    """

    queries: ClassVar[Mapping[str, type[Query]]] = {}
    live: ClassVar[bool] = False
    body_limit: ClassVar[int | None] = None
    body_required: ClassVar[bool] = True

    query: dict[str, Any]

    @property
    def default_response_headers(self) -> dict[str, str]:
        """No headers: only a 405 and the answer to OPTIONS name the verbs."""
        return {}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HubRequest:
        """Wrap Django's request."""
        return HubRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who asks, then what they ask by query parameters."""
        super().initial(request, *args, **kwargs)
        self.query = self.read_query(request)

    def read_query(self, request: Request) -> dict[str, Any]:
        """Return the checked query parameters; HEAD takes those of GET."""
        verb = "get" if request.method == "HEAD" else str(request.method).lower()
        return self.queries.get(verb, NoQuery).read(request.query_params)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Refuse a verb that this route does not know."""
        raise MethodNotAllowed(str(request.method), self.allowed_methods)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say which verbs this route knows."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]  # a ready answer
        """Turn any exception into a problem document."""
        return exception_handler(exc, {"view": self})

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Render the answer; a read that is not live gets its ETag, or becomes a 304."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response):
            response = response.render()
        if response.status_code == 200 and request.method in ("GET", "HEAD") and not (self.live or response.streaming):
            return conditional(request._request, response)
        return response


class PublicView(HubView):
    """Base of views that anybody may read, probes and scrapers included: no credentials, any query parameter."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def read_query(self, request: Request) -> dict[str, Any]:
        """Ignore the query: programs that we do not know add parameters that we do not know."""
        return {}
