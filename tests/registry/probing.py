"""Running the prober in tests: on both event loops, with the development policy, counting sockets."""

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

from apps.core.outward import Policy
from tests.support.wait import wait_until_async

DEVELOPMENT = Policy.from_strings(development=True)
T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Run a coroutine on each of the event loops that the hub may use."""

    def runner(coroutine: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=request.param) as loop:
            return loop.run(coroutine)

    return runner


def open_sockets() -> int:
    return sum(map(is_socket, os.listdir("/dev/fd")))


def is_socket(descriptor: str) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(int(descriptor)).st_mode)
    except OSError:  # the one that read the directory
        return False


async def settled(sockets: int) -> None:
    """Wait until both ends of every connection are closed."""

    async def closed() -> bool:
        return open_sockets() <= sockets

    await wait_until_async(closed, description=f"no more than {sockets} open sockets")
