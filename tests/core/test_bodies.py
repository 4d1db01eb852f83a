"""Bodies: how long they may be, whatever the request says about its length, and what they must be declared as."""

import json
from io import BytesIO
from itertools import cycle, islice
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import get_resolver
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_access import routes
from tests.core.test_strictjson import REFUSED
from tests.core.urls import EchoView, SmallView

pytestmark = pytest.mark.urls("tests.core.urls")

JSON = "application/json"


def send(body: bytes, *, view: Any = EchoView, method: str = "POST", drop: str = "", **meta: str) -> HttpResponse:
    """Send ``body`` with these WSGI variables, without the one named ``drop``."""
    request = RequestFactory().generic(method, "/api/v1/echo", body, JSON)
    request.META.update(meta)
    request.META.pop(drop, None)
    answer: HttpResponse = view.as_view()(WSGIRequest({**request.META, "wsgi.input": BytesIO(body)}))
    return answer


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, json.loads(answer.content)["code"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_reads_json_with_every_verb_that_writes(method: str) -> None:
    answer = send(b'{"a": [1, "\xc3\xa9"]}', method=method)
    assert (answer.status_code, answer.content) == (200, '{"a":[1,"é"]}'.encode())


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_nasty_body_is_a_400_or_a_413_and_nothing_worse(client: Client, body: bytes) -> None:
    answer = client.post("/api/v1/echo", data=body, content_type=JSON)
    assert problem(answer) == (400, "malformed_body")


@pytest.mark.django_db
@pytest.mark.urls("xerpium.urls")
def test_no_route_of_the_hub_fails_at_a_nasty_body(client: Client) -> None:
    writes = [
        (path, verb)
        for path, pattern in routes(get_resolver("xerpium.urls").url_patterns)
        for verb in ("post", "put", "patch")
        if path.startswith("/api/v1/") and hasattr(getattr(pattern.callback, "view_class", None), verb)
    ]
    assert writes
    client.force_login(User.objects.create_superuser("anna"))  # whom no route refuses before it has read the body
    bodies = cycle(REFUSED.items())  # one parser refuses them all: some at each route show that it is asked there
    for path, verb in writes:
        address = "/".join("a" if "<" in part else part for part in path.split("/"))
        for name, body in islice(bodies, 5):
            answer = getattr(client, verb)(address, data=body, content_type=JSON)
            # 404 where nothing is at the address: what was sent there is not even looked at.
            assert answer.status_code == 400 or ("a" in address.split("/") and answer.status_code == 404), (
                address,
                name,
            )


@given(st.binary(max_size=60))
def test_no_bytes_make_the_hub_fail(body: bytes) -> None:
    assert send(body).status_code in (200, 400)


def test_the_limit_is_a_mebibyte() -> None:
    limit = settings.API_BODY_LIMIT
    assert limit == 1024 * 1024
    fits = b'"' + b"x" * (limit - 2) + b'"'
    assert send(fits).status_code == 200
    assert problem(send(fits[:-1] + b'x"')) == (413, "too_large")


def test_a_view_may_have_a_limit_of_its_own() -> None:
    assert send(b'"12345678"', view=SmallView).status_code == 200
    answer = send(b'"123456789"', view=SmallView)
    assert problem(answer) == (413, "too_large")
    assert "at most 10 bytes" in answer.content.decode()


def test_a_body_declared_too_long_is_refused_unread() -> None:
    stream = BytesIO(b"x" * 100)
    meta = RequestFactory().post("/api/v1/small", b"x" * 100, JSON).META
    assert SmallView.as_view()(WSGIRequest({**meta, "wsgi.input": stream})).status_code == 413
    assert stream.tell() == 0


def test_a_length_that_is_too_small_hides_nothing() -> None:
    """The rest is not read: to a server it is the next request."""
    assert problem(send(b'{"a": 1}', CONTENT_LENGTH="4"))[0] == 400


def test_a_body_that_ends_early_is_refused() -> None:
    answer = send(b"12", CONTENT_LENGTH="5")
    assert problem(answer) == (400, "malformed_body")
    assert "ended after 2 of 5 bytes" in answer.content.decode()


@pytest.mark.parametrize("drop", ["", "CONTENT_LENGTH"])
def test_a_caller_who_goes_away_is_no_defect(drop: str) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError

    meta = {**RequestFactory().post("/api/v1/echo", b"12", JSON).META, "HTTP_TRANSFER_ENCODING": "chunked"}
    meta.pop(drop, None)
    answer = EchoView.as_view()(WSGIRequest({**meta, "wsgi.input": Broken()}))
    assert problem(answer) == (400, "malformed_body")


@pytest.mark.parametrize("length", ["x", "1e3", "0x10", "²"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    assert problem(send(b"12", CONTENT_LENGTH=length)) == (400, "malformed_body")


@pytest.mark.parametrize(
    "meta",
    [
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_TRANSFER_ENCODING": "gzip, Chunked"},
        {"wsgi.input_terminated": True},
    ],
)
def test_a_chunked_body_is_read_and_limited(meta: dict[str, Any]) -> None:
    assert send(b'{"a": 1}', drop="CONTENT_LENGTH", **meta).content == b'{"a":1}'
    assert problem(send(b'"123456789"', view=SmallView, drop="CONTENT_LENGTH", **meta)) == (413, "too_large")


def test_an_empty_body_is_refused_where_one_is_needed(client: Client) -> None:
    answer = client.post("/api/v1/echo", data=b"", content_type=JSON)
    assert problem(answer) == (400, "malformed_body")
    assert "empty" in answer.json()["detail"]
    assert problem(send(b"", drop="CONTENT_LENGTH")) == (400, "malformed_body")


def test_an_empty_body_is_an_empty_object_where_none_is_needed(client: Client) -> None:
    assert client.patch("/api/v1/things/1").json()["changed"] == []


@pytest.mark.parametrize(
    "declared",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/xml",
    ],
)
def test_another_media_type_is_refused(client: Client, declared: str) -> None:
    answer = client.generic("POST", "/api/v1/echo", b'{"a": 1}', declared)
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("declared", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_declared_as_people_declare_it(client: Client, declared: str) -> None:
    assert client.generic("POST", "/api/v1/echo", b'{"a": 1}', declared).status_code == 200
