"""``manage.py consume_events``: the hub as a consumer of its services' events."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import suppress
from threading import Thread
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from apps.core import redis
from apps.core.loop import RunForever
from apps.events.consuming import make_consumer
from apps.events.discovery import discover_subscriptions
from apps.events.subscriptions import OWN_PREFIX
from xerpium_sdk.events import EventConsumer

PROGRESS_SECONDS = 60.0


class Command(RunForever):
    """Runs the hub's groups: handlers of its apps, the journal, the dead letters."""

    help = (
        "Handle the events that services publish, write the journal and collect dead letters. Several may run: of each"
        " group one works, the others stand by."
    )
    name = "consume_events"
    idle_seconds = 1.0

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which groups, how many threads, and under which name."""
        super().add_arguments(parser)
        parser.add_argument(
            "--group", action="append", metavar="NAME", help="run only this group of the hub; may be repeated"
        )
        parser.add_argument("--workers", type=int, default=4, help="threads for each handler (default: %(default)s)")
        parser.add_argument(
            "--consumer", help="name in the groups, unique among those that run (default: of this host, a free one)"
        )

    def begin(self, **options: Any) -> None:
        """Choose the groups; the first step connects."""
        if options["workers"] < 1:
            raise CommandError("At least one worker is needed.")
        subscriptions = discover_subscriptions()
        wanted = options["group"] or list(subscriptions)
        for group in wanted:
            if not group.startswith(OWN_PREFIX):
                raise CommandError(f"The hub's own groups begin with {OWN_PREFIX}: services run theirs themselves.")
            if group not in subscriptions:
                raise CommandError(f"The hub has no group {group}, only {', '.join(subscriptions)}.")
        self.once = options["once"]
        self.chosen = [subscriptions[group] for group in dict.fromkeys(wanted)]
        self.consumers = {
            one.group: make_consumer(one, redis.blocking_client(), workers=options["workers"], name=options["consumer"])
            for one in self.chosen
        }
        self.started: set[str] = set()
        self.next_progress = time.monotonic() + PROGRESS_SECONDS
        self.told = ""

    def step(self) -> bool:
        """Start what does not run yet, and look whether it still does; with ``--once`` do everything there is."""
        self._require_engines()
        if self.once:
            for is_last in (False, True):
                self._drain([self.consumers[one.group] for one in self.chosen if one.is_last is is_last])
            return False
        for group, consumer in self.consumers.items():
            if group not in self.started:
                consumer.start()
                self.started.add(group)
            elif not consumer.running:
                consumer.close()  # raises what ended it
                raise RuntimeError(f"The consumer of {group} ended by itself.")
        self._tell_progress()
        return False

    def end(self) -> str:
        """Finish what is begun, hand the rest back, and sum up."""
        for consumer in self.consumers.values():
            consumer.stop()
        parts = []
        for group, consumer in self.consumers.items():
            handed_back = consumer.close().handed_back
            counts = consumer.metrics.snapshot()
            parts.append(
                f"{group}: {counts.handled:,} events handled, {counts.ignored:,} of no interest,"
                f" {counts.failed:,} attempts failed, {counts.dead:,} given up"
                + (f", {handed_back:,} handed back." if handed_back else ".")
            )
        return " ".join(parts)

    def _require_engines(self) -> None:
        """Raise an outage before the first event; later ones the consumers wait out by themselves."""
        if self.once or len(self.started) < len(self.consumers):
            redis.client().ping()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

    def _drain(self, consumers: Iterable[EventConsumer]) -> None:
        """Let consumers handle all there is. An outage ends it, and so does another process that has done the work."""
        threads = {Thread(target=_run_until_idle, args=(one,), daemon=True): one for one in consumers}
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not self.stopping.is_set():
            next(thread for thread in threads if thread.is_alive()).join(1.0)
            self._require_engines()
            for thread, consumer in threads.items():
                if thread.is_alive() and not any(lag.lag or lag.pending for lag in consumer.lag().values()):
                    consumer.stop()
        for consumer in threads.values():
            consumer.stop()
        for thread in threads:
            thread.join()

    def _tell_progress(self) -> None:
        if time.monotonic() < self.next_progress:
            return
        self.next_progress = time.monotonic() + PROGRESS_SECONDS
        parts = []
        for group, consumer in self.consumers.items():
            counts = consumer.metrics.snapshot()
            with suppress(redis.RedisError):
                lag = sum(found.lag for found in consumer.lag().values())
                parts.append(f"{group}: {counts.handled:,} events handled, lag {lag:,}, {counts.dead:,} given up")
        if (line := "; ".join(parts)) != self.told:
            self.told = line
            self._say(line)


def _run_until_idle(consumer: EventConsumer) -> None:
    consumer.run_until_idle()
