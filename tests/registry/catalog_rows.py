"""Instance documents and changes as the stream carries them, for tests of the catalogue."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.registry.catalog import Catalog, Update

Document = dict[str, Any]
DEFAULTS: Mapping[str, Any] = {
    "version": "1.4.2",
    "port": 8000,
    "api_docs_url": None,
    "tags": [],
    "capabilities": [],
    "dependencies": [],
    "weight": 100,
    "zone": None,
    "metadata": {},
    "lease_seconds": 90,
    "deregister_after_seconds": 600,
    "poll_interval_seconds": 30,
    "status": "healthy",
    "status_since": "2026-11-22T20:00:00.000Z",
    "reported_status": "healthy",
    "polled_status": None,
    "draining": False,
    "registered_at": "2026-11-22T20:00:00.000Z",
    "last_seen": "2026-11-22T20:00:00.000Z",
}


def row(pk: int, service: str, revision: int, **fields: Any) -> Document:
    """Return the complete row of an instance; ``fields`` say what is special about it."""
    host = f"10.0.0.{pk}"
    own = {
        "id": pk,
        "service": service,
        "company_id": None,
        "instance_id": f"{host}:8000",
        "host": host,
        "health_check_url": f"http://{host}:8000/health",
        "api_base_url": f"http://{host}:8000/api/v1",
        "revision": revision,
    }
    return {**DEFAULTS, **own, **fields}


def change(*rows: Document) -> Document:
    """Return the change that brings these rows of one service; it has their revision."""
    service = {"name": rows[0]["service"], "company_id": rows[0]["company_id"]}
    return {"revision": rows[0]["revision"], "service": service, "instances": list(rows)}


def loaded(*rows: Document, revision: int | None = None) -> Catalog:
    """Return a catalogue loaded with these rows, as of the highest revision among them."""
    catalog = Catalog()
    catalog.load(max(item["revision"] for item in rows) if revision is None else revision, rows)
    return catalog


def shown(catalog: Catalog, name: str, **how: Any) -> Document:
    """Return the record of a service that must be there, as its reader sees it."""
    rendered = catalog.record(name, **how)
    assert rendered is not None
    document: Document = json.loads(rendered.body)
    return document


def ids(document: Document) -> list[str]:
    """Return the ids of a record's instances, in its order."""
    return [instance["instance_id"] for instance in document["instances"]]


def told(updates: Iterable[Update]) -> list[tuple[int, str]]:
    """Return what a stream would name: event id and service."""
    return [(update.revision, update.name) for update in updates]
