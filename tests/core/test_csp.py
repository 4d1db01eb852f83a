"""Each part of the hub has the policy that it needs, on every answer: errors, redirects and files included."""

import pytest
from django.conf import settings
from django.test import Client

from apps.core.asgi import SECURITY
from apps.core.csp import DOCS, STRICT

pytestmark = pytest.mark.django_db


def directives(policy: str) -> dict[str, str]:
    """Return a policy's directives by name."""
    return {name: value for name, _, value in (part.strip().partition(" ") for part in policy.split(";"))}


@pytest.mark.parametrize(
    "path",
    [
        "/", "/health", "/metrics", "/api/schema", "/api/asyncapi", "/api/v1/services", "/api/v1/services/%00",
        "/nothing", "/administrator", "/static/console/graph.js", "/static/nothing.js",
    ],
)  # fmt: skip
def test_what_is_no_page_may_nothing(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path, REMOTE_ADDR="192.0.2.9")
    assert answer["Content-Security-Policy"] == STRICT
    answer.close()
    assert set(directives(STRICT).values()) == {"'none'"}


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/", "/api/docs/?script"])
def test_the_documents_run_scripts_of_this_host_only(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Security-Policy"]) == (200, DOCS)
    allowed = directives(DOCS)
    assert (allowed["default-src"], allowed["script-src"], allowed["connect-src"]) == ("'none'", "'self'", "'self'")
    assert b"<script>" not in answer.content
    assert "Permissions-Policy" in answer


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/nothing/", "/admin/second-factor/"])
def test_only_the_console_may_evaluate_and_no_script_may_stand_in_its_pages(path: str) -> None:
    answer = Client().get(path, follow=True)
    allowed = directives(answer["Content-Security-Policy"])
    assert allowed["script-src"] == "'self' 'unsafe-eval'"
    assert (allowed["default-src"], allowed["frame-ancestors"], allowed["form-action"]) == (
        "'none'",
        "'none'",
        "'self'",
    )
    assert "Permissions-Policy" in answer


def test_the_event_loop_has_the_same_headers() -> None:
    """The other half is in the tests of the hot routes, which compare whole answers."""
    answer = Client().get("/api/v1/services", REMOTE_ADDR="192.0.2.9")
    for name, value in SECURITY:
        assert answer[name.decode()] == value.decode()
    assert settings.SECURE_REFERRER_POLICY == "same-origin"
