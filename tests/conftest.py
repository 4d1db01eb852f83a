"""What every test gets: an empty Redis database, and a complaint when it leaves a key behind that will never expire."""

import gc
import os
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import redis
from hypothesis import settings

from tests.support.engines import OWN_REDIS

# Examples run beside the engines and other tests, so how long one takes says nothing about the code.
settings.register_profile("xerpium", deadline=None)
settings.load_profile("xerpium")


TOGETHER = ("tests/e2e/shared_hub/",)
"""Folders whose modules run in one worker: they share something that takes long to start."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out whole modules, as ``--dist loadscope`` does, and whole folders of `TOGETHER`."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module: str = super()._split_scope(nodeid)
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), module)

    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse two tests of one id, of which xdist would run one and not tell."""
    twice = [name for name, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"tests that have an id in common: {', '.join(twice)}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what stays to the end: modules and tests are a good part of a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def redis_server() -> Iterator["redis.Redis"]:
    """A connection of the tests' own to this worker's Redis database."""
    connection = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    if OWN_REDIS not in os.environ and connection.dbsize():
        pytest.exit(
            "The tests empty the Redis database that REDIS_URL names, and this one holds keys: name another.", 1
        )
    yield connection
    connection.flushdb()
    connection.close()


@pytest.fixture(autouse=True)
def the_hub_itself() -> Iterator[None]:
    """Tests act as the hub, which sees everything; a test of who sees what says ``use(None)`` or a scope of its own."""
    from apps.core.tenancy import system, use
    from apps.menus.live import live as menus
    from apps.serviceauth import verifying

    verifying.forget()
    menus.forget()
    with use(system("tests")):
        yield


@pytest.fixture(autouse=True)
def clean_redis(redis_server: "redis.Redis") -> Iterator[None]:
    """Empty the database before the test; afterwards, fail the test if it left a key without TTL that needs one."""
    from django.core.cache import cache

    redis_server.flushdb()
    cache.clear()
    yield
    left = sorted(keys_without_ttl(redis_server))
    if left:
        pytest.fail(f"keys without TTL that xerpium_sdk.wire.keys.PERSISTENT_KEYS does not name: {', '.join(left)}")


def keys_without_ttl(connection: "redis.Redis") -> set[str]:
    """Return the keys that live for ever and are not meant to."""
    from xerpium_sdk.wire.keys import PERSISTENT_KEYS, PERSISTENT_PREFIXES

    found = connection.scan_iter(count=1000)
    keys = [key for key in found if key not in PERSISTENT_KEYS and not key.startswith(PERSISTENT_PREFIXES)]
    pipeline = connection.pipeline(transaction=False)
    for key in keys:
        pipeline.ttl(key)
    return {key for key, ttl in zip(keys, pipeline.execute(), strict=True) if ttl == -1}
