"""Logs carry the request's ids, can be read by people or by programs, and never hold a secret."""

import io
import json
import logging
import logging.config
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apps.core.logging import REDACTED, configure_logging, redact, redact_text
from apps.core.requestid import RequestIds, request_context

pytestmark = pytest.mark.urls("tests.core.urls")

CANARY = "c4n4ry-9f8e7d6c5b"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def written(log: Callable[[], None], *, development: bool = False) -> str:
    """Return what ``log`` writes through the hub's own configuration."""
    config = configure_logging(development=development, level="INFO")
    formatter = config["formatters"]["line"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=formatter["foreign_pre_chain"], processors=formatter["processors"]
        )
    )
    logger = logging.getLogger("tests.logging")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        log()
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def structured(**fields: Any) -> Callable[[], None]:
    return lambda: structlog.get_logger("tests.logging").info("something_happened", **fields)


def test_production_writes_one_json_object_a_line() -> None:
    with request_context(RequestIds("r-1", f"00-{TRACE}-00f067aa0ba902b7-01")):
        line = json.loads(written(structured(name="Lampe ü", at=1)))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "something_happened",
        "name": "Lampe ü",
        "at": 1,
        "logger": "tests.logging",
        "level": "info",
        "request_id": "r-1",
        "trace_id": TRACE,
    }


def test_the_standard_librarys_loggers_go_the_same_way() -> None:
    with request_context(RequestIds("r-2")):
        line = json.loads(written(lambda: logging.getLogger("tests.logging").warning("%s is late", "beat")))
    assert (line["event"], line["level"], line["request_id"]) == ("beat is late", "warning", "r-2")
    assert "trace_id" not in line


def test_development_writes_lines_for_people() -> None:
    text = written(structured(port=8000), development=True)
    assert "something_happened" in text
    assert "port=8000" in text
    assert "\x1b" not in text


def failing() -> None:
    try:
        raise ValueError(f"cannot connect to postgresql://hub:{CANARY}@db/xerpium")
    except ValueError:
        structlog.get_logger("tests.logging").exception("failed")


@pytest.mark.parametrize("development", [True, False])
def test_a_traceback_is_written_without_its_secrets(development: bool) -> None:
    text = written(failing, development=development)
    assert "ValueError" in text
    assert "postgresql://hub:" in text
    assert CANARY not in text


SECRETS: list[dict[str, Any]] = [
    {"authorization": CANARY},
    {"Authorization": f"Bearer {CANARY}"},
    {"service_key": CANARY},
    {"service-key": CANARY},
    {"token": CANARY},
    {"access_token": CANARY},
    {"password": CANARY},
    {"DATABASE_PASSWORD": CANARY},
    {"secret": CANARY},
    {"client_secret": CANARY},
    {"cookie": f"sessionid={CANARY}"},
    {"token": [CANARY]},
    {"headers": {"Authorization": f"Basic {CANARY}"}},
    {"items": [{"deep": {"password": CANARY}}]},
    {"key": f"xrp_{CANARY}"},
    {"text": f"the key xrp_ab12_{CANARY}_ff was used"},
    {"text": f"sent 'Authorization: Bearer {CANARY}' away"},
    {"text": f"redis://:{CANARY}@cache:6379/0"},
    {"text": f"password={CANARY}&user=a"},
    {"text": f'{{"service_key": "{CANARY}"}}'},
    {"text": f"{{'access_token': '{CANARY}'}}"},
    {"error": ValueError(f"token={CANARY}")},
    {"raw": f"password: {CANARY}".encode()},
    {"pair": ("a", f"secret={CANARY}")},
]


@pytest.mark.parametrize("fields", SECRETS, ids=str)
def test_a_secret_is_never_written(fields: dict[str, Any]) -> None:
    text = written(structured(**fields))
    assert CANARY not in text
    assert REDACTED in text


def test_a_token_is_recognised_anywhere() -> None:
    assert redact_text(f"got {JWT} from a") == f"got {REDACTED} from a"


@pytest.mark.parametrize(
    "text",
    ["the token endpoint answered 401", "no password given", "http://hub:8000/health", "tokens: none", "Bearer"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact_text(text) == text


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


def test_empty_secrets_and_numbers_stay_readable() -> None:
    event = {"event": "x", "token": "", "password": None, "count": 3}
    assert redact(None, "info", dict(event)) == event


class TestRequestLines:
    @staticmethod
    def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, dict[str, Any]]]:
        records = [record for record in caplog.records if record.name == "xerpium.requests"]
        return [(record.levelno, dict(record.msg)) for record in records]  # type: ignore[arg-type]  # structlog's dict

    def test_a_write_is_logged_with_who_and_how_long(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        client.post("/api/v1/echo", {"a": 1}, content_type="application/json", headers={"X-Request-ID": "r-3"})
        ((level, line),) = self.lines(caplog)
        assert level == logging.INFO
        assert line["ms"] >= 0
        assert {name: line[name] for name in ("verb", "path", "status", "caller", "request_id")} == {
            "verb": "POST",
            "path": "/api/v1/echo",
            "status": 200,
            "caller": "open:open",
            "request_id": "r-3",
        }

    def test_a_refusal_is_logged_and_a_failure_louder(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        client.get("/api/v1/echo?token=xyz")
        client.get("/api/v1/raising")
        assert [(level, line["status"]) for level, line in self.lines(caplog)] == [
            (logging.INFO, 422),
            (logging.WARNING, 500),
        ]
        assert "xyz" not in caplog.text

    def test_a_read_that_went_well_is_not(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        client.get("/api/v1/echo")
        assert self.lines(caplog) == []
