"""How the hub logs: readable lines in development, one JSON object a line in production; never a secret in either.

``structlog.get_logger()`` and the standard library's loggers go the same way. Each line carries the request's id and
its trace id, where there is a request.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from django.utils.log import CallbackFilter
from structlog.types import Processor

from apps.core.requestid import current

REDACTED = "[redacted]"

_SECRET_NAMES = frozenset({"authorization", "cookie", "password", "secret", "service_key", "token"})
_SECRET_ENDINGS = ("_token", "_password", "_secret", "_secret_key", "_api_key", "_service_key", "_private_key")
# Secrets inside of texts: hub keys, JWTs, credentials of a header, passwords in URLs, and what follows a telling name.
_SECRETS_IN_TEXT = (
    (re.compile(r"\bxrp_[A-Za-z0-9_-]+"), f"xrp_{REDACTED}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), REDACTED),
    (re.compile(r"\b(bearer|basic) +[\w.~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{REDACTED}@"),
    (
        re.compile(
            r"\b(\w*(?:password|secret|token|service_key|authorization)['\"]?\s*[:=]\s*['\"]?)"
            r"(?!\[redacted|bearer |basic )[^\s'\",;&}]+",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return ``event`` without secrets: neither under a telling name nor inside of a text (structlog processor)."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    normal = name.lower().replace("-", "_")
    if value and (normal in _SECRET_NAMES or normal.endswith(_SECRET_ENDINGS)):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return redact_text(repr(value)) if isinstance(value, BaseException | bytes) else value


def redact_text(text: str) -> str:
    """Return ``text`` with every secret that can be recognised in it replaced."""
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def add_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return ``event`` with the ids of the request that is being answered (structlog processor)."""
    ids = current()
    if ids is not None:
        event.setdefault("request_id", ids.request_id)
        if ids.trace_id:
            event.setdefault("trace_id", ids.trace_id)
    return event


def configure_logging(*, development: bool, level: str) -> dict[str, Any]:
    """Set up structlog and return the setting ``LOGGING`` that makes the standard library's loggers follow.

    ``level`` is the least severe level that is written (``DEBUG`` to ``CRITICAL``).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_request,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if development
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    renderer,
                ],
            }
        },
        "filters": {"with_traceback": {"()": CallbackFilter, "callback": lambda record: bool(record.exc_info)}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Each request has its own line already: only the tracebacks are news.
            "django.request": {"level": "ERROR", "filters": ["with_traceback"]},
            "django": {"handlers": [], "level": level, "propagate": True},
            # Four lines for every sign-in; the console and the audit say it better.
            "axes": {"level": "WARNING"},
            # Three lines for every periodic task, several tasks a second; what fails is still told.
            "celery": {"level": "WARNING"},
            "celery.apps.worker": {"level": "INFO"},  # says when the worker is ready; the supervisor waits for that
        },
    }
