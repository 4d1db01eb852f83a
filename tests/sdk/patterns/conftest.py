"""Patterns on a real Redis that end with the test, and services that answer in processes of their own."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from xerpium_sdk.events import RequestResponsePattern, connect
from xerpium_sdk.wire.keys import stream_of_requests

Make = Callable[..., RequestResponsePattern]
Start = Callable[..., "subprocess.Popen[str]"]

SERVICE = """
import os, sys, time
from pathlib import Path
from xerpium_sdk.events import RequestResponsePattern

service = RequestResponsePattern("pricing")
begun = Path(sys.argv[1])

@service.on_request("get_price")
def get_price(data, request):
    with begun.open("a") as file:
        file.write(f"{os.getpid()} {request.request_id}\\n")
    time.sleep(float(sys.argv[2]))
    return {"price": data["id"], "pid": os.getpid()}

service.start()
print("ready", flush=True)
sys.stdin.read()
service.close()
"""


@pytest.fixture
def bus() -> Iterator[Any]:
    """The tests' own connection to Redis."""
    client: Any = connect(settings.REDIS_URL)
    yield client
    client.close()


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes patterns; they are closed after the test."""
    made: list[RequestResponsePattern] = []

    def make_pattern(service: str, **options: Any) -> RequestResponsePattern:
        made.append(RequestResponsePattern(service, **{"redis_url": settings.REDIS_URL, **options}))
        return made[-1]

    yield make_pattern
    for pattern in reversed(made):
        pattern.close()


@pytest.fixture
def start_service() -> Iterator[Start]:
    """A function that starts a service `pricing` as a process that answers ``get_price`` after some seconds."""
    started: list[subprocess.Popen[str]] = []

    def start(log: object, seconds: float = 0.0, url: str = "") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(log), str(seconds)],
            env={**os.environ, "REDIS_URL": url or settings.REDIS_URL},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def left_over(bus: Redis, service: str = "pricing") -> int:
    """Return how many requests to ``service`` are still in Redis, read or not."""
    length: Any = bus.xlen(stream_of_requests(service))
    return int(length)


def threads_of_patterns() -> list[str]:
    """Return the names of this process' threads that serve all patterns."""
    names = [thread.name for thread in threading.enumerate()]
    return sorted(name for name in names if name in ("xerpium-replies", "xerpium-requests-send"))
