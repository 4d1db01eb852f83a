"""Blocking queries on the event loop: they wake, they end, they are left, and there is a limit to them."""

import asyncio
import threading
from typing import Any

import orjson
import pytest
from django.db import connection

from apps.core.tenancy import system, use
from apps.registry import feed
from apps.registry.live import live
from apps.registry.services import operations
from tests.registry.event_loop import SERVICE, Refusing, feed_of, in_thread, on_the_loop
from tests.support import services
from tests.support.asgi import Exchange, call
from tests.support.registry import NOW
from tests.support.services import report
from tests.support.wait import wait_until_async
from xerpium.asgi import Hub, django

pytestmark = pytest.mark.usefixtures("hub")


async def waiting_for(hub: Hub, count: int) -> None:
    async def reached() -> bool:
        return feed_of(hub)._waiting_count == count

    await wait_until_async(reached, 3, f"{count} to wait")


def test_what_is_newer_is_answered_at_once() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        answer = await call(hub, "GET", f"{SERVICE}?wait=30&revision=0")
        assert (answer.status, orjson.loads(answer.body)["revision"]) == (200, 1)

    on_the_loop(test)


def test_a_change_wakes_who_waits_for_it() -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=1") for _ in range(50)]
        await waiting_for(hub, 50)
        await in_thread(lambda: services.register("other", 2, now=NOW))
        assert not any(one.task.done() for one in waiting)
        await in_thread(lambda: report(row, now=NOW))
        for one in waiting:
            answer = await one.whole()
            assert (answer.status, orjson.loads(answer.body)["revision"]) == (200, 3)

    on_the_loop(test)


def test_a_departure_wakes_too_and_is_a_404_in_the_end() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=1&revision=1")
        await waiting_for(hub, 1)
        await in_thread(lambda: operations.service_deregister(service="orders", reason="", actor="x", now=NOW))
        assert (await waiting.whole()).status == 404

    on_the_loop(test, behind=django)


def test_nothing_new_is_a_204() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        began = asyncio.get_running_loop().time()
        answer = await call(hub, "GET", f"{SERVICE}?wait=1&revision=1")
        assert (answer.status, answer.body) == (204, b"")
        assert 1 <= asyncio.get_running_loop().time() - began < 2

    on_the_loop(test)


def test_the_unknown_is_waited_for() -> None:
    async def test(hub: Hub) -> None:
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=0")
        await waiting_for(hub, 1)
        await in_thread(lambda: services.register("orders", now=NOW))
        assert (await waiting.whole()).status == 200

    on_the_loop(test)


def test_the_unknown_is_waited_for_once() -> None:
    """The 404 comes from Django, which must not wait a second time."""

    async def test(hub: Hub) -> None:
        began = asyncio.get_running_loop().time()
        assert (await call(hub, "GET", f"{SERVICE}?wait=1&revision=0")).status == 404
        assert asyncio.get_running_loop().time() - began < 1.9

    on_the_loop(test, behind=django)


def test_a_change_between_looking_and_waiting_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    row = services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        look, changed = live.catalog.record, threading.Event()

        @use(system("tests"))
        def change() -> None:
            report(row, now=NOW)
            connection.close()

        def look_and_change(name: str, **options: Any) -> Any:
            found = look(name, **options)
            if not changed.is_set():
                changed.set()
                writer = threading.Thread(target=change)
                writer.start()
                writer.join()
            return found

        monkeypatch.setattr(live.catalog, "record", look_and_change)
        waiting = Exchange(hub, "GET", f"{SERVICE}?wait=30&revision=1")
        answer = await asyncio.wait_for(waiting.whole(), 3)
        assert orjson.loads(answer.body)["revision"] == 2

    on_the_loop(test)


def test_who_leaves_is_not_waited_for() -> None:
    services.register("orders", now=NOW)

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=60&revision=1") for _ in range(20)]
        await waiting_for(hub, 20)
        for one in waiting:
            one.leave()
        await asyncio.wait_for(asyncio.gather(*(one.task for one in waiting)), 2)

    on_the_loop(test)


def test_so_many_may_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    services.register("orders", now=NOW)
    monkeypatch.setattr(feed, "MAX_WAITING", 3)
    behind = Refusing()

    async def test(hub: Hub) -> None:
        waiting = [Exchange(hub, "GET", f"{SERVICE}?wait=60&revision=1") for _ in range(3)]
        await waiting_for(hub, 3)
        assert (await call(hub, "GET", f"{SERVICE}?wait=60&revision=1")).status == 503
        assert behind.asked == [f"{SERVICE}?wait=60&revision=1"]
        for one in waiting:
            one.leave()
        await waiting_for(hub, 0)
        assert (await call(hub, "GET", f"{SERVICE}?wait=0&revision=1")).status == 204

    on_the_loop(test, behind=behind)
