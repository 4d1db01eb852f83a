"""The prober against services that answer, well or badly."""

import asyncio
import contextlib
import gzip
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.registry.prober import (
    NO_ANSWER,
    Prober,
    ProbeResult,
    Target,
)
from tests.registry.peers import Conduct, Peer, answer, keeps_silent, repeats, says
from tests.registry.probing import DEVELOPMENT, Run, run

__all__ = ["run"]  # a fixture: imported to be found


async def ask(conduct: Conduct, *, hears_first: bool = True, **options: Any) -> tuple[ProbeResult, Peer]:
    async with Peer(conduct, hears_first=hears_first) as peer, Prober(DEVELOPMENT, **options) as prober:
        return await prober.probe(Target(7, peer.url)), peer


# --- Verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "ok", "word", "reason"),
    [
        (answer(b'{"status": "healthy"}'), True, "healthy", "HTTP 200"),
        (answer(b'{"status": "Degraded"}'), True, "degraded", "reports itself degraded"),
        (answer(b' {"status":"unhealthy"}'), False, "unhealthy", "reports itself unhealthy"),
        (answer(b'{"status": "DOWN"}'), False, "unhealthy", "reports itself down"),
        (answer(b'{"status": "up"}'), True, "healthy", "HTTP 200"),
        (answer(b'{"status": 3}'), True, "healthy", "HTTP 200"),
        (answer(b'{"status": "down"'), True, "healthy", "HTTP 200"),
        (answer(b'["down"]'), True, "healthy", "HTTP 200"),
        (answer(b'"down"'), True, "healthy", "HTTP 200"),
        (answer(b"{" * 5000), True, "healthy", "HTTP 200"),
        (answer(b"\xff\xfe down"), True, "healthy", "HTTP 200"),
        (answer(), True, "healthy", "HTTP 200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True, "healthy", "HTTP 204"),
        (b"HTTP/1.0 200 OK\r\n\r\nup", True, "healthy", "HTTP 200"),
        (b"HTTP/1.1 103 Early\r\n\r\n" + answer(b'{"status":"degraded"}'), True, "degraded", "reports itself degraded"),
        (answer(status=b"299 Fine"), True, "healthy", "HTTP 299"),
        (answer(b'{"status": "healthy"}', status=b"429 Busy"), True, "degraded", "HTTP 429"),
        (answer(b'{"status": "healthy"}', status=b"503 Away"), False, "unhealthy", "HTTP 503"),
        (answer(status=b"404 Not Found"), False, "unhealthy", "HTTP 404"),
        (answer(status=b"304 Not Modified"), False, "unhealthy", "HTTP 304: redirects are not followed"),
        (answer(status=b"600 What"), False, "unhealthy", "HTTP 600"),
    ],
)
def test_an_answer_is_judged(run: Run[Any], data: bytes, ok: bool, word: str, reason: str) -> None:
    result, _ = run(ask(says(data)))

    assert (result.instance_pk, result.ok, result.word, result.reason) == (7, ok, word, reason)
    assert result.status_code is not None
    assert result.public_reason == reason
    assert 0 < result.latency_ms < 2500


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (b'{"status": "healthy",\r\n  "n": 1}', '{"status": "healthy", "n": 1}'),
        (b"a\x00b\x1b[31mred\x7f\tx", "a b [31mred x"),
        ("Grün \u202etxt.exe \ue000 ok".encode(), "Grün txt.exe ok"),
        (b"\xff\xfeok", "\ufffd\ufffdok"),
        (b"x" * 1000, "x" * 256),
        ("é".encode() * 300, "é" * 256),
    ],
)
def test_the_excerpt_is_short_and_printable(run: Run[Any], body: bytes, excerpt: str) -> None:
    result, _ = run(ask(says(answer(body))))

    assert result.excerpt == excerpt


# --- What is sent ---------------------------------------------------------------------------------------------------


def test_the_request_is_plain_and_carries_nothing_of_the_hubs_own(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login hub password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))

    async def scenario() -> None:
        cookie = says(answer(b"", b"Set-Cookie: a=b; Path=/"))
        async with Peer(keeps_silent) as proxy, Peer(cookie) as peer, Prober(DEVELOPMENT) as prober:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            url = f"http://LocalHost:{peer.port}/a/../b%20c?x=%2F&y"
            for _ in range(2):
                assert (await prober.probe(Target(1, url))).ok
            assert proxy.connections == 0
            assert peer.connections == 2
            for request in peer.requests:
                start, *headers = request.decode().rstrip().split("\r\n")
                assert start == "GET /a/../b%20c?x=%2F&y HTTP/1.1"
                assert sorted(headers) == [
                    "Accept-Encoding: identity",
                    "Accept: */*",
                    "Connection: close",
                    f"Host: localhost:{peer.port}",
                    f"User-Agent: XERPIUM-health/{settings.VERSION}",
                ]

    run(scenario())


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 Temporary", b"308 Permanent"])
def test_redirects_are_not_followed(run: Run[Any], status: bytes) -> None:
    async def scenario() -> None:
        async with Peer(says(answer())) as secret, Peer(keeps_silent) as peer, Prober(DEVELOPMENT) as prober:
            peer._conduct = says(answer(b"", b"Location: " + secret.url.encode(), status=status))
            result = await prober.probe(Target(1, peer.url))
            assert not result.ok
            assert "redirects are not followed" in result.reason
            assert (peer.connections, secret.connections) == (1, 0)

    run(scenario())


# --- Peers that misbehave -------------------------------------------------------------------------------------------

SLOW = (
    keeps_silent,
    repeats(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.02),
    repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x", pause=0.02),
    repeats(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", pause=0.02),
)
FLOODS = {
    "1xx": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000),
    "a header line": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 8000 + b"\r\nX: "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
}


def test_an_answer_that_does_not_end_is_cut_off_in_time(run: Run[Any]) -> None:
    async def scenario() -> list[tuple[ProbeResult, Peer]]:
        return await asyncio.gather(*(ask(conduct, total_timeout=0.3) for conduct in SLOW))

    for result, peer in run(scenario()):
        assert (result.ok, result.status_code, result.reason) == (False, None, "no complete answer in time")
        assert 290 < result.latency_ms < 2000
        assert peer.connections == 1


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_costs_next_to_nothing(run: Run[Any], flood: tuple[bytes, bytes]) -> None:
    """aiohttp alone reads 1xx answers as fast as they come: seconds of CPU time, and its timers come too late."""
    first, again = flood

    def pour(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.sendall(first)
            while True:
                connection.sendall(again)

    async def scenario(port: int) -> ProbeResult:
        async with Prober(DEVELOPMENT, total_timeout=0.25) as prober:
            return await prober.probe(Target(1, f"http://127.0.0.1:{port}/"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        pourer = threading.Thread(target=pour, args=[listener])
        pourer.start()
        before = time.thread_time()
        result = run(scenario(listener.getsockname()[1]))
        used = time.thread_time() - before
        pourer.join()

    assert not result.ok
    assert result.latency_ms < 2000
    assert used < 0.6


@pytest.mark.parametrize("head", [b"Content-Length: 1073741824", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_body_of_a_gigabyte_is_read_to_the_limit_only(run: Run[Any], head: bytes) -> None:
    sent = 0

    async def gigabyte(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        for _ in range(16384):
            writer.write(b"10000\r\n" + b"\0" * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536

    result, _ = run(ask(gigabyte))

    assert (result.ok, result.word, result.excerpt) == (True, "healthy", "")
    assert sent < 16 * 1024 * 1024


def test_a_body_at_the_limit_is_read_and_one_beyond_is_not(run: Run[Any]) -> None:
    report = b'{"status": "down"}'

    at_limit, _ = run(ask(says(answer(report.ljust(65536)))))
    beyond, _ = run(ask(says(answer(report.ljust(65537)))))

    assert (at_limit.ok, beyond.ok) == (False, True)


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"deflate", b"br", b"identity, gzip"])
def test_a_compressed_answer_is_not_decompressed(run: Run[Any], encoding: bytes) -> None:
    bomb = gzip.compress(b'{"status": "down"' + b" " * 5_000_000 + b"}")
    result, _ = run(ask(says(answer(bomb, b"Content-Encoding: " + encoding))))

    assert (result.ok, result.word, result.excerpt) == (True, "healthy", "")


HEADS = {
    "one long line": b"X: " + b"x" * 1_000_000,
    "a long name": b"X" * 1_000_000 + b": x",
    "many lines": b"\r\n".join(b"X-%d: x" % number for number in range(10_000)),
    "20 kilobytes": b"\r\n".join(b"X-%d: " % number + b"x" * 1000 for number in range(20)),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_beyond_the_limit_is_a_failure(run: Run[Any], head: bytes) -> None:
    result, peer = run(ask(says(answer(b"", head)), total_timeout=0.5))

    assert not result.ok
    assert "head" in result.reason or "in time" in result.reason
    assert peer.connections == 1


def test_a_head_within_the_limit_is_read(run: Run[Any]) -> None:
    lines = [b"X-%d: " % number + b"x" * 1000 for number in range(15)]
    result, _ = run(ask(says(answer(b'{"status": "degraded"}'.ljust(60_000), *lines))))

    assert (result.ok, result.word) == (True, "degraded")


BROKEN = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
    "HTTP/0.9": b"<html>up</html>",
    "lines": b"up\r\nup\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "Redis": b"-ERR unknown command\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a protocol of its own": answer(b"", b"Connection: upgrade", b"Upgrade: x", status=b"101 Switching"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_peer_that_breaks_off_or_speaks_no_http_fails_at_once_and_is_asked_once(
    run: Run[Any], caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    for hears_first in (True, False):
        result, peer = run(ask(says(data), hears_first=hears_first))
        assert (result.ok, result.word, result.excerpt) == (False, "unhealthy", "")
        assert result.latency_ms < 2500
        assert peer.connections == 1
    assert caplog.messages == []


def test_garbage_raises_nothing_unforeseen(run: Run[Any], caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(20261122)
    pieces = [b"HTTP/1.1 ", b"200 OK", b"\r\n", b"\n", b":", b" ", b"\0", b"Content-Length: 5", b"\r\n\r\n"]
    pieces += [b"Transfer-Encoding: chunked", b"\xff\xfe", b"Set-Cookie: a=\x7f", b"Content-Type: /;=", b"5\r\nhello"]

    def garbage() -> bytes:
        return b"".join(dice.choice(pieces) for _ in range(dice.randrange(1, 12)))

    async def scenario() -> None:
        async with Prober(DEVELOPMENT, total_timeout=1) as prober:
            for _ in range(150):
                async with Peer(says(garbage())) as peer:
                    await prober.probe(Target(1, peer.url))

    run(scenario())
    assert caplog.messages == []


def test_what_no_rule_foresees_is_a_failure_of_that_service_alone(
    run: Run[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upset(status_code: int, body: bytes | None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("apps.registry.prober.judge_answer", upset)
    result, _ = run(ask(says(answer())))

    assert (result.ok, result.reason) == (False, "the probe failed: ZeroDivisionError")
    assert "unforeseen" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_prober_may_be_opened_again_on_another_loop(run: Run[Any]) -> None:
    prober = Prober(DEVELOPMENT)

    async def scenario() -> ProbeResult:
        async with Peer(says(answer())) as peer, prober:
            return await prober.probe(Target(1, f"http://localhost:{peer.port}/"))

    assert [run(scenario()).ok for _ in range(3)] == [True, True, True]


def test_others_cannot_tell_refused_from_closed_from_silent(run: Run[Any]) -> None:
    async def scenario() -> list[ProbeResult]:
        async with Peer(keeps_silent) as pit, Prober(DEVELOPMENT, total_timeout=0.2) as prober:
            async with Peer(keeps_silent) as closed:
                pass
            urls = [pit.url, closed.url, "http://169.254.169.254/", "http://10.0.0.1:22/", "no URL"]
            return [await prober.probe(Target(1, url)) for url in urls]

    results = run(scenario())
    assert len({result.reason for result in results}) == 5
    assert {(result.public_reason, result.status_code, result.word) for result in results} == {
        (NO_ANSWER, None, "unhealthy")
    }
