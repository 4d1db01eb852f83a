"""This consumer's standing in its group: its name, its sign of life, and whether it may read."""

import logging
import os
from datetime import UTC, datetime
from uuid import uuid4

from xerpium_sdk.events.desk import Desk
from xerpium_sdk.events.membership import Membership
from xerpium_sdk.events.metrics import Metrics
from xerpium_sdk.events.options import Options, host_name
from xerpium_sdk.wire.times import format_time

__all__ = ["Standing"]

logger = logging.getLogger(__name__)

MARGIN = 0.9
"""Share of a lease that is used: clocks of two hosts do not run equally fast."""
STANDBY_SECONDS = 0.2
"""How often one that stands by asks whether it may read."""


class Standing:
    """Joins, beats and holds the lease; `keep` does what is due, and says what has changed."""

    def __init__(self, options: Options, membership: Membership, desk: Desk, metrics: Metrics) -> None:
        self.name = options.consumer_name or ""
        self.active = False
        """Whether this consumer may read."""
        self.epoch = 0
        """Raised with every new right to read: what was in hand before may have been handled by others since."""
        self.next_due = 0.0
        self._options, self._membership, self._desk, self._metrics = options, membership, desk, metrics
        self._token = str(uuid4())
        self._since = format_time(datetime.now(UTC))
        self._next_beat = self._next_hold = 0.0

    def keep(self, now: float) -> None:
        """Do what is due at ``now``. Raises what redis-py raises."""
        if now >= self._next_beat:
            self._keep_name()
            self._next_beat = now + self._options.beat_seconds
        if self._options.ordered and now >= self._next_hold:
            self._keep_lease()
        self.next_due = min(self._next_beat, self._next_hold) if self._options.ordered else self._next_beat

    def leave(self, *, nothing_pending: bool) -> None:
        """Give everything up, so that others need not wait for it to expire."""
        self._lose()
        if self._options.ordered:
            self._membership.yield_up(self._token)
        if self.name:
            self._membership.leave(self.name, self._token, nothing_pending=nothing_pending)

    def _keep_name(self) -> None:
        options, sent = self._options, self._desk.clock()
        if not self.name:
            self.name = self._membership.join(f"{options.base_name}-", self._token, options.gone_ms)
        forced = options.consumer_name is not None
        if not self._membership.beat(self.name, self._token, self._report(), by_force=forced):
            logger.warning("Another process took the name %s: this one was silent for too long", self.name)
            self._lose()
            self.name = self._membership.join(f"{options.base_name}-", self._token, options.gone_ms)
            self._membership.beat(self.name, self._token, self._report(), by_force=False)
        if not options.ordered:
            self._win(sent, options.gone_ms / 1000)

    def _keep_lease(self) -> None:
        sent, seconds = self._desk.clock(), self._options.lease_seconds
        if self._membership.hold(self._token, int(seconds * 1000)):
            self._win(sent, seconds)
            self._next_hold = sent + seconds / 3
        else:
            self._lose()
            self._next_hold = sent + STANDBY_SECONDS

    def _win(self, sent: float, seconds: float) -> None:
        """The right to read is held for ``seconds`` from ``sent``, when it was asked for."""
        if not self.active or self._desk.clock() >= self._desk.begin_until:
            self.epoch += 1
            self.active = self._metrics.active = True
        self._desk.begin_until = sent + seconds * MARGIN

    def _lose(self) -> None:
        if self.active:
            logger.info("%s of group %s reads no longer", self.name, self._options.group)
        self.active = self._metrics.active = False
        self._desk.begin_until = 0.0

    def _report(self) -> dict[str, object]:
        about = {"host": host_name(), "pid": os.getpid(), "since": self._since}
        return about | self._metrics.snapshot().as_dict()
