"""Tasks that call a handler which is a coroutine function, on one event loop.

Each task lives as long as the consumer and takes one run after the other, so that an event costs no task; while a
handler suspends, the next task is woken as long as anything is ready.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from xerpium_sdk.events.calls import arguments_of
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.lanes import Delivery, Run
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.workers import Overdue

__all__ = ["TaskPool"]

HOG_SECONDS = 0.005
"""How long handlers that never suspend may keep the loop from others."""
STUBBORN_SECONDS = 5.0
"""How long after its cancellation a handler is waited for."""


class _Worker:
    __slots__ = ("abandoned", "cancelled_at", "cancelled_for", "delivery", "rest", "run", "since", "task", "turn")

    def __init__(self) -> None:
        self.run: Run | None = None
        self.delivery: Delivery | None = None
        self.since = 0.0
        self.turn = 0
        self.cancelled_for: object = None
        self.cancelled_at: float | None = None
        self.abandoned = False
        self.rest: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None


class TaskPool:
    """Up to ``concurrency`` tasks for one handler. One that is over its timeout is cancelled."""

    def __init__(
        self,
        subscription: Subscription,
        desk: Desk,
        *,
        loop: asyncio.AbstractEventLoop,
        is_outage: Callable[[Exception], bool],
    ) -> None:
        self.ready: deque[Run] = deque()
        self._subscription, self._desk, self._loop, self._is_outage = subscription, desk, loop, is_outage
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._hung: set[_Worker] = set()
        self._waking = 0
        self._called = False
        self._stopped = False

    # --- called by the coordinator

    def wake(self, *, everyone: bool) -> None:
        """See `Pool`; how many are needed depends on whether the handler suspends, so the tasks see to that."""
        if not self._called:
            self._called = True
            self._on_loop(self._answer)

    def overdue(self, now: float) -> list[Overdue]:
        """See `Pool`. A handler is cancelled first, and given up when that does not end it."""
        found: list[Overdue] = []
        limit = self._subscription.timeout
        for worker in list(self._workers):
            run, delivery, turn, since = worker.run, worker.delivery, worker.turn, worker.since
            if run is None or now - since <= limit:
                continue
            if worker.cancelled_at is None or worker.cancelled_at < since:
                worker.cancelled_at = now
                self._on_loop(self._cancel, worker, run, delivery)
            elif now - worker.cancelled_at > STUBBORN_SECONDS:
                worker.abandoned = True
                self._workers.discard(worker)
                self._hung.add(worker)
                found.append((run, delivery, turn))
        return found

    def crowded(self) -> bool:
        """See `Pool`."""
        return len(self._hung) >= 2 * self._subscription.concurrency

    def stop(self) -> None:
        """See `Pool`."""
        self._stopped = True
        self._on_loop(self._dismiss)

    def _on_loop(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            self._stopped = True  # the loop is closed

    # --- on the loop

    def _answer(self) -> None:
        self._called = False
        self._wake_one()

    def _wake_one(self) -> None:
        if self._waking or not self.ready or self._stopped:
            return
        if self._idle:
            worker = self._idle.pop()
            if worker.rest is not None and not worker.rest.done():
                self._waking += 1
                worker.rest.set_result(None)
        elif len(self._workers) < self._subscription.concurrency and not self.crowded():
            self._waking += 1
            worker = _Worker()
            self._workers.add(worker)
            worker.task = self._loop.create_task(self._live(worker))

    def _dismiss(self) -> None:
        for worker in self._idle:
            if worker.rest is not None and not worker.rest.done():
                worker.rest.set_result(None)

    def _cancel(self, worker: _Worker, run: Run, delivery: Delivery | None) -> None:
        if worker.run is run and worker.delivery is delivery and worker.task is not None:
            worker.cancelled_for = (run, delivery)
            worker.task.cancel()

    async def _live(self, worker: _Worker) -> None:
        self._waking -= 1
        try:
            while not self._stopped and not worker.abandoned:
                await self._work(worker)
                if not self.ready and not self._stopped and not worker.abandoned:
                    worker.rest = self._loop.create_future()
                    self._idle.append(worker)
                    await worker.rest
                    if self._waking:
                        self._waking -= 1
        finally:
            self._workers.discard(worker)
            self._hung.discard(worker)
            self._desk.ring()

    async def _work(self, worker: _Worker) -> None:
        clock = self._desk.clock
        step = self._each if self._subscription.batching is None else self._whole
        freed = clock()
        while self.ready and not worker.abandoned:
            run = self.ready.popleft()
            if self.ready:
                self._wake_one()
            if await step(worker, run) > HOG_SECONDS or clock() - freed > HOG_SECONDS:
                await asyncio.sleep(0)
                freed = clock()

    async def _each(self, worker: _Worker, run: Run) -> float:
        desk, items, clock = self._desk, run.items, self._desk.clock
        since = clock()
        while items:
            if desk.paused or desk.stopping or since >= desk.begin_until:
                desk.put((Verdict.RETURNED, run, None, 0, None, 0.0))
                break
            try:
                delivery = items.popleft()
            except IndexError:
                break  # the coordinator took the rest back
            turn = delivery.turn
            worker.since, worker.turn, worker.delivery = since, turn, delivery
            worker.run = run
            verdict, error = await self._call(worker, (delivery,))
            worker.run = None
            now = clock()
            desk.put((verdict, run, delivery, turn, error, now - since))
            if error is not None:
                break
            if worker.abandoned:
                desk.put((Verdict.RETURNED, run, None, 0, None, 0.0))
                break
            since = now
        return 0.0

    async def _whole(self, worker: _Worker, run: Run) -> float:
        desk, clock = self._desk, self._desk.clock
        since = clock()
        if desk.paused or desk.stopping or since >= desk.begin_until:
            desk.put((Verdict.RETURNED, run, None, 0, None, 0.0))
            return 0.0
        deliveries = list(run.items)
        turn = deliveries[0].turn
        worker.since, worker.turn, worker.delivery = since, turn, None
        worker.run = run
        verdict, error = await self._call(worker, deliveries)
        worker.run = None
        desk.put((verdict, run, None, turn, error, clock() - since))
        return 0.0

    async def _call(
        self, worker: _Worker, deliveries: "list[Delivery] | tuple[Delivery]"
    ) -> tuple[Verdict, BaseException | None]:
        subscription = self._subscription
        try:
            await subscription.function(arguments_of(subscription, deliveries))
        except asyncio.CancelledError as caught:
            if worker.cancelled_for is None:
                if worker.task is not None and worker.task.cancelling():
                    raise  # the loop is being shut down
                return Verdict.FAILED, caught
            self._forgive(worker)
            return Verdict.FAILED, TimeoutError(f"The handler took longer than {subscription.timeout:g} s.")
        except BaseException as caught:
            self._forgive(worker)
            if isinstance(caught, Exception) and self._is_outage(caught):
                self._desk.paused = True
                return Verdict.OUTAGE, caught
            return Verdict.FAILED, caught
        self._forgive(worker)
        return Verdict.DONE, None

    def _forgive(self, worker: _Worker) -> None:
        """Forget a cancellation of ours, whatever the handler made of it."""
        if worker.cancelled_for is not None:
            worker.cancelled_for = None
            if worker.task is not None:
                worker.task.uncancel()
