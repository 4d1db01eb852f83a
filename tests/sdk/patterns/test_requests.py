"""Requests and replies on a real Redis."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.patterns.conftest import Make, Start, left_over, threads_of_patterns
from tests.support.wait import wait_until
from xerpium_sdk.events import (
    InvalidEvent,
    Request,
    RequestAbandoned,
    RequestFailed,
    RequestResponsePattern,
    RequestTimedOut,
)
from xerpium_sdk.events.patterns.messages import make_reply
from xerpium_sdk.trace import correlated, current_correlation_id
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD, stream_of_requests

pytestmark = pytest.mark.anyio


@pytest.fixture
def asker(make: Make) -> RequestResponsePattern:
    return make("sales")


@pytest.fixture
def pricing(make: Make) -> RequestResponsePattern:
    """A service that answers with what it was asked; not started."""
    service = make("pricing")

    @service.on_request("get_price")
    def get_price(data: Any, request: Request) -> Any:
        return {"asked": data, "by": request.service_name}

    @service.on_request("get_price_async")
    async def get_price_async(data: Any, request: Request) -> Any:
        await asyncio.sleep(0)
        return {"asked": data, "by": request.service_name}

    @service.on_request("fail")
    def fail(data: Any, request: Request) -> Any:
        raise LookupError(data)

    return service


# --- answers


@pytest.mark.parametrize("kind", ["get_price", "get_price_async"])
async def test_an_answer_comes_back(asker: RequestResponsePattern, pricing: Any, kind: str) -> None:
    async with pricing:
        answer = await asker.send_request("pricing", kind, {"id": 7}, timeout=10)
    assert answer == {"asked": {"id": 7}, "by": "sales"}


@pytest.mark.parametrize("kind", ["get_price", "get_price_async"])
def test_threads_ask_and_answer_without_any_loop(asker: RequestResponsePattern, pricing: Any, kind: str) -> None:
    with pricing:
        assert asker.send_request_sync("pricing", kind, [1], timeout=10) == {"asked": [1], "by": "sales"}


async def test_coroutines_answer_on_the_loop_of_the_block(make: Make, asker: RequestResponsePattern) -> None:
    loops, service = [], make("pricing")

    @service.on_request("where")
    async def where(data: Any, request: Request) -> None:
        loops.append(asyncio.get_running_loop())

    async with service:
        assert await asker.send_request("pricing", "where") is None
    assert loops == [asyncio.get_running_loop()]


async def test_serving_ends_with_stop(asker: RequestResponsePattern, pricing: RequestResponsePattern) -> None:
    task = asyncio.create_task(pricing.serve())
    assert await asker.send_request("pricing", "get_price", 1)
    pricing.stop()
    await asyncio.wait_for(task, 10)
    thread = threading.Thread(target=pricing.run)  # and may begin again
    thread.start()
    assert await asker.send_request("pricing", "get_price", 2)
    pricing.stop()
    await asyncio.to_thread(thread.join, 10)
    assert pricing.metrics.snapshot().served == 2


async def test_a_request_waits_for_a_service_that_starts_later(
    asker: RequestResponsePattern, pricing: Any, bus: Any
) -> None:
    asking = asyncio.create_task(asker.send_request("pricing", "get_price", 1, timeout=20))
    await wait_for(lambda: left_over(bus) == 1)
    async with pricing:
        assert (await asking)["asked"] == 1


async def test_many_at_once_from_several_patterns_share_one_stream_of_replies(make: Make, pricing: Any) -> None:
    askers = [make(f"shop-{number}") for number in range(3)]
    async with pricing:
        answers = await asyncio.gather(
            *(
                askers[number % 3].send_request("pricing", ("get_price", "get_price_async")[number % 2], number)
                for number in range(200)
            )
        )
        assert threads_of_patterns() == ["xerpium-replies", "xerpium-requests-send"]
    assert answers == [{"asked": number, "by": f"shop-{number % 3}"} for number in range(200)]
    counts = [asker.metrics.snapshot() for asker in askers]
    assert [(one.sent, one.answered) for one in counts] == [(67, 67), (67, 67), (66, 66)]
    assert sum(one.late + one.duplicates + one.failed for one in counts) == 0
    assert pricing.metrics.snapshot().served == 200


def test_requests_come_from_several_loops_and_threads_at_once(asker: RequestResponsePattern, pricing: Any) -> None:
    answers: list[Any] = []

    async def ask(number: int) -> None:
        answers.extend(await asyncio.gather(*(asker.send_request("pricing", "get_price", number) for _ in range(10))))

    with pricing:
        threads = [threading.Thread(target=asyncio.run, args=(ask(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        answers += [asker.send_request_sync("pricing", "get_price", 9) for _ in range(10)]
        for thread in threads:
            thread.join()
    assert sorted(answer["asked"] for answer in answers) == sorted([*range(4), 9] * 10)


async def test_what_is_published_or_asked_within_a_handler_continues_the_correlation(make: Make) -> None:
    seen: dict[str, Any] = {}
    front, back = make("front"), make("back")

    @front.on_request("outer")
    async def outer(data: Any, request: Request) -> Any:
        seen["outer"] = (request.correlation_id, request.company_id, request.user_id)
        return await front.send_request("back", "inner")

    @back.on_request("inner")
    def inner(data: Any, request: Request) -> Any:
        seen["inner"], seen["now"] = request.correlation_id, current_correlation_id()
        return 1

    async with front, back:
        with correlated("order-7"):
            await make("sales").send_request("front", "outer", company_id=3, user_id="ann")
    assert seen == {"outer": ("order-7", 3, "ann"), "inner": "order-7", "now": "order-7"}


# --- errors


async def test_an_error_travels_back_without_its_traceback(
    asker: RequestResponsePattern, pricing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with pricing:
        with pytest.raises(RequestFailed) as caught, caplog.at_level(logging.ERROR):
            await asker.send_request("pricing", "fail", "no such product")
    error = caught.value
    assert (error.service, error.request_type, error.type, error.message) == (
        *("pricing", "fail"),
        *("LookupError", "no such product"),
    )
    assert str(error) == "pricing failed at fail: LookupError: no such product"
    assert "raise LookupError(data)" in caplog.text
    assert pricing.metrics.snapshot().errors == 1
    assert asker.metrics.snapshot().failed == 1


async def test_a_request_that_nothing_handles_is_refused_at_once(asker: RequestResponsePattern, pricing: Any) -> None:
    async with pricing:
        with pytest.raises(RequestFailed, match="no handler for requests of type 'get_prise'") as caught:
            await asker.send_request("pricing", "get_prise", timeout=30)
    assert caught.value.type == "UnknownRequest"
    assert pricing.metrics.snapshot().unknown == 1


async def test_an_answer_without_a_json_form_is_an_error(make: Make, asker: RequestResponsePattern) -> None:
    service = make("pricing")
    service.on_request("odd")(lambda data, request: object())
    async with service:
        with pytest.raises(RequestFailed, match=r"data\.data: a object has no JSON form"):
            await asker.send_request("pricing", "odd")


async def test_a_handler_is_tried_again_only_if_told(make: Make, asker: RequestResponsePattern) -> None:
    service, calls = make("pricing"), []

    def flaky(data: Any, request: Request) -> int:
        calls.append(request.request_type)
        if calls.count(request.request_type) < 3:
            raise OSError("busy")
        return 1

    service.on_request("often", attempts=3, retry_seconds=(0.0, 0.0))(flaky)
    service.on_request("once")(flaky)
    async with service:
        assert await asker.send_request("pricing", "often") == 1
        with pytest.raises(RequestFailed, match="OSError: busy"):
            await asker.send_request("pricing", "once")
    assert (calls.count("often"), calls.count("once")) == (3, 1)
    assert service.metrics.snapshot().retried == 2


async def test_a_handler_that_cancels_itself_is_an_error(make: Make, asker: RequestResponsePattern) -> None:
    service = make("pricing")

    @service.on_request("odd")
    async def odd(data: Any, request: Request) -> None:
        raise asyncio.CancelledError

    async with service:
        with pytest.raises(RequestFailed, match="cancelled from within"):
            await asker.send_request("pricing", "odd")


async def test_what_cannot_be_sent_is_refused_here(asker: RequestResponsePattern) -> None:
    with pytest.raises(InvalidEvent, match=r"data\.data\.x"):
        await asker.send_request("pricing", "get_price", {"x": object()})
    with pytest.raises(InvalidEvent, match="correlation_id"):
        await asker.send_request("pricing", "get_price", correlation_id="x" * 256)
    for timeout in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            await asker.send_request("pricing", "get_price", timeout=timeout)
    with pytest.raises(RuntimeError, match="await send_request"):
        asker.send_request_sync("pricing", "get_price")
    with pytest.raises(RuntimeError, match="await aclose"):
        asker.close()


def test_mistakes_with_handlers_are_named(pricing: RequestResponsePattern, make: Make) -> None:
    with pytest.raises(ValueError, match="have a handler already"):
        pricing.on_request("get_price")(print)
    with pytest.raises(ValueError, match="attempts"):
        pricing.on_request("other", attempts=0)
    with pytest.raises(ValueError, match="on_request first"):
        make("empty").run()
    with pytest.raises(ValueError, match="at least 1"):
        make("empty", concurrency=0)
    pricing.start()
    with pytest.raises(ValueError, match="before the pattern starts"):
        pricing.on_request("late")(print)
    with pytest.raises(RuntimeError, match="already"):
        pricing.start()


# --- time


async def test_nobody_answers(asker: RequestResponsePattern, bus: Any) -> None:
    began = time.monotonic()
    with pytest.raises(RequestTimedOut, match=r"No answer to get_price of nobody within 0\.2 s") as caught:
        await asker.send_request("nobody", "get_price", timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert isinstance(caught.value, asyncio.TimeoutError)  # what the seed's callers catch
    with pytest.raises(RequestTimedOut):
        await asyncio.to_thread(asker.send_request_sync, "nobody", "get_price", timeout=0.1)
    assert asker.metrics.snapshot().timed_out == 2
    assert 0 < bus.pttl(stream_of_requests("nobody")) <= 60_200


async def test_a_late_reply_is_dropped_and_counted(make: Make, asker: RequestResponsePattern) -> None:
    service, begun, gate = make("pricing"), threading.Event(), threading.Event()

    @service.on_request("slow")
    def slow(data: Any, request: Request) -> str:
        begun.set()
        gate.wait(10)
        return "late"

    async with service:
        asking = asyncio.create_task(asker.send_request("pricing", "slow", timeout=20))
        await wait_for(begun.is_set)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        gate.set()
        await wait_for(lambda: asker.metrics.snapshot().late == 1)
    assert asker.metrics.snapshot().abandoned == 1
    assert asker.metrics.snapshot().answered == 0


async def wait_for(predicate: Callable[[], Any]) -> None:
    await asyncio.to_thread(wait_until, predicate, 10)


async def test_a_further_reply_is_dropped_and_counted(asker: RequestResponsePattern, make: Make, bus: Any) -> None:
    service, seen = make("pricing"), []

    @service.on_request("get_price")
    def get_price(data: Any, request: Request) -> int:
        seen.append(request)
        return 1

    async with service:
        assert await asker.send_request("pricing", "get_price") == 1
        for _ in range(2):
            bus.xadd(seen[0].reply_to, make_reply("pricing", seen[0], 2).encode())
        bus.xadd(seen[0].reply_to, {"what": "no reply at all"})
        await wait_for(lambda: asker.metrics.snapshot().duplicates == 2)
        assert await asker.send_request("pricing", "get_price") == 1
    assert asker.metrics.snapshot().answered == 2


async def test_what_nobody_waits_for_any_more_is_not_begun(
    asker: RequestResponsePattern, pricing: Any, bus: Any
) -> None:
    for _ in range(3):
        with pytest.raises(RequestTimedOut):
            await asker.send_request("pricing", "get_price", timeout=0.05)
    assert left_over(bus) == 3
    async with pricing:
        await wait_for(lambda: pricing.metrics.snapshot().expired == 3)
        await wait_for(lambda: left_over(bus) == 0)
    assert pricing.metrics.snapshot().served == 0


async def test_a_coroutine_is_cancelled_at_the_deadline_and_a_thread_left_alone(
    make: Make, asker: RequestResponsePattern, bus: Any
) -> None:
    service, gate, cancelled = make("pricing", concurrency=1), threading.Event(), []

    @service.on_request("coroutine")
    async def coroutine(data: Any, request: Request) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    service.on_request("thread")(lambda data, request: gate.wait(30))
    service.on_request("quick")(lambda data, request: 1)
    async with service:
        for kind in ("coroutine", "thread"):
            with pytest.raises(RequestTimedOut):
                await asker.send_request("pricing", kind, timeout=0.1)
        assert await asker.send_request("pricing", "quick") == 1
        with pytest.raises(RequestTimedOut):
            await asker.send_request("pricing", "thread", timeout=0.1)
        with pytest.raises(RequestFailed, match="Crowded"):
            await asker.send_request("pricing", "quick")
        await wait_for(lambda: left_over(bus) == 0)
        gate.set()
    assert cancelled == [1]
    assert service.metrics.snapshot().expired == 3


# --- what stays


async def test_nothing_is_left_over(make: Make, pricing: Any, bus: Any) -> None:
    async with make("sales") as asker, pricing:
        for _ in range(20):
            await asker.send_request("pricing", "get_price")
        await wait_for(lambda: left_over(bus) == 0)
        seen = [key.decode() for key in bus.scan_iter("xerpium:replies:*")]
        assert all(bus.ttl(key) > 0 for key in seen)
        assert len([key for key in seen if not key.endswith(":sent")]) == 1
    groups = bus.xinfo_groups(stream_of_requests("pricing"))
    assert [(one["name"], one["pending"]) for one in groups] == [(b"pricing-requests", 0)]
    assert bus.ttl(stream_of_requests("pricing")) == -1
    assert list(bus.scan_iter("xerpium:replies:*")) == []
    assert bus.xlen(STREAM_EVENTS_DEAD) == 0
    assert threads_of_patterns() == []


async def test_replies_are_deleted_once_they_are_read(asker: RequestResponsePattern, pricing: Any, bus: Any) -> None:
    async with pricing:
        for _ in range(5):
            await asker.send_request("pricing", "get_price")
        (stream,) = [key for key in bus.scan_iter("xerpium:replies:*") if not key.endswith(b":sent")]
        await wait_for(lambda: bus.xlen(stream) == 0)
        assert 0 < bus.ttl(stream) <= 60


async def test_what_is_no_request_goes_to_the_dead_letters(pricing: Any, bus: Any, asker: Any) -> None:
    stream = stream_of_requests("pricing")
    odd = Envelope.create("service_request", "Request", data={"request_id": "1"}, service_name="x")
    thief = {"request_id": "1", "request_type": "get_price", "reply_to": "xerpium:events", "deadline": 2**50}
    bus.xadd(stream, {"what": "no envelope"})
    bus.xadd(stream, odd.encode())
    bus.xadd(stream, Envelope.create("service_request", "Request", data=thief, service_name="x").encode())
    bus.xadd(stream, Envelope.create("another_type", "Thing", service_name="x").encode())
    async with pricing:
        assert await asker.send_request("pricing", "get_price")
        await wait_for(lambda: left_over(bus) == 0)
    reasons = [fields[b"dead_reason"] for _, fields in bus.xrange(STREAM_EVENTS_DEAD)]
    assert sorted(reasons) == [b"max_attempts", b"max_attempts", b"undecodable"]


async def test_closing_ends_what_waits(asker: RequestResponsePattern) -> None:
    asking = [asyncio.create_task(asker.send_request("nobody", "x", timeout=30)) for _ in range(3)]
    await wait_for(lambda: asker.metrics.snapshot().sent == 3)
    await asker.aclose()
    for one in asking:
        with pytest.raises(RequestAbandoned, match="was closed while x waited for nobody"):
            await one
    assert asker.metrics.snapshot().abandoned == 3


async def test_a_client_may_be_given(make: Make, bus: Any, pricing: Any) -> None:
    asker = make("sales", client=bus, redis_url=None)
    async with pricing:
        assert await asker.send_request("pricing", "get_price")
    await asker.aclose()
    assert bus.ping()


def test_a_process_may_fork_and_forget_to_close(start_service: Start, tmp_path: Path) -> None:
    service = start_service(tmp_path / "log")
    script = """
import os
from xerpium_sdk.events import RequestResponsePattern

sales = RequestResponsePattern("sales")
ask = lambda number: sales.send_request_sync("pricing", "get_price", {"id": number}, timeout=20)["price"]
print(ask(1), flush=True)
child = os.fork()
if not child:
    print(ask(2), flush=True)
    sales.close()
    os._exit(0)
os.waitpid(child, 0)
print(ask(3), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=40)
    assert (done.stdout, done.stderr) == ("1\n2\n3\n", "")
    assert service.poll() is None


async def test_an_event_loop_may_end_while_requests_wait(asker: RequestResponsePattern, pricing: Any) -> None:
    def leave() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(asker.send_request("pricing", "get_price", timeout=20))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    await asyncio.to_thread(leave)
    async with pricing:
        assert await asker.send_request("pricing", "get_price", 2, timeout=20)
