"""The hub on real sockets: three ways to answer a plain GET, clients that hang up, requests that are hardly HTTP."""

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from apps.registry import views
from apps.registry.feed import Feed
from apps.registry.live import live
from tests.support import services
from tests.support.registry import NOW
from tests.support.server import serving
from tests.support.wait import wait_until
from xerpium_sdk.wire.registry import Status

Address = tuple[str, int]


@pytest.fixture
def orders(hub: None) -> None:
    """A service that is healthy."""
    services.report(services.register("orders", now=NOW), now=NOW)


@pytest.fixture
def server(orders: None) -> Iterator[Address]:
    """The hub with all of its fast paths."""
    with serving() as address:
        yield address


def exchange(address: Address, request: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """Send bytes and return status line, headers by lower-case name, and body of the one answer."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[bytes, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    headers = {name.lower(): value for name, value in (one.decode().split(": ", 1) for one in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return line, headers, body


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8000", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


SERVICE = "/api/v1/services/orders"
QUICK: dict[str, tuple[str, ...]] = {
    "plain": (),
    "of a program": ("Accept: */*", "Accept-Encoding: gzip", "User-Agent: python/3", "Connection: keep-alive"),
    "conditional": ('If-None-Match: "old"',),
    "known": ("If-None-Match: *",),
}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("path", [SERVICE, f"{SERVICE}/"])
def test_three_ways_to_one_answer(path: str, name: str, orders: None) -> None:
    """Before the event loop makes an event of it, on the event loop, and in Django."""
    request = get(path, *QUICK[name])
    with serving() as address:
        quick = exchange(address, request)
        # A header that the quickest way does not know sends it the ordinary way.
        ordinary = exchange(address, get(path, *QUICK[name], "X-Unknown: 1"))
    with serving(fast_paths=False) as address:
        django = exchange(address, request)
    for line, headers, _ in (quick, ordinary, django):
        assert line == (b"HTTP/1.1 304 Not Modified" if name == "known" else b"HTTP/1.1 200 OK")
        assert re.fullmatch("[0-9a-f]{32}", headers.pop("x-request-id"))
        headers.pop("date")
    assert quick == ordinary == django


def test_a_connection_is_used_again_and_again(server: Address) -> None:
    with socket.create_connection(server, timeout=5) as connection:
        for request in (get(SERVICE), get(SERVICE, "X-Unknown: 1"), get("/api/v1/services/nobody"), get(SERVICE)):
            connection.sendall(request)
            line, _, _ = read_answer(connection)
            assert line.split()[1] in (b"200", b"404")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /api/v1/services?q=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (b"200", b"400")),
        (b"GET /api/v1/services/\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (b"404", b"400")),
        (b"GET /api/v1/services/%ff%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (b"404",)),
        (get(SERVICE, "If-None-Match: \xe9"), (b"200",)),
        (get(SERVICE, "X-Request-ID: \xe9"), (b"200",)),
        (get(SERVICE, "Last-Event-ID: \xb2"), (b"200",)),
        (get(f"{SERVICE}?wait=%C2%B2&revision=1"), (b"422",)),
        (b"GET " + SERVICE.encode() + b" HTTP/1.0\r\n\r\n", (b"200", b"401")),
        (b"GARBAGE\r\n\r\n", (b"400",)),
    ],
)  # fmt: skip
def test_what_is_hardly_http_is_never_a_500(request_: bytes, status: tuple[bytes, ...], server: Address) -> None:
    line, _, _ = exchange(server, request_)
    assert line.split()[1] in status


def test_who_hangs_up_leaves_nobody_waiting(server: Address) -> None:
    listeners = [getattr(one, "__self__", None) for one in live.catalog._listeners]
    feed = next(owner for owner in listeners if isinstance(owner, Feed))

    def still_there() -> tuple[int, int]:
        return feed._waiting_count, len(feed._streams)

    clients = [socket.create_connection(server, timeout=5) for _ in range(20)]
    for number, client in enumerate(clients):
        client.sendall(get("/api/v1/catalog/stream") if number % 2 else get(f"{SERVICE}?wait=60&revision=99"))
    for client in clients[1::2]:
        assert b"event: snapshot" in read_until(client, b"\n\n\r\n")
    assert still_there() == (10, 10)
    for client in clients:
        client.close()
    wait_until(lambda: still_there() == (0, 0), 3, "everybody to be gone")
    services.report(services.register("orders", now=NOW), Status.DEGRADED, now=NOW)
    line, _, body = exchange(server, get(SERVICE))
    assert (line, b'"status":"degraded"' in body) == (b"HTTP/1.1 200 OK", True)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def test_who_hangs_up_on_django_gives_its_thread_back(orders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.core.sse.KEEP_ALIVE_SECONDS", 0.1)
    with serving(fast_paths=False) as address:
        clients = [socket.create_connection(address, timeout=5) for _ in range(4)]
        for client in clients:
            client.sendall(get("/api/v1/catalog/stream"))
            assert b"event: snapshot" in read_until(client, b"\n\n\r\n")
        assert views._blocking_slots._value == 0
        for client in clients:
            client.close()
        wait_until(lambda: views._blocking_slots._value == 4, 3, "the threads to come back")


def test_a_server_that_stops_ends_its_streams(orders: None) -> None:
    with serving() as address:
        client: Any = socket.create_connection(address, timeout=5)
        client.sendall(get("/api/v1/catalog/stream"))
        assert b"event: snapshot" in read_until(client, b"\n\n\r\n")
    assert client.recv(1000) in (b"", b"0\r\n\r\n")
    client.close()
