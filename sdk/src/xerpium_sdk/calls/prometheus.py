"""The numbers of calls for Prometheus: `CallsCollector`. Needs the library ``prometheus_client``.

>>> REGISTRY.register(CallsCollector(service.services))
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xerpium_sdk.resilience import CircuitState

__all__ = ["CallsCollector"]

GAUGES = {
    "xerpium_call_running": ("Calls that run now.", "bulkhead", "running"),
    "xerpium_call_places": ("Calls that may run at once.", "bulkhead", "limit"),
    "xerpium_call_retries_left": ("Retries that the budget has left.", "budget", "balance"),
    "xerpium_call_window_attempts": ("Attempts that the breaker judges by.", "breaker", "calls"),
    "xerpium_call_window_failures": ("Those of them that failed.", "breaker", "failures"),
}
COUNTERS = {
    "xerpium_call_attempts": ("Attempts that the breaker let through.", "breaker", "admitted"),
    "xerpium_call_circuit_refusals": ("Attempts that the breaker refused.", "breaker", "refused"),
    "xerpium_call_circuit_openings": ("How often the breaker opened.", "breaker", "opened"),
    "xerpium_call_retries": ("Attempts that were not the first of their call.", "budget", "retries"),
    "xerpium_call_retry_refusals": ("Retries that the budget did not have.", "budget", "refused"),
    "xerpium_call_place_refusals": ("Calls that found no place.", "bulkhead", "refused"),
}


class HasMetrics(Protocol):
    """A client of services, of either kind."""

    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """The numbers of each service that was called."""


class CallsCollector(Collector):
    """Gives the numbers of clients, each with the service that was called as ``service``.

    Args:
        clients: whose numbers; those of the same service are added up, and its breaker may be in several states.
    """

    def __init__(self, *clients: HasMetrics) -> None:
        self._clients = clients

    def collect(self) -> Iterator[Metric]:
        """Return all series as they are now."""
        found = [(service, numbers) for client in self._clients for service, numbers in client.metrics().items()]
        for kind, families in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, (help_text, part, field) in families.items():
                family = kind(name, help_text, labels=["service"])
                for service, value in _sums(found, part, field).items():
                    family.add_metric([service], value)
                yield family
        yield _states(found)
        aside = GaugeMetricFamily("xerpium_call_aside", "Instances that are put aside.", labels=["service"])
        for service in {service for service, _ in found}:
            names = {one for name, numbers in found if name == service for one in numbers["aside"]}
            aside.add_metric([service], len(names))
        yield aside


def _sums(found: list[tuple[str, Mapping[str, Any]]], part: str, field: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for service, numbers in found:
        sums[service] = sums.get(service, 0) + numbers[part][field]
    return sums


def _states(found: list[tuple[str, Mapping[str, Any]]]) -> Metric:
    """Return one series a service and state, 1 for the state that it is in."""
    family = GaugeMetricFamily(
        "xerpium_call_circuit", "1: the breaker of the service is in this state.", labels=["service", "state"]
    )
    for service in sorted({service for service, _ in found}):
        states = {numbers["breaker"]["state"] for name, numbers in found if name == service}
        for state in CircuitState:
            family.add_metric([service, state.value], float(state.value in states))
    return family
