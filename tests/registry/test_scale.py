"""Ten thousand instances of five hundred services: what reads, sweeps and expires does not ask more for more."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.redis import client
from apps.registry import leases
from apps.registry.changes import current_revision
from apps.registry.live import live
from apps.registry.models import Instance
from apps.registry.projection import CatalogProjection, read_all, read_projection
from apps.registry.services import expiry, polling
from apps.registry.services.expiry import Swept
from tests.support.api import Api
from tests.support.registry import NOW, end_leases, seconds

logger = logging.getLogger(__name__)

SERVICES, INSTANCES = 500, 10_000

# Each service depends on the three after it, so the graph is one great circle with many ways through it.
FILL = f"""
INSERT INTO registry_service (name, company_id, notes, revision, created_at)
SELECT 'service-' || lpad(n::text, 3, '0'), NULL, '', n, now() FROM generate_series(1, {SERVICES}) n;
INSERT INTO registry_instance (
    service_id, instance_id, version, host, port, health_check_url, api_base_url, tags, capabilities, dependencies,
    weight, metadata, lease_seconds, deregister_after_seconds, poll_interval_seconds, status, status_since,
    reported_status, draining, registered_at, revision)
SELECT s.id, '10.0.' || s.n || '.' || i || ':8000', '1.' || i || '.0', '10.0.0.' || i, 8000,
       'http://10.0.0.1:8000/health', 'http://10.0.0.1:8000/api/v1', ARRAY['erp', 'tag-' || i], ARRAY['read', 'write'],
       ARRAY(SELECT 'service-' || lpad((1 + mod(s.n + step - 1, {SERVICES}))::text, 3, '0')
             FROM generate_series(1, 3) step),
       100, '{{"rack": 7}}', 90, 600, 30, 'healthy', %(now)s, 'healthy', false, %(now)s, s.n
FROM (SELECT id, row_number() OVER (ORDER BY name) AS n FROM registry_service) s
CROSS JOIN generate_series(1, {INSTANCES // SERVICES}) i;
INSERT INTO registry_vitals (instance_id, last_seen_at, next_due_at, failures, successes, reason)
SELECT id, %(now)s, %(now)s, 0, 0, '' FROM registry_instance;
INSERT INTO registry_catalogrevision (id, value) VALUES (1, {SERVICES});
"""


@pytest.fixture
def crowd(hub: None) -> None:
    """The whole crowd, stored and with leases."""
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"now": NOW})
    leases.extend([(pk, 90) for pk in Instance.objects.values_list("id", flat=True)], NOW)


@contextmanager
def measured(what: str, *, queries: int) -> Iterator[None]:
    """Check how many queries the block takes at most, and log how long it took."""
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        yield
    logger.info("%s: %.1f ms, %d queries", what, (time.perf_counter() - began) * 1000, len(captured))
    assert len(captured) <= queries, what


@pytest.mark.thorough
def test_a_crowd(crowd: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        reads_of_a_crowd(Api())
        expiry_of_a_crowd()
        projection_of_a_crowd()


def reads_of_a_crowd(api: Api) -> None:
    with measured("first load", queries=0):
        live.ready()
    with measured("list of 500", queries=0):
        page = api.get("/services?limit=500").json()
    assert (len(page["results"]), page["next"]) == (SERVICES, None)
    with measured("list with filters", queries=0):
        assert len(api.get("/services?tag=tag-7&q=SERVICE-1&limit=500").json()["results"]) == 100
    with measured("detail", queries=0):
        record = api.get("/services/service-250").json()
    assert (len(record["instances"]), record["status"], record["revision"]) == (20, "healthy", 250)
    with measured("detail by version", queries=0):
        assert len(api.get("/services/service-250?version=%5E1.15").json()["instances"]) == 6
    with measured("graph", queries=0):
        graph = api.get("/services/graph").json()
    assert (len(graph["nodes"]), len(graph["edges"]), graph["missing"], len(graph["cycles"])) == (500, 1500, [], 1)
    assert all(len(node["impact"]) == SERVICES - 1 for node in graph["nodes"])
    with measured("snapshot of a stream", queries=0):
        revision, snapshot = live.catalog.snapshot()
    assert (revision, len(orjson.loads(snapshot)["services"])) == (SERVICES, SERVICES)


def expiry_of_a_crowd() -> None:
    everyone = list(Instance.objects.order_by("id").values_list("id", flat=True))
    with measured("sweep without a loss", queries=12):
        assert expiry.sweep(now=NOW + seconds(1)) == Swept()
    end_leases(everyone[:3000], NOW + seconds(2))
    # Two batches, each with as many statements as one instance would need.
    with measured("sweep with 3,000 losses", queries=40):
        assert expiry.sweep(now=NOW + seconds(2)) == Swept(stale=3000)
    # One change of each service in each batch, at most.
    assert current_revision() <= SERVICES + 2 * SERVICES
    leases.renew([(pk, 90) for pk in everyone[3000:]], NOW + seconds(60))
    with measured("copy of 7,000 signs of life", queries=2):
        assert expiry.last_seen_flush(now=NOW + seconds(61), within=seconds(40)) == 7000
    with measured("claim of 5,000 polls", queries=4):
        assert len(polling.claim_due(now=NOW + seconds(1))) == 5000
    Instance.objects.filter(status="stale").update(status_since=NOW - seconds(600))
    with measured("departure of 2,000", queries=25):
        assert expiry.sweep(now=NOW + seconds(7)) == Swept(deregistered=2000)


def projection_of_a_crowd() -> None:
    with measured("rebuild of the projection", queries=2):
        CatalogProjection().rebuild(client())
    with measured("read of the projection", queries=0):
        found = read_projection(client())
    assert found is not None
    assert len(found.instances) == len(read_all().instances) == 8000
