"""JSON out: every answer of the API is JSON, whatever the caller says it accepts."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

from xerpium_sdk.wire.times import format_time

# orjson would write microseconds and +00:00; the contract wants milliseconds and Z.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME
_TOO_LONG = "Integer exceeds 64-bit range"


def dumps(data: object) -> bytes:
    """Return ``data`` as compact UTF-8 JSON; times as ISO 8601 UTC with ``Z``, decimals as text.

    Raises:
        TypeError: something in ``data`` has no JSON form.
    """
    try:
        return orjson.dumps(data, _default, _OPTIONS)
    except TypeError as error:
        if str(error) != _TOO_LONG:
            raise
        # jsonb gives 1e20 back as an integer, and entries of others hold what they like: slower, but it can be said.
        return json.dumps(data, default=_default, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Decimal | Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")


class JSONRenderer(BaseRenderer):
    """Renders an answer's data with ``dumps``; no data is no body."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body."""
        return b"" if data is None else dumps(data)


class AlwaysJSON(BaseContentNegotiation):
    """Answers JSON to everybody: a client that asks for ``text/html`` is better served by JSON than by a 406."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Return the parser of the body's declared media type, or ``None``."""
        declared = request.content_type
        return next((parser for parser in parsers if media_type_matches(parser.media_type, declared)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the view's first renderer."""
        first = next(iter(renderers))
        return first, first.media_type
