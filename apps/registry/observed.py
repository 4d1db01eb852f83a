"""What operators look at: the registry's rows counted, dated and explained. `selectors` lets others have it."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import Case, CharField, Count, IntegerField, Min, Q, QuerySet, Value, When

from apps.core.redis import RedisError
from apps.registry import findings, leases
from apps.registry.findings import InstanceFacts
from apps.registry.graph import Graph
from apps.registry.models import HistoryEntry, Instance, Leadership, Service
from apps.registry.timeline import DAY, Change, PollBucket
from apps.registry.troubles import ServiceState
from xerpium_sdk.wire.registry import Status

logger = logging.getLogger(__name__)

WORST_SERVICES_FIRST = (Status.UNHEALTHY, Status.DEGRADED, Status.STARTING, Status.HEALTHY, Status.DEREGISTERED)
WORST_INSTANCES_FIRST = (
    Status.UNHEALTHY, Status.STALE, Status.DEGRADED, Status.DRAINING, Status.STARTING, Status.HEALTHY,
    Status.DEREGISTERED,
)  # fmt: skip
RAW_HOURS = dt.timedelta(hours=3)
MOST_CHANGES_A_DAY = 20_000


def service_states(names: Iterable[str] | None = None) -> dict[str, ServiceState]:
    """Return the state of every registered service, or of those named, by name; one query."""
    found = Instance.objects.exclude(status=Status.DEREGISTERED)
    if names is not None:
        found = found.filter(service__name__in=list(names))
    groups = found.values_list("service__name", "service__company_id", "status").order_by("service__name")
    states: dict[str, ServiceState] = {}
    for name, company_id, word, count, since in groups.annotate(Count("id"), Min("status_since")):
        state = states.setdefault(name, ServiceState(name, company_id))
        state.statuses[Status(word)] = count
        state.since[Status(word)] = since
    return states


def services_by_status() -> QuerySet[Any]:
    """Return all services with ``status`` as `lifecycle.service_status` has it, and ``rank``: 0 for the worst.

    A test holds this SQL and that function together.
    """
    counts = {f"{word.value}_count": Count("instances", filter=Q(instances__status=word.value)) for word in Status}
    del counts["deregistered_count"]
    some_work = Q(healthy_count__gt=0) | Q(degraded_count__gt=0)
    all_work = Q(healthy_count__gt=0, degraded_count=0, unhealthy_count=0, starting_count=0)
    left = Q(unhealthy_count=0, stale_count=0, draining_count=0)
    verdicts = (
        (all_work, Status.HEALTHY),
        (some_work, Status.DEGRADED),
        (Q(starting_count__gt=0), Status.STARTING),
        (left, Status.DEREGISTERED),
    )
    status = Case(
        *(When(condition, then=Value(word.value)) for condition, word in verdicts),
        default=Value(Status.UNHEALTHY.value),
        output_field=CharField(),
    )
    ranks = Case(
        *(When(status=word.value, then=Value(rank)) for rank, word in enumerate(WORST_SERVICES_FIRST)),
        output_field=IntegerField(),
    )
    return Service.objects.annotate(**counts).annotate(status=status).annotate(rank=ranks)


def instances_by_rank() -> QuerySet[Any]:
    """Return all instances with ``rank``: 0 for the status that an operator has to see first."""
    ranks = Case(
        *(When(status=word.value, then=Value(rank)) for rank, word in enumerate(WORST_INSTANCES_FIRST)),
        output_field=IntegerField(),
    )
    return Instance.objects.annotate(rank=ranks)


def last_seen(instances: Sequence[Instance]) -> dict[int, dt.datetime]:
    """Return when each was last heard of: by Redis in one call, and by the last flush where Redis does not know."""
    try:
        known = leases.last_seen([instance.pk for instance in instances])
    except RedisError as error:
        logger.warning("Last signs of life are shown as of the last flush: %s", error)
        known = {}
    return {i.pk: max(known.get(i.pk, i.vitals.last_seen_at), i.vitals.last_seen_at) for i in instances}


def report_details(instance: Instance) -> dict[str, Any]:
    """Return what its last report said of itself; empty when that is too long ago, or Redis is away."""
    try:
        return leases.details_of([instance.pk]).get(instance.pk, {})
    except RedisError:
        return {}


def facts_of(instance: Instance, seen: dt.datetime) -> InstanceFacts:
    """Return what explains the status of ``instance``, whose vitals have been fetched with it."""
    vitals = instance.vitals
    return InstanceFacts(
        status=Status(instance.status),
        since=instance.status_since,
        last_seen=seen,
        lease_seconds=instance.lease_seconds,
        deregister_after_seconds=instance.deregister_after_seconds,
        reported=Status(instance.reported_status) if instance.reported_status else None,
        draining=instance.draining,
        failures=vitals.failures,
        check_failed=vitals.ok is False,
        reason=vitals.reason,
        health_check_url=instance.health_check_url,
    )


def impaired_services(graph: Graph) -> dict[str, list[tuple[str, Status | None]]]:
    """Return for each impaired service its dependencies that are missing (None) or unhealthy."""
    statuses = {node.name: node.status for node in graph.nodes}
    found: dict[str, list[tuple[str, Status | None]]] = defaultdict(list)
    for name, dependency in graph.edges:
        status = statuses.get(dependency)
        if status in (None, Status.UNHEALTHY):
            found[name].append((dependency, status))
    return dict(found)


def status_changes(service: Service, *, since: dt.datetime, instance_id: str | None = None) -> list[Change]:
    """Return the status changes of a service, or of one instance of it, newest first."""
    entries = HistoryEntry.objects.filter(service=service, at__gt=since, new_status__isnull=False)
    if instance_id is not None:
        entries = entries.filter(instance_id=instance_id)
    rows = entries.order_by("-id").values_list("at", "instance_id", "old_status")[:MOST_CHANGES_A_DAY]
    return [Change(at, instance or "", Status(old) if old else None) for at, instance, old in rows]


def poll_buckets(instance_pks: Sequence[int], *, now: dt.datetime) -> list[PollBucket]:
    """Return a day of polls of some instances together: by the hour, and the last hours in five minutes each."""
    raw_since = (now - RAW_HOURS).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(BUCKETS, {"pks": list(instance_pks), "raw_since": raw_since, "since": now - DAY})
        return [PollBucket(start, start + length, *rest) for start, length, *rest in cursor.fetchall()]


BUCKETS = """
    SELECT hour, interval '1 hour', sum(polls)::int, sum(failures)::int,
           sum(latency_avg_ms * polls) FILTER (WHERE failures < polls)
               / NULLIF(sum(polls) FILTER (WHERE failures < polls), 0),
           max(latency_max_ms) FILTER (WHERE failures < polls)
    FROM registry_pollhour
    WHERE instance_id = ANY(%(pks)s) AND hour >= %(since)s AND hour < %(raw_since)s
    GROUP BY hour
    UNION ALL
    SELECT date_bin('5 minutes', at, 'epoch') AS bin, interval '5 minutes', count(*)::int,
           count(*) FILTER (WHERE NOT ok)::int, avg(latency_ms) FILTER (WHERE ok), max(latency_ms) FILTER (WHERE ok)
    FROM registry_pollresult
    WHERE instance_id = ANY(%(pks)s) AND at >= %(raw_since)s
    GROUP BY bin
    ORDER BY 1
"""


def values_of(field_name: str) -> list[str]:
    """Return every value of a field among the registered instances, sorted; of list fields, every element."""
    is_list = field_name in ("tags", "capabilities")
    expression = f"unnest({field_name})" if is_list else field_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT {expression} AS value FROM registry_instance WHERE status <> 'deregistered' ORDER BY 1"
        )
        return [value for (value,) in cursor.fetchall() if value]


def duties() -> Mapping[str, dt.datetime]:
    """Return when somebody last polled and last swept, by the duty's name."""
    return dict(Leadership.objects.values_list("duty", "renewed_at"))


def company_ids() -> list[int]:
    """Return the companies that own a service, sorted."""
    owned = Service.objects.exclude(company_id=None).order_by("company_id")
    return [pk for pk in owned.values_list("company_id", flat=True).distinct() if pk is not None]


def why(instance: Instance, seen: dt.datetime, now: dt.datetime) -> str:
    """Return in plain words why an instance has its status; empty where nothing needs to be explained."""
    return findings.why(facts_of(instance, seen), now)
