"""What the console's pages show, gathered from the apps' own selectors."""

import datetime as dt
from collections import Counter
from typing import Any

from apps.console.home import HubFacts, hub_troubles
from apps.console.picture import Neighbourhood
from apps.core import health, verification
from apps.core.tenancy import in_sight
from apps.events.selectors import bus_state, outbox_state
from apps.menus.selectors.waiting import Waiting, waiting_decisions
from apps.registry import selectors as registry
from apps.serviceauth.selectors import access_troubles, signing_trouble
from xerpium_sdk.wire.registry import Status

__all__ = ["home_page", "neighbourhood", "services_wanted"]

MOST_TROUBLES = 12
MOST_CHANGES = 12
MOST_CHIPS = 60
NOTHING_WAITS = Waiting(conflicts=0, drifted=0)

# Worst first, as the lists are sorted.
SERVICE_STATUSES = (Status.UNHEALTHY, Status.DEGRADED, Status.STARTING, Status.HEALTHY)
INSTANCE_STATUSES = (
    Status.UNHEALTHY, Status.STALE, Status.DEGRADED, Status.DRAINING, Status.STARTING, Status.HEALTHY,
)  # fmt: skip


def home_page(*, now: dt.datetime, access: bool, menus: bool) -> dict[str, Any]:
    """Return everything that the home page shows.

    With ``access`` also what is wrong with keys and secrets, with ``menus`` what waits for a decision about menus.
    """
    who_comes_in = access_troubles(now=now) if access else []
    states = registry.service_states()
    troubles = registry.current_troubles(states, now=now)
    services = Counter(state.status for state in states.values())
    instances: Counter[Status] = sum((state.statuses for state in states.values()), Counter())
    return {
        "protection": registry.protection(),
        "hub_troubles": hub_troubles(hub_facts(now, waiting_decisions() if menus else NOTHING_WAITS), now),
        "access_troubles": who_comes_in[:MOST_TROUBLES],
        "more_access_troubles": len(who_comes_in) - MOST_TROUBLES,
        "troubles": troubles[:MOST_TROUBLES],
        "more_troubles": len(troubles) - MOST_TROUBLES,
        "service_total": services.total(),
        "service_counts": [(status, services[status]) for status in SERVICE_STATUSES],
        "instance_total": instances.total(),
        "instance_counts": [(status, instances[status]) for status in INSTANCE_STATUSES],
        "chips": [(name, states[name].status) for name in sorted(states)][:MOST_CHIPS],
        "more_chips": services.total() - MOST_CHIPS,
        "entries": registry.recent_history(MOST_CHANGES),
    }


def hub_facts(now: dt.datetime, waiting: Waiting) -> HubFacts:
    """Return what is known of the hub's own parts, and of what waits for a decision about menus."""
    checks = health.report().checks
    failed = {name: str(c.result.details.get("error", "")) for name, c in checks.items() if not c.result.healthy}
    outbox, bus = outbox_state(), bus_state()
    return HubFacts(
        failed=failed,
        relay_away=checks["redis"].result.details.get("relay") == "away",
        backlog_seconds=outbox.oldest_seconds,
        parked=outbox.parked,
        stale_seconds=registry.catalogue_staleness(),
        # Of the last look when Redis is away; what waits then is Redis's fault, and its check says so.
        group_lag=bus.lag_seconds if bus.is_live else {},
        stream_alarms=bus.alarms,
        dead_letters=bus.dead_waiting,
        duties=registry.duties(),
        audit_fault=verification.known_fault(),
        signing=signing_trouble(now=now),
        paths_wanted=waiting.conflicts,
        drifted=waiting.drifted,
    )


def neighbourhood() -> Neighbourhood:
    """Return the dependency graph, as far as it is in sight."""
    graph = registry.dependencies()
    needing = Counter(target for _, target in graph.edges)
    return Neighbourhood(
        statuses={node.name: node.status for node in graph.nodes},
        edges=graph.edges,
        cycles=graph.cycles,
        impact={**needing, **{node.name: len(node.impact) for node in graph.nodes}},
    )


def services_wanted(*, q: str, tag: str, company: str) -> list[str] | None:
    """Return the names of the services that meet the filters, None when there is no filter."""
    if not (q or tag or company):
        return None
    if company and not company.isdecimal():
        return []
    company_id = int(company) if company else None
    return registry.catalogue().services(q=q or None, tag=tag or None, company_id=company_id, companies=in_sight())
