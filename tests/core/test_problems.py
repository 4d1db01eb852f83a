"""Whatever goes wrong, the caller gets one RFC 9457 document, and never a word about our insides."""

import json
import logging
from typing import Any

import django.db
import psycopg
import psycopg.errors
import psycopg_pool
import pytest
import redis.exceptions
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from django.test import Client
from rest_framework import exceptions as drf
from rest_framework.exceptions import ErrorDetail

from apps.core import errors
from apps.core.errors import FieldError, HubError
from apps.core.problems import as_hub_error, problem_response
from tests.core.urls import RaisingView

pytestmark = pytest.mark.urls("tests.core.urls")

MEMBERS = ["type", "title", "status", "detail", "code", "request_id", "errors"]


def read_only_failure() -> Exception:
    error = django.db.InternalError("cannot execute INSERT in a read-only transaction")
    error.__cause__ = psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction")
    return error


EXPECTED: list[tuple[Exception, int, str]] = [
    (errors.MalformedBody("no"), 400, "malformed_body"),
    (errors.NotAuthenticated(), 401, "not_authenticated"),
    (errors.NotAllowed(), 403, "not_allowed"),
    (errors.NotFound(), 404, "not_found"),
    (errors.MethodNotAllowed("PUT", ["GET"]), 405, "method_not_allowed"),
    (errors.Conflict(code="prune_guard"), 409, "prune_guard"),
    (errors.TooLarge(10), 413, "too_large"),
    (errors.UnsupportedMediaType(), 415, "unsupported_media_type"),
    (errors.InvalidInput("no"), 422, "invalid_input"),
    (errors.TooManyRequests(retry_after=30), 429, "too_many_requests"),
    (errors.Unavailable(), 503, "unavailable"),
    (drf.ParseError(), 400, "malformed_body"),
    (drf.NotAuthenticated(), 401, "not_authenticated"),
    (drf.AuthenticationFailed(), 401, "not_authenticated"),
    (drf.PermissionDenied(), 403, "not_allowed"),
    (drf.NotFound(), 404, "not_found"),
    (drf.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
    (drf.ValidationError({"name": ["no"]}), 422, "invalid_input"),
    (drf.Throttled(wait=7), 429, "too_many_requests"),
    (Http404(), 404, "not_found"),
    (PermissionDenied(), 403, "not_allowed"),
    (DisallowedHost(), 400, "malformed_body"),
    (TooManyFieldsSent(), 400, "malformed_body"),
    (RequestDataTooBig(), 413, "too_large"),
    (django.db.OperationalError("could not connect to server at 10.0.0.1"), 503, "unavailable"),
    (django.db.InterfaceError("the connection is closed"), 503, "unavailable"),
    (psycopg.OperationalError("terminating connection due to administrator command"), 503, "unavailable"),
    (psycopg_pool.PoolTimeout("couldn't get a connection after 3.00 sec"), 503, "unavailable"),
    (read_only_failure(), 503, "unavailable"),
    (redis.exceptions.ConnectionError("Error 111 connecting to 10.0.0.1:6379"), 503, "unavailable"),
    (redis.exceptions.TimeoutError("Timeout reading from socket"), 503, "unavailable"),
    (redis.exceptions.BusyLoadingError("LOADING"), 503, "unavailable"),
    (redis.exceptions.ReadOnlyError("READONLY"), 503, "unavailable"),
    (redis.exceptions.OutOfMemoryError("OOM"), 503, "unavailable"),
    (django.db.IntegrityError("duplicate key value"), 500, "server_error"),
    (redis.exceptions.ResponseError("WRONGTYPE"), 500, "server_error"),
    (ValueError("secret"), 500, "server_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), EXPECTED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("path", ["/api/v1/raising", "/api/v1/broken"])
def test_every_error_is_a_problem_inside_and_outside_of_the_rest_framework(
    path: str, error: Exception, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RaisingView, "error", error, raising=False)
    answer = Client(raise_request_exception=False).get(path, headers={"X-Request-ID": "abc-1"})
    problem = answer.json()
    if path.endswith("broken") and isinstance(error, HubError | drf.APIException):
        # Raised where nobody turns it into an answer: Django's last resort says the same.
        assert answer.status_code == status
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert list(problem) == MEMBERS
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert problem["request_id"] == answer.headers["X-Request-ID"] == "abc-1"
    assert problem["type"] == "about:blank"
    for inner in ("10.0.0.1", "secret", "duplicate key value"):
        assert inner not in answer.text


def test_a_defect_is_logged_with_its_traceback_and_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(RaisingView, "error", ZeroDivisionError("division by a secret"), raising=False)
    answer = client.get("/api/v1/raising")
    assert answer.status_code == 500
    assert answer.json()["detail"] == ""
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "division by a secret" in str(record.msg)


def test_headers_that_an_error_demands() -> None:
    def headers(error: HubError) -> dict[str, str]:
        return dict(problem_response(error).items())

    assert headers(errors.NotAuthenticated())["WWW-Authenticate"] == "Bearer"
    assert headers(errors.MethodNotAllowed("PUT", ["GET", "POST"]))["Allow"] == "GET, POST"
    assert headers(errors.Unavailable())["Retry-After"] == "2"
    assert headers(errors.Unavailable(retry_after=0.1))["Retry-After"] == "1"
    assert headers(errors.TooManyRequests(retry_after=30.2))["Retry-After"] == "31"
    assert "Retry-After" in headers(as_hub_error(django.db.OperationalError()))


def test_titles_are_the_phrases_of_their_status() -> None:
    titles = {error.status: error.title for error in _tree(HubError)}
    assert titles == {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        409: "Conflict",
        413: "Content Too Large",
        415: "Unsupported Media Type",
        422: "Unprocessable Content",
        429: "Too Many Requests",
        500: "Internal Server Error",
        503: "Service Unavailable",
    }


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = str(errors.__doc__)
    for error in _tree(HubError):
        # Apps have errors of their own below these.
        if error.__module__ == errors.__name__ and not error.__name__.startswith("_"):
            assert str(error.status) in next(line for line in drawn.splitlines() if f"{error.__name__} " in line)


def _tree(error: type[HubError]) -> list[type[HubError]]:
    return [error, *(below for child in error.__subclasses__() for below in _tree(child))]


def test_every_fault_of_a_serializer_gets_a_pointer() -> None:
    detail: Any = {
        "name": [ErrorDetail("Required.", code="required")],
        "menus": [{}, {"path": ["Bad.", "Worse."]}, {}, {"non_field_errors": ["Loop."]}],
        "tags": {3: ["Too long."]},
        "a/b~c": ["Odd."],
        "non_field_errors": ["All wrong."],
    }
    found = as_hub_error(drf.ValidationError(detail)).errors
    assert [(fault.pointer, fault.message) for fault in found] == [
        ("/name", "Required."),
        ("/menus/1/path", "Bad."),
        ("/menus/1/path", "Worse."),
        ("/menus/3", "Loop."),
        ("/tags/3", "Too long."),
        ("/a~1b~0c", "Odd."),
        ("", "All wrong."),
    ]
    assert found[0] == FieldError("/name", "required", "Required.")


def test_the_detail_counts_the_faults() -> None:
    one = errors.InvalidInput(errors=[FieldError("/a", "required", "This field is required.")])
    two = errors.InvalidInput(errors=[*one.errors, FieldError("/b", "required", "This field is required.")])
    assert one.detail == "The request is refused: This field is required."
    assert "2 faults" in two.detail


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/api/v1/things/x", "/api/v1/things//"])
def test_an_unknown_address_is_a_problem(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_person_who_looks_at_a_page_gets_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client(raise_request_exception=False, headers={"Accept": "text/html,*/*"})
    monkeypatch.setattr(RaisingView, "error", django.db.OperationalError("10.0.0.1"), raising=False)
    answer = browser.get("/page")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Retry-After"] == "3"
    assert "The database is away" in answer.text
    assert "10.0.0.1" not in answer.text
    assert json.loads(browser.get("/api/v1/nothing").content)["status"] == 404
