"""Heartbeats on the event loop: in groups, acknowledged by Redis, and left to Django when they change something."""

import asyncio
from typing import Any

import orjson
import pytest

from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.heartbeats import Heartbeats
from apps.registry.models import Instance
from apps.registry.services import operations
from tests.registry.event_loop import SERVICE, Refusing, on_the_loop
from tests.support import services
from tests.support.asgi import call
from tests.support.registry import NO_REDIS, NOW, redis_at
from tests.support.services import report
from xerpium.asgi import Hub, django

pytestmark = pytest.mark.usefixtures("hub")


def heartbeat(**fields: Any) -> bytes:
    return orjson.dumps({"service_name": "orders", "status": "healthy", **fields})


JSON = [("content-type", "application/json")]
HEALTH = "/api/v1/services/health"


def test_heartbeats_renew_leases_in_groups_and_write_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [services.register("orders", number, now=NOW, host="127.0.0.1", port=8000 + number) for number in range(20)]
    for row in rows:
        report(row, now=NOW)
    before = current_revision()
    send, groups = Heartbeats._send, list[int]()

    async def counted(self: Heartbeats, renewed: dict[str, int], *others: Any) -> None:
        groups.append(len(renewed))
        await send(self, renewed, *others)

    monkeypatch.setattr(Heartbeats, "_send", counted)

    async def test(hub: Hub) -> None:
        named = [heartbeat(instance_id=row["instance_id"], details={"load": 1}) for row in rows]
        answers = await asyncio.gather(*(call(hub, "POST", HEALTH, body=body, headers=JSON) for body in named))
        assert {(answer.status, answer.body) for answer in answers} == {
            (200, b'{"status":"healthy","lease_seconds":90,"revision":%d}' % before)
        }
        assert (sum(groups), len(groups) < 5) == (20, True)
        record = orjson.loads((await call(hub, "GET", SERVICE)).body)
        assert all(one["last_seen"] > "2026-05-05" for one in record["instances"])

    on_the_loop(test)
    assert len(leases.details_of([row["id"] for row in rows])) == 20
    assert all(seen > NOW for seen in leases.last_seen([row["id"] for row in rows]).values())
    assert current_revision() == before
    assert set(Instance.objects.values_list("revision", flat=True)) == set(range(21, 41))


def test_a_heartbeat_is_never_acknowledged_from_memory() -> None:
    """Redis is away: the report goes to Django, which says that it is."""
    row = services.register("orders", now=NOW)
    report(row, now=NOW)
    behind = Refusing()

    async def test(hub: Hub) -> None:
        assert (await call(hub, "POST", HEALTH, body=heartbeat(), headers=JSON)).status == 503
        assert behind.bodies == [heartbeat()]

    with redis_at(NO_REDIS):
        on_the_loop(test, behind=behind)


@pytest.mark.parametrize("status", ["stale", "deregistered"])
def test_a_heartbeat_of_who_is_gone_is_left_to_django(status: str) -> None:
    row = services.register("orders", now=NOW)
    report(row, now=NOW)
    if status == "stale":
        services.make_stale(row, now=NOW)
    else:
        operations.service_deregister(service="orders", reason="", actor="x", now=NOW)

    async def test(hub: Hub) -> None:
        answer = await call(hub, "POST", HEALTH, body=heartbeat(), headers=JSON)
        assert answer.status == (200 if status == "stale" else 404)

    on_the_loop(test, behind=django)
    assert Instance.objects.get().status == ("healthy" if status == "stale" else "deregistered")
