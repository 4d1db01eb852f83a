"""Tasks that call a handler which is a coroutine function, on one event loop.

Each task lives as long as the consumer and takes one run after the other, so that an event costs no task; while a
handler suspends, the next task is woken as long as anything is ready.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from xerpium_sdk.events.calls import arguments_of
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.lanes import Delivery, Run, Unit
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.events.workers import Overdue
from xerpium_sdk.trace import event_in_hand

__all__ = ["TaskPool"]

HOG_SECONDS = 0.005
"""How long handlers that never suspend may keep the loop from others."""
STUBBORN_SECONDS = 5.0
"""How long after its cancellation a handler is waited for."""


class _Worker:
    __slots__ = ("abandoned", "cancelled_at", "cancelled_for", "delivery", "rest", "since", "task", "turn", "unit")

    def __init__(self) -> None:
        self.unit: Unit | None = None
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
        self.ready: deque[Unit] = deque()
        self._subscription, self._desk, self._loop, self._is_outage = subscription, desk, loop, is_outage
        self._function = subscription.function
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
            unit, delivery, turn, since = worker.unit, worker.delivery, worker.turn, worker.since
            if unit is None or now - since <= limit:
                continue
            if worker.cancelled_at is None or worker.cancelled_at < since:
                worker.cancelled_at = now
                self._on_loop(self._cancel, worker, unit, delivery)
            elif now - worker.cancelled_at > STUBBORN_SECONDS:
                worker.abandoned = True
                self._workers.discard(worker)
                self._hung.add(worker)
                found.append((unit, delivery, turn))
        return found

    def crowded(self) -> bool:
        """See `Pool`."""
        return len(self._hung) >= 2 * self._subscription.concurrency

    def stop(self) -> None:
        """See `Pool`."""
        self._stopped = True
        self._on_loop(self._dismiss)

    def give_up(self) -> bool:
        """See `Pool`."""
        if self._workers or self._hung:
            self._on_loop(self._break_off)
        return not self._workers and not self._hung

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

    def _break_off(self) -> None:
        for worker in (*self._workers, *self._hung):
            if worker.task is not None:
                worker.task.cancel()

    def _cancel(self, worker: _Worker, unit: Unit, delivery: Delivery | None) -> None:
        if worker.unit is unit and worker.delivery is delivery and worker.task is not None:
            worker.cancelled_for = (unit, delivery)
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
        clock, ready = self._desk.clock, self.ready
        freed = clock()
        while ready and not worker.abandoned:
            unit = ready.popleft()
            if ready and not self._waking:
                self._wake_one()
            now = clock()
            if now - freed > HOG_SECONDS:
                await asyncio.sleep(0)
                freed = now = clock()
            if isinstance(unit, Delivery):
                if self._may_begin(unit, now):
                    await self._one(worker, unit, unit, now)
            elif self._subscription.batching is None:
                await self._run(worker, unit)
            else:
                await self._batch(worker, unit, now)

    def _may_begin(self, unit: Unit, now: float) -> bool:
        """Return whether something new may be begun; otherwise put ``unit`` back on the desk."""
        desk = self._desk
        if not desk.paused and not desk.stopping and now < desk.begin_until:
            return True
        desk.put((Verdict.RETURNED, unit, None, 0, None, 0.0))
        return False

    async def _run(self, worker: _Worker, run: Run) -> None:
        """Do the deliveries of a run in order, up to the first that fails."""
        items = run.items
        now = self._desk.clock()
        while items and self._may_begin(run, now):
            try:
                delivery = items.popleft()
            except IndexError:
                return  # the coordinator took the rest back
            if not await self._one(worker, run, delivery, now):
                return
            if worker.abandoned:
                self._desk.put((Verdict.RETURNED, run, None, 0, None, 0.0))
                return
            now = self._desk.clock()

    async def _one(self, worker: _Worker, unit: Unit, delivery: Delivery, since: float) -> bool:
        """Call the handler with one event, and return whether it succeeded."""
        desk, turn = self._desk, delivery.turn
        error: BaseException | None = None
        verdict = Verdict.DONE
        worker.since, worker.turn, worker.delivery = since, turn, delivery
        worker.unit = unit
        try:
            event_in_hand.set(event := delivery.envelope)
            await self._function(event)
        except BaseException as caught:
            verdict, error = self._meaning(worker, caught)
        worker.unit = None
        if worker.cancelled_for is not None:
            self._forgive(worker)
        desk.outbox.append((verdict, unit, delivery, turn, error, desk.clock() - since))
        if not self.ready and not desk.rung:
            desk.ring()  # while more is ready, the coordinator comes by itself
        return error is None

    async def _batch(self, worker: _Worker, batch: Run, since: float) -> None:
        """Call the handler with a batch."""
        if not self._may_begin(batch, since):
            return
        desk, deliveries = self._desk, list(batch.items)
        turn = deliveries[0].turn
        error: BaseException | None = None
        verdict = Verdict.DONE
        worker.since, worker.turn, worker.delivery = since, turn, None
        worker.unit = batch
        try:
            await self._function(arguments_of(self._subscription, deliveries))
        except BaseException as caught:
            verdict, error = self._meaning(worker, caught)
        worker.unit = None
        if worker.cancelled_for is not None:
            self._forgive(worker)
        desk.put((verdict, batch, None, turn, error, desk.clock() - since))

    def _meaning(self, worker: _Worker, error: BaseException) -> tuple[Verdict, BaseException]:
        if isinstance(error, asyncio.CancelledError):
            if worker.cancelled_for is not None:
                seconds = self._subscription.timeout
                return Verdict.FAILED, TimeoutError(f"The handler took longer than {seconds:g} s.")
            if worker.task is not None and worker.task.cancelling():
                raise error  # the loop is being shut down
        if isinstance(error, Exception) and self._is_outage(error):
            self._desk.paused = True
            return Verdict.OUTAGE, error
        return Verdict.FAILED, error

    def _forgive(self, worker: _Worker) -> None:
        """Forget a cancellation of ours, whatever the handler made of it."""
        worker.cancelled_for = None
        if worker.task is not None:
            worker.task.uncancel()
