"""``manage.py consume_events``: the hub as a consumer of its services' events."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connection

from apps.core import redis
from apps.core.loop import OUTAGES, RunForever
from apps.events.discovery import discover_handlers
from xerpium_sdk.events import StreamConsumer
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM


class Command(RunForever):
    """Runs the hub's handlers over what services publish."""

    help = "Handle the events that services publish. Several may run at once, each under its own --consumer name."
    name = "consume_events"
    idle_seconds = 0.0

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which group, and who in it."""
        super().add_arguments(parser)
        parser.add_argument("--group", default="hub-core", help="consumer group; the hub's begin with hub-")
        parser.add_argument(
            "--consumer",
            default=socket.gethostname(),
            help="name in the group, the same after a restart and unique among those that run (default: this host's)",
        )

    def begin(self, **options: Any) -> None:
        """Make the consumer; it connects with its first step."""
        if not options["group"].startswith("hub-"):
            raise CommandError("The hub's own groups begin with hub-: services must be able to tell them from theirs.")
        self.once = options["once"]
        self.consumer = StreamConsumer(
            redis.blocking_client(),
            group=options["group"],
            streams=(STREAM_EVENTS, STREAM_EVENTS_CUSTOM),
            handlers=discover_handlers(),
            consumer_name=options["consumer"],
            is_outage=_is_outage,
            should_stop=self.stopping.is_set,
        )

    def step(self) -> bool:
        """Handle one batch, or wait a second for one."""
        return self.consumer.step(wait=not self.once)

    def end(self) -> str:
        """Acknowledge what is done."""
        self.consumer.close()
        tally = self.consumer.tally
        return (
            f"{tally.handled} events handled, {tally.ignored} of no interest, {tally.failed} attempts failed,"
            f" {tally.dead} given up."
        )


def _is_outage(error: Exception) -> bool:
    """Tell a database or Redis that is away from a query that fails: only the former would fail every event."""
    if isinstance(error, redis.AWAY):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    connection.close()
    try:
        connection.ensure_connection()
    except OUTAGES:
        return True
    return False
