"""What ``/metrics`` and ``/health`` say about the registry, from memory."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from apps.core import health, metrics
from apps.registry.live import live
from xerpium_sdk.wire.registry import Status

fast_answers: Counter[str] = Counter()
"""Requests that were answered before Django, by route."""


def install() -> None:
    """Register the metrics, and say who knows about protection and about the registered services."""
    metrics.register_collector(collect)
    health.register_protection(protection)
    health.register_check("external_services", check_services, critical=False)


def collect() -> Iterator[Metric]:
    """Yield the gauges of the catalogue as this process sees it, and the counters of its fast answers."""
    fast = CounterMetricFamily("xerpium_fast_answers", "Requests answered before Django, by route.", labels=["route"])
    for route, count in sorted(fast_answers.items()):
        fast.add_metric([route], count)
    yield fast
    if not live.is_loaded:
        return
    catalog = live.catalog
    for what, counts in (("services", catalog.services_by_status()), ("instances", catalog.instances_by_status())):
        family = GaugeMetricFamily(f"xerpium_registry_{what}", f"Registered {what}, by status.", labels=["status"])
        for status in Status:
            family.add_metric([status.value], counts[status])
        yield family
    yield GaugeMetricFamily("xerpium_catalog_revision", "Revision of the catalogue.", catalog.revision)
    yield GaugeMetricFamily(
        "xerpium_catalog_unconfirmed_seconds", "For how long nobody confirmed the catalogue.", live.staleness() or 0.0
    )
    yield GaugeMetricFamily("xerpium_protection", "1 while protection is on.", float(live.protection is not None))


def protection() -> health.Protection:
    """Return whether protection is on, since when and why."""
    state = live.protection
    if state is None:
        return health.Protection()
    return health.Protection(active=True, since=dt.datetime.fromisoformat(state["since"]), reason=state["reason"])


def check_services() -> health.CheckResult:
    """Return how many of the registered services are fit for work. Others' trouble is not the hub's: always healthy."""
    if not live.is_loaded:
        return health.CheckResult(True)
    counts = live.catalog.services_by_status()
    return health.CheckResult(True, {status.value: counts[status] for status in Status if counts[status]})
