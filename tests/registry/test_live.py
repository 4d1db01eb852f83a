"""The live catalogue on real engines: what it follows, what it falls back on, and that it never stops serving."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from apps.core.engines import Redis, free_port
from apps.core.errors import Unavailable
from apps.core.redis import client
from apps.registry import leases
from apps.registry.live import LiveCatalog, live
from apps.registry.models import CatalogRevision, Instance
from apps.registry.projection import CatalogProjection
from apps.registry.services import operations
from tests.support.api import Api
from tests.support.database import database_away
from tests.support.engines import started
from tests.support.registry import NO_REDIS, NOW, body, redis_at, relaying, seconds
from tests.support.services import register, report
from tests.support.wait import wait_until
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES, RELAY_ALIVE

pytestmark = pytest.mark.usefixtures("hub")

# The contract's second, and half of one for a machine that has other things to do.
SECOND = 1.5


@pytest.fixture
def other() -> Iterator[LiveCatalog]:
    """The catalogue of another process: it hears of nothing but by Redis and PostgreSQL."""
    catalogue = LiveCatalog()
    yield catalogue
    catalogue.stop()


@pytest.fixture
def relay() -> Iterator[None]:
    """A relay that is at work."""
    with relaying():
        wait_until(lambda: client().exists(RELAY_ALIVE) and client().exists(REGISTRY_CATALOG), 5, "the relay")
        yield


def record(catalogue: LiveCatalog, name: str = "orders") -> dict[str, Any]:
    """Return a record as that process shows it, without revision 0 for one that it does not know."""
    found = catalogue.catalog.record(name)
    return orjson.loads(found.body) if found else {"revision": 0}


def wait_for(catalogue: LiveCatalog, revision: int, name: str = "orders", timeout: float = SECOND) -> dict[str, Any]:
    wait_until(lambda: record(catalogue, name)["revision"] >= revision, timeout, f"revision {revision}")
    return record(catalogue, name)


def last_seen(catalogue: LiveCatalog) -> str:
    return str(record(catalogue)["instances"][0]["last_seen"])


def follows_redis(catalogue: LiveCatalog) -> bool:
    return catalogue.is_loaded and catalogue._trouble == ""


def test_the_first_reader_loads_it(relay: None, other: LiveCatalog) -> None:
    register("orders", now=NOW)
    assert not other.is_loaded
    # The relay may not have brought it to Redis yet: the projection is then of the moment before.
    wait_until(lambda: other.ready().record("orders") is not None, 5, "the service to be there")
    assert other.staleness() is None


def test_an_empty_registry_is_loaded_too(other: LiveCatalog) -> None:
    assert other.ready().services() == []


def test_others_see_a_write_within_a_second(relay: None, other: LiveCatalog) -> None:
    other.ready()
    wait_until(lambda: follows_redis(other), 5, "the stream to be followed")
    row = register("orders", now=NOW)
    assert wait_for(other, 1)["status"] == "starting"
    report(row, now=NOW)
    assert wait_for(other, 2)["status"] == "healthy"
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    wait_until(lambda: other.catalog.record("orders") is None, SECOND, "the service to leave")


def test_the_writer_sees_its_write_at_once(relay: None) -> None:
    live.ready()
    for number in range(1, 6):
        register("orders", number, now=NOW)
        assert len(record(live)["instances"]) == number


def test_without_a_relay_postgresql_is_asked(other: LiveCatalog) -> None:
    other.ready()
    register("orders", now=NOW)
    assert wait_for(other, 1)["status"] == "starting"
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    wait_until(lambda: other.catalog.record("orders") is None, SECOND, "the service to leave")
    assert other.staleness() is None


def test_a_relay_that_comes_is_noticed(other: LiveCatalog) -> None:
    register("orders", now=NOW)
    other.ready()
    with relaying():
        wait_until(lambda: follows_redis(other), 3, "the stream to be followed")
        register("orders", 2, now=NOW)
        wait_for(other, 2)


def test_a_relay_that_died_is_noticed(other: LiveCatalog) -> None:
    """Its mark lives on for a while, and nothing comes down the stream any more."""
    with relaying():
        other.ready()
        wait_until(lambda: follows_redis(other), 3, "the stream to be followed")
    assert client().exists(RELAY_ALIVE)
    register("orders", now=NOW)
    wait_for(other, 1, timeout=2.5)


def test_a_gap_in_the_stream_is_filled_from_the_projection(relay: None, other: LiveCatalog) -> None:
    """It was away for longer than the stream remembers."""
    register("orders", now=NOW)
    other.ready()
    wait_until(lambda: other.catalog.revision == 1, 3, "the first registration")
    other.stop()
    other.catalog.load(1, [])
    other._loaded.set()
    for number in range(2, 8):
        register("orders", number, now=NOW)
    wait_until(lambda: client().hget(REGISTRY_CATALOG, "service:orders") == "7", 2, "the projection")
    client().xtrim(REGISTRY_CHANGES, maxlen=1, approximate=False)
    other._read_stream()
    assert other.catalog.revision == 7
    assert len(record(other)["instances"]) == 7


def test_redis_may_be_emptied_at_any_time(relay: None, other: LiveCatalog) -> None:
    row = register("orders", now=NOW)
    other.ready()
    wait_for(other, 1)
    client().flushdb()
    assert record(other)["revision"] == 1
    report(row, now=NOW)
    assert wait_for(other, 2)["status"] == "healthy"
    wait_until(lambda: follows_redis(other) and client().hget(REGISTRY_CATALOG, "meta"), 3, "the projection")
    register("orders", 2, now=NOW)
    assert len(wait_for(other, 3)["instances"]) == 2


def test_a_database_that_went_back_is_followed_back(relay: None, other: LiveCatalog) -> None:
    register("orders", now=NOW)
    other.ready()
    for number in range(2, 5):
        register("orders", number, now=NOW)
    wait_for(other, 4)
    Instance.objects.filter(revision__gt=2).delete()
    Instance.objects.first().service.__class__.objects.update(revision=2)  # type: ignore[union-attr]
    CatalogRevision.objects.update(value=2)
    wait_until(lambda: other.catalog.revision == 2, 4, "the catalogue to go back")
    assert (record(other)["revision"], len(record(other)["instances"])) == (2, 2)
    register("orders", 9, now=NOW)
    assert len(wait_for(other, 3)["instances"]) == 3


def test_heartbeats_are_seen_within_a_second(relay: None, other: LiveCatalog) -> None:
    row = register("orders", now=NOW)
    other.ready()
    wait_for(other, 1)
    leases.renew([(row["id"], 90)], NOW + seconds(30))
    wait_until(
        lambda: record(other)["instances"][0]["last_seen"] == "2026-05-04T12:00:30.000Z",
        SECOND,
        "the heartbeat to show",
    )
    assert record(other)["revision"] == 1


def test_heartbeats_are_seen_without_a_relay_as_well(other: LiveCatalog) -> None:
    row = register("orders", now=NOW)
    other.ready()
    leases.renew([(row["id"], 90)], NOW + seconds(30))
    wait_until(
        lambda: record(other)["instances"][0]["last_seen"] == "2026-05-04T12:00:30.000Z",
        SECOND,
        "the heartbeat to show",
    )


@pytest.mark.slow
def test_redis_may_go_and_return(other: LiveCatalog, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    engine = Redis(tmp_path / "redis", free_port(), "tests", durable=False)
    with redis_at(engine.url), ExitStack() as stack:
        running = stack.enter_context(ExitStack())
        running.enter_context(started(engine))
        register("orders", now=NOW)
        other.ready()
        running.close()
        # Without Redis: PostgreSQL is asked.
        register("orders", 2, now=NOW)
        wait_for(other, 2, timeout=3)
        assert other.staleness() is None
        # Back, and empty.
        stack.enter_context(started(engine))
        stack.enter_context(relaying())
        wait_until(lambda: follows_redis(other), 5, "the stream to be followed")
        register("orders", 3, now=NOW)
        assert len(wait_for(other, 3)["instances"]) == 3
        other.stop()


@pytest.mark.slow
def test_with_both_engines_away_it_keeps_serving_and_says_so(api: Api) -> None:
    api.register(body())
    never = LiveCatalog()
    with redis_at(NO_REDIS), database_away():
        wait_until(lambda: live.staleness(), 4, "the catalogue to be stale")
        for path in ("/services/orders", "/services", "/services/graph"):
            answer = api.get(path)
            assert (answer.status_code, answer.headers["X-Catalog-Stale"]) == (200, str(int(live.staleness() or 0)))
        refused = api.post("/services/register", body(number=2))
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("apps.registry.live.FIRST_LOAD_SECONDS", 0.1)
            with pytest.raises(Unavailable):
                never.ready()
        never.stop()
    wait_until(lambda: live.staleness() is None, 10, "the catalogue to be confirmed again")
    assert "X-Catalog-Stale" not in api.get("/services/orders").headers
    assert api.register(body(number=2))["revision"] == 2


def test_one_bad_entry_does_not_end_it(relay: None, other: LiveCatalog, caplog: pytest.LogCaptureFixture) -> None:
    other.ready()
    wait_until(lambda: follows_redis(other), 3, "the stream to be followed")
    with caplog.at_level(logging.ERROR, "apps.registry.live"):
        client().xadd(REGISTRY_CHANGES, {"change": "no json"}, id="1-0")
        wait_until(lambda: "Following the catalogue's changes failed" in caplog.text, 3, "the complaint")
    client().delete(REGISTRY_CHANGES)
    register("orders", now=NOW)
    wait_for(other, 1, timeout=3)


def test_stopping_forgets_everything(relay: None) -> None:
    register("orders", now=NOW)
    live.ready()
    live.stop()
    assert not live.is_loaded
    assert live.catalog.services() == []
    assert live.ready().services() == ["orders"]


def test_own_writes_before_the_first_load_are_loaded() -> None:
    """Also when Redis holds a catalogue that lacks them: the relay is at work, and behind."""
    CatalogProjection().rebuild(client())
    client().set(RELAY_ALIVE, 0, px=3000)
    register("orders", now=NOW)
    assert not live.is_loaded
    assert live.ready().record("orders") is not None
