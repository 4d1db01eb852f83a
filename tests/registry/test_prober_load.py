"""The prober with many at once: who waits for whom, and what is left open."""

import asyncio
import contextlib
import os
import resource
import socket
from typing import Any

import pytest
import uvloop

from apps.registry.prober import (
    LocalFault,
    Prober,
    ProbeResult,
    Target,
    _fitting,
    _raise_descriptor_limit,
)
from tests.registry.peers import Peer, answer, keeps_silent, repeats, says
from tests.registry.probing import DEVELOPMENT, Run, open_sockets, run, settled
from tests.support.wait import wait_until_async

__all__ = ["run"]  # a fixture: imported to be found


# --- Many at once ---------------------------------------------------------------------------------------------------


def test_results_are_delivered_as_they_come(run: Run[Any]) -> None:
    """The slow service answers only once the result of the quick one has been delivered."""

    async def scenario() -> list[tuple[int, bool]]:
        came: list[tuple[int, bool]] = []
        delivered = asyncio.Event()

        async def late(writer: asyncio.StreamWriter) -> None:
            await delivered.wait()
            writer.write(answer())

        def take(result: ProbeResult) -> None:
            came.append((result.instance_pk, result.ok))
            delivered.set()

        async with Peer(late) as slow, Peer(says(answer())) as quick, Prober(DEVELOPMENT) as prober:
            await prober.probe_all([Target(1, slow.url), Target(2, quick.url)], take)
        return came

    assert run(scenario()) == [(2, True), (1, True)]


def test_suspects_wait_for_each_other_and_for_nobody_else(run: Run[Any]) -> None:
    async def scenario() -> list[tuple[int, bool]]:
        came: list[tuple[int, bool]] = []
        async with (
            Peer(keeps_silent) as pit,
            Peer(says(answer())) as good,
            Prober(DEVELOPMENT, concurrency=1, slow_concurrency=1, total_timeout=0.5) as prober,
        ):
            targets = [Target(1, pit.url, suspect=True), Target(2, good.url, suspect=True), Target(3, good.url)]
            await prober.probe_all(targets, lambda result: came.append((result.instance_pk, result.ok)))
        return came

    assert run(scenario()) == [(3, True), (1, False), (2, True)]


@pytest.mark.thorough
def test_a_thousand_tar_pits_do_not_delay_the_rest() -> None:
    """900 never accept, 100 drip, 100 more are known; 50 services asked last answer before any pit is given up."""
    drip = repeats(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.2)

    async def scenario() -> list[ProbeResult]:
        came: list[ProbeResult] = []
        async with Peer(drip) as dripping, Peer(says(answer())) as good, Prober(DEVELOPMENT) as prober:
            urls = [f"http://127.0.0.1:{pit.getsockname()[1]}/" for pit in pits]
            targets = [Target(pk, urls[pk % len(urls)]) for pk in range(900)]
            targets += [Target(pk, dripping.url) for pk in range(900, 1000)]
            targets += [Target(pk, urls[pk % len(urls)], suspect=True) for pk in range(1000, 1100)]
            targets += [Target(pk, good.url) for pk in range(1100, 1150)]
            await prober.probe_all(targets, came.append)
        return came

    with contextlib.ExitStack() as stack:
        # The kernel completes the connections of a backlog: nobody accepts, and nothing is ever answered.
        pits = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128)) for _ in range(10)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            came = loop.run(scenario())
    services = [result for result in came if result.instance_pk >= 1100]
    given_up = [result for result in came if result.instance_pk < 1100]
    assert (len(services), len(given_up)) == (50, 1100)
    assert all(result.ok for result in services)
    # The second where a busy machine takes longer to open so many sockets than a pit has.
    assert {result.reason for result in given_up} <= {"no complete answer in time", "no connection in time"}
    # On a machine that is busy with other tests, opening so many sockets may alone take longer than a pit has.
    assert came.index(services[-1]) < 1100, "the services waited until every pit was given up"


def test_an_error_of_the_callback_ends_the_sweep(run: Run[Any]) -> None:
    def fail(result: ProbeResult) -> None:
        raise RuntimeError("no room for results")

    async def scenario() -> None:
        async with Peer(says(answer())) as peer, Prober(DEVELOPMENT) as prober:
            await prober.probe_all([Target(1, peer.url)], fail)

    with pytest.raises(ExceptionGroup) as caught:
        run(scenario())
    assert caught.group_contains(RuntimeError, match="no room")


# --- Resources ------------------------------------------------------------------------------------------------------


def test_a_cancelled_sweep_leaves_no_socket_open(run: Run[Any]) -> None:
    async def scenario() -> None:
        async with Peer(keeps_silent) as pit, Prober(DEVELOPMENT) as prober:
            before = open_sockets()
            sweep = asyncio.create_task(prober.probe_all([Target(pk, pit.url) for pk in range(50)], print))
            await wait_until_async(lambda: all_connected(pit, 50), description="50 connections")
            assert open_sockets() - before == 100
            sweep.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sweep
            await settled(before)

    run(scenario())


def test_timeouts_and_failures_leave_no_socket_open(run: Run[Any]) -> None:
    async def scenario() -> None:
        async with (
            Peer(keeps_silent) as pit,
            Peer(says(b"HTTP/1.1 200")) as broken,
            Peer(says(answer(b"x" * 100_000))) as long,
            Prober(DEVELOPMENT, total_timeout=0.2) as prober,
        ):
            before = open_sockets()
            targets = [Target(pk, peer.url) for pk in range(20) for peer in (pit, broken, long)]
            await prober.probe_all(targets, lambda result: None)
            await settled(before)

    run(scenario())


async def all_connected(peer: Peer, expected: int) -> bool:
    return peer.connections == expected


def test_a_machine_out_of_descriptors_says_nothing_about_a_service(
    run: Run[Any], caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def scenario() -> None:
        async with Peer(says(answer())) as peer, Prober(DEVELOPMENT) as prober:
            came: list[ProbeResult] = []
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
                with pytest.raises(LocalFault):
                    await prober.probe(Target(1, peer.url))
                await prober.probe_all([Target(1, peer.url), Target(2, peer.url)], came.append)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert came == []
            assert (await prober.probe(Target(1, peer.url))).ok

    run(scenario())
    assert "2 probes did not happen" in caplog.text


def test_lanes_fit_the_descriptors_that_there_are(caplog: pytest.LogCaptureFixture) -> None:
    assert _fitting(2048, 512, descriptors=2816) == (2048, 512)
    assert caplog.messages == []
    assert _fitting(2048, 512, descriptors=1024) == (614, 153)
    assert "Room for 768 probes at once instead of 2560" in caplog.text
    assert _fitting(2048, 512, descriptors=10) == (1, 1)


def test_the_limit_of_open_files_is_raised_as_far_as_allowed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = len(os.listdir("/dev/fd")) + 50
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
        assert _raise_descriptor_limit(lower - 1) == lower - 1
        assert _raise_descriptor_limit(lower + 10) == lower + 10
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (lower + 10, hard)
        if hard != resource.RLIM_INFINITY:
            assert _raise_descriptor_limit(hard + 1) == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
