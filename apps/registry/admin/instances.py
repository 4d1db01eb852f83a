"""Instances: the list, and the page of one."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.look import ago_html, badge_html
from apps.registry import links, observed
from apps.registry.admin import columns, operating, pages
from apps.registry.admin.filters import INSTANCE_FILTERS
from apps.registry.admin.services import mentioning
from apps.registry.models import Instance


@admin.register(Instance)
class InstanceAdmin(operating.Operating, ReadOnlyModelAdmin):
    """Every instance, what is wrong first."""

    list_display = (
        "status_badge", "id_link", "service_link", "last_seen", "reason", "version", "zone_or_none", "weight_shown",
        "tag_words",
    )  # fmt: skip
    list_display_links = None
    list_filter = INSTANCE_FILTERS
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_select_related = ("service", "vitals")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    hides_departed = True
    empty_template = "registry/empty.html"
    search_fields = ("instance_id",)
    search_help_text = "Id, service, host, tag or capability"
    fields = ("instance_id",)
    actions: ClassVar[list[str]] = ["check", "drain", "resume", "weigh", "deregister"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        """Return all instances with their rank."""
        return observed.instances_by_rank().select_related("service", "vitals")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what is wrong first."""
        return ("rank", "service__name", "instance_id")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return columns.InstanceRows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Instance], search_term: str
    ) -> tuple[QuerySet[Instance], bool]:
        """Find by id, host, service, tag and capability."""
        for word in search_term.split():
            named = Q(instance_id__icontains=word) | Q(service__name__icontains=word) | Q(host__icontains=word)
            queryset = queryset.filter(named | Q(pk__in=mentioning(word).values("pk")))
        return queryset, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one instance; what is live on its page asks for itself again and again."""
        instance = self.get_object(request, object_id)
        if instance is None or not self.has_view_permission(request, instance):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = pages.instance_page(instance, now=timezone.now())
        page |= {
            "may_operate": self.has_operate_permission(request) and instance.is_writable,
            "live_address": request.path,
        }
        return self.show_page(request, object_id, page)

    def instances_of(self, queryset: QuerySet[Any]) -> QuerySet[Instance]:
        """Return the instances themselves."""
        return queryset

    @admin.display(description="Status", ordering="rank")
    def status_badge(self, instance: Instance) -> SafeString:
        """Colour, icon and word."""
        return badge_html(instance.status)

    @admin.display(description="Instance", ordering="instance_id")
    def id_link(self, instance: Instance) -> SafeString:
        """The id."""
        return columns.link(links.instance_url(instance.pk), instance.instance_id)

    @admin.display(description="Service", ordering="service__name")
    def service_link(self, instance: Instance) -> SafeString:
        """The service."""
        return columns.link(links.service_url(instance.service.name), instance.service.name)

    @admin.display(description="Zone", ordering="zone", empty_value=columns.NONE)
    def zone_or_none(self, instance: Instance) -> str | None:
        """The zone."""
        return instance.zone

    @admin.display(description="Tags")
    def tag_words(self, instance: Instance) -> str:
        """The tags."""
        return columns.words(instance.tags, shown=2)

    @admin.display(description="Weight", ordering="weight")
    def weight_shown(self, instance: Instance) -> str:
        """The weight, and whether an operator set it."""
        if instance.weight_override is None:
            return f"{instance.weight:,}"
        told = f"An operator set it; declared is {instance.weight:,}."
        return format_html('<span title="{}">{} ✎</span>', told, f"{instance.weight_override:,}")

    @admin.display(description="Last seen")
    def last_seen(self, instance: Any) -> SafeString:
        """When it was last heard of."""
        return ago_html(instance.seen, timezone.now())

    @admin.display(description="Why")
    def reason(self, instance: Any) -> str:
        """Why it has its status, where that is not plain."""
        return format_html('<span class="hub-why" title="{0}">{0}</span>', instance.why) if instance.why else ""
