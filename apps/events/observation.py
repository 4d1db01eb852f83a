"""What ``/metrics`` and ``/health`` say about events."""

from collections.abc import Iterator
from dataclasses import replace

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from apps.core import health, metrics, redis
from apps.events.selectors import outbox_state
from xerpium_sdk.wire.keys import RELAY_ALIVE

__all__ = ["install"]


def install() -> None:
    """Register the metrics, and add the outbox and the relay to what the checks of the engines say."""
    metrics.register_collector(collect)
    health.register_check("database", check_database, critical=True)
    health.register_check("redis", check_redis, critical=True)


def collect() -> Iterator[Metric]:
    """Yield the outbox's gauges."""
    state = outbox_state()
    yield GaugeMetricFamily("xerpium_outbox_pending", "Entries that wait for the relay.", state.pending)
    yield GaugeMetricFamily("xerpium_outbox_oldest_seconds", "How long the oldest has waited.", state.oldest_seconds)
    yield GaugeMetricFamily("xerpium_outbox_parked", "Entries that cannot be sent.", state.parked)


def check_database() -> health.CheckResult:
    """Return healthy when PostgreSQL answers; a backlog is told, and is the relay's trouble or Redis's."""
    state = outbox_state()
    outbox = {
        "outbox_pending": state.pending,
        "outbox_oldest_seconds": round(state.oldest_seconds, 1),
        "outbox_parked": state.parked,
    }
    return health.CheckResult(True, outbox)


def check_redis() -> health.CheckResult:
    """Return healthy when Redis answers; without a relay the hub still serves, from PostgreSQL."""
    alive = redis.client().exists(RELAY_ALIVE)
    return replace(health.check_redis(), details={"relay": "running" if alive else "away"})
