"""Fetching from an address that somebody wrote down: what is taken, and what is not even asked."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from apps.core.fetching import FetchFailed, fetch, outward_policy, own_endpoints
from apps.core.outward import Policy

HERE = Policy.from_strings(development=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def peer(*parts: bytes, pause: float = 0) -> Iterator[tuple[str, list[bytes]]]:
    """Answer every connection with these bytes, slowly or not; yields the URL, and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        asked.append(connection.recv(4096))
                        for part in parts:
                            connection.sendall(part)
                            time.sleep(pause)
            except OSError:  # the test is over, or the hub hung up
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_body_comes_and_nothing_is_sent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with peer(OK) as (url, asked):
        assert fetch(url, HERE, limit=10) == b"{}"
    head = asked[0].lower()
    assert head.startswith(b"get /keys http/1.1\r\n")
    assert b"accept-encoding: identity" in head
    assert b"cookie" not in head
    assert b"authorization" not in head


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11, "longer than 10 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "compressed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000, "no answer"),
        (b"\0\0\0\0", "no answer"),
        (b"", "no answer"),
    ],
    ids=["redirect", "long", "compressed", "head", "binary", "silent"],
)
def test_every_other_answer_is_none(answer: bytes, reason: str) -> None:
    with peer(answer) as (url, asked), pytest.raises(FetchFailed, match=reason):
        fetch(url, HERE, limit=10, seconds=1)
    assert len(asked) == 1


def test_a_peer_that_drips_holds_nobody_up() -> None:
    began = time.monotonic()
    with peer(*[b"H"] * 5, pause=0.2) as (url, _), pytest.raises(FetchFailed, match=r"0\.2 s"):
        fetch(url, HERE, limit=10, seconds=0.2)
    assert time.monotonic() - began < 2


def test_what_the_policy_closes_is_not_connected_to() -> None:
    production = Policy.from_strings(allow_public=True)
    with peer(OK) as (url, asked):
        for closed in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
            with pytest.raises(FetchFailed, match="refused"):
                fetch(closed, production, limit=10)
        assert asked == []


def test_the_hubs_own_engines_are_never_asked() -> None:
    policy = outward_policy(allow_public=True)
    for host, port in own_endpoints():
        with pytest.raises(FetchFailed, match="refused"):
            fetch(f"http://{host}:{port}/", policy, limit=10)
