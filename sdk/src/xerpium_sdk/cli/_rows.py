"""Services and instances as rows of tables. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from xerpium_sdk.cli._ink import Inked, Piece, of_status
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord

__all__ = ["INSTANCE_HEADER", "SERVICE_HEADER", "age", "details_of", "instance_row", "needed_by", "service_row"]

SERVICE_HEADER = ("SERVICE", "STATUS", "INSTANCES", "VERSIONS", "ZONE", "COMPANY", "NEEDS", "NEEDED BY")
INSTANCE_HEADER = ("INSTANCE", "STATUS", "SAYS", "POLLED", "VERSION", "ZONE", "WEIGHT", "HEARD", "ADDRESS")


def service_row(record: ServiceRecord, dependents: Sequence[str]) -> list[Piece]:
    """Return the row of a service; its instances are those that can take work, of all."""
    able = sum(one.status.is_choosable for one in record.instances)
    count = f"{able}/{len(record.instances)}"
    needs = _needs(record)
    return [
        record.name,
        of_status(record.status),
        count if able == len(record.instances) else Inked(count, "yellow"),
        _listed(one.version for one in record.instances),
        _listed(one.zone or "" for one in record.instances),
        "" if record.company_id is None else str(record.company_id),
        Inked(needs, "yellow") if record.impaired else needs,
        ", ".join(dependents),
    ]


def instance_row(one: InstanceRecord, now: datetime) -> list[Piece]:
    """Return the row of an instance: what the hub makes of it, and of what."""
    return [
        one.instance_id,
        of_status(one.status),
        "" if one.reported_status is None else str(one.reported_status),
        "" if one.polled_status is None else str(one.polled_status),
        one.version,
        one.zone or "",
        "" if one.weight == 100 else str(one.weight),
        "" if one.last_seen is None else f"{age(now, one.last_seen)} ago",
        one.api_base_url,
    ]


def details_of(record: ServiceRecord, dependents: Sequence[str]) -> list[tuple[str, str]]:
    """Return what else there is to say of a service, by name."""
    told = [
        ("company", "" if record.company_id is None else str(record.company_id)),
        ("needs", _needs(record)),
        ("needed by", ", ".join(dependents)),
        ("can", _listed(name for one in record.instances for name in one.capabilities)),
        ("tags", _listed(name for one in record.instances for name in one.tags)),
        ("documents", _listed(one.api_docs_url or "" for one in record.instances)),
    ]
    return [(name, text) for name, text in told if text]


def needed_by(graph: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return who depends on each service, of the answer of ``services/graph``."""
    found: dict[str, list[str]] = {}
    for edge in graph.get("edges") or ():
        found.setdefault(str(edge["target"]), []).append(str(edge["source"]))
    return found


def age(now: datetime, then: datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _needs(record: ServiceRecord) -> str:
    """Return what a service depends on; what of it is missing or unhealthy has a mark."""
    names = sorted({name for one in record.instances for name in one.dependencies} | set(record.impaired))
    return ", ".join(f"!{name}" if name in record.impaired else name for name in names)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))
