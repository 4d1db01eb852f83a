"""The history of all services: what changed, when, why and by whom."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.paginator import InfinitePaginator

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.look import ago_html, badge_html
from apps.registry import links
from apps.registry.admin import columns
from apps.registry.models import HistoryEntry


@admin.register(HistoryEntry)
class HistoryAdmin(ReadOnlyModelAdmin):
    """Newest first. Ninety days of a busy hub are millions of rows, so nothing here counts them."""

    list_display = ("when", "service_link", "move", "cause_text", "actor", "instance_id")
    list_display_links = None
    list_filter = (("change", ChoicesDropdownFilter), ("new_status", ChoicesDropdownFilter))
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_select_related = ("service",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    search_fields = ("=service__name",)
    search_help_text = "Name of a service, in full"
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    # The page of one entry says what its line in the list does.
    fields = readonly_fields = list_display

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether it is in the menu."""
        return request.user.has_perm("registry.view_historyentry")

    @admin.display(description="When")
    def when(self, entry: HistoryEntry) -> SafeString:
        """How long ago."""
        return ago_html(entry.at, timezone.now())

    @admin.display(description="Service")
    def service_link(self, entry: HistoryEntry) -> SafeString:
        """The service."""
        return columns.link(links.service_url(entry.service.name), entry.service.name)

    @admin.display(description="What happened")
    def cause_text(self, entry: HistoryEntry) -> SafeString:
        """Why, in words."""
        return format_html('<span class="hub-why" title="{0}">{0}</span>', entry.cause)

    @admin.display(description="Status")
    def move(self, entry: HistoryEntry) -> Any:
        """From which status to which."""
        if not entry.new_status:
            return columns.NONE
        if not entry.old_status:
            return badge_html(entry.new_status)
        return format_html("{} → {}", badge_html(entry.old_status), badge_html(entry.new_status))
