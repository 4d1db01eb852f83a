"""Rows of the registry as documents: the one shape of the projection, the stream, the catalogue and the wire."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

# One row per instance, joined with its service and its vitals; `document` reads exactly these names.
INSTANCE_COLUMNS = {
    "id": "i.id", "service": "s.name", "company_id": "s.company_id", "service_pk": "s.id",
    "service_revision": "s.revision", "instance_id": "i.instance_id", "version": "i.version", "host": "i.host",
    "port": "i.port", "health_check_url": "i.health_check_url", "api_base_url": "i.api_base_url",
    "api_docs_url": "i.api_docs_url", "tags": "i.tags", "capabilities": "i.capabilities",
    "dependencies": "i.dependencies", "weight": "i.weight", "weight_override": "i.weight_override", "zone": "i.zone",
    "metadata": "i.metadata", "lease_seconds": "i.lease_seconds",
    "deregister_after_seconds": "i.deregister_after_seconds", "poll_interval_seconds": "i.poll_interval_seconds",
    "status": "i.status", "status_since": "i.status_since", "reported_status": "i.reported_status",
    "polled_status": "i.polled_status", "draining": "i.draining", "registered_at": "i.registered_at",
    "revision": "i.revision", "last_seen_at": "v.last_seen_at",
}  # fmt: skip
INSTANCE_SELECT = f"""
    SELECT {", ".join(f"{column} AS {name}" for name, column in INSTANCE_COLUMNS.items())}
    FROM registry_instance i
    JOIN registry_service s ON s.id = i.service_id
    JOIN registry_vitals v ON v.instance_id = i.id
"""

Row = dict[str, Any]

PLAIN = (
    "id", "service", "company_id", "instance_id", "version", "host", "port", "health_check_url", "api_base_url",
    "api_docs_url", "tags", "capabilities", "dependencies", "zone", "metadata", "lease_seconds",
    "deregister_after_seconds", "poll_interval_seconds", "status", "reported_status", "polled_status", "draining",
    "revision",
)  # fmt: skip


def utc_text(moment: dt.datetime) -> str:
    """Return an aware time as ISO 8601 UTC with milliseconds and ``Z`` (contract, ground rules)."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the instance document of a row of `INSTANCE_SELECT`; ``weight`` is the operator's where there is one."""
    result = {name: row[name] for name in PLAIN}
    override = row["weight_override"]
    result["weight"] = row["weight"] if override is None else override
    result["status_since"] = utc_text(row["status_since"])
    result["registered_at"] = utc_text(row["registered_at"])
    result["last_seen"] = utc_text(row["last_seen_at"])
    return result


def change(revision: int, row: Mapping[str, Any], documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the catalogue change that carries ``documents`` of the service of ``row`` as of ``revision``."""
    return {
        "revision": revision,
        "service": {"name": row["service"], "company_id": row["company_id"]},
        "instances": documents,
    }
