"""Every request has an id and, if its caller has one, a trace: in answers, in logs, and for whoever asks inside."""

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apps.core.requestid import (
    RequestIds,
    current,
    current_request_id,
    ids_of,
    request_context,
    request_id_of,
    traceparent_of,
)

pytestmark = pytest.mark.urls("tests.core.urls")

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("given_id", ["a", "A-1.b_c", "x" * 128, "0" * 32])
def test_a_usable_id_is_taken_over(client: Client, given_id: str) -> None:
    assert request_id_of(given_id) == given_id
    assert client.get("/health/live", headers={"X-Request-ID": given_id}).headers["X-Request-ID"] == given_id


@pytest.mark.parametrize("given_id", [None, "", "x" * 129, "a b", "a/b", "é", "a\n", "a,b", "²"])
def test_any_other_is_replaced(given_id: str | None) -> None:
    made = request_id_of(given_id)
    assert made != given_id
    assert len(made) == 32
    assert made != request_id_of(given_id)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health/live", 200), ("/nothing", 404), ("/api/v1/echo", 200), ("/api/v1/echo?x=1", 422), ("/static/x.js", 404)],
)
def test_every_answer_names_its_request(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert len(answer.headers["X-Request-ID"]) == 32


def test_the_id_is_known_while_the_request_runs_and_not_after() -> None:
    assert current() is None
    assert current_request_id() == ""
    with request_context(RequestIds("outer")):
        with request_context(RequestIds("inner", PARENT)) as ids:
            assert current() is ids
            assert ids.trace_id == TRACE
        assert current_request_id() == "outer"
    assert current() is None


@pytest.mark.parametrize(
    "header",
    [PARENT, f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff", f"cc-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01-more.x"],
)
def test_a_valid_traceparent_is_taken_over(header: str) -> None:
    assert traceparent_of(header) == header
    assert ids_of({"traceparent": header}).trace_id == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "-more",
        PARENT + "\n",
        f" {PARENT}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
        f"01-{TRACE}-{SPAN}-01-{'x' * 300}",
    ],
)
def test_any_other_is_dropped(header: str | None) -> None:
    assert traceparent_of(header) is None


@given(st.text())
def test_no_header_makes_the_hub_fail(header: str) -> None:
    ids = ids_of({"x-request-id": header, "traceparent": header})
    assert 1 <= len(ids.request_id) <= 128
    assert ids.trace_id is None
