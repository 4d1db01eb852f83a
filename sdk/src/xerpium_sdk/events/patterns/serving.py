"""The side that answers: one request from the stream to its handler, and the reply back."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xerpium_sdk.events.options import Around
from xerpium_sdk.events.patterns.counts import RequestMetrics
from xerpium_sdk.events.patterns.exchange import Exchange
from xerpium_sdk.events.patterns.loops import is_async, waiter_on
from xerpium_sdk.events.patterns.messages import Failure, Request, flat, make_reply
from xerpium_sdk.events.patterns.sender import ReplyLetter
from xerpium_sdk.events.patterns.threads import Threads
from xerpium_sdk.events.subscriptions import Received
from xerpium_sdk.trace import event_in_hand

__all__ = ["Responder", "ServedType"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedType:
    """How requests of one type are answered."""

    function: Callable[[Any, Request], Any]
    attempts: int
    retry_seconds: tuple[float, float]
    is_async: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", is_async(self.function))


class _TooLate(Exception):
    """Raised when nobody waits for the answer any more."""


class Responder:
    """Answers the requests that a consumer reads; `answer` is that consumer's handler."""

    def __init__(
        self,
        service_name: str,
        types: Mapping[str, ServedType],
        *,
        group: str,
        exchange: Exchange,
        metrics: RequestMetrics,
        concurrency: int,
        around: Around | None,
    ) -> None:
        self._service_name, self._types, self._group = service_name, types, group
        self._exchange, self._metrics = exchange, metrics
        # Twice as many, so that calls which hang beyond their deadline leave room for others.
        self._threads = Threads(2 * concurrency, around=around, name=f"xerpium-{service_name}-requests")

    async def answer(self, batch: Sequence[Received]) -> None:
        """Answer one request; returns when Redis has the reply, or when there is none to give.

        Raises:
            ValueError: it is no request.
        """
        (received,) = batch
        if received.envelope is None:
            raise ValueError(received.fault)
        request = Request.read(received.envelope)
        event_in_hand.set(received.envelope)
        try:
            answer = await self._answer_to(request)
            await self._send(received, request, answer)
        except _TooLate:
            self._metrics.count("expired")
            logger.info("%s: its deadline passed", _about(request))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.close()

    def _left(self, request: Request) -> float:
        if (left := self._exchange.left(request.deadline)) <= 0:
            raise _TooLate
        return left

    async def _answer_to(self, request: Request) -> Any:
        """Return what the handler returns, or the `Failure` that it is to be told as."""
        self._left(request)
        served = self._types.get(request.request_type)
        if served is None:
            self._metrics.count("unknown")
            text = f"{self._service_name} has no handler for requests of type {request.request_type!r}."
            return Failure("UnknownRequest", text)
        for attempt in range(1, served.attempts + 1):
            try:
                return await self._call(served, request)
            except _TooLate:
                raise
            except Exception as error:
                logger.exception("%s failed, attempt %d of %d", _about(request), attempt, served.attempts)
                failure = Failure.of(error)
            if attempt < served.attempts:
                self._metrics.count("retried")
                first, greatest = served.retry_seconds
                await asyncio.sleep(min(greatest, first * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1))
        return failure

    async def _call(self, served: ServedType, request: Request) -> Any:
        """Call the handler, until the deadline: a coroutine is cancelled then, a thread is left to itself."""
        try:
            async with asyncio.timeout(self._left(request)) as limit:
                if served.is_async:
                    return await served.function(request.data, request)
                return await asyncio.wrap_future(self._threads.call(served.function, request.data, request))
        except TimeoutError:
            if limit.expired():
                raise _TooLate from None
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("the handler was cancelled from within") from None

    async def _send(self, received: Received, request: Request, answer: Any) -> None:
        left = self._left(request)
        try:
            fields = flat(make_reply(self._service_name, request, answer))
        except (TypeError, ValueError) as error:
            logger.exception("%s: what its handler returned cannot be sent", _about(request))
            answer = Failure.of(error)
            fields = flat(make_reply(self._service_name, request, answer))
        letter = ReplyLetter(
            *(request.reply_to, fields, time.monotonic() + left),
            requests=received.stream,
            group=self._group,
            entry_id=received.entry_id,
        )
        told, tell = waiter_on(asyncio.get_running_loop())
        letter.on_end = lambda answer, error: tell(error)
        self._exchange.tell(letter)
        if (refusal := await told) is not None:
            self._left(request)
            logger.error("%s: Redis did not take its reply: %s", _about(request), refusal)
            return
        self._metrics.count("served", *(["errors"] if isinstance(answer, Failure) else []))


def _about(request: Request) -> str:
    return f"Request {request.request_type} ({request.request_id}) of {request.service_name}"
