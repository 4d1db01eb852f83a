"""/metrics says what this process did, and stays up when a part of it cannot say anything."""

from collections.abc import Iterator

import pytest
from django.test import Client
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from apps.core import metrics

pytestmark = pytest.mark.urls("tests.core.urls")


def samples(client: Client, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    # Only its own lines are read, of which a process that ran other tests has many.
    own = [line for line in answer.content.decode().splitlines() if line.startswith((name, "# "))]
    families = text_string_to_metric_families("\n".join(own) + "\n")
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def count(client: Client, route: str, verb: str, status: str) -> float:
    labels = (("route", route), ("status", status), ("verb", verb))
    return samples(client, "xerpium_http_request_seconds_count").get(labels, 0.0)


@pytest.mark.parametrize(
    ("call", "route", "verb", "status"),
    [
        (("GET", "/api/v1/things/7?x=1"), "/api/v1/things/<int:thing_id>", "GET", "422"),
        (("GET", "/api/v1/echo/"), "/api/v1/echo", "GET", "200"),
        (("GET", "/made-up/8372"), "unmatched", "GET", "404"),
        (("MADEUP", "/api/v1/echo"), "/api/v1/echo", "other", "405"),
    ],
)
def test_requests_are_counted_by_route_verb_and_status(
    client: Client, call: tuple[str, str], route: str, verb: str, status: str
) -> None:
    before = count(client, route, verb, status)
    client.generic(*call)
    assert count(client, route, verb, status) == before + 1


def test_the_process_is_measured(client: Client) -> None:
    assert samples(client, "process_resident_memory_bytes")[()] > 1_000_000
    known = {family.name for family in text_string_to_metric_families(client.get("/metrics").content.decode())}
    assert {"process_resident_memory_bytes", "xerpium_http_request_seconds"} <= known


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Metric]]:
    """Metrics of an app, registered for one test."""
    found: list[Metric] = []
    before = set(metrics.registry._collector_to_names)

    def collect() -> list[Metric]:
        if not found:
            raise RuntimeError("no database")
        return found

    metrics.register_collector(collect)
    yield found
    for collector in set(metrics.registry._collector_to_names) - before:
        metrics.registry.unregister(collector)


def test_an_app_adds_metrics_of_the_moment(client: Client, collected: list[Metric]) -> None:
    collected.append(GaugeMetricFamily("xerpium_services", "Known services.", value=7))
    assert samples(client, "xerpium_services") == {(): 7.0}


def test_a_collector_that_fails_takes_no_other_with_it(
    client: Client, collected: list[Metric], caplog: pytest.LogCaptureFixture
) -> None:
    assert samples(client, "process_resident_memory_bytes")
    assert "metrics_collector_failed" in caplog.text
