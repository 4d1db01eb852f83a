"""The stream explorer: every event that the journal holds, and the page of one."""

from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, Case, Func, IntegerField, JSONField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.paginator import InfinitePaginator

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.filters import TimeFilter
from apps.core.look import ago_html
from apps.events import links, selectors
from apps.events.admin import columns, pages
from apps.events.admin.filters import JOURNAL_FILTERS
from apps.events.models import EventTypeDeclaration, EventTypeHour, JournalEntry
from xerpium_sdk.wire.envelope import EventType

__all__ = ["MOST_NEWER", "JournalAdmin"]

MOST_NEWER = 100
"""How many newer events are counted at most: whoever is further behind wants the list anew anyway."""
PREVIEW_BYTES = 8 * 1024
"""Data that takes more room than this in the table is not fetched for a list."""


class _StoredBytes(Func):
    """How much room a value takes in its row, without reading it from where large values are kept."""

    function = "pg_column_size"


class JournalRows(columns.Rows):
    """A page of events, the quick ranges of time, and what was the newest event when it was fetched."""

    newest: int = 0

    def get_results(self, request: HttpRequest) -> None:
        """Note what is the newest, of any kind, before the page is fetched: what comes meanwhile counts as newer."""
        self.newest = JournalEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        super().get_results(request)

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """The quick ranges: label, address of this list in it, and whether it is chosen."""
        chosen = str(self.filter_params.get("within", [""])[-1])
        named = [(name, label) for name, (label, _) in TimeFilter.ranges.items()]
        return [
            (label, self.get_query_string({"within": name}, remove=["p", "since", "until"]), name == chosen)
            for name, label in named
        ]


@admin.register(JournalEntry)
class JournalAdmin(ReadOnlyModelAdmin):
    """Newest first. A busy journal holds millions of events, so nothing here counts them."""

    list_display = ("when", "what", "about", "service_link", "company_link", "data_line")
    list_display_links = None
    list_filter = JOURNAL_FILTERS
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_before_template = "events/newer.html"
    empty_template = "events/journal_empty.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    search_fields = ("event_id",)
    search_help_text = "Id, type, service or “product 4711”"
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    fields = ("event_id",)

    class Media:
        css = {"all": ["events/events.css"]}
        js = ["events/events.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        """Return all events; of large data only that it is large."""
        size = Coalesce(_StoredBytes("data", output_field=IntegerField()), Value(0))
        shown = Case(When(data_bytes__lte=PREVIEW_BYTES, then="data"), default=None, output_field=JSONField())
        large = Case(When(data_bytes__gt=PREVIEW_BYTES, then=True), default=False, output_field=BooleanField())
        found = selectors.journal().alias(data_bytes=size).annotate(shown_data=shown, is_large=large)
        return found.defer("data", "extra")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest first: by storing; where a time is asked for by happening, which its index knows."""
        by_time = any(request.GET.get(name) for name in TimeFilter.names)
        return ("-occurred_at", "-id") if by_time else ("-id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows; for the count of newer events only the condition is wanted."""
        return columns.Counted if "X-Newer" in request.headers else JournalRows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; or say how many events are newer than what a page of it shows."""
        if "X-Newer" in request.headers and self.has_view_permission(request):
            return self.newer(request)
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def newer(self, request: HttpRequest) -> HttpResponse:
        """Answer with how many events of this list came after the one that the page knows as its newest."""
        text = request.headers["X-Newer"]
        newest = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
        found = self.get_changelist_instance(request).queryset.filter(pk__gt=newest)
        pks = list(found.order_by("-pk").values_list("pk", flat=True)[:MOST_NEWER])
        return JsonResponse({"count": len(pks), "most": MOST_NEWER})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[JournalEntry], search_term: str
    ) -> tuple[QuerySet[JournalEntry], bool]:
        """Find by what is indexed: an id in full, part of a type, a service in full, or an entity by kind and id."""
        text = search_term.strip()
        if not text:
            return queryset, False
        wanted = Q(event_id=text) | Q(correlation_id=text) | Q(service_name=text) | Q(entity_type=text)
        wanted |= Q(event_type__in=_types_with(text))
        kind, _, entity_id = text.partition(" ")
        if entity_id:
            wanted |= Q(entity_type=kind, entity_id=entity_id.strip())
        return queryset.filter(wanted), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one event with everything around it."""
        entry = self.get_object(request, object_id)
        if entry is None or not self.has_view_permission(request, entry):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = pages.event_page(entry, may_see_letters=request.user.has_perm("events.view_deadletter"))
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    @admin.display(description="When")
    def when(self, entry: JournalEntry) -> SafeString:
        """How long ago it happened."""
        return ago_html(entry.occurred_at, timezone.now())

    @admin.display(description="Event")
    def what(self, entry: JournalEntry) -> SafeString:
        """Its type, in the look of its verdict."""
        return columns.type_badge(entry.event_type, entry.verdict, links.event_url(entry.pk))

    @admin.display(description="About")
    def about(self, entry: JournalEntry) -> SafeString | str:
        """What it is about."""
        return columns.entity(entry)

    @admin.display(description="Service")
    def service_link(self, entry: JournalEntry) -> SafeString | str:
        """Who published it, with a link to everything that it published."""
        if not entry.service_name:
            return columns.NONE
        return columns.link(links.journal_url(service_name=entry.service_name), entry.service_name)

    @admin.display(description="Company")
    def company_link(self, entry: Any) -> SafeString | str:
        """Whose it is."""
        if entry.company_id is None:
            return columns.NONE
        return columns.link(links.journal_url(company=entry.company_id), entry.company_name)

    @admin.display(description="Data")
    def data_line(self, entry: Any) -> SafeString | str:
        """The beginning of its data; of what cannot be read, why."""
        return columns.preview(entry.fault or entry.shown_data, is_large=entry.is_large)


def _types_with(text: str) -> list[str]:
    """Return the types that have ``text`` in their name: there are few, and events of them are found by an index."""
    part = text.lower()
    seen = EventTypeHour.objects.filter(event_type__contains=part).order_by().values_list("event_type", flat=True)
    declared = EventTypeDeclaration.objects.filter(event_type__contains=part).values_list("event_type", flat=True)
    standard = [str(member) for member in EventType if part in member]
    return sorted({*seen.distinct(), *declared, *standard})
