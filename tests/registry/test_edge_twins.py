"""The hot routes on the event loop and their twins in Django: the same status, the same bytes, the same headers."""

from typing import Any

import orjson
import pytest

from apps.core.access import FORWARDING
from apps.registry.live import live
from tests.registry.twins import JSON, ask
from tests.support import services
from tests.support.registry import NOW


def report(**fields: Any) -> bytes:
    return orjson.dumps({"service_name": "orders", "status": "healthy", **fields})


FAST: dict[str, tuple[Any, ...]] = {
    "a service": ("GET", "/services/orders"),
    "with a slash": ("GET", "/services/orders/"),
    "a bare question mark": ("GET", "/services/orders?"),
    "a percent sign": ("GET", "/services/%6Frders"),
    "HEAD": ("HEAD", "/services/orders"),
    "a tag that is old": ("GET", "/services/orders", b"", ("if-none-match", '"old"')),
    "a tag of many": ("GET", "/services/orders", b"", ("if-none-match", '"a", "b"')),
    "any tag": ("GET", "/services/orders", b"", ("if-none-match", "*")),
    "any tag, HEAD": ("HEAD", "/services/orders", b"", ("if-none-match", "*")),
    "a trace": ("GET", "/services/orders", b"", ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")),
    "headers of a browser": ("GET", "/services/orders", b"", ("accept", "text/html"), ("accept-encoding", "gzip, br")),
    "newer at once": ("GET", "/services/orders?wait=5&revision=0"),
    "newer at once, HEAD": ("HEAD", "/services/orders?wait=5&revision=0"),
    "newer at once, any tag": ("GET", "/services/orders?wait=5&revision=0", b"", ("if-none-match", "*")),
    "not newer": ("GET", "/services/orders?wait=0&revision=99"),
    "not newer, the other way round": ("GET", "/services/orders?revision=99&wait=0"),
    "not newer in time": ("GET", "/services/orders?wait=1&revision=99"),
    "a report": ("POST", "/services/health", report(), JSON),
    "a report with a slash": ("POST", "/services/health/", report(), JSON),
    "a report with everything": (
        "POST",
        "/services/health",
        report(details={"a": [1]}, timestamp="2026-05-04T12:00:00", instance_id="10.0.0.2:8000"),
        JSON,
    ),
    "a report in another charset": ("POST", "/services/health", report(), ("content-type", "application/json; x=y")),
}
LEFT: dict[str, tuple[Any, ...]] = {
    "unknown": ("GET", "/services/nobody"),
    "unknown, HEAD": ("HEAD", "/services/nobody"),
    "unknown, waiting": ("GET", "/services/nobody?wait=1&revision=0"),
    "all services": ("GET", "/services"),
    "an empty name": ("GET", "/services/"),
    "two slashes": ("GET", "/services/orders//"),
    "history": ("GET", "/services/orders/history"),
    "graph": ("GET", "/services/graph"),
    "a route's name": ("GET", "/services/health"),
    "a version": ("GET", "/services/orders?version=%5E1"),
    "a version that nobody has": ("GET", "/services/orders?version=9"),
    "no version": ("GET", "/services/orders?version=x.y"),
    "a zone": ("GET", "/services/orders?zone=north"),
    "a version, waiting": ("GET", "/services/orders?wait=0&revision=99&version=1"),
    "an unknown parameter": ("GET", "/services/orders?zome=north"),
    "only wait": ("GET", "/services/orders?wait=1"),
    "only revision": ("GET", "/services/orders?revision=1"),
    "a long wait": ("GET", "/services/orders?wait=61&revision=1"),
    "a negative wait": ("GET", "/services/orders?wait=-1&revision=1"),
    "no number": ("GET", "/services/orders?wait=x&revision=1"),
    "another digit": ("GET", "/services/orders?wait=%D9%A3&revision=1"),
    "twice": ("GET", "/services/orders?wait=0&wait=0&revision=99"),
    "a huge revision": ("GET", "/services/orders?wait=0&revision=9223372036854775808"),
    "the largest revision": ("GET", "/services/orders?wait=0&revision=9223372036854775807"),
    "NUL": ("GET", "/services/%00"),
    "another verb": ("PUT", "/services/orders"),
    "options": ("OPTIONS", "/services/orders"),
    "a report that changes something": ("POST", "/services/health", report(status="degraded"), JSON),
    "a report of nobody": ("POST", "/services/health", report(service_name="nobody"), JSON),
    "a report of no instance": ("POST", "/services/health", report(instance_id="nobody"), JSON),
    "a report of no status": ("POST", "/services/health", report(status="fine"), JSON),
    "a report with an unknown field": ("POST", "/services/health", report(colour="red"), JSON),
    "a report with null": ("POST", "/services/health", report(details=None, instance_id=None), JSON),
    "a report with a bad time": ("POST", "/services/health", report(timestamp="yesterday"), JSON),
    "a report with a time beyond all years": (
        "POST",
        "/services/health",
        report(timestamp="9999-12-31T23:59:59-14:00"),
        JSON,
    ),
    "a report with bad details": ("POST", "/services/health", report(details=[1]), JSON),
    "a report with a number for a name": ("POST", "/services/health", report(service_name=7), JSON),
    "no json": ("POST", "/services/health", b"{", JSON),
    "a list": ("POST", "/services/health", b"[]", JSON),
    "twice the same key": ("POST", "/services/health", b'{"status":"healthy","status":"healthy"}', JSON),
    "nothing": ("POST", "/services/health", b"", JSON),
    "another type": ("POST", "/services/health", report(), ("content-type", "text/plain")),
    "no type": ("POST", "/services/health", report()),
    "a query": ("POST", "/services/health?x=1", report(), JSON),
    "forwarded": ("GET", "/services/orders", b"", ("x-forwarded-for", "10.0.0.1")),
    **{
        f"forwarded, as {name} says": ("GET", "/services/orders", b"", (name, "10.0.0.1"))
        for name in sorted(FORWARDING)
    },
    "a bad token": ("GET", "/services/orders", b"", ("authorization", "Bearer nonsense")),
    "a bad cookie": ("GET", "/services/orders", b"", ("cookie", "sessionid=nonsense")),
    "another site": ("GET", "/services/orders", b"", ("sec-fetch-site", "cross-site")),
    "another origin": ("GET", "/services/orders", b"", ("origin", "http://evil.example")),
    "another host": ("GET", "/services/orders", b"", ("host", "evil.example")),
    "a key": ("POST", "/services/health", report(), JSON, ("idempotency-key", "no key")),
}


@pytest.fixture
def orders(hub: None) -> None:
    """Two instances; their record stays as it is while both twins are asked."""
    for number in (1, 2):
        row = services.register("orders", number, now=NOW, zone=("north", "south")[number - 1], tags=["ü"])
        services.report(row, now=NOW)


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("name", [*FAST, *LEFT])
def test_both_answer_the_same(name: str) -> None:
    request = FAST.get(name) or LEFT[name]
    (fast,), asked = ask(request, twin=False)
    (twin,), _ = ask(request, twin=True)
    assert (asked == 0) == (name in FAST), f"Django was asked {asked} times"
    assert fast.status == twin.status, (fast, twin)
    assert fast.headers == twin.headers
    assert fast.body == twin.body
    assert fast.header("x-request-id") == "the-same-for-both"


MARKED = ["a service", "HEAD", "any tag", "newer at once", "not newer"]


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("name", MARKED)
def test_both_mark_what_nobody_could_confirm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "staleness", lambda: 7.4)
    (fast,), asked = ask(FAST[name], twin=False)
    (twin,), _ = ask(FAST[name], twin=True)
    assert asked == 0
    assert fast == twin
    assert fast.header("x-catalog-stale") == "7"
