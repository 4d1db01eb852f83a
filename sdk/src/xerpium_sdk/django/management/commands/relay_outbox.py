"""``manage.py relay_outbox``: brings what the outbox holds to the streams."""

import datetime as dt
import signal
from argparse import ArgumentParser
from contextlib import suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError

from xerpium_sdk.django.relay import OutboxRelay
from xerpium_sdk.events.patience import Undelivered
from xerpium_sdk.events.trouble import Trouble

IDLE_SECONDS = 0.5
"""Longest wait in one piece: how late a signal may be noticed, and an event where nobody tells of commits."""


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT; with ``--once`` until nothing is pending."""

    help = "Move committed events from the outbox to Redis. Several may run: one writes, the others stand by."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="send what is pending now, then stop")
        parser.add_argument("--database", help="alias of the database with the outbox (default: as routers say)")
        parser.add_argument("--keep-hours", type=float, default=24.0, help="how long sent events are kept (24)")
        parser.add_argument("--max-length", type=int, default=5_000_000, help="hard cap of a stream (5000000)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay until told to stop; an outage is waited out, or with ``--once`` an error."""
        self.stopping = False
        self.relay = OutboxRelay(
            getattr(settings, "XERPIUM_REDIS_URL", None),
            using=options["database"],
            max_length=options["max_length"],
            keep=dt.timedelta(hours=options["keep_hours"]),
        )
        self._trouble = Trouble("The database or Redis", "events wait in the outbox")
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._run(once=options["once"])
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._end()

    def _run(self, *, once: bool) -> None:
        self._say("relay_outbox is now running")
        while not self.stopping:
            try:
                more = self.relay.step()
                self._trouble.over()
                if not more and once:
                    return
                if not more:
                    self.relay.wait(IDLE_SECONDS)
            except (OperationalError, InterfaceError, Undelivered) as error:
                if once:
                    raise
                self._wait_out(error)

    def _wait_out(self, error: Exception) -> None:
        pause = self._trouble.met(error)
        self.relay.forget_connections()
        while pause > 0 and not self.stopping:
            self.relay.rest(min(pause, IDLE_SECONDS))
            pause -= IDLE_SECONDS

    def _end(self) -> None:
        with suppress(OperationalError, InterfaceError):  # then the lease ends by itself
            self.relay.close()
        self._say(f"relay_outbox stopped. {self.relay.sent} events sent, {self.relay.parked} parked.")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _say(self, line: str) -> None:
        """Print a line at once: a supervisor waits for it."""
        self.stdout.write(line)
        self.stdout.flush()
