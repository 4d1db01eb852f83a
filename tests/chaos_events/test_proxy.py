"""The proxy passes on what it should, and breaks what it is told to."""

import os
import random
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from apps.core.engines import free_port
from tests.chaos_events.proxy import HOST, Proxy
from tests.support.wait import wait_until

RNG = random.Random(7)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    port = urlsplit(os.environ["REDIS_URL"]).port
    assert port is not None
    with Proxy(free_port(), port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator["redis.Redis"]:
    parts = urlsplit(os.environ["REDIS_URL"])
    url = urlunsplit(parts._replace(netloc=f":{parts.password or ''}@{HOST}:{proxy.port}"))
    with redis.Redis.from_url(url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)) as client:
        yield client


def test_large_and_small_things_pass(client: "redis.Redis", proxy: Proxy) -> None:
    value = os.urandom(3_000_000)
    client.set("key", value, ex=60)
    assert client.get("key") == value
    assert proxy.connections == 1
    client.close()
    wait_until(lambda: proxy.connections == 0, 5, "the connection to end")


def test_a_cut_connection_is_reset_and_the_next_one_works(client: "redis.Redis", proxy: Proxy) -> None:
    client.ping()
    assert proxy.cut(RNG) == 1
    assert proxy.connections == 0
    assert client.ping(), "redis-py looks before it sends, and connects again"
    assert proxy.cut(RNG, share=0.0) == 0
    assert proxy.connections == 1


def test_a_command_may_be_cut_in_the_middle(client: "redis.Redis", proxy: Proxy) -> None:
    def many() -> None:
        for _ in range(50):
            client.set("key", "x" * 1000, ex=60)

    for _ in range(10):
        client.ping()
        # An answer has five bytes: never between two, where redis-py would see it before it sends, and connect again.
        proxy.cut_within(RNG, 1.0, 5)
        with pytest.raises((ConnectionError, TimeoutError)):
            many()
        assert client.ping()


def test_a_cut_after_so_many_bytes_lets_exactly_these_through() -> None:
    with (
        socket.create_server((HOST, 0)) as server,
        Proxy(free_port(), server.getsockname()[1]) as proxy,
        socket.create_connection((HOST, proxy.port), 5) as client,
    ):
        there, _ = server.accept()
        client.sendall(b"abc")
        assert there.recv(10) == b"abc"
        assert proxy.cut_within(_Fixed(4), 1.0, 10) == 1
        client.sendall(b"defghijk")
        got = b"".join(iter(lambda: _received(there), b""))
        there.close()
    assert got == b"defg"


class _Fixed(random.Random):
    """Draws ``size`` bytes, and commands."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def randrange(self, *_: object) -> int:
        return self._size

    def random(self) -> float:
        return 0.99 if self._drawn() else 0.0

    def _drawn(self) -> bool:
        self._count = getattr(self, "_count", 0) + 1
        return self._count > 1


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def test_what_is_stalled_arrives_later(client: "redis.Redis", proxy: Proxy) -> None:
    client.ping()
    assert proxy.stall(RNG, 1.0, 0.2) == 1
    began = time.monotonic()
    assert client.ping()
    assert time.monotonic() - began > 0.15


def test_a_command_whose_answer_vanishes_is_done(
    client: "redis.Redis", proxy: Proxy, redis_server: "redis.Redis"
) -> None:
    client.ping()
    assert proxy.swallow(RNG, 1.0, 5.0) == 1
    with pytest.raises((ConnectionError, TimeoutError)):
        client.set("key", "done", ex=60)
    assert redis_server.get("key") == "done"
    assert client.ping()


def test_half_a_connection_takes_commands_and_gives_no_answers() -> None:
    with (
        socket.create_server((HOST, 0)) as server,
        Proxy(free_port(), server.getsockname()[1]) as proxy,
        socket.create_connection((HOST, proxy.port), 5) as client,
    ):
        there, _ = server.accept()
        client.sendall(b"one")
        assert there.recv(10) == b"one"
        assert proxy.half_close(RNG, 1.0, 0.5) == 1
        assert client.recv(10) == b"", "the client is told that nothing more comes"
        client.sendall(b"two")
        assert there.recv(10) == b"two"
        there.close()


def test_a_deserted_connection_goes_on_without_its_client(
    client: "redis.Redis", proxy: Proxy, redis_server: "redis.Redis"
) -> None:
    connection = client.connection_pool.get_connection()
    connection.send_command("BLPOP", "list", 5)
    wait_until(lambda: "blpop" in str(redis_server.client_list()), 5, "the command to arrive")
    assert proxy.desert(RNG, 1.0, 2.0) == 1
    with pytest.raises(ConnectionError):
        connection.read_response()
    redis_server.rpush("list", "taken")
    assert redis_server.llen("list") == 0, "by a client that is not there"
    connection.disconnect()


def test_nobody_is_let_in_until_it_accepts_again(client: "redis.Redis", proxy: Proxy) -> None:
    client.ping()
    assert proxy.refuse() == 1
    with pytest.raises(ConnectionError):
        client.ping()
    proxy.accept()
    assert client.ping()
