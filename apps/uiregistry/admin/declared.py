"""What the pages of components and of widgets share: the list, the form of what was declared, and the playground."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.core import strictjson
from apps.core.admin import ReadOnlyModelAdmin
from apps.core.errors import FieldError
from apps.core.look import ago_html, draw_badge
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry import links, schemas
from apps.uiregistry.admin import columns
from apps.uiregistry.schemaforms import Field, form_of, read, tell

__all__ = ["DeclaredAdmin", "Played"]

MOST_SENT = 512 * 1024


class Played:
    """What somebody tries in a playground: values by section, what is wrong with them, and the texts of inputs."""

    def __init__(self, sections: Mapping[str, str], posted: Mapping[str, str]) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.faults: list[FieldError] = []
        self.texts: dict[str, str] = {}
        for name, kind in sections.items():
            sent = read(schemas.document(kind), posted, name=name)
            self.values[name] = sent.value
            self.faults += sent.faults
            self.texts |= sent.texts

    def told(self, sections: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
        """Return the faults by the name of their input, and those that belong to none."""
        fields = [
            field
            for name, kind in sections.items()
            for field in form_of(schemas.document(kind), self.values[name], name=name)
        ]
        left = tell(fields, self.faults, self.texts)
        return {field.name: field.faults for field in _all(fields) if field.faults}, left


def _all(fields: list[Field]) -> list[Field]:
    return [one for field in fields for one in (field, *_all(list(field.parts)))]


class DeclaredAdmin(ReadOnlyModelAdmin):
    """Base of both lists. Operators look; what services declare is theirs to change."""

    list_display_links = None
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ("name",)
    ordering = ("service_name", "position", "id")
    sortable_by: tuple[str, ...] = ()
    empty_template = "uiregistry/declared_empty.html"
    searched: ClassVar[tuple[str, ...]] = ()

    class Media:
        css = {"all": ["uiregistry/ui.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return columns.DeclaredRows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find what has every word in one of the searched fields."""
        for word in search_term.split():
            found = Q()
            for name in self.searched:
                found |= Q(**{f"{name}__icontains": word})
            queryset = queryset.filter(found)
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        """Add what the playground asks for."""
        name = f"uiregistry_{self.opts.model_name}_try"
        view = self.admin_site.admin_view(require_POST(self.try_out))
        return [path("<int:object_id>/try/", view, name=name), *super().get_urls()]

    def seen(self, request: HttpRequest, object_id: int) -> Any:
        """Return a row that the operator may look at.

        Raises:
            Http404, PermissionDenied: there is none in sight, or the operator may not look.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one, with a form of what its service declared and what comes of it."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = self._page(row) | self.page(request, row)
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    def _page(self, row: Any) -> dict[str, Any]:
        sections = self.sections(row)
        values = self.values(row)
        return {
            "row": row,
            "badge": columns.badge_of(row, lifetimes_of([row.service_name])[row.service_name]),
            "company": columns.company(row.company_id),
            "declared": [
                (name, form_of(schemas.document(kind), values[name], name=name, only_set=True))
                for name, kind in sections.items()
            ],
            "playground": [
                (name, form_of(schemas.document(kind), values[name], name=name)) for name, kind in sections.items()
            ],
            "warnings": self.warnings(row),
            "json": values,
            "try_url": f"{self.admin_site.name}:uiregistry_{self.opts.model_name}_try",
        }

    def try_out(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Answer what the values that somebody tries would look like. Nothing is stored."""
        row = self.seen(request, object_id)
        posted = _posted(request)
        played = Played(self.sections(row), posted)
        played.faults += self.faults(row, played.values)
        by_field, left = played.told(self.sections(row))
        context = {} if played.faults else self.preview(request, row, played.values, posted)
        template = "uiregistry/try_faults.html" if played.faults else self.preview_template
        html = render_to_string(template, {"row": row, "count": len(played.faults), **context}, request=request)
        shown = {name: value for name, value in played.values.items() if value or name == next(iter(played.values))}
        return JsonResponse({"faults": by_field, "left": left, "html": html, "values": shown})

    # --- what the two differ in ---------------------------------------------------------------------------------------

    preview_template: ClassVar[str] = ""

    def sections(self, row: Any) -> Mapping[str, str]:
        """Return the objects that a row declares, each with the type of its schema."""
        raise NotImplementedError

    def values(self, row: Any) -> dict[str, dict[str, Any]]:
        """Return what the row declares, by section."""
        return {name: getattr(row, name) for name in self.sections(row)}

    def faults(self, row: Any, values: Mapping[str, Any]) -> list[FieldError]:
        """Return what the schemas find wrong with values that somebody tries."""
        raise NotImplementedError

    def warnings(self, row: Any) -> list[FieldError]:
        """Return the keys that no schema knows."""
        raise NotImplementedError

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of a row shows beside that."""
        raise NotImplementedError

    def preview(
        self, request: HttpRequest, row: Any, values: Mapping[str, Any], posted: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return what the template of the preview needs for good values."""
        raise NotImplementedError

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="State")
    def state(self, row: Any) -> SafeString:
        """How it is doing."""
        return draw_badge(row.badge)

    @admin.display(description="Service")
    def service_link(self, row: Any) -> SafeString:
        """Whose it is."""
        return columns.link(links.service_url(row.service_name), row.service_name)

    @admin.display(description="Permissions")
    def needs(self, row: Any) -> SafeString | str:
        """What one needs to see it."""
        return columns.tags(row.permissions)

    @admin.display(description="For")
    def for_whom(self, row: Any) -> SafeString:
        """The company whose it is."""
        return format_html('<span class="hub-quiet">{}</span>', row.company_name)

    @admin.display(description="Changed")
    def changed(self, row: Any) -> SafeString:
        """When its service last said something new of it."""
        return ago_html(row.updated_at, timezone.now())


def _posted(request: HttpRequest) -> dict[str, str]:
    """Return the inputs of a playground. They come as JSON: a form has room for fewer fields than a schema may have."""
    try:
        sent = strictjson.parse(request.body, limit=MOST_SENT)
    except ValueError:
        return {}
    return {name: value for name, value in sent.items() if isinstance(value, str)} if isinstance(sent, dict) else {}
