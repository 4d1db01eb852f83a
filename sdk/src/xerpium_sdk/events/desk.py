"""Where the threads of a consumer meet: what came in, what was done, and whether anything new may be begun."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TypeAlias

from xerpium_sdk.events.lanes import Delivery, Unit

__all__ = ["Desk", "Outcome", "Verdict"]


class Verdict(Enum):
    """How a piece of work ended, seen from the worker."""

    DONE = "done"
    REPEATED = "repeated"
    """The idempotency store knew it as done."""
    FAILED = "failed"
    OUTAGE = "outage"
    """What all handlers stand on is away."""
    RETURNED = "returned"
    """The rest of the run was not begun, since nothing new may be begun."""


Outcome: TypeAlias = tuple[Verdict, Unit, Delivery | None, int, BaseException | None, float]
"""Verdict; what was handed out; which delivery of it (None: the rest of it, or all of a batch); its turn when it was
begun; the error; the seconds it took."""


class Desk:
    """Deques that one thread fills and another empties, and a bell that wakes the coordinator."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.inbox: deque[list[Delivery]] = deque()
        self.outbox: deque[Outcome] = deque()
        self.begin_until = 0.0
        """Until when (by ``clock``) work may be begun: the right to do so ends by itself when Redis is not heard of."""
        self.paused = False
        """Set when a handler finds that what it stands on is away."""
        self.stopping = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self.rung = False

    def put(self, outcome: Outcome) -> None:
        """Report what came of a piece of work."""
        self.outbox.append(outcome)
        if not self.rung:
            self.ring()

    def ring(self) -> None:
        """Wake the coordinator, once for however much has been put down."""
        if not self.rung:
            self.rung = True
            self._bell.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for the bell, at most for ``seconds``. What was put down before it rang is seen after this."""
        with suppress(Empty):
            self._bell.get(seconds > 0, max(seconds, 0.0) or None)
        self.rung = False
