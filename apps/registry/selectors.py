"""Every read of the registry that others may use."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.registry.catalog import Catalog, Companies, visible
from apps.registry.live import live
from apps.registry.models import HistoryEntry, PollHour, PollResult, Protection, Service


def catalogue() -> Catalog:
    """Return this process's catalogue, following the hub's changes; loaded before it is first returned.

    Raises:
        Unavailable: it was never loaded, and neither Redis nor PostgreSQL answers.
    """
    return live.ready()


def catalogue_staleness() -> float | None:
    """Return for how many seconds nobody could confirm that the catalogue is current; None while it is."""
    return live.staleness()


def protection() -> Protection:
    """Return whether protection is on, since when and why."""
    return Protection.objects.filter(id=1).first() or Protection()


def protection_is_active() -> bool:
    """Whether nothing expires and no poll takes anything down at the moment."""
    return Protection.objects.filter(id=1, since__isnull=False).exists()


def service_history(name: str, *, companies: Companies = "*") -> QuerySet[HistoryEntry]:
    """Return the history of a service, newest first.

    Raises:
        NotFound: no such service was ever registered, or another company's.
    """
    service = Service.objects.filter(name=name).only("id", "company_id").first()
    if service is None or not visible(service.company_id, companies):
        raise NotFound(f"No service is named {name!r}.")
    return service.history.order_by("-id")


def poll_results(instance_pks: Sequence[int], *, since: dt.datetime) -> list[dict[str, Any]]:
    """Return raw polls ``{instance_id, at, ok, latency_ms}`` since a moment, oldest first."""
    found = PollResult.objects.filter(instance_id__in=instance_pks, at__gte=since).order_by("at")
    return list(found.values("instance_id", "at", "ok", "latency_ms"))


def poll_hours(instance_pks: Sequence[int], *, since: dt.datetime) -> list[dict[str, Any]]:
    """Return the hourly roll-ups of polls since a moment, oldest first."""
    found = PollHour.objects.filter(instance_id__in=instance_pks, hour__gte=since).order_by("hour")
    names = ("instance_id", "hour", "polls", "failures", "latency_avg_ms", "latency_p95_ms", "latency_max_ms")
    return list(found.values(*names))
