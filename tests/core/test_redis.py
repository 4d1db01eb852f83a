"""The hub's connections to Redis: what they wait for, what they repeat (nothing), and how they find the master."""

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from apps.core.engines import Redis, free_port
from apps.core.engines.redis import binary
from apps.core.redis import AWAY, MAX_BLOCK_SECONDS, SOCKET_TIMEOUT_SECONDS, blocking_client, client, connect
from tests.support.engines import started
from tests.support.wait import wait_until


def test_answers_are_text_and_one_client_serves_the_process() -> None:
    assert client() is client()
    client().set("xerpium:test", "é", ex=60)
    assert client().get("xerpium:test") == "é"


def test_a_stalled_command_is_sent_once() -> None:
    """redis-py's own retry would add an entry to a stream twice."""
    with StalledServer() as server:
        stalled = connect(f"redis://127.0.0.1:{server.port}/0?protocol=2", socket_timeout=0.2)
        started_at = time.monotonic()
        with pytest.raises(AWAY):
            stalled.xadd("stream", {"a": 1})
        assert time.monotonic() - started_at < 1
        stalled.close()
    assert (server.received.count(b"XADD"), server.connections) == (1, 1)


def test_nobody_there_is_away() -> None:
    with pytest.raises(AWAY):
        connect(f"redis://127.0.0.1:{free_port()}/0", socket_timeout=1).ping()


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used() -> None:
    other = connect(settings.REDIS_URL, socket_timeout=1)
    own = other.client_id()
    client().client_kill_filter(_id=str(own))
    wait_until(
        lambda: str(own) not in {item["id"] for item in client().client_list()}, 5, "the connection to be closed"
    )
    assert other.ping()
    assert other.client_id() != own
    other.close()


def test_a_blocking_read_may_take_as_long_as_it_says() -> None:
    blocking = blocking_client()
    assert blocking is blocking_client()
    assert blocking.connection_pool.connection_kwargs["socket_timeout"] > MAX_BLOCK_SECONDS
    assert client().connection_pool.connection_kwargs["socket_timeout"] == SOCKET_TIMEOUT_SECONDS
    assert blocking.xread({"xerpium:test:nothing": "$"}, block=50) in ({}, [], None)


class StalledServer:
    """Greets every client, and never answers an XADD."""

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "StalledServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                with connection:
                    while chunk := connection.recv(4096):
                        self.received += chunk
                        for command in re.split(rb"\*\d", chunk)[1:]:
                            if b"XADD" not in command:
                                connection.sendall(b"+PONG\r\n" if b"PING" in command else b"+OK\r\n")
        except OSError:
            return


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    engine = Redis(tmp_path_factory.mktemp("master") / "redis", free_port(), "s3cret", durable=False)
    with started(engine):
        yield engine


@pytest.fixture(scope="module")
def sentinel_port(master: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory: Path = tmp_path_factory.mktemp("sentinel")
    port = free_port()
    (directory / "sentinel.conf").write_text(
        f"bind 127.0.0.1\nport {port}\ndir ./\nlogfile ''\n"
        f"sentinel monitor main 127.0.0.1 {master.port} 1\nsentinel auth-pass main {master.password}\n"
    )
    process = subprocess.Popen([binary(), "sentinel.conf", "--sentinel"], cwd=directory, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), 10, "Sentinel to answer")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    probe = redis.Redis("127.0.0.1", port, socket_timeout=0.5)
    try:
        return bool(probe.ping())
    except redis.RedisError:
        return False
    finally:
        probe.close()


def test_sentinel_says_who_the_master_is(master: Redis, sentinel_port: int) -> None:
    url = f"redis+sentinel://:{master.password}@127.0.0.1:{free_port()},127.0.0.1:{sentinel_port}/main/3"
    found = connect(url, socket_timeout=1)
    found.set("who", "master", ex=60)
    direct = connect(master.url.removesuffix("0") + "3", socket_timeout=1)
    assert direct.get("who") == "master"
    direct.close()
    found.close()


def test_a_master_that_sentinel_does_not_know_is_away(sentinel_port: int) -> None:
    with pytest.raises(AWAY):
        connect(f"redis+sentinel://127.0.0.1:{sentinel_port}/other", socket_timeout=1).ping()
