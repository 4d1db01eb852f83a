"""What stands on the page of a service and on that of an instance. Reads only; a handful of queries each."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.registry import chart, findings, links, observed, selectors, timeline
from apps.registry.admin.operating import operation_url
from apps.registry.admin.operations import OPERATIONS, PRESENT, Operation
from apps.registry.findings import Finding
from apps.registry.models import HistoryEntry, Instance, Service
from apps.serviceauth.selectors import company_names
from xerpium_sdk.wire.registry import Status

MOST_INSTANCES = 100
MOST_ENTRIES = 25


@dataclass(frozen=True, slots=True)
class InstanceLine:
    """An instance, with what is told of it beyond its row."""

    instance: Instance
    seen: dt.datetime
    why: str
    mend: str

    @property
    def address(self) -> str:
        """Where it listens."""
        host = self.instance.host
        return f"[{host}]:{self.instance.port}" if ":" in host else f"{host}:{self.instance.port}"


def service_page(service: Service, *, now: dt.datetime) -> dict[str, Any]:
    """Return everything that the page of a service shows; ``service`` comes with its status."""
    present = observed.instances_by_rank().filter(PRESENT, service=service).select_related("vitals", "service")
    instances = list(present.order_by("rank", "instance_id"))
    status = Status(service.status)  # type: ignore[attr-defined]  # annotated
    needs = _needs(service.name)
    return {
        "service": service,
        "status": status,
        "company": _company(service.company_id),
        "lines": _lines(instances[:MOST_INSTANCES], now),
        "total": len(instances),
        "findings": [*_status_findings(instances, status), *needs.pop("findings")],
        "departed": Instance.objects.filter(service=service, status=Status.DEREGISTERED).count(),
        "about": _about(instances),
        "buttons": _buttons(instances, links.service_url(service.name), skip="weigh"),
        **needs,
        **_day(service, instances, now),
    }


def instance_page(instance: Instance, *, now: dt.datetime) -> dict[str, Any]:
    """Return everything that the page of an instance shows; ``instance`` comes with its service and vitals."""
    (line,) = _lines([instance], now)
    return {
        "instance": instance,
        "vitals": instance.vitals,
        "service": instance.service,
        "status": Status(instance.status),
        "now": now,
        "company": _company(instance.service.company_id),
        "line": line,
        "details": observed.report_details(instance),
        "buttons": _buttons([instance], links.instance_url(instance.pk)),
        **_day(instance.service, [instance], now, single=instance),
    }


def _lines(instances: Sequence[Instance], now: dt.datetime) -> list[InstanceLine]:
    seen = observed.last_seen(instances)
    facts = [(instance, observed.facts_of(instance, seen[instance.pk])) for instance in instances]
    return [
        InstanceLine(instance, fact.last_seen, findings.why(fact, now), findings.how_to_mend(fact, now))
        for instance, fact in facts
    ]


def _company(company_id: int | None) -> str:
    if company_id is None:
        return "for all companies"
    return f"of company {company_names([company_id]).get(company_id, company_id)}"


def _status_findings(instances: Sequence[Instance], status: Status) -> list[Finding]:
    counts = Counter(Status(instance.status) for instance in instances)
    found = findings.status_finding(counts, status)
    return [found] if found else []


def _needs(name: str) -> dict[str, Any]:
    """Return who needs whom around a service, and what is wrong with it."""
    graph = selectors.dependencies()
    nodes = {node.name: node for node in graph.nodes}
    circle = next((cycle for cycle in graph.cycles if name in cycle), None)
    own = nodes.get(name)
    if own is None:
        needing = sorted({source for source, target in graph.edges if target == name})
        return {"findings": [], "needs": [], "needed_by": [(n, nodes[n].status) for n in needing], "suffers": needing}
    needs = [(other, nodes[other].status if other in nodes else None) for other in own.dependencies]
    away = [(other, status) for other, status in needs if status in (None, Status.UNHEALTHY)]
    found = findings.impaired_findings(away) + ([findings.cycle_finding(circle)] if circle else [])
    needed_by = [(other, nodes[other].status) for other in own.dependents]
    return {"findings": found, "needs": needs, "needed_by": needed_by, "suffers": own.impact}


def _about(instances: Sequence[Instance]) -> list[tuple[str, list[str]]]:
    """Return what the instances say of themselves, each kind of thing once."""
    found = {
        "Versions": {instance.version for instance in instances},
        "Zones": {instance.zone for instance in instances if instance.zone},
        "Tags": {tag for instance in instances for tag in instance.tags},
        "Capabilities": {capability for instance in instances for capability in instance.capabilities},
    }
    return [(title, sorted(values)) for title, values in found.items() if values]


def _buttons(instances: Sequence[Instance], back_to: str, skip: str = "") -> list[tuple[Operation, str]]:
    """Return the operations that make sense now, each with the address of the page that asks."""
    buttons = []
    for operation in OPERATIONS.values():
        pks = [instance.pk for instance in instances if _makes_sense(operation.name, instance)]
        if pks and operation.name != skip:
            buttons.append((operation, operation_url(operation.name, pks[:MOST_INSTANCES], back_to)))
    return buttons


def _makes_sense(operation: str, instance: Instance) -> bool:
    if instance.status == Status.DEREGISTERED:
        return False
    if operation == "resume":
        return instance.draining or instance.status == Status.DRAINING
    return not (operation == "drain" and instance.draining)


def _day(
    service: Service, instances: Sequence[Instance], now: dt.datetime, *, single: Instance | None = None
) -> dict[str, Any]:
    """Return the last 24 hours: strip, response times, history."""
    own_id = single.instance_id if single else None
    buckets = observed.poll_buckets([instance.pk for instance in instances], now=now)
    since = timeline.first_quarter(now)
    changes = observed.status_changes(service, since=since, instance_id=own_id)
    current = {instance.instance_id: Status(instance.status) for instance in instances}
    entries = HistoryEntry.objects.filter(service=service).select_related("service").order_by("-id")
    if single:
        entries = entries.filter(instance_id=own_id)
    return {
        "strip": timeline.strip(current, changes, buckets, now=now, single=single is not None),
        "chart": chart.draw(buckets, now=now),
        "entries": list(entries[:MOST_ENTRIES]),
    }
