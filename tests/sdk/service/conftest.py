"""A small hub with menus, services that find it, and what they leave behind."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sdk.ui.conftest import hub, small_ui_hub
from tests.sdk.ui.hub import UIHub
from tests.support.freezing import FreezingProxy
from xerpium_sdk.health import HealthChecker
from xerpium_sdk.service import XerpiumService, _settings

__all__ = ["hub", "small_ui_hub"]

Maker = Callable[..., XerpiumService]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody say anything of a service by the environment."""
    for name in ("VERSION", "HOST", "PORT", "API_BASE_URL", "ZONE", "REDIS_URL", "JOIN"):
        monkeypatch.delenv(getattr(_settings, name), raising=False)


@pytest.fixture
def make(hub: UIHub) -> Maker:
    """A function that makes services of the small hub; they wait for nothing, and judge no disk of this machine."""

    def make(name: str = "shop", **given: Any) -> XerpiumService:
        health = HealthChecker(name, "1.4.2", disk_path=None, max_memory_percent=None)
        defaults: dict[str, Any] = {"hub_url": hub.url, "host": "127.0.0.1", "port": 8101, "ready_seconds": 0.5}
        return XerpiumService(name, "1.4.2", **{"health": health, **defaults, **given})

    return make


@pytest.fixture
def redis_way() -> Iterator[FreezingProxy]:
    """A way to the tests' Redis that can be frozen."""
    with FreezingProxy(os.environ["REDIS_URL"]) as proxy:
        yield proxy


@pytest.fixture
def hub_way(hub: UIHub) -> Iterator[FreezingProxy]:
    """A way to the small hub that can be frozen."""
    with FreezingProxy(hub.url) as proxy:
        yield proxy


class Remains:
    """What of threads and tasks was not there when this was made."""

    def __init__(self) -> None:
        self._threads, self._tasks = set(threading.enumerate()), self._running()

    def __call__(self) -> list[str]:
        """Return their names."""
        threads = {one.name for one in threading.enumerate() if one not in self._threads}
        return sorted(threads | {repr(one) for one in self._running() - self._tasks})

    def _running(self) -> set[Any]:
        try:
            return asyncio.all_tasks()
        except RuntimeError:
            return set()
