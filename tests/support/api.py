"""Calling the REST API in-process, through all of Django's middleware but without a server."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http.response import HttpResponseBase
from django.test import Client

PREFIX = "/api/v1"


class Api:
    """A program on this machine that talks JSON. Paths are below ``/api/v1``; an exception in a view becomes a 500."""

    def __init__(self, client: Client | None = None) -> None:
        self._client = client or Client(raise_request_exception=False)
        self._client.defaults.setdefault("HTTP_HOST", "127.0.0.1:8000")

    def send(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> Any:
        """Send ``body`` as JSON, or ``raw`` as it is; return Django's response, with ``.json()``."""
        sent = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        return self._client.generic(verb, PREFIX + path, sent, content_type, headers=dict(headers or {}), **environ)

    def get(self, path: str, **options: Any) -> Any:
        """Read."""
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """Send a body."""
        return self.send("POST", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        """Delete."""
        return self.send("DELETE", path, **options)

    def register(self, body: Mapping[str, Any], **options: Any) -> Any:
        """Register an instance, which must succeed, and return the record."""
        answer = self.post("/services/register", body, **options)
        assert answer.status_code == 201, answer.content
        return answer.json()


def faults_of(answer: HttpResponseBase) -> set[tuple[str, str]]:
    """Return ``(pointer, code)`` of every fault that a 422 lists."""
    assert answer.status_code == 422, (answer.status_code, getattr(answer, "content", b""))
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}  # type: ignore[attr-defined]
