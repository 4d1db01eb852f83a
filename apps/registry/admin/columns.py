"""Cells of the lists, and what is fetched once for a whole page of rows so that no cell asks for itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from apps.core.look import badge_html
from apps.registry import links, observed, selectors
from apps.registry.admin.filters import EVERYTHING
from apps.registry.models import Instance
from xerpium_sdk.wire.registry import Status

NONE = "–"
SHOWN = 3


class Rows(ChangeList):
    """A page of rows."""

    result_list: Any

    def _get_default_ordering(self) -> tuple[str, ...]:
        """Return none: what is wrong comes first, and no column's arrow stands for that."""
        return ()

    @property
    def with_departed(self) -> str:
        """The address of this list with what has left."""
        return str(self.get_query_string({"status": EVERYTHING}))

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, without a count of what the list leaves out by itself."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class ServiceRows(Rows):
    """A page of services, each with its instances, its last sign of life and its impaired dependencies."""

    def url_for_result(self, result: Any) -> str:
        """Return the page of the service."""
        return links.service_url(result.name)

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; two queries and one call of Redis whatever its length."""
        super().get_results(request)
        services = list(self.result_list.prefetch_related(_registered()))
        seen = observed.last_seen([instance for service in services for instance in service.registered])
        impaired = observed.impaired_services(selectors.dependencies())
        for service in services:
            service.seen = max((seen[instance.pk] for instance in service.registered), default=None)
            service.impaired = impaired.get(service.name, [])
        self.result_list = services


def _registered() -> "Prefetch[Any]":
    wanted: QuerySet[Instance] = Instance.objects.exclude(status=Status.DEREGISTERED).select_related("vitals")
    fields = ("service_id", "status", "version", "tags", "zone", "vitals__last_seen_at")
    return Prefetch("instances", wanted.only(*fields).order_by("pk"), to_attr="registered")


class InstanceRows(Rows):
    """A page of instances, each with its last sign of life and why it has its status."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; one query and one call of Redis whatever its length."""
        super().get_results(request)
        instances = list(self.result_list)
        now, seen = timezone.now(), observed.last_seen(instances)
        for instance in instances:
            instance.seen = seen[instance.pk]
            instance.why = observed.why(instance, instance.seen, now)
        self.result_list = instances


def link(address: str, text: str) -> SafeString:
    """Return a link that may be long: it breaks or ends in dots, and is whole on hover."""
    return format_html('<a class="hub-link hub-name" href="{}" title="{}">{}</a>', address, text, text)


def words(values: Iterable[str], shown: int = SHOWN) -> SafeString | str:
    """Return the first few values as small tags, and how many more there are."""
    found = sorted(set(values))
    if not found:
        return NONE
    tags = format_html_join(" ", '<span class="hub-tag" title="{0}">{0}</span>', ((value,) for value in found[:shown]))
    if len(found) <= shown:
        return tags
    return format_html('{} <span class="hub-quiet" title="{}">+{}</span>', tags, ", ".join(found), len(found) - shown)


def statuses(name: str, instances: Sequence[Instance]) -> SafeString | str:
    """Return how many instances of a service have each status, worst first, each number with a link to them."""
    counts = Counter(Status(instance.status) for instance in instances)
    badges = (
        (links.instances_url(service=name, status=status.value), badge_html(status, counts[status]))
        for status in observed.WORST_INSTANCES_FIRST
        if counts[status]
    )
    return format_html_join(" ", '<a class="hub-count" href="{}">{}</a>', badges) or NONE
