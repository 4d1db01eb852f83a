"""Threads that call a handler which is a plain function.

The threads of a handler share one deque of runs. One that finds it empty sleeps until it is woken; for handlers that
return at once a single thread empties it, so that an event costs no switch of threads.
"""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeAlias

from xerpium_sdk.events.calls import sync_call
from xerpium_sdk.events.desk import Desk, Verdict
from xerpium_sdk.events.idempotency import WrappingStore
from xerpium_sdk.events.lanes import Delivery, Run, Unit
from xerpium_sdk.events.options import Around
from xerpium_sdk.events.subscriptions import Subscription
from xerpium_sdk.trace import event_in_hand

__all__ = ["Overdue", "Pool", "ThreadPool"]

logger = logging.getLogger(__name__)

Overdue: TypeAlias = tuple[Unit, Delivery | None, int]
"""What was handed out, which delivery of it (None: all of a batch), and its turn."""

STRETCH_SECONDS = 1.0
"""How long a thread works on before what surrounds its work is left and entered anew."""


class Pool(Protocol):
    """Those who call one handler."""

    ready: deque[Unit]

    def wake(self, *, everyone: bool) -> None:
        """See to it that somebody works on what is ready, or ``everyone`` that there is work for."""

    def overdue(self, now: float) -> list[Overdue]:
        """Give up on calls that have taken longer than the timeout, and return them."""

    def crowded(self) -> bool:
        """Return whether so many calls hang that nothing more can be begun."""

    def stop(self) -> None:
        """Let idle workers go, and busy ones after what they are at."""

    def give_up(self) -> bool:
        """Break off what can be broken off; return whether nobody is at work any more. To be called after `stop`."""


class _Worker:
    __slots__ = ("abandoned", "bell", "delivery", "since", "turn", "unit")

    def __init__(self) -> None:
        self.bell: SimpleQueue[bool] = SimpleQueue()
        self.unit: Unit | None = None
        self.delivery: Delivery | None = None
        self.since = 0.0
        self.turn = 0
        self.abandoned = False


class ThreadPool:
    """Up to ``concurrency`` threads for one handler. A call that hangs cannot be ended: its thread is replaced."""

    def __init__(
        self,
        subscription: Subscription,
        desk: Desk,
        *,
        group: str,
        store: WrappingStore | None,
        is_outage: Callable[[Exception], bool],
        around: Around | None,
    ) -> None:
        self.ready: deque[Unit] = deque()
        self._subscription, self._desk, self._around = subscription, desk, around
        self._is_outage = is_outage
        self._call = sync_call(subscription, store, group)
        self._plain = subscription.function if store is None else None
        self._workers: set[_Worker] = set()
        self._idle: deque[_Worker] = deque()
        self._hung: set[_Worker] = set()
        self._stopped = False

    # --- called by the coordinator

    def wake(self, *, everyone: bool) -> None:
        """See `Pool`."""
        awake = len(self._workers) - len(self._idle)
        for _ in range(len(self.ready) if everyone else 1 - awake):
            try:
                self._idle.pop().bell.put(True)
            except IndexError:
                if not self._begin():
                    return

    def overdue(self, now: float) -> list[Overdue]:
        """See `Pool`. The thread is left alone with its call; when that ends, the thread does."""
        found: list[Overdue] = []
        limit = self._subscription.timeout
        for worker in list(self._workers):
            unit, delivery, turn, since = worker.unit, worker.delivery, worker.turn, worker.since
            if unit is not None and now - since > limit:
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
        for worker in list(self._workers):
            worker.bell.put(False)

    def give_up(self) -> bool:
        """See `Pool`: nobody can break off a thread."""
        return not self._workers and not self._hung

    def _begin(self) -> bool:
        """Begin one more thread; False when there are enough. Those that hang are replaced, up to as many again."""
        most = self._subscription.concurrency
        if len(self._workers) >= most or len(self._workers) + len(self._hung) >= 2 * most:
            return False
        worker = _Worker()
        self._workers.add(worker)
        Thread(target=self._live, args=(worker,), name=f"xerpium-{self._subscription.name}", daemon=True).start()
        return True

    # --- in the threads

    def _live(self, worker: _Worker) -> None:
        try:
            while self._has_work(worker):
                with _Guarded(self._around() if self._around else nullcontext()):
                    self._work(worker)
        finally:
            self._workers.discard(worker)
            self._hung.discard(worker)
            self._desk.ring()

    def _has_work(self, worker: _Worker) -> bool:
        """Wait until something is ready; False when the thread is to end."""
        while not worker.abandoned and not self._stopped:
            if self.ready:
                return True
            self._idle.append(worker)
            # Whoever made something ready before it saw this worker among the idle ones woke nobody.
            if self.ready:
                try:
                    self._idle.remove(worker)
                except ValueError:
                    pass
                else:
                    return True
            worker.bell.get()
        return False

    def _work(self, worker: _Worker) -> None:
        clock, ready = self._desk.clock, self.ready
        now = clock()
        end = now + STRETCH_SECONDS
        while not worker.abandoned and now < end:
            if self._plain is not None:
                now = self._singles(worker, now, end)
            try:
                unit = ready.popleft()
            except IndexError:
                return
            if isinstance(unit, Delivery):
                if self._may_begin(unit, now):
                    self._one(worker, unit, unit, now)
            elif self._subscription.batching is None:
                self._run(worker, unit)
            else:
                self._batch(worker, unit, now)
            now = clock()

    def _singles(self, worker: _Worker, since: float, end: float) -> float:
        """Call the handler with single events while such are ready: `_one`, without its cost; return the time."""
        desk, ready, function, handled = self._desk, self.ready, self._plain, event_in_hand.set
        outbox, clock = desk.outbox, desk.clock
        error: BaseException | None
        if function is None:
            return since
        while since < end and not worker.abandoned:
            if desk.paused or desk.stopping or since >= desk.begin_until:
                break
            try:
                unit = ready.popleft()
            except IndexError:
                break
            if not isinstance(unit, Delivery):
                ready.appendleft(unit)
                break
            worker.since, worker.turn, worker.delivery = since, unit.turn, unit
            worker.unit = unit
            event = unit.envelope
            handled(event)
            try:
                function(event)
            except BaseException as caught:
                error, verdict = caught, self._meaning(caught)
            else:
                error, verdict = None, Verdict.DONE
            worker.unit = None
            now = clock()
            outbox.append((verdict, unit, unit, worker.turn, error, now - since))
            if not ready and not desk.rung:
                desk.ring()  # while more is ready, the coordinator comes by itself
            since = now
        return since

    def _may_begin(self, unit: Unit, now: float) -> bool:
        """Return whether something new may be begun; otherwise put ``unit`` back on the desk."""
        desk = self._desk
        if not desk.paused and not desk.stopping and now < desk.begin_until:
            return True
        desk.put((Verdict.RETURNED, unit, None, 0, None, 0.0))
        return False

    def _run(self, worker: _Worker, run: Run) -> None:
        """Do the deliveries of a run in order, up to the first that fails."""
        items = run.items
        now = self._desk.clock()
        while items and self._may_begin(run, now):
            try:
                delivery = items.popleft()
            except IndexError:
                return  # the coordinator took the rest back
            succeeded, now = self._one(worker, run, delivery, now)
            if not succeeded:
                return
            if worker.abandoned:
                self._desk.put((Verdict.RETURNED, run, None, 0, None, 0.0))
                return

    def _one(self, worker: _Worker, unit: Unit, delivery: Delivery, since: float) -> tuple[bool, float]:
        """Call the handler with one event; return whether it succeeded, and the time."""
        desk, turn = self._desk, delivery.turn
        error: BaseException | None = None
        verdict = Verdict.DONE
        worker.since, worker.turn, worker.delivery = since, turn, delivery
        worker.unit = unit
        try:
            if self._plain is not None:
                event_in_hand.set(event := delivery.envelope)
                self._plain(event)
            else:
                verdict = self._call((delivery,))
        except BaseException as caught:
            error, verdict = caught, self._meaning(caught)
        worker.unit = None
        now = desk.clock()
        desk.outbox.append((verdict, unit, delivery, turn, error, now - since))
        if not self.ready and not desk.rung:
            desk.ring()
        return error is None, now

    def _batch(self, worker: _Worker, batch: Run, since: float) -> None:
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
            verdict = self._call(deliveries)
        except BaseException as caught:
            error, verdict = caught, self._meaning(caught)
        worker.unit = None
        desk.put((verdict, batch, None, turn, error, desk.clock() - since))

    def _meaning(self, error: BaseException) -> Verdict:
        """Say in the handler's own thread, where its connections are, what its error means."""
        if isinstance(error, Exception) and self._is_outage(error):
            self._desk.paused = True
            return Verdict.OUTAGE
        return Verdict.FAILED


class _Guarded:
    """A context manager whose own errors are logged: what it surrounds has its results already."""

    def __init__(self, inner: AbstractContextManager[object]) -> None:
        self._inner: AbstractContextManager[object] | None = inner

    def __enter__(self) -> None:
        try:
            if self._inner is not None:
                self._inner.__enter__()
        except Exception:
            logger.exception("What should surround handlers failed; they are called without it")
            self._inner = None

    def __exit__(self, *about: object) -> None:
        try:
            if self._inner is not None:
                self._inner.__exit__(None, None, None)
        except Exception:
            logger.exception("What surrounds handlers failed at its end")
