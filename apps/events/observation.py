"""What ``/metrics`` and ``/health`` say about events."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from apps.core import health, metrics, redis
from apps.core.tenancy import system, use
from apps.events.selectors import GroupView, StreamView, bus_state, dead_letters_waiting, groups, outbox_state, streams
from apps.events.selectors.state import journalled
from apps.events.streams import JOURNAL_GROUP
from xerpium_sdk.wire.keys import RELAY_ALIVE

__all__ = ["install"]

_WATCHING = system("measure the bus")

View = TypeVar("View", GroupView, StreamView)


def install() -> None:
    """Register the metrics, and add the bus to what the checks of the engines say."""
    metrics.register_collector(collect_outbox)
    metrics.register_collector(collect_bus)
    health.register_check("database", check_database, critical=True)
    health.register_check("redis", check_redis, critical=True)


def collect_outbox() -> Iterator[Metric]:
    """Yield the outbox's gauges."""
    with use(_WATCHING):
        state = outbox_state()
    yield GaugeMetricFamily("xerpium_outbox_pending", "Entries that wait for the relay.", state.pending)
    yield GaugeMetricFamily("xerpium_outbox_oldest_seconds", "How long the oldest has waited.", state.oldest_seconds)
    yield GaugeMetricFamily("xerpium_outbox_parked", "Entries that cannot be sent.", state.parked)


def collect_bus() -> Iterator[Metric]:
    """Yield the gauges of streams, groups, the journal and the dead letters; of the last look while Redis is away."""
    with use(_WATCHING):
        waiting, copied, of_streams, of_groups = dead_letters_waiting(), journalled(), streams(), groups()
    yield GaugeMetricFamily("xerpium_dead_letters_waiting", "Dead letters to decide on.", waiting)
    yield CounterMetricFamily("xerpium_journal_entries", "Entries taken into the journal.", copied)
    yield from _streams(of_streams)
    yield from _groups(of_groups)


def _streams(found: Sequence[StreamView]) -> Iterator[Metric]:
    labels = ("stream",)
    yield _gauge("stream_length", "Entries in a stream.", labels, found, lambda view: view.length)
    yield _gauge("stream_max_length", "Entries that it may have at most.", labels, found, lambda view: view.hard_max)
    yield _gauge("stream_bytes", "Memory of a stream in Redis, estimated.", labels, found, lambda view: view.memory)
    yield _gauge("stream_alarm", "1 when a stream is close to its cap.", labels, found, lambda view: bool(view.alarm))
    trimmed = CounterMetricFamily("xerpium_stream_trimmed", "Entries that the hub has cut off.", labels=labels)
    for view in found:
        trimmed.add_metric([view.stream], view.trimmed)
    yield trimmed


def _groups(found: Sequence[GroupView]) -> Iterator[Metric]:
    labels = ("stream", "group")
    told = [view for view in found if view.lag is not None]
    alive = [view for view in found if view.alive is not None]
    yield _gauge("group_lag", "Entries that a group has not read.", labels, told, lambda view: view.lag or 0)
    yield _gauge("group_pending", "Entries read and not acknowledged.", labels, found, lambda view: view.pending)
    yield _gauge(
        "group_lag_seconds", "Age of the oldest entry not acknowledged.", labels, found, lambda view: view.lag_seconds
    )
    yield _gauge("group_consumers", "Names that Redis knows of a group.", labels, found, lambda view: view.consumers)
    yield _gauge(
        "group_alive", "Consumers of our engine that gave a sign of life.", labels, alive, lambda view: view.alive or 0
    )


def _gauge(
    name: str, text: str, labels: Sequence[str], found: Sequence[View], value: Callable[[View], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"xerpium_{name}", text, labels=labels)
    for view in found:
        family.add_metric([str(getattr(view, label)) for label in labels], float(value(view)))
    return family


@use(_WATCHING)
def check_database() -> health.CheckResult:
    """Return healthy when PostgreSQL answers; what waits is told, and is the trouble of others.

    Of the bus this tells what the last look stored, so that Redis cannot make this check slow.
    """
    outbox, bus = outbox_state(), bus_state(live_too=False)
    details = {
        "outbox_pending": outbox.pending,
        "outbox_oldest_seconds": round(outbox.oldest_seconds, 1),
        "outbox_parked": outbox.parked,
        "journal_lag_seconds": round(bus.lag_seconds.get(JOURNAL_GROUP, 0.0), 1),
        "hub_lag_seconds": round(max(bus.lag_seconds.values(), default=0.0), 1),
        "streams_near_cap": len(bus.alarms),
        "dead_letters_waiting": bus.dead_waiting,
    }
    return health.CheckResult(True, details)


def check_redis() -> health.CheckResult:
    """Return healthy when Redis answers; without a relay the hub still serves, from PostgreSQL."""
    alive = redis.client().exists(RELAY_ALIVE)
    return replace(health.check_redis(), details={"relay": "running" if alive else "away"})
