"""The OpenAPI document says what the hub does, all of it, and the pages that show it need no other host."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from pytest_django import Settings

from apps.core import endpoints
from apps.core.scopes import SCOPES
from tests.core.test_idempotency import THINGS

VERBS = {"get", "post", "put", "patch", "delete"}
ELSEWHERE = re.compile(r"""(?:src|href|url)\s*[=:(]\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


def document(urlconf: str) -> dict[str, Any]:
    GENERATOR_STATS.reset()
    found: dict[str, Any] = SchemaGenerator(urlconf=urlconf).get_schema(public=True)
    return found


@pytest.fixture(scope="module")
def hub() -> dict[str, Any]:
    """The document of the whole hub."""
    return document("xerpium.urls")


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """The document of the small API of these tests."""
    return document("tests.core.urls")


def routes(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), pattern


def test_schema_and_resolver_agree(hub: dict[str, Any]) -> None:
    resolved = {
        (path, verb)
        for path, pattern in routes(get_resolver("xerpium.urls").url_patterns)
        if path.startswith("/api/v1/")
        for verb in VERBS & set(dir(pattern.callback.view_class))  # type: ignore[attr-defined]  # set by as_view()
    }
    documented = {(path, verb) for path, operations in hub["paths"].items() for verb in operations}
    assert documented == resolved


def test_the_document_is_valid_and_made_without_a_complaint(hub: dict[str, Any]) -> None:
    document("xerpium.urls")
    assert not GENERATOR_STATS
    validate_schema(hub)
    assert hub["openapi"].startswith("3.1")
    jsonschema_rs.meta.validate({"$ref": "#/components/schemas/Problem", "components": hub["components"]})


def test_every_operation_is_described(hub: dict[str, Any]) -> None:
    operations = [(path, verb, operation) for path, verbs in hub["paths"].items() for verb, operation in verbs.items()]
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    for path, verb, operation in operations:
        assert operation.get("summary"), (verb, path)
        assert not path.endswith("/"), path
        successes = [status for status in operation["responses"] if status < "300"]
        assert successes, (verb, path)


_READS = "X-Request-ID thing_id"


@pytest.mark.parametrize(
    ("path", "verb", "statuses", "parameters"),
    [
        (THINGS, "get", "200 304 400 401 403 422 429 503", "If-None-Match X-Request-ID cursor limit name size tag"),
        (THINGS, "post", "201 400 401 403 409 413 415 422 429 503", "Idempotency-Key X-Request-ID"),
        (THINGS + "/{thing_id}", "get", "200 304 400 401 403 404 422 429 503", f"If-None-Match {_READS}"),
        (THINGS + "/{thing_id}", "delete", "204 400 401 403 404 409 422 429 503", f"Idempotency-Key {_READS}"),
    ],
)
def test_the_ground_rules_are_in_every_operation(
    small: dict[str, Any], path: str, verb: str, statuses: str, parameters: str
) -> None:
    operation = small["paths"][path][verb]
    assert " ".join(operation["responses"]) == statuses
    assert " ".join(sorted(parameter["name"] for parameter in operation["parameters"])) == parameters


def test_problems_are_described_once(small: dict[str, Any]) -> None:
    refused = small["paths"][THINGS]["post"]["responses"]["503"]
    assert refused == {"$ref": "#/components/responses/Problem503"}
    described = small["components"]["responses"]["Problem503"]
    assert list(described["content"]) == ["application/problem+json"]
    assert set(described["headers"]) == {"X-Request-ID", "Retry-After"}
    for status in ("401", "403"):
        assert "WWW-Authenticate" in small["components"]["responses"][f"Problem{status}"]["headers"]


def test_reads_document_their_tag(small: dict[str, Any]) -> None:
    responses = small["paths"][THINGS]["get"]["responses"]
    assert "ETag" in responses["200"]["headers"]
    assert "ETag" in responses["304"]["headers"]
    assert "content" not in responses["304"]


def test_input_is_described_as_strict_as_it_is_read(small: dict[str, Any]) -> None:
    thing = small["components"]["schemas"]["ThingInputRequest"]
    assert thing["description"] == "A thing as callers send it."
    assert thing["additionalProperties"] is False
    assert thing["required"] == ["name"]
    accepts = jsonschema_rs.validator_for(
        {"$ref": "#/components/schemas/ThingInputRequest", "components": small["components"]}
    ).is_valid
    assert accepts({"name": "a", "size": "small", "metadata": {"x": 1}, "parts": [{"path": "/a", "order": None}]})
    assert accepts({"name": "a", **dict.fromkeys(["count", "share", "active", "size", "seen_at", "tags", "metadata"])})
    assert not accepts({"name": None})
    assert not accepts({"name": "a", "size": "huge"})
    assert not accepts({"name": "a", "colour": "red"})
    assert "description" not in small["components"]["schemas"]["PartInputRequest"]


@pytest.mark.urls("tests.core.urls")
def test_a_refusal_is_what_the_document_says(client: Client, small: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for({"$ref": "#/components/schemas/Problem", "components": small["components"]})
    for answer in (client.get("/nothing"), client.post(THINGS, {}, content_type="application/json")):
        validator.validate(answer.json())


@pytest.mark.parametrize("hub_open", [True, False])
def test_who_may_come_in(settings: Settings, hub_open: bool) -> None:
    settings.HUB_OPEN = hub_open
    described = document("tests.core.urls")
    ways = described["paths"][THINGS]["get"]["security"]
    scoped = [{"bearerToken": ["registry:read"]}, {"oauth2": ["registry:read"]}]
    assert ways == [*scoped, {"operatorSession": []}, *([{}] if hub_open else [])]
    assert described["paths"][THINGS]["post"]["security"][0] == {"bearerToken": ["registry:write"]}
    schemes = described["components"]["securitySchemes"]
    assert set(schemes) == {"bearerToken", "oauth2", "operatorSession"}
    assert schemes["bearerToken"] | {"description": ""} == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "",
    }
    assert schemes["oauth2"]["flows"]["clientCredentials"]["scopes"] == SCOPES
    assert schemes["oauth2"]["flows"]["clientCredentials"]["tokenUrl"].endswith("/oauth/token")
    assert schemes["operatorSession"]["in"] == "cookie"


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/", "/api/docs", "/api/docs/"])
def test_both_are_public_with_and_without_slash(client: Client, settings: Settings, path: str) -> None:
    settings.HUB_OPEN = False
    assert client.get(path, REMOTE_ADDR="10.0.0.1").status_code == 200


def test_the_document_is_served_as_json_and_made_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.get("/api/schema/")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["info"]["title"] == "XERPIUM hub"
    monkeypatch.setattr(endpoints, "SchemaGenerator", None)
    assert client.get("/api/schema", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_docs_page_loads_everything_from_this_host(client: Client) -> None:
    page = client.get("/api/docs/").text
    script = client.get("/api/docs/?script=").text
    assert ELSEWHERE.findall(page + script) == []
    assert not re.search(r"https?://(?!testserver)", page + script)
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert len(files) >= 3
    assert all(finders.find(name) for name in files)
    assert 'src="/api/docs/?script=' in page
    assert '"validatorUrl": null' in script
    assert "/api/schema" in script


def test_the_styles_of_the_docs_page_load_nothing_else() -> None:
    path = finders.find("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css")
    with open(str(path), encoding="utf-8") as file:
        sources = re.findall(r"url\(([^)]{0,60})", file.read())
    assert all(source.startswith(("data:", '"data:', "'data:")) for source in sources)
