"""Which requests Django answers in threads that never wait for an engine."""

import pytest

from xerpium.asgi import is_answered_from_memory

PLAIN = [(b"host", b"hub"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "expected"),
    [
        ("GET", "/health/live", b"", [], True),
        ("HEAD", "/health/live/", b"", [], True),
        ("GET", "/health/ready", b"", [], False),
        ("GET", "/health", b"", [], False),
        ("GET", "/api/v1/services/billing", b"version=%5E1", PLAIN, True),
        ("GET", "/api/v1/services/billing/", b"zone=a", PLAIN, True),
        ("GET", "/api/v1/services", b"tag=a", PLAIN, True),
        ("GET", "/api/v1/services/billing", b"revision=1&wait=30", PLAIN, False),
        ("GET", "/api/v1/services/billing/history", b"", PLAIN, False),
        ("GET", "/api/v1/services/billing", b"zone=a", [*PLAIN, (b"cookie", b"sessionid=1")], False),
        ("GET", "/api/v1/services/billing", b"zone=a", [*PLAIN, (b"authorization", b"Bearer 1")], False),
        ("POST", "/api/v1/services/register", b"", PLAIN, False),
        ("DELETE", "/api/v1/services/billing", b"", PLAIN, False),
        ("GET", "/admin/", b"", PLAIN, False),
    ],
)
def test_what_needs_nothing_but_memory(method, path, query, headers, expected) -> None:
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    assert is_answered_from_memory(scope) is expected
