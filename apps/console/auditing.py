"""The audit in the console: who did what, what it changed, whether anybody tampered with it; and all as a file."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from apps.console.chainstate import ChainFacts, ChainState, chain_state
from apps.console.diffs import lines, summary
from apps.core.admin import ReadOnlyModelAdmin, acts_for_all
from apps.core.companies import company_names
from apps.core.filters import Choices, Chosen, CompanyFilter, Exact, TimeFilter
from apps.core.look import ago_html
from apps.core.models import AuditCheck, AuditEntry, AuditPending, AuditSeal
from apps.core.tenancy import Scope, current, use

__all__ = ["MOST_EXPORTED", "AuditAdmin", "chain_facts"]

MOST_EXPORTED = 100_000
BATCH = 1000
MOST_WAITING = 10_000


class AtFilter(TimeFilter):
    """By when it was done."""

    field = "at"


class KindFilter(Chosen):
    """By the kind of who did it."""

    title, parameter_name = "kind of actor", "actor_kind"

    def known(self) -> Choices:
        """Return the kinds that there are."""
        return [(word, word) for word in ("operator", "service", "user", "hub", "open", "visitor")]


class ActorFilter(Exact):
    """By who did it."""

    title, parameter_name = "who", "actor"


class ActionFilter(Exact):
    """By what was done."""

    title, parameter_name = "what", "action"


class ObjectTypeFilter(Exact):
    """By the kind of thing that it was done to."""

    title, parameter_name = "object type", "object_type"


class ObjectFilter(Exact):
    """By the one thing that it was done to."""

    title, parameter_name = "object", "object_id"


class RequestFilter(Exact):
    """By the request in which it was done: the same id is in the log."""

    title, parameter_name = "request id", "request_id"


class AuditRows(ChangeList):  # type: ignore[misc]  # Unfold has no types
    """A page of entries, each with the name of its company and a line of what changed."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the names of all its companies with one query."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        names = company_names({row.company_id for row in self.result_list if row.company_id is not None})
        for row in self.result_list:
            row.company_name = "" if row.company_id is None else names.get(row.company_id, f"company {row.company_id}")

    @property
    def export_address(self) -> str:
        """Where this list is to be had as a file."""
        return reverse("admin:core_auditentry_export") + str(self.get_query_string(remove=["p", "o"]))

    @property
    def state(self) -> ChainState | None:
        """How the chain is; its numbers tell how much all companies do, so operators of some do not see it."""
        return chain_state(chain_facts(), timezone.now()) if self.shows_chain else None

    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        self.shows_chain = acts_for_all(request)
        super().__init__(request, *args, **options)


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyModelAdmin):
    """Newest first. Nothing here counts rows, and nobody changes one: PostgreSQL itself refuses."""

    list_display = ("when", "who", "what", "about", "company_name", "changed", "source")
    list_display_links = None
    list_filter = (
        AtFilter, ActorFilter, KindFilter, ActionFilter, ObjectTypeFilter, ObjectFilter, CompanyFilter, RequestFilter,
    )  # fmt: skip
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_before_template = "console/audit_state.html"
    empty_template = "console/audit_empty.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    search_fields = ("actor", "object_id")
    search_help_text = "Who, or what it was done to, in full"
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    fields = ("action",)
    columns: ClassVar[tuple[str, ...]] = (
        "id", "at", "actor_kind", "actor", "on_behalf_of", "action", "object_type", "object_id", "company_id",
        "source", "request_id", "before", "after", "seal", "seal_hash",
    )  # fmt: skip
    """What a line of the export has."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return AuditRows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Find by what is indexed: an actor, or a thing with its kind (``instance orders/1``)."""
        text = search_term.strip()
        if not text:
            return queryset, False
        kind, _, rest = text.partition(" ")
        found = queryset.filter(actor=text)
        return (found | queryset.filter(object_type=kind, object_id=rest.strip())) if rest else found, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one entry, with what it changed."""
        entry = self.get_object(request, object_id)
        if entry is None or not self.has_view_permission(request, entry):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        seal = AuditSeal.objects.filter(entry_id=entry.pk).first() if acts_for_all(request) else None
        names = company_names([entry.company_id]) if entry.company_id is not None else {}
        page = {
            "entry": entry,
            "lines": lines(entry.before, entry.after),
            "seal": seal,
            "seal_hash": bytes(seal.hash).hex() if seal else "",
            "company": names.get(entry.company_id or 0, f"company {entry.company_id}") if entry.company_id else "",
            "title": str(entry),
        }
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    def get_urls(self) -> list[URLPattern]:
        """Add the file."""
        view = self.admin_site.admin_view(self.export)
        return [path("export/", view, name="core_auditentry_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Answer with the entries of a list, newest first, a JSON object a line; the last line says if there are more.

        At most `MOST_EXPORTED`, read a thousand at a time; ``before`` is the id where an earlier file ended.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.copy()
        before = asked.pop("before", [""])[-1]
        request.GET = asked  # type: ignore[assignment]  # a copy of it is as good
        try:
            found = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise SuspiciousOperation("The list has no such filter.") from error
        start = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
        name = f"audit-{timezone.now():%Y%m%d-%H%M%S}.ndjson"
        # The middleware's context ends before the first line is asked for.
        return StreamingHttpResponse(
            _exported(found, start, current(), with_seals=acts_for_all(request)),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )

    @admin.display(description="When")
    def when(self, entry: AuditEntry) -> SafeString:
        """How long ago, with the way to its page."""
        address = reverse("admin:core_auditentry_change", args=[entry.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', address, ago_html(entry.at, timezone.now()))

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> SafeString:
        """Who did it, and for whom."""
        told = "" if entry.on_behalf_of is None else f" for person {entry.on_behalf_of}"
        address = _list_url(actor=entry.actor, actor_kind=entry.actor_kind)
        cell = '<span class="hub-quiet">{}</span> <a class="hub-link hub-name" href="{}">{}</a>{}'
        return format_html(cell, entry.actor_kind, address, entry.actor, told)

    @admin.display(description="Did")
    def what(self, entry: AuditEntry) -> SafeString:
        """The verb in plain words."""
        address = _list_url(action=entry.action)
        return format_html('<a class="hub-tag" href="{}">{}</a>', address, entry.action.replace("_", " "))

    @admin.display(description="To")
    def about(self, entry: AuditEntry) -> SafeString:
        """What it was done to."""
        address = _list_url(object_type=entry.object_type, object_id=entry.object_id)
        cell = '<span class="hub-quiet">{}</span> <a class="hub-link hub-name" href="{}" title="{}">{}</a>'
        kind = entry.object_type.replace("_", " ")
        return format_html(cell, kind, address, entry.object_id, entry.object_id)

    @admin.display(description="Company")
    def company_name(self, entry: Any) -> SafeString | str:
        """Whose thing it was."""
        if entry.company_id is None:
            return "–"
        return format_html(
            '<a class="hub-link" href="{}">{}</a>', _list_url(company=entry.company_id), entry.company_name
        )

    @admin.display(description="What changed")
    def changed(self, entry: AuditEntry) -> SafeString | str:
        """The beginning of what changed."""
        text = summary(entry.before, entry.after)
        return format_html('<span class="hub-why" title="{0}">{0}</span>', text) if text else "–"


def chain_facts() -> ChainFacts:
    """Return what is known of the chain; of entries that wait at most `MOST_WAITING` are counted."""
    check = AuditCheck.objects.first()
    return ChainFacts(
        seals=AuditSeal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
        waiting=AuditPending.objects.all()[:MOST_WAITING].count(),
        intact_until=check.intact_until if check else 0,
        intact_at=check.intact_at if check else None,
        position=check.position if check else 0,
        looked_at=check.at if check else None,
        fault=check.fault if check else "",
    )


def _exported(
    found: QuerySet[AuditEntry], start: int | None, scope: Scope | None, *, with_seals: bool
) -> Iterator[bytes]:
    """Yield the lines of the file; each batch is read at once, in the context of whoever asked."""
    last, left = start, MOST_EXPORTED
    while left:
        most = min(BATCH, left)
        with use(scope):
            some = _batch(found, last, most, with_seals=with_seals)
        yield b"".join(_json_line(row) for row in some)
        if len(some) < most:
            return
        last, left = some[-1]["id"], left - len(some)
    yield _json_line({"more": True, "before": last})


def _batch(found: QuerySet[AuditEntry], last: int | None, most: int, *, with_seals: bool) -> list[dict[str, Any]]:
    columns = [name for name in AuditAdmin.columns if not name.startswith("seal")]
    if last is not None:
        found = found.filter(pk__lt=last)
    if with_seals:
        seal = AuditSeal.objects.filter(entry_id=OuterRef("pk"))
        found = found.annotate(seal=Subquery(seal.values("pk")[:1]), seal_hash=Subquery(seal.values("hash")[:1]))
        columns += ["seal", "seal_hash"]
    return list(found.order_by("-pk").values(*columns)[:most])


def _json_line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_told).encode() + b"\n"


def _told(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return bytes(value).hex()


def _list_url(**filters: Any) -> str:
    return f"{reverse('admin:core_auditentry_changelist')}?{urlencode(filters)}"
