"""Routes and verbs: with and without the slash, HEAD and OPTIONS, 405, and what query parameters may be."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import resolve, reverse

pytestmark = pytest.mark.urls("tests.core.urls")

JSON = "application/json"
VERBS = ["get", "head", "options", "post", "put", "patch", "delete"]


@pytest.mark.parametrize("verb", VERBS)
def test_the_slash_makes_no_difference_to_any_verb(client: Client, verb: str) -> None:
    def call(path: str) -> tuple[int, bytes]:
        answer = getattr(client, verb)(path, **({"data": {"a": 1}, "content_type": JSON} if verb[0] in "pd" else {}))
        return answer.status_code, answer.content

    assert call("/api/v1/echo") == call("/api/v1/echo/")
    assert call("/api/v1/echo")[0] in (200, 204)


def test_only_one_slash_makes_no_difference(client: Client) -> None:
    assert client.get("/api/v1/echo//").status_code == 404


@pytest.mark.parametrize("part", [str(2**63), "9" * 5000, "-1", "1.0", "%00", "1%00", "x"])
def test_a_number_that_nothing_can_have_is_not_found(client: Client, part: str) -> None:
    assert client.get(f"/api/v1/things/{part}").status_code == 404


@pytest.mark.django_db
def test_the_largest_number_is_looked_up(client: Client) -> None:
    assert client.get(f"/api/v1/things/{2**63 - 1}").json()["code"] == "not_found"
    assert client.patch(f"/api/v1/things/{2**63 - 1}").status_code == 200


def test_a_route_has_one_name_and_one_address() -> None:
    assert reverse("thing", args=[7]) == "/api/v1/things/7"
    assert resolve("/api/v1/things/7").route == resolve("/api/v1/things/7/").route == "api/v1/things/<int:thing_id>"
    assert resolve("/api/v1/things/7/").kwargs == {"thing_id": 7}


@pytest.mark.parametrize(
    ("path", "allowed"), [("/api/v1/things", "GET, POST, HEAD, OPTIONS"), ("/health", "GET, HEAD, OPTIONS")]
)
def test_options_names_the_verbs(client: Client, path: str, allowed: str) -> None:
    answer = client.options(path)
    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (204, b"", allowed)


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "TRACE", "FOO", "DISPATCH", "INITIAL", "_ANSWER"])
def test_a_verb_that_a_route_does_not_know_is_a_405(client: Client, verb: str) -> None:
    answer = client.generic(verb, "/api/v1/things")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert answer.json()["code"] == "method_not_allowed"


def test_answers_name_no_verbs_unless_asked(client: Client) -> None:
    assert "Allow" not in client.get("/api/v1/echo").headers


@pytest.mark.django_db
def test_head_is_get_without_a_body(client: Client) -> None:
    Group.objects.create(name="a")
    get, head = client.get("/api/v1/things?limit=1"), client.head("/api/v1/things?limit=1")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["ETag"] == get.headers["ETag"]


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


@pytest.mark.parametrize("verb", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_a_parameter_that_is_not_declared_is_refused(client: Client, verb: str) -> None:
    answer = getattr(client, verb)("/api/v1/echo", query_params={"limit": "1"})
    assert answer.status_code == 422
    assert verb == "head" or faults(answer) == [("?limit", "unknown_parameter")]


def test_all_faults_of_the_parameters_are_named_at_once(client: Client) -> None:
    query = "limit=x&limits=1&size=huge&name=&name=b&tag=123456&tag=ok&cursor=%00"
    answer = client.get(f"/api/v1/things?{query}")
    assert sorted(faults(answer)) == [
        ("?cursor", "null_characters_not_allowed"),
        ("?limit", "invalid"),
        ("?limits", "unknown_parameter"),
        ("?name", "repeated"),
        ("?size", "invalid_choice"),
        ("?tag", "max_length"),
    ]
    messages = {fault["pointer"]: fault["message"] for fault in answer.json()["errors"]}
    assert "Did you mean “limit”?" in messages["?limits"]


def test_too_many_parameters_are_refused(client: Client) -> None:
    assert client.get("/api/v1/things?" + "&".join(f"a{n}=1" for n in range(1001))).status_code == 400


@pytest.mark.parametrize(
    "query", ["%ff=%fe", "limit=%ff", "=", "&&", "limit=٣x", "a=%F0%9F%98%80", "limit=" + "9" * 2000]
)
def test_no_query_makes_the_hub_fail(client: Client, query: str) -> None:
    assert client.get(f"/api/v1/echo?{query}").status_code in (200, 422)
    assert client.get(f"/api/v1/things?cursor=x&{query}").status_code == 422


def test_public_addresses_ignore_what_probes_add(client: Client) -> None:
    assert client.get("/health/live?verbose=1").status_code == 200
