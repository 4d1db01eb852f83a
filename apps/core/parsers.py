"""JSON in: the parser of every route of the API."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from apps.core import strictjson
from apps.core.bodies import read_body
from apps.core.errors import MalformedBody, TooLarge


def body_limit_of(view: object) -> int:
    """Return how many bytes a body may have: the view's own ``body_limit``, or the setting for all of them."""
    limit = getattr(view, "body_limit", None)
    return settings.API_BODY_LIMIT if limit is None else int(limit)


class StrictJSONParser(BaseParser):
    """Parses a body with ``strictjson``; a view may set ``body_limit`` (bytes)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the body says.

        Raises:
            MalformedBody: it is not JSON.
            TooLarge: it is too long.
        """
        context = parser_context or {}
        limit = body_limit_of(context.get("view"))
        request = context["request"]
        try:
            return strictjson.parse(read_body(request._request, limit), limit=limit)
        except strictjson.TooLong:
            raise TooLarge(limit) from None
        except strictjson.NotJSON as error:
            raise MalformedBody(str(error)) from None
