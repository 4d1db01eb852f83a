"""Answers that are sent part by part: however they end, what makes the parts can be closed."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from apps.core.asgi import send_until_gone


async def frames(closed: list[str]) -> AsyncGenerator[bytes]:
    try:
        yield b"first"
        await asyncio.sleep(60)
    finally:
        closed.append("closed")


@pytest.mark.parametrize("end", ["the client leaves", "the server stops"])
def test_a_stream_that_waits_for_its_next_part_can_be_closed(end: str) -> None:
    async def run() -> tuple[list[str], list[str]]:
        sent: list[Any] = []
        closed: list[str] = []
        waiting = frames(closed)
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        begun = asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message["body"])
            begun.set()

        answer = asyncio.create_task(send_until_gone(waiting, gone, send))
        await begun.wait()
        await asyncio.sleep(0)  # it asks for the next part now
        if end == "the client leaves":
            gone.set_result(None)
        else:
            answer.cancel()
        await asyncio.wait({answer})
        await waiting.aclose()
        return sent, closed

    assert asyncio.run(run()) == ([b"first"], ["closed"])
