"""The numbers of calls, as plain values and for Prometheus."""

import json
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.sdk.fleet import Fleet, fleet_of
from tests.sdk.hub import Hub, snapshot
from xerpium_sdk.calls import CallPolicy, CircuitOpen, NoAnswer, ServiceClient
from xerpium_sdk.calls.prometheus import CallsCollector
from xerpium_sdk.registry import Catalog
from xerpium_sdk.resilience import BreakerPolicy, RetryPolicy

STOCK = "stock-service"
POLICY = CallPolicy(
    retry=RetryPolicy(attempts=2, base=0.001, jitter=0), concurrency=7, breaker=BreakerPolicy(consecutive_failures=2)
)


@pytest.fixture
def client(hub: Hub) -> Iterator[ServiceClient]:
    """A client of one instance, which has had a good call, one that failed twice, and one that was not made."""
    with fleet_of(1, STOCK) as fleet:
        hub.opening = [snapshot(1, fleet.record)]
        with Catalog(hub.url) as catalog, ServiceClient(catalog, policy=POLICY) as client:
            client.get(STOCK, "items")
            fail(client, fleet)
            yield client


def fail(client: ServiceClient, fleet: Fleet) -> None:
    fleet.instances[0].statuses = [(503, {})] * 2
    with pytest.raises(NoAnswer):
        client.get(STOCK, "items")
    with pytest.raises(CircuitOpen):
        client.get(STOCK, "items")


def test_they_are_plain_values(client: ServiceClient) -> None:
    numbers = client.metrics()
    assert json.loads(json.dumps(numbers)) == numbers
    breaker = numbers[STOCK]["breaker"]
    assert (breaker["state"], breaker["admitted"], breaker["refused"], breaker["opened"]) == ("open", 3, 1, 1)
    assert 59 < breaker["retry_after"] <= 60
    assert numbers[STOCK]["bulkhead"] == {"running": 0, "limit": 7, "refused": 0}
    assert (numbers[STOCK]["budget"]["retries"], numbers[STOCK]["budget"]["refused"]) == (1, 0)
    assert numbers[STOCK]["aside"] == []


def test_prometheus_has_them_as_series(client: ServiceClient) -> None:
    registry = CollectorRegistry()
    registry.register(CallsCollector(client, client))
    text = generate_latest(registry).decode()
    for line in (
        'xerpium_call_attempts_total{service="stock-service"} 6.0',
        'xerpium_call_retries_total{service="stock-service"} 2.0',
        'xerpium_call_circuit_refusals_total{service="stock-service"} 2.0',
        'xerpium_call_circuit{service="stock-service",state="open"} 1.0',
        'xerpium_call_circuit{service="stock-service",state="closed"} 0.0',
        'xerpium_call_places{service="stock-service"} 14.0',
        'xerpium_call_aside{service="stock-service"} 0.0',
    ):
        assert line in text
