"""Django behind the event loop: what reaches it, and what comes back."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from apps.core import bridge
from apps.core.asgi import Message
from apps.core.bridge import Bridge, environ_of

LIMIT = 100


def scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/a/ü",
        "query_string": b"q=1",
        "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        **changes,
    }


class Echo:
    """A WSGI application that answers what it was given, or in parts."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.closed = 0
        self.seen: dict[str, Any] = {}
        self.body = b""

    def __call__(self, environ: dict[str, Any], start: Any) -> HttpResponse:
        self.seen, self.body = environ, environ["wsgi.input"].read()
        response: Any = StreamingHttpResponse(self._stream()) if self.parts else HttpResponse(b"whole")
        response._resource_closers.append(self._close)
        start("200 OK", [("X-Seen", "yes")])
        return response  # type: ignore[no-any-return]  # a Django response

    def _stream(self) -> Iterator[bytes]:
        yield from self.parts

    def _close(self) -> None:
        self.closed += 1


async def exchange(application: Echo, messages: list[Message], **changes: Any) -> list[Message]:
    """Send messages, the last one for ever after, and return what came back."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    served = Bridge(application, threads=1, body_limit=LIMIT)
    try:
        await served(scope(**changes), receive, send)
    finally:
        served.close()
    return sent


def request(*parts: bytes) -> list[Message]:
    return [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]


@pytest.mark.django_db
def test_a_body_in_pieces_arrives_whole_and_a_whole_answer_is_sent_in_one() -> None:
    echo = Echo()
    sent = asyncio.run(exchange(echo, request(b"one ", b"two")))
    assert echo.body == b"one two"
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], sent[0]["headers"], sent[1]["body"]) == (200, [(b"x-seen", b"yes")], b"whole")
    assert echo.closed == 1


@pytest.mark.django_db
def test_an_answer_in_parts_is_sent_in_parts_and_closed() -> None:
    echo = Echo(b"a", b"b")
    sent = asyncio.run(exchange(echo, request(b"")))
    assert b"".join(message["body"] for message in sent[1:]) == b"ab"
    assert not sent[-1].get("more_body")
    assert echo.closed == 1


@pytest.mark.django_db
def test_a_client_that_leaves_ends_an_answer_in_parts() -> None:
    echo = Echo(*[b"x"] * 1_000_000)
    sent = asyncio.run(exchange(echo, [*request(b""), {"type": "http.disconnect"}]))
    assert len(sent) < 1_000
    assert echo.closed == 1


@pytest.mark.django_db
def test_of_a_body_that_is_too_long_one_byte_too_many_arrives() -> None:
    echo = Echo()
    asyncio.run(exchange(echo, request(b"x" * 80, b"x" * 80, b"x" * 80)))
    assert len(echo.body) == LIMIT + 1


def test_a_client_that_leaves_before_its_body_is_whole_reaches_nobody() -> None:
    echo = Echo()
    sent = asyncio.run(exchange(echo, [*request(b"half", b"")[:1], {"type": "http.disconnect"}]))
    assert (sent, echo.seen) == ([], {})


@pytest.mark.django_db
def test_a_request_without_a_body_waits_for_none() -> None:
    echo = Echo()
    sent = asyncio.run(exchange(echo, [], headers=[]))
    assert (echo.body, len(sent)) == (b"", 2)


@pytest.mark.django_db
def test_a_client_that_dawdles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.05)
    echo = Echo()
    asyncio.run(exchange(echo, [{"type": "http.request", "body": b"ha", "more_body": True}]))
    assert echo.body == b"ha"


def test_the_environment_is_wsgi() -> None:
    headers = [
        (b"content-length", b"4"),
        (b"x-one", b"a"),
        (b"x-one", b"b"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_real_ip", b"10.0.0.1"),
        (b"content_length", b"9"),
    ]
    environ = environ_of(scope(headers=headers, query_string=b"q=\xff"), b"body")
    assert environ["PATH_INFO"] == "/a/ü".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "q=ÿ"
    assert (environ["CONTENT_LENGTH"], environ["HTTP_X_ONE"], environ["HTTP_COOKIE"]) == ("4", "a,b", "a=1; b=2")
    assert "HTTP_X_REAL_IP" not in environ
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
