"""`RequestResponsePattern`: ask another service over Redis and wait for its answer."""

import asyncio
import os
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Self, TypeVar
from uuid import uuid4

from redis import Redis

from xerpium_sdk.events.checking import faults_of
from xerpium_sdk.events.connection import connect, default_url
from xerpium_sdk.events.consumer import EventConsumer
from xerpium_sdk.events.errors import InvalidEvent
from xerpium_sdk.events.options import Around
from xerpium_sdk.events.patterns.counts import RequestMetrics
from xerpium_sdk.events.patterns.errors import RequestAbandoned, RequestFailed, RequestNotSent, RequestTimedOut
from xerpium_sdk.events.patterns.exchange import Exchange, Waiting, exchange_for, leave
from xerpium_sdk.events.patterns.loops import refuse_on_a_loop, waiter_on
from xerpium_sdk.events.patterns.messages import REQUEST, Reply, flat, make_request
from xerpium_sdk.events.patterns.sender import CommandLetter, RequestLetter
from xerpium_sdk.events.patterns.serving import Responder, ServedType
from xerpium_sdk.trace import current_correlation_id
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import stream_of_requests

__all__ = ["RequestResponsePattern"]

Function = TypeVar("Function", bound=Callable[..., Any])

NEVER = float("inf")
LONGEST_SECONDS = 86_400
PERSIST_SECONDS = 60.0
LOST_SECONDS = 0.5
"""First pause before an entry that is no request is looked at again; it ends among the dead letters."""


class RequestResponsePattern:
    """Asks other services, and answers those that ask this one.

    ```python
    async with RequestResponsePattern("sales-service") as sales:
        price = await sales.send_request("pricing-service", "get_price", {"product_id": 7}, timeout=5)
    ```

    ```python
    pricing = RequestResponsePattern("pricing-service")

    @pricing.on_request("get_price")
    def get_price(data: dict, request: Request) -> dict:
        return {"price": "19.90"}

    pricing.run()
    ```

    A request is answered at least once: when the process that was at it dies, another of its service gets it, within
    the deadline. Its handler may then be called a second time; the requester sees one answer. Any number of patterns of
    one process share one stream of replies. All of it works from threads and from event loops, several of them too.

    Args:
        service_name: the service that asks and answers here.
        client: a redis-py client of the server with the streams; the pattern makes connections of its own from its
            settings. Or ``redis_url``; default ``REDIS_URL`` of the environment.
        concurrency: how many requests are answered here at a time.
        deliveries: how often a request is begun whose process dies while it is at it; then it goes to the dead letters.
        grace_seconds: how long handlers that are at work may take when the pattern stops.
        around: makes a context manager that surrounds each call of a handler that is a plain function.
    """

    def __init__(
        self,
        service_name: str,
        *,
        client: Redis | None = None,
        redis_url: str | None = None,
        concurrency: int = 32,
        deliveries: int = 3,
        grace_seconds: float = 10.0,
        around: Around | None = None,
    ) -> None:
        if concurrency < 1 or deliveries < 1:
            raise ValueError("concurrency and deliveries must be at least 1.")
        self.service_name = service_name
        self.metrics = RequestMetrics()
        self._client = client if client is not None else connect(redis_url or default_url())
        self._owns_client = client is None
        self._concurrency, self._deliveries = concurrency, deliveries
        self._grace_seconds, self._around = grace_seconds, around
        self._types: dict[str, ServedType] = {}
        self._lock = Lock()
        self._exchange: Exchange | None = None
        self._consumer: EventConsumer | None = None
        self._responder: Responder | None = None

    # --- asking

    async def send_request(
        self,
        target_service: str,
        request_type: str,
        data: Any = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - the signature that clients of today use
        *,
        company_id: int | None = None,
        user_id: int | str | None = None,
        correlation_id: str | None = None,
    ) -> Any:
        """Ask ``target_service`` and return its answer.

        ``data`` is anything that has a JSON form (`xerpium_sdk.wire.data`). ``timeout``, in seconds, is the deadline
        for the other service as well. ``correlation_id``: default that of the event or request in hand.

        Raises:
            RequestFailed: the other service answered with an error.
            RequestTimedOut: no answer came in time.
            RequestNotSent: (a RequestTimedOut) Redis did not take the request.
            InvalidEvent: (a ValueError) ``data`` has no JSON form or is above 1 MiB; another value cannot travel.
            ValueError: ``timeout`` is not above 0, or longer than a day.
        """
        exchange = self._join()
        request = self._request(exchange, request_type, data, timeout, company_id, user_id, correlation_id)
        answered, end = waiter_on(asyncio.get_running_loop())
        waiting = self._ask(exchange, target_service, request, timeout, end)
        try:
            async with asyncio.timeout(timeout):
                outcome = await answered
        except TimeoutError:
            outcome = _timed_out(waiting, timeout, exchange.sender.last_error)
        except asyncio.CancelledError:
            self.metrics.count("abandoned")
            raise
        finally:
            exchange.forget(waiting)
        return self._result(waiting, outcome)

    def send_request_sync(
        self,
        target_service: str,
        request_type: str,
        data: Any = None,
        timeout: float = 30.0,
        *,
        company_id: int | None = None,
        user_id: int | str | None = None,
        correlation_id: str | None = None,
    ) -> Any:
        """Do what `send_request` does, in a thread without an event loop. Raises as it does.

        Raises:
            RuntimeError: an event loop runs in this thread; it would stand still.
        """
        refuse_on_a_loop("send_request")
        exchange = self._join()
        request = self._request(exchange, request_type, data, timeout, company_id, user_id, correlation_id)
        answers: SimpleQueue[Reply | Exception] = SimpleQueue()
        waiting = self._ask(exchange, target_service, request, timeout, answers.put)
        outcome: Reply | Exception
        try:
            outcome = answers.get(timeout=timeout)
        except Empty:
            outcome = _timed_out(waiting, timeout, exchange.sender.last_error)
        finally:
            exchange.forget(waiting)
        return self._result(waiting, outcome)

    def _request(
        self,
        exchange: Exchange,
        request_type: str,
        data: Any,
        timeout: float,
        company_id: int | None,
        user_id: int | str | None,
        correlation_id: str | None,
    ) -> Envelope:
        if not 0 < timeout <= LONGEST_SECONDS:
            raise ValueError(f"timeout must be above 0 and at most {LONGEST_SECONDS:,} seconds.")
        request = make_request(
            service_name=self.service_name,
            request_id=str(uuid4()),
            request_type=request_type,
            reply_to=exchange.reply_to,
            data=data,
            company_id=company_id,
            user_id=user_id,
            correlation_id=correlation_id or current_correlation_id(),
        )
        if faults := faults_of(request):
            raise InvalidEvent(faults)
        return request

    def _ask(
        self, exchange: Exchange, service: str, request: Envelope, timeout: float, end: Callable[[Any], object]
    ) -> Waiting:
        letter = RequestLetter(stream_of_requests(service), flat(request), time.monotonic() + timeout)
        waiting = Waiting(
            request_id=request.event_id,
            service=service,
            request_type=request.data["request_type"],
            letter=letter,
            metrics=self.metrics,
            end=end,
        )
        self.metrics.count("sent")
        exchange.ask(waiting)
        return waiting

    def _result(self, waiting: Waiting, outcome: Reply | Exception) -> Any:
        if isinstance(outcome, Exception):
            self.metrics.count(*(name for kind, name in _COUNTED_AS.items() if isinstance(outcome, kind)))
            raise outcome
        if outcome.failure is None:
            self.metrics.count("answered")
            return outcome.data
        self.metrics.count("answered", "failed")
        failure = outcome.failure
        raise RequestFailed(waiting.service, waiting.request_type, failure.type, failure.message)

    # --- answering

    def on_request(
        self, request_type: str, *, attempts: int = 1, retry_seconds: tuple[float, float] = (0.1, 5.0)
    ) -> Callable[[Function], Function]:
        """Return a decorator that registers a function, or coroutine function, of (data, `Request`).

        What it returns, anything that has a JSON form, is the answer; what it raises travels back as the name of the
        error's class and its text. It is called again after a failure only if ``attempts`` says so, with pauses from
        the first to the second of ``retry_seconds``. At the deadline a coroutine is cancelled; a function goes on, for
        nobody.

        Raises:
            ValueError: ``request_type`` has a handler already, or the pattern answers already.
        """
        if attempts < 1:
            raise ValueError("attempts must be at least 1.")

        def register(function: Function) -> Function:
            if self._consumer is not None:
                raise ValueError("Register handlers before the pattern starts.")
            if request_type in self._types:
                raise ValueError(f"Requests of type {request_type} have a handler already.")
            self._types[request_type] = ServedType(function, attempts, retry_seconds)
            return function

        return register

    def start(self) -> None:
        """Answer requests in the background until `stop` or `close`.

        Handlers that are coroutine functions run on a loop of their own. Without handlers there is nothing to start:
        asking needs no start.

        Raises:
            RedisError: what waiting cannot heal, such as a wrong password.
        """
        self._start(None)

    def run(self) -> None:
        """Answer requests until `stop`, in threads. Raises as `start` does."""
        consumer = self._prepare()
        try:
            consumer.run()
        finally:
            self._ended(consumer)

    async def serve(self) -> None:
        """Answer requests until `stop`; handlers that are coroutines run on this event loop. Raises as `start` does."""
        consumer = self._prepare()
        try:
            await consumer.start_consuming()
        finally:
            self._ended(consumer)

    def stop(self) -> None:
        """Ask it to answer no more; returns at once, and may be called in signal handlers."""
        if self._consumer is not None:
            self._consumer.stop()

    def close(self) -> None:
        """Answer no more, wait for handlers that are at work, and end what waits for answers here.

        Raises:
            RuntimeError: an event loop runs in this thread; `aclose` is for that.
        """
        refuse_on_a_loop("aclose")
        self._close()

    async def aclose(self) -> None:
        """Do what `close` does, from an event loop."""
        await asyncio.to_thread(self._close)

    def __enter__(self) -> Self:
        """Answer in the background within a ``with`` block, if there are handlers."""
        self.start()
        return self

    def __exit__(self, *about: object) -> None:
        """End it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Answer within an ``async with`` block, if there are handlers; those that are coroutines run on this loop."""
        await asyncio.to_thread(self._start, asyncio.get_running_loop())
        return self

    async def __aexit__(self, *about: object) -> None:
        """End it."""
        await self.aclose()

    def _start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if not self._types:
            return
        consumer = self._prepare()
        try:
            consumer.start(loop=loop)
        except BaseException:
            self._ended(consumer)
            raise

    def _prepare(self) -> EventConsumer:
        """Return a consumer of the requests to this service, not started yet."""
        if not self._types:
            raise ValueError("Register a handler with on_request first.")
        exchange, stream, group = self._join(), stream_of_requests(self.service_name), f"{self.service_name}-requests"
        with self._lock:
            if self._consumer is not None:
                raise RuntimeError("The pattern answers requests already.")
            consumer = self._consumer = EventConsumer(
                *(self.service_name, group),
                client=self._client,
                streams=(stream,),
                own_streams=(stream,),
                ordered=False,
                batch=self._concurrency,
                max_in_hand=2 * self._concurrency,
                grace_seconds=self._grace_seconds,
            )
            self._responder = Responder(
                *(self.service_name, self._types),
                group=group,
                exchange=exchange,
                metrics=self.metrics,
                concurrency=self._concurrency,
                around=self._around,
            )
        consumer.on_batch(
            REQUEST,
            size=1,
            seconds=0.0,
            raw=True,
            concurrency=self._concurrency,
            timeout=NEVER,
            max_attempts=self._deliveries,
            retry_seconds=(LOST_SECONDS, LOST_SECONDS),
            name=f"{self.service_name}.requests",
        )(self._responder.answer)
        exchange.ask_for_time()
        # Whoever asked before anybody answered has made a stream that ends by itself.
        exchange.tell(CommandLetter(("PERSIST", stream), time.monotonic() + PERSIST_SECONDS))
        return consumer

    def _ended(self, consumer: EventConsumer) -> None:
        with self._lock:
            if self._consumer is consumer:
                self._consumer = None
                responder, self._responder = self._responder, None
                if responder is not None:
                    responder.close()

    # --- what is shared

    def _join(self) -> Exchange:
        with self._lock:
            if self._exchange is None or self._exchange.pid != os.getpid():
                self._exchange = exchange_for(self._client)
            return self._exchange

    def _close(self) -> None:
        consumer = self._consumer
        try:
            if consumer is not None:
                consumer.close()
        finally:
            if consumer is not None:
                self._ended(consumer)
            with self._lock:
                exchange, self._exchange = self._exchange, None
            if exchange is not None:
                for waiting in exchange.waiting_of(self.metrics):
                    text = f"The pattern was closed while {waiting.request_type} waited for {waiting.service}."
                    waiting.end(RequestAbandoned(text))
                leave(exchange)
            if self._owns_client:
                self._client.close()


_COUNTED_AS: dict[type[Exception], str] = {
    RequestTimedOut: "timed_out",
    RequestNotSent: "not_sent",
    RequestAbandoned: "abandoned",
}


def _timed_out(waiting: Waiting, timeout: float, trouble: Exception | None) -> RequestTimedOut:
    """Return the error that says how far the request came."""
    asked = f"{waiting.request_type} of {waiting.service}"
    if waiting.letter.ended:
        return RequestTimedOut(f"No answer to {asked} within {timeout:g} s.")
    error = RequestNotSent(f"Redis did not take {asked} within {timeout:g} s: {trouble or 'it does not answer'}.")
    error.__cause__ = trouble
    return error
