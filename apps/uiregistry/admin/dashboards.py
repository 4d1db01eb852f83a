"""Dashboards: the list, and the page on which one is looked at and arranged for somebody."""

import re
from collections import Counter
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views.decorators.http import require_POST
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core import strictjson
from apps.core.admin import ReadOnlyModelAdmin, actor_of
from apps.core.companies import company_names, every_company_name
from apps.core.errors import HubError, InvalidInput
from apps.core.filters import CompanyFilter
from apps.core.look import ago_html
from apps.core.problems import problem_response
from apps.core.tenancy import current, in_sight
from apps.uiregistry import links
from apps.uiregistry.admin import columns
from apps.uiregistry.admin.arranging import MAY_ARRANGE, Choice, choice_of, chosen, page_of
from apps.uiregistry.dashboard_serializers import MOST_TITLE, SLUG_PATTERN, LayoutSerializer
from apps.uiregistry.models import Dashboard, Layout
from apps.uiregistry.services import dashboards as services

__all__ = ["DashboardAdmin"]

MOST_SENT = 64 * 1024
_SLUG = re.compile(SLUG_PATTERN)


class DashboardForm(forms.Form):
    """What a dashboard is called, and whose it is."""

    title = forms.CharField(max_length=MOST_TITLE, widget=UnfoldAdminTextInputWidget)
    slug = forms.CharField(
        max_length=60, required=False, widget=UnfoldAdminTextInputWidget, label="Name in addresses",
        help_text="Letters a-z, digits and dashes; made of the title when left empty.",
    )  # fmt: skip

    def __init__(self, data: Any = None, *, companies: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(data, **options)
        if companies:
            self.fields["company"] = forms.ChoiceField(
                label="For", choices=companies, required=False, widget=UnfoldAdminSelectWidget
            )

    def clean_slug(self) -> str:
        """Return the slug, made of the title where there is none.

        Raises:
            ValidationError: it is none.
        """
        text = self.cleaned_data["slug"].strip() or slugify(self.cleaned_data.get("title", ""))[:60].strip("-_")
        if not _SLUG.fullmatch(text):
            raise forms.ValidationError("Use 1 to 60 of a-z, 0-9 and '-', beginning and ending with a letter or digit.")
        return str(text)


class DashboardRows(ChangeList):
    """A page of dashboards, each with how it was arranged for whom."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, its layouts, and the names of its companies."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count
        rows = list(self.result_list)
        names = company_names(row.company_id for row in rows if row.company_id is not None)
        counts: dict[int, Counter[str]] = {row.pk: Counter() for row in rows}
        for pk, scope in Layout.objects.filter(dashboard__in=rows).values_list("dashboard_id", "scope"):
            counts[pk][scope] += 1
        for row in rows:
            row.company_name = columns.named(row.company_id, names)
            row.arranged = counts[row.pk]
        self.result_list = rows


@admin.register(Dashboard)
class DashboardAdmin(ReadOnlyModelAdmin):
    """Pages of widgets."""

    list_display = ("title_link", "slug_text", "for_whom", "arranged_for", "made")
    list_display_links = None
    list_filter = (CompanyFilter,)
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("title", "slug")
    search_help_text = "Title or name in addresses"
    fields = ("title",)
    ordering = ("title", "id")
    sortable_by: tuple[str, ...] = ()
    actions = None
    empty_template = "uiregistry/dashboards_empty.html"
    add_form_template = "uiregistry/dashboard_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["uiregistry/ui.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return DashboardRows

    # --- who may ------------------------------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whether the operator may make one."""
        return request.user.has_perm(MAY_ARRANGE) and request.user.has_perm("uiregistry.view_dashboard")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the operator may take this one away."""
        return isinstance(obj, Dashboard) and obj.is_writable and self.has_add_permission(request)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what goes with a dashboard, in numbers: its layouts."""
        rows = list(objs)
        counts = {"dashboards": len(rows), "layouts": Layout.objects.filter(dashboard__in=rows).count()}
        return [str(row) for row in rows], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Dashboard) -> None:
        """Take it away by the service."""
        services.dashboard_delete(dashboard_id=obj.pk, actor=actor_of(request))

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add what the page sends."""
        view = self.admin_site.admin_view
        return [
            path("<int:object_id>/arrange/", view(require_POST(self.arrange)), name="uiregistry_dashboard_arrange"),
            path("<int:object_id>/reset/", view(self.reset), name="uiregistry_dashboard_reset"),
            path("<int:object_id>/rename/", view(self.rename), name="uiregistry_dashboard_rename"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what it is called (GET), and make it (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DashboardForm(request.POST or None, companies=_companies())
        if form.is_valid() and (made := self._made(request, form)):
            messages.success(request, f"Made the dashboard {made.title}. It shows all widgets until you arrange it.")
            return HttpResponseRedirect(links.dashboard_url(made.pk))
        return self._form(request, form, "New dashboard", "Make it", links.dashboards_url())

    def rename(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for another title and slug (GET), and store them (POST)."""
        row = self._own(request, object_id)
        initial = {"title": row.title, "slug": row.slug}
        form = DashboardForm(request.POST or None, companies=[], initial=initial)
        if form.is_valid():
            changes = {name: form.cleaned_data[name] for name in ("title", "slug")}
            try:
                services.dashboard_update(dashboard_id=row.pk, changes=changes, actor=actor_of(request))
            except HubError as error:
                form.add_error("slug", str(error))
            else:
                return HttpResponseRedirect(links.dashboard_url(row.pk))
        return self._form(request, form, f"Rename {row.title}", "Rename", links.dashboard_url(row.pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a dashboard as somebody has it, to be arranged for them."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = page_of(row, chosen(request, row)) | {
            "row": row,
            "company": columns.company(row.company_id),
            "may_rename": self.has_add_permission(request) and row.is_writable,
        }
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    def arrange(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Store where the widgets stand for somebody."""
        row = self._seen(request, object_id)
        try:
            sent = strictjson.parse(request.body, limit=MOST_SENT)
            choice = self._writable(request, row, sent if isinstance(sent, dict) else {})
            told = LayoutSerializer.read({"placements": sent.get("placements")} if isinstance(sent, dict) else sent)
            services.layout_put(
                dashboard_id=row.pk,
                scope=choice.whom.scope,
                scope_id=choice.whom.scope_id,
                company_id=choice.whom.company_id,
                placements=told["placements"],
                actor=actor_of(request),
            )
        except ValueError as error:
            return problem_response(InvalidInput(str(error)))
        except HubError as error:
            return problem_response(error)
        messages.success(request, f"Arranged {row.title} for {choice.words}.")
        return JsonResponse({})

    def reset(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask whether to take a layout away (GET), and do it (POST)."""
        row = self._seen(request, object_id)
        choice = choice_of(request, row, request.GET)
        if choice.missing or choice.why_not:
            raise PermissionDenied
        whom = choice.whom
        back = links.dashboard_url(row.pk, **choice.asked)
        layout = row.layouts.filter(scope=whom.scope, scope_id=whom.scope_id, company_id=whom.company_id).first()
        if layout is None:
            messages.info(request, f"Nobody has arranged {row.title} for {choice.words}.")
            return HttpResponseRedirect(back)
        if request.method == "POST":
            services.layout_reset(
                dashboard_id=row.pk,
                scope=whom.scope,
                scope_id=whom.scope_id,
                company_id=whom.company_id,
                actor=actor_of(request),
            )
            messages.success(request, f"{row.title} is as it was before for {choice.words}.")
            return HttpResponseRedirect(back)
        count, who = len(layout.placements), layout.actor.partition(":")[2] or layout.actor
        stand = "widget stands" if count == 1 else "widgets stand"
        context = self.admin_site.each_context(request) | {
            "title": f"Reset {row.title}",
            "sentence": f"This forgets where {count} {stand} for {choice.words}.",
            "afterwards": f"They get the next less specific layout then. {who} arranged this one.",
            "verb": "Reset",
            "back": back,
        }
        return TemplateResponse(request, "uiregistry/ask.html", context)

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _seen(self, request: HttpRequest, object_id: int) -> Dashboard:
        """Return a dashboard in sight, for who may arrange dashboards at all."""
        if not self.has_view_permission(request) or not request.user.has_perm(MAY_ARRANGE):
            raise PermissionDenied
        row: Dashboard | None = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row

    def _own(self, request: HttpRequest, object_id: int) -> Dashboard:
        row = self._seen(request, object_id)
        if not row.is_writable:
            raise PermissionDenied
        return row

    def _writable(self, request: HttpRequest, row: Dashboard, sent: dict[str, Any]) -> Choice:
        choice = choice_of(request, row, sent)
        if choice.missing or choice.why_not:
            raise InvalidInput(choice.missing or choice.why_not)
        return choice

    def _made(self, request: HttpRequest, form: DashboardForm) -> Dashboard | None:
        values = form.cleaned_data
        company = values.get("company") or ""
        try:
            return services.dashboard_create(
                slug=values["slug"],
                title=values["title"].strip(),
                company_id=int(company) if company else None,
                actor=actor_of(request),
            )
        except HubError as error:
            form.add_error("slug", str(error) or "This cannot be stored.")
            return None

    def _form(self, request: HttpRequest, form: DashboardForm, title: str, verb: str, back: str) -> HttpResponse:
        context = self.admin_site.each_context(request) | {"title": title, "form": form, "verb": verb, "back": back}
        return TemplateResponse(request, "uiregistry/dashboard_form.html", context)

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="Dashboard")
    def title_link(self, row: Dashboard) -> SafeString:
        """Its title."""
        return columns.link(links.dashboard_url(row.pk), row.title)

    @admin.display(description="In addresses")
    def slug_text(self, row: Dashboard) -> SafeString:
        """Its slug."""
        return format_html('<span class="hub-mono">{}</span>', row.slug)

    @admin.display(description="For")
    def for_whom(self, row: Any) -> str:
        """Whose it is."""
        return str(row.company_name)

    @admin.display(description="Arranged for")
    def arranged_for(self, row: Any) -> SafeString | str:
        """For whom somebody arranged it."""
        words = {"global": "everybody", "company": "company/companies", "role": "role/roles", "user": "person/people"}
        told = []
        for scope, word in words.items():
            if count := row.arranged[scope]:
                one, _, many = word.partition("/")
                told.append(one if scope == "global" else f"{count:,} {one if count == 1 else many}")
        return ", ".join(told) or format_html('<span class="hub-quiet">{}</span>', "nobody: all widgets by their sizes")

    @admin.display(description="Made")
    def made(self, row: Dashboard) -> SafeString:
        """When it was made."""
        return ago_html(row.created_at, timezone.now())


def _companies() -> list[tuple[str, str]]:
    """Return for whom the operator may make a dashboard."""
    scope, sight = current(), in_sight()
    names = dict(every_company_name())
    everybody = [("", "All companies")] if scope is not None and scope.writes_global else []
    numbers = names if sight == "*" else sorted(sight)
    return [*everybody, *((str(number), names.get(number, f"Company {number}")) for number in numbers)]
