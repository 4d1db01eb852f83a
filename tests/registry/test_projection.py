"""The projection in Redis: what a rebuild writes, what an entry changes, and when it is not to be trusted."""

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.redis import client
from apps.registry.models import CatalogRevision
from apps.registry.projection import CatalogProjection, read_all, read_meta, read_projection, read_service, read_since
from apps.registry.services import operations
from tests.support import services
from tests.support.registry import NOW, changes, seconds
from tests.support.services import register, report
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES

pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture
def built() -> CatalogProjection:
    """A projection that has been built, of two services."""
    register("orders", now=NOW, metadata={"ü": [1, None]})
    register("billing", 2, now=NOW, company_id=7)
    projection = CatalogProjection()
    projection.rebuild(client())
    return projection


def project(projection: CatalogProjection, entries: list[dict[str, Any]]) -> None:
    with client().pipeline(transaction=True) as pipe:
        projection.project(pipe, [{"change": orjson.dumps(entry).decode()} for entry in entries])
        pipe.execute()


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: int(row["id"]))


def assert_is_what_is_stored() -> None:
    found, stored = read_projection(client()), read_all()
    assert found is not None
    assert (found.revision, found.epoch) == (stored.revision, stored.epoch)
    assert [{**row, "last_seen": ""} for row in by_id(found.instances)] == [
        {**row, "last_seen": ""} for row in stored.instances
    ]
    assert {name: found.service_revisions[name] for name in stored.service_revisions} == stored.service_revisions


def test_a_rebuild_writes_what_is_stored(built: CatalogProjection) -> None:
    found = read_projection(client())
    assert found is not None
    assert by_id(found.instances) == read_all().instances
    assert (found.revision, found.service_revisions) == (2, {"orders": 1, "billing": 2})
    assert_is_what_is_stored()


def test_an_empty_registry_is_a_projection_too() -> None:
    assert read_projection(client()) is None
    CatalogProjection().rebuild(client())
    found = read_projection(client())
    assert found is not None
    assert (found.revision, found.instances, found.service_revisions) == (0, [], {})
    assert found.epoch == str(CatalogRevision.objects.get().epoch)


def test_entries_bring_it_up_to_date(built: CatalogProjection) -> None:
    seen = len(changes())
    row = register("orders", 3, now=NOW)
    report(row, now=NOW + seconds(1))
    operations.service_deregister(service="billing", reason="", actor="x", now=NOW)
    register("orders", 4, now=NOW)
    operations.instance_deregister(service="orders", instance_id=row["instance_id"], reason="", actor="x", now=NOW)
    project(built, changes()[seen:])
    assert_is_what_is_stored()
    # The service's own last change is a departure: no row that is left tells of it.
    found = read_projection(client())
    assert found is not None
    assert found.service_revisions["orders"] == 7 > max(one["revision"] for one in found.instances)


def test_entries_that_a_rebuild_has_seen_are_passed_over(built: CatalogProjection) -> None:
    register("orders", now=NOW, version="2.0.0")
    built.rebuild(client())
    before = client().hgetall(REGISTRY_CATALOG)
    project(built, changes())
    assert client().hgetall(REGISTRY_CATALOG) == before


def test_an_entry_may_come_twice(built: CatalogProjection) -> None:
    register("orders", now=NOW, version="2.0.0")
    register("orders", now=NOW, version="3.0.0")
    project(built, changes()[2:])
    project(built, changes()[2:])
    assert_is_what_is_stored()


def test_it_is_trusted_while_it_is_whole(built: CatalogProjection) -> None:
    assert not built.is_missing(client())
    register("orders", now=NOW, version="2.0.0")
    assert not built.is_missing(client())
    project(built, changes()[2:])
    assert not built.is_missing(client())


def test_another_process_builds_its_own(built: CatalogProjection) -> None:
    assert CatalogProjection().is_missing(client())


def test_an_emptied_redis_is_noticed(built: CatalogProjection) -> None:
    client().flushdb()
    assert built.is_missing(client())


def test_a_redis_that_came_back_older_is_noticed(built: CatalogProjection) -> None:
    older: Any = client().hgetall(REGISTRY_CATALOG)
    register("orders", now=NOW, version="2.0.0")
    project(built, changes()[2:])
    client().delete(REGISTRY_CATALOG)
    client().hset(REGISTRY_CATALOG, mapping=older)
    assert built.is_missing(client())


def test_a_database_that_went_back_begins_a_new_epoch(built: CatalogProjection) -> None:
    """A replica that lacked the last change took over; its revision will be used again."""
    client().xadd(REGISTRY_CHANGES, {"change": "{}"}, id="2-0")
    before = read_meta(client())
    CatalogRevision.objects.update(value=1)
    assert built.is_missing(client())
    built.rebuild(client())
    after = read_meta(client())
    assert before is not None
    assert after is not None
    assert (before[0], after[0]) == (2, 1)
    assert before[1] != after[1]
    assert not client().exists(REGISTRY_CHANGES)
    assert not built.is_missing(client())


def test_another_database_begins_a_new_epoch(built: CatalogProjection) -> None:
    client().xadd(REGISTRY_CHANGES, {"change": "{}"}, id="99-0")
    before = read_meta(client())
    assert before is not None
    newer = CatalogProjection()
    newer.rebuild(client())
    after = read_meta(client())
    assert after is not None
    assert after[1] != before[1]
    assert client().xlen(REGISTRY_CHANGES) == 0


def test_reading_is_one_statement(built: CatalogProjection) -> None:
    """Two could see two moments: a row newer than the revision that it is said to be part of."""
    for read in (read_all, lambda: read_since(1), lambda: read_service("orders")):
        with CaptureQueriesContext(connection) as queries:
            read()
        assert len(queries) == 1


def test_what_changed_since_includes_the_departed(built: CatalogProjection) -> None:
    operations.service_deregister(service="billing", reason="", actor="x", now=NOW)
    found = read_since(1)
    assert found.revision == 3
    assert [(one["service"], one["status"]) for one in found.instances] == [("billing", "deregistered")]
    assert read_since(3).instances == []
    assert [one["service"] for one in read_all().instances] == ["orders"]


def test_a_service_is_read_with_those_it_depends_on() -> None:
    register("orders", now=NOW, dependencies=["billing"])
    register("billing", 2, now=NOW)
    register("other", 3, now=NOW)
    assert {one["service"] for one in read_service("orders").instances} == {"orders", "billing"}
    assert read_service("nobody").instances == []


def test_large_registries_go_in_pages(built: CatalogProjection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.registry.projection.PAGE", 3)
    for number in range(10):
        services.register("many", number, now=NOW)
    built.rebuild(client())
    assert_is_what_is_stored()
