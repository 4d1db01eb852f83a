"""The list of menu items, and the page of one: what its service says, what operators changed, and what became of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.companies import company_names
from apps.core.filters import Choices, Chosen, CompanyFilter, Found
from apps.core.look import ago_html
from apps.menus import icons
from apps.menus.admin import pages
from apps.menus.models import MenuItem
from apps.registry.links import service_url

__all__ = ["MenuItemAdmin"]

NONE = "–"


class ServiceFilter(Chosen):
    """By the service that declares it."""

    title, parameter_name = "service", "service_name"

    def known(self) -> Choices:
        """Return the services that declare something."""
        names = MenuItem.objects.order_by("service_name").values_list("service_name", flat=True).distinct()
        return [(name, name) for name in names]


class StateFilter(DropdownFilter):
    """By how it stands; what its service took back is left out unless it is asked for."""

    title, parameter_name = "state", "state"
    conditions = {
        "pending": ("Waits for its parent", Q(parent_ref__isnull=False, parent=None, archived_at=None)),
        "displaced": ("Its path was handed over", Q(displaced=True, archived_at=None)),
        "inactive": ("Declared as inactive", Q(is_active=False, archived_at=None)),
        "changed": ("Changed by operators", Q(overlay_count__gt=0, archived_at=None)),
        "archived": ("Taken back by its service", Q(archived_at__isnull=False)),
    }

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> Choices:
        """Return the states."""
        return [(name, words) for name, (words, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: Found) -> Found:
        """Keep what is in that state."""
        _, condition = self.conditions.get(self.value() or "", ("", Q(archived_at=None)))
        return queryset.filter(condition)


class ItemRows(ChangeList):
    """A page of items, each with the name of its company."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the names of all its companies with one query."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        names = company_names({row.company_id for row in self.result_list if row.company_id is not None})
        for row in self.result_list:
            row.company_name = "" if row.company_id is None else names.get(row.company_id, f"Company {row.company_id}")


@admin.register(MenuItem)
class MenuItemAdmin(ReadOnlyModelAdmin):
    """What services declare. Nothing is changed here: services declare, and operators arrange in the tree."""

    list_display = ("item", "where", "service_link", "company_link", "below", "state")
    list_display_links = None
    list_filter = (ServiceFilter, CompanyFilter, StateFilter)
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_select_related = ("parent",)
    empty_template = "menus/items_empty.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name", "path", "key")
    search_help_text = "Part of the name, the path or the key"
    ordering = ("service_name", "company_id", "position", "id")
    sortable_by: tuple[str, ...] = ()
    fields = ("name",)

    class Media:
        css = {"all": ["menus/menus.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[MenuItem]:
        """Return the items in sight, each with how many scopes of operators have a say."""
        found: QuerySet[MenuItem] = super().get_queryset(request)
        return found.annotate(overlay_count=Count("overlays"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return ItemRows

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one item with everything that is known of it."""
        item = self.get_object(request, object_id)
        if item is None or not self.has_view_permission(request, item):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = pages.item_page(item, may_see_audit=request.user.has_perm("core.view_auditentry"))
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    @admin.display(description="Item")
    def item(self, row: MenuItem) -> SafeString:
        """Its icon and its name, with the way to its page."""
        address = reverse("admin:menus_menuitem_change", args=[row.pk])
        symbol = icons.glyph(row.icon)
        cell = '<a class="hub-link hub-name" href="{}" title="{}">{}</a>'
        sign = format_html('<span class="material-symbols-outlined menu-cell" aria-hidden="true">{}</span>', symbol)
        return format_html("{} {}", sign, format_html(cell, address, row.name, row.name))

    @admin.display(description="Leads to")
    def where(self, row: MenuItem) -> SafeString:
        """Its path, or the link elsewhere."""
        return format_html('<span class="hub-why hub-mono" title="{0}">{0}</span>', row.path or row.url)

    @admin.display(description="Service")
    def service_link(self, row: MenuItem) -> SafeString:
        """Who declares it."""
        cell = '<a class="hub-link hub-name" href="{}" title="{}">{}</a>'
        return format_html(cell, service_url(row.service_name), row.service_name, row.service_name)

    @admin.display(description="Company")
    def company_link(self, row: Any) -> str:
        """Whose it is."""
        return row.company_name or NONE

    @admin.display(description="Below")
    def below(self, row: MenuItem) -> SafeString | str:
        """What its service puts it below."""
        if row.parent is not None:
            return format_html('<span class="hub-why" title="{0}">{0}</span>', row.parent.name)
        return format_html('<span class="hub-quiet">{}</span>', "“" + row.parent_ref + "”") if row.parent_ref else NONE

    @admin.display(description="State")
    def state(self, row: Any) -> SafeString:
        """What is to be known of it, in words."""
        found = [format_html('<span class="menu-mark hub-tone-{}">{}</span>', tone, word) for word, tone in states(row)]
        if row.archived_at:
            found.append(ago_html(row.archived_at, timezone.now()))
        return format_html("{}" * len(found), *found) if found else format_html("{}", NONE)


def states(row: Any) -> list[tuple[str, str]]:
    """Return the words of an item's state, each with its tone."""
    told = (
        (row.archived_at is not None, "taken back", "grey"),
        (row.archived_at is None and row.pending_parent, "waits", "amber"),
        (row.displaced, "handed over", "grey"),
        (not row.is_active, "off", "grey"),
        (row.overlay_count > 0, "changed", "violet"),
    )
    return [(word, tone) for is_so, word, tone in told if is_so]
