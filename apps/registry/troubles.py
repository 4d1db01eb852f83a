"""Everything that is wrong now, each thing once and at its root: who only suffers from it is named there."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.core.times import spell
from apps.registry.findings import LONG_DRAIN, Finding, cycle_finding, status_finding
from apps.registry.graph import Graph
from apps.registry.lifecycle import service_status
from xerpium_sdk.wire.registry import Status

__all__ = ["ServiceState", "Trouble", "troubles"]


@dataclass(slots=True)
class ServiceState:
    """A registered service: how many instances it has of each status, and since when the first of them was there."""

    name: str
    company_id: int | None
    statuses: Counter[Status] = field(default_factory=Counter)
    since: dict[Status, datetime] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Its status, by the one rule."""
        return service_status(self.statuses)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one service. ``status`` is deregistered for one that others need and that is not there."""

    name: str
    status: Status
    findings: tuple[Finding, ...]
    since: datetime | None
    suffers: tuple[str, ...]


_WORST_FIRST = (Status.UNHEALTHY, Status.DEREGISTERED, Status.DEGRADED, Status.STARTING, Status.HEALTHY)


def troubles(states: Mapping[str, ServiceState], graph: Graph, now: datetime) -> list[Trouble]:
    """Return what is wrong, worst first, and among equals what most others suffer from.

    Args:
        states: all registered services by name.
        graph: who needs whom.
        now: the present.
    """
    suffers = {node.name: node.impact for node in graph.nodes}
    circles = {cycle[0]: cycle for cycle in graph.cycles}
    found = [_of_service(state, suffers.get(name, ()), circles.get(name), now) for name, state in states.items()]
    found += [_missing(name, graph) for name in graph.missing if name not in states]
    wrong = [trouble for trouble in found if trouble is not None]
    return sorted(wrong, key=lambda t: (_WORST_FIRST.index(t.status), -len(suffers.get(t.name, t.suffers)), t.name))


def _of_service(
    state: ServiceState, suffers: tuple[str, ...], circle: tuple[str, ...] | None, now: datetime
) -> Trouble | None:
    findings = [
        finding for finding in (status_finding(state.statuses, state.status), _long_drain(state, now)) if finding
    ]
    if circle:
        findings.append(cycle_finding(circle))
    if not findings:
        return None
    down = state.status is Status.UNHEALTHY
    return Trouble(state.name, state.status, tuple(findings), _since(state), suffers if down else ())


def _since(state: ServiceState) -> datetime | None:
    return min((at for status, at in state.since.items() if status is not Status.HEALTHY), default=None)


def _long_drain(state: ServiceState, now: datetime) -> Finding | None:
    since = state.since.get(Status.DRAINING)
    if since is None or now - since < LONG_DRAIN:
        return None
    text = f"{state.statuses[Status.DRAINING]:,} draining, the first for {spell(now - since)}."
    return Finding(Status.DRAINING, text, "Resume what is ready for work again, deregister what is not coming back.")


def _missing(name: str, graph: Graph) -> Trouble:
    needing = tuple(sorted({source for source, target in graph.edges if target == name}))
    text = "Not registered, and needed."
    mend = "Start it, or take it out of the dependencies that these services declare."
    return Trouble(name, Status.DEREGISTERED, (Finding(Status.DEREGISTERED, text, mend),), None, needing)
