# mypy: disallow-untyped-calls=False
# (drf-spectacular's inner methods, which this module extends, carry no types.)
"""The OpenAPI 3.1 document: what drf-spectacular finds, plus what is true of every route of the hub.

A view only describes what is its own (``@extend_schema`` with request and responses). The problems, headers and
parameters that the ground rules add to every operation are added here, where they cannot be forgotten.
"""

import re
from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc, get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from apps.core import idempotency, requestid
from apps.core.authority import scope_needed
from apps.core.problems import CONTENT_TYPE
from apps.core.scopes import ANY_CALLER, SCOPES
from apps.core.serializers import Query, StrictSerializer
from apps.core.views import HubView

_PREFIX = "/api/v1/"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_PROBLEMS = {
    "400": "The request cannot be read: not JSON, or not JSON as the hub reads it.",
    "401": "No credentials, or bad ones.",
    "403": "The caller is known and may not do this: its token lacks the scope, or it is another service's.",
    "404": "Not there, or another company's.",
    "409": "Owned by someone else, an older generation, or the first request with this `Idempotency-Key` still runs.",
    "413": "The body is too long.",
    "415": "The body is not declared as `application/json`.",
    "422": "Well-formed, but invalid: every fault is listed in `errors`.",
    "429": "Too many requests of this caller, or from where it calls; try again after `Retry-After` seconds.",
    "503": "A part that the hub needs is away; try again after `Retry-After` seconds.",
}

_REQUEST_ID = OpenApiParameter(
    requestid.HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Names this request in answers and logs. Anything but 1 to 128 of `A-Za-z0-9._-` is replaced.",
)
_IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="A repeat with the same key within 24 hours returns the first answer and changes nothing.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="`ETag` of the answer that the caller has; 304 when it is still the same.",
)


def _answer_header(name: str, statuses: list[int] | bool, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=statuses)


_REQUEST_ID_OF_ANSWER = _answer_header(requestid.HEADER, True, "The id of this request.")
_RETRY_AFTER = _answer_header("Retry-After", [429, 503], "Seconds to wait before the next attempt.")
_ETAG = _answer_header("ETag", [200, 304], "Strong tag of this answer.")
_CHALLENGE = _answer_header(
    "WWW-Authenticate", [401, 403], "How to come in; of a token that lacks a scope, which one (RFC 6750, 3.1)."
)


class FaultSerializer(serializers.Serializer[Any]):
    """One fault of a request."""

    pointer = serializers.CharField(
        help_text="RFC 6901 pointer into the body, `?name` of a query parameter, or the name of a header."
    )
    code = serializers.CharField(help_text="For programs.")
    message = serializers.CharField(help_text="For people.")


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem document."""

    type = serializers.CharField(help_text="Always `about:blank`: tell problems apart by `code`.")
    title = serializers.CharField(help_text="The phrase of the HTTP status.")
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="What is wrong, in one sentence.")
    code = serializers.CharField(help_text="What is wrong, for programs.")
    request_id = serializers.CharField(allow_null=True, help_text="Finds the request in the hub's log.")
    errors = FaultSerializer(many=True)  # type: ignore[assignment]  # the field takes the place of the property


def _security_schemes() -> dict[str, dict[str, Any]]:
    """Return the ways in, by the name that operations refer to."""
    flow = {"tokenUrl": f"{settings.HUB_PUBLIC_URL}/oauth/token", "scopes": dict(SCOPES)}
    return {
        "bearerToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of the hub (RFC 9068), from `service-auth/token` or `/oauth/token`.",
        },
        "oauth2": {"type": "oauth2", "flows": {"clientCredentials": flow}},
        "operatorSession": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "An operator who signed in to the console; writes need the header `X-CSRFToken`. Instead of "
            "a scope the account needs a permission.",
        },
    }


def page_of(item: type[serializers.BaseSerializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the serializer that describes a cursor list of what ``item`` describes."""
    fields = {
        "__doc__": "One page of a list.",
        "results": item(many=True),
        "next": serializers.CharField(allow_null=True, help_text="Cursor of the next page; null on the last one."),
    }
    return type(f"{item.__name__.removesuffix('Serializer')}Page", (serializers.Serializer,), fields)


class HubAutoSchema(AutoSchema):
    """Describes one operation, ground rules included."""

    def get_operation_id(self) -> str:
        """Return verb and path as one name, such as ``post_services_register``; unique because routes are."""
        words = re.findall(r"[A-Za-z0-9]+", self.path.removeprefix(_PREFIX))
        return "_".join([self.method.lower(), *words])

    def get_tags(self) -> list[str]:
        """Return the collection that the route belongs to."""
        return [self.path.removeprefix(_PREFIX).partition("/")[0]]

    def get_summary(self) -> str:
        """Return the first line of the method's docstring."""
        return self._documentation()[0]

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """Return the rest of the method's docstring."""
        return self._documentation()[1]

    def get_override_parameters(self) -> list[Any]:
        """Return the declared query parameters and the headers of the ground rules."""
        parameters: list[Any] = [*super().get_override_parameters(), _REQUEST_ID, _REQUEST_ID_OF_ANSWER]
        declared = getattr(self.view, "queries", {}).get(self.method.lower())
        if declared is not None:
            parameters.append(declared)
        if self.method != "GET" and not getattr(self.view, "secret", False):
            parameters.append(_IDEMPOTENCY_KEY)
        elif self._has_etag():
            parameters += [_IF_NONE_MATCH, _ETAG]
        return [*parameters, _RETRY_AFTER, _CHALLENGE]

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return the ways in, any of which will do, with the scope that a token needs; none for a public route."""
        if not self.view.authentication_classes:
            return []
        schemes = _security_schemes()
        for name, scheme in schemes.items():
            described = ResolvedComponent(name, ResolvedComponent.SECURITY_SCHEMA, scheme, name)
            self.registry.register_on_missing(described)
        scope = scope_needed(self.view, self.method)
        needed = [] if scope in (None, ANY_CALLER) else [scope]
        ways = [{name: [] if name == "operatorSession" else needed} for name in schemes]
        return [*ways, *([{}] if settings.HUB_OPEN else [])]

    def _documentation(self) -> tuple[str, str]:
        first, _, rest = get_doc(getattr(self.view, self.method.lower())).partition("\n")
        return first.rstrip("."), rest.strip()

    def _has_etag(self) -> bool:
        return self.method == "GET" and not getattr(self.view, "live", True)

    def _possible_problems(self) -> list[str]:
        closed = bool(self.view.authentication_classes)
        takes_body = self.method in _WITH_BODY
        possible = {
            "401": closed,
            "403": closed,
            "404": "{" in self.path,
            "409": self.method != "GET",
            "413": takes_body,
            "415": takes_body,
        }
        return [status for status in _PROBLEMS if possible.get(status, True)]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        answers: dict[str, Any] = super()._get_response_bodies(direction)
        if self._has_etag():
            answers.setdefault("304", {"description": "The caller has this answer already.", **self._headers("304")})
        for status in self._possible_problems():
            answers.setdefault(status, {})
        for status, answer in answers.items():
            if status >= "400" and "content" not in answer:
                answers[status] = self._problem(status, answer.get("description"))
        return dict(sorted(answers.items()))

    def _headers(self, status: str) -> dict[str, Any]:
        return {"headers": self._get_response_headers_for_code(status)}

    def _problem(self, status: str, description: str | None) -> dict[str, Any]:
        """Return the description of a problem; those that views leave to the ground rules stand in it only once."""
        response = OpenApiResponse(ProblemSerializer, description or _PROBLEMS.get(status, ""))
        answer: dict[str, Any] = self._get_response_for_code(response, status, [CONTENT_TYPE])
        if description:
            return answer
        shared = ResolvedComponent(f"Problem{status}", ResolvedComponent.RESPONSE, answer, ProblemSerializer)
        self.registry.register_on_missing(shared)
        return dict(shared.ref)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_serializer_field_meta(field, direction)
        if _may_be_null(field):
            meta["nullable"] = True
        return meta

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if schema and "enum" in schema and _may_be_null(field):
            schema["enum"] = [*schema["enum"], None]
        return schema


def _may_be_null(field: Any) -> bool:
    """Return whether ``null`` stands for absence; a free-form field takes every value anyway."""
    optional = isinstance(field.parent, StrictSerializer) and not field.required
    return optional and not isinstance(field, serializers.JSONField)


def undocumented_bases() -> list[type]:
    """Return the classes whose docstrings are for programmers, and describe nothing to callers of the API."""
    return [*get_lib_doc_excludes(), StrictSerializer, Query, HubView]
