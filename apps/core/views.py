"""The base of every REST view: strict input, declared parameters, ETags, idempotency, problems."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any, ClassVar, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import idempotency, limits
from apps.core.access import Principal
from apps.core.bodies import read_body
from apps.core.errors import HubError, MalformedBody, MethodNotAllowed, UnsupportedMediaType
from apps.core.etags import conditional
from apps.core.parsers import body_limit_of
from apps.core.problems import as_hub_error, judged, problem_response
from apps.core.serializers import Query
from apps.core.tenancy import acting

WRITES = frozenset({"post", "put", "patch", "delete"})


class HubRequest(Request):
    """A request whose body may be chunked: the REST framework asks only ``Content-Length`` whether there is one."""

    def body_bytes(self) -> bytes:
        """Return the body as it was sent, of at most the view's limit."""
        return read_body(self._request, body_limit_of(self.parser_context["view"]))

    def _parse(self) -> tuple[Any, MultiValueDict[str, Any]]:
        body = self.body_bytes()
        if not body:
            if self.parser_context["view"].body_required:
                raise MalformedBody("The body is empty; send a JSON object.")
            return {}, MultiValueDict()
        parser = self.negotiator.select_parser(self, self.parsers or ()) if self.negotiator else None
        if parser is None:
            raise UnsupportedMediaType
        return parser.parse(BytesIO(body), self.content_type, self.parser_context), MultiValueDict()


class HubView(APIView):
    """Base of the REST views. A verb is a method that parses, calls one service and returns a ``Response``.

    It runs in the company context of who asks, which is nobody's in views that ask for no credentials.

    ``scopes`` says for each verb (lower case; HEAD is GET) which scope a caller needs: a verb that it does not name is
    closed to everybody. ``area`` names the rows that it shows where an operator needs a permission of its own for them
    (`apps.core.scopes`). ``queries`` declares the query parameters of each verb; their values are in ``self.query``.
    ``live`` views (blocking reads, streams) carry no ETag. ``body_limit`` is in bytes; where ``body_required`` is off
    an empty body is read as ``{}``. Answers of ``secret`` views hold secrets: no ``Idempotency-Key`` stores them, and
    no cache may.
    """

    scopes: ClassVar[Mapping[str, str]] = {}
    area: ClassVar[str] = ""
    queries: ClassVar[Mapping[str, type[Query]]] = {}
    live: ClassVar[bool] = False
    body_limit: ClassVar[int | None] = None
    body_required: ClassVar[bool] = True
    secret: ClassVar[bool] = False

    query: dict[str, Any]
    handler: Callable[..., HttpResponseBase]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer ``request``; every exception becomes a problem document."""
        self.args, self.kwargs = args, kwargs
        self.headers: dict[str, str] = {}
        self.request = hub_request = self.initialize_request(request, *args, **kwargs)
        try:
            self.initial(hub_request, *args, **kwargs)
            caller: object = hub_request.user
            if not isinstance(caller, Principal):
                return self._answer(hub_request)
            with acting(caller):
                return _parts_for(caller, self._answer(hub_request))
        except Exception as error:
            refusal = judged(error, self)
            self._settle(refusal)
            return self.refusal(refusal)

    def _settle(self, error: HubError) -> None:
        """Do what is to be done about a refusal, now that the transaction of the request is rolled back."""
        caller: object = self.request.user if error.afterwards else None
        if isinstance(caller, Principal):
            with acting(caller):
                for act in error.afterwards:
                    act()

    def refusal(self, error: HubError) -> HttpResponse:
        """Return the answer that says ``error``: a problem, unless the view's protocol has errors of its own."""
        return problem_response(error)

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
        """Check who asks and how often, whether this route knows the verb, then what is asked by query parameters."""
        try:
            super().initial(request, *args, **kwargs)
        except Exception as error:
            if as_hub_error(error).status == HTTPStatus.UNAUTHORIZED:
                limits.refused(limits.source_of(request))
            raise
        self.handler = self._handler_of(str(request.method))
        self.query = self.read_query(request)

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks; callers who ask too often are refused before anything is done for them."""
        caller: object = request.user
        if isinstance(caller, Principal):
            limits.admit(caller)

    def _handler_of(self, method: str) -> Callable[..., HttpResponseBase]:
        verb = method.lower()
        handler = getattr(self, verb, None) if verb in self.http_method_names else None
        if handler is None:
            raise MethodNotAllowed(method, self.allowed_methods)
        return cast("Callable[..., HttpResponseBase]", handler)

    def read_query(self, request: Request) -> dict[str, Any]:
        """Return the checked query parameters; HEAD takes those of GET."""
        verb = "get" if request.method == "HEAD" else str(request.method).lower()
        declared = self.queries.get(verb, Query)
        if declared is Query and not request.query_params:
            return {}
        return declared.read(dict(request.query_params.lists()))

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]  # as in APIView
        """Say which verbs this route knows."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def _answer(self, request: HubRequest) -> HttpResponseBase:
        is_write = str(request.method).lower() in WRITES
        if self.secret or not is_write or idempotency.HEADER not in request.headers:
            return self._finished(self.handler(request, *self.args, **self.kwargs))
        claim = idempotency.Claim.of(request._request, caller=_scope_of(request), body=request.body_bytes())
        return idempotency.answer_once(claim, lambda: self._finished(self.handler(request, *self.args, **self.kwargs)))

    def _finished(self, response: HttpResponseBase) -> HttpResponseBase:
        """Render the answer; a read that is not live gets its ETag, or becomes a 304."""
        if isinstance(response, Response):
            response = self.finalize_response(self.request, response).render()
        if self.secret:
            response.headers["Cache-Control"] = "no-store"
        if response.status_code == 204:
            response.headers.pop("Content-Type", None)
        readable = isinstance(response, HttpResponse) and response.status_code == 200
        if readable and not self.live and self.request.method in ("GET", "HEAD"):
            return conditional(self.request._request, cast(HttpResponse, response))
        return response


class PublicView(HubView):
    """Base of views that anybody may read, probes and scrapers included: no credentials, any query parameter."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def read_query(self, request: Request) -> dict[str, Any]:
        """Ignore the query: programs that we do not know add parameters that we do not know."""
        return {}


def _parts_for(caller: Principal, response: HttpResponseBase) -> HttpResponseBase:
    """Let the parts of an answer, which are made after the view has returned, be made for ``caller`` as well."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _within(caller, iter(response))
    return response


def _within(caller: Principal, parts: Iterator[bytes]) -> Iterator[bytes]:
    # Around each part by itself: a generator's context is that of whoever asks it for the next one.
    while True:
        with acting(caller):
            part = next(parts, None)
        if part is None:
            return
        yield part


def _scope_of(request: Request) -> str:
    """Return whose keys the caller's are; of those who need no credentials all that is known is the address."""
    caller: object = request.user
    return caller.scope if isinstance(caller, Principal) else f"public:{limits.source_of(request)}"
