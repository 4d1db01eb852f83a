"""Services: the list, and the page of one."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, Model, Q, QuerySet, TextField, Value
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.look import ago_html, badge_html
from apps.registry import links, observed
from apps.registry.admin import columns, operating, pages
from apps.registry.admin.filters import SERVICE_FILTERS
from apps.registry.models import HistoryEntry, Instance, Service
from apps.registry.services import operations
from xerpium_sdk.wire.registry import Status

MOST_NOTES = 10_000


@admin.register(Service)
class ServiceAdmin(operating.Operating, ReadOnlyModelAdmin):
    """Every service, what is wrong first."""

    list_display = ("status_badge", "name_link", "instance_statuses", "last_seen", "versions", "zones", "tags")
    list_display_links = None
    list_filter = SERVICE_FILTERS
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    hides_departed = True
    empty_template = "registry/empty.html"
    search_fields = ("name",)
    search_help_text = "Name, tag or capability"
    fields = ("name",)
    actions: ClassVar[list[str]] = ["check", "drain", "resume", "deregister"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        """Return all services with their status."""
        return observed.services_by_status()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what is wrong first."""
        return ("rank", "name")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return columns.ServiceRows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Service], search_term: str
    ) -> tuple[QuerySet[Service], bool]:
        """Find by name, and by tag and capability of registered instances."""
        for word in search_term.split():
            having = mentioning(word).exclude(status=Status.DEREGISTERED)
            queryset = queryset.filter(Q(name__icontains=word) | Q(pk__in=having.values("service_id")))
        return queryset, False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Service | None:
        """Return the service of a name; by its key too, as other parts of the admin link."""
        found: Service | None = super().get_object(request, object_id, from_field or "name")
        return found or super().get_object(request, object_id)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only what has left may be deleted, one at a time."""
        gone = isinstance(obj, Service) and getattr(obj, "status", None) == Status.DEREGISTERED and obj.is_writable
        return gone and request.user.has_perm("registry.delete_service")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what goes with a service, in numbers: its history alone may be thousands of rows."""
        services = list(objs)
        entries = HistoryEntry.objects.filter(service__in=services).count()
        counts = {"services": len(services), "entries of the history": entries}
        return [str(service) for service in services], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Service) -> None:
        """Delete it by the registry's service, which looks again whether it has come back."""
        operations.service_forget(service=obj.name)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one service; what is live on its page asks for itself again and again."""
        service = self.get_object(request, unquote(object_id))
        if service is None or not self.has_view_permission(request, service):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = pages.service_page(service, now=timezone.now())
        page |= {
            "may_operate": self.has_operate_permission(request) and service.is_writable,
            "live_address": request.path,
        }
        return self.show_page(request, object_id, page)

    def get_urls(self) -> list[URLPattern]:
        """Add the address to which notes are sent."""
        note = self.admin_site.admin_view(require_POST(self.note))
        return [path("<path:object_id>/note/", note, name="registry_service_note"), *super().get_urls()]

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Store an operator's notes."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        service = self.get_object(request, unquote(object_id))
        if service is None or not service.is_writable:
            return HttpResponseRedirect(links.services_url())
        notes = request.POST.get("notes", "").strip()
        if len(notes) > MOST_NOTES:
            self.message_user(request, f"Notes may have {MOST_NOTES:,} characters; nothing was stored.", messages.ERROR)
        else:
            operations.service_note(
                service=service.name, notes=notes, actor=operating.actor_of(request), now=timezone.now()
            )
            self.message_user(request, f"Stored the notes on {service.name}.", messages.SUCCESS)
        return HttpResponseRedirect(links.service_url(service.name))

    def instances_of(self, queryset: QuerySet[Any]) -> QuerySet[Instance]:
        """Return the instances of the services that an action was asked for."""
        return Instance.objects.filter(service_id__in=list(queryset.values_list("pk", flat=True)))

    @admin.display(description="Status", ordering="rank")
    def status_badge(self, service: Any) -> SafeString:
        """The service's own status, and a sign when something that it needs is away."""
        badge = badge_html(service.status)
        if not service.impaired:
            return badge
        needs = ", ".join(name for name, _ in service.impaired)
        told = '{} <span class="hub-impaired" title="Does not work, and it needs it: {}">impaired</span>'
        return format_html(told, badge, needs)

    @admin.display(description="Name", ordering="name")
    def name_link(self, service: Any) -> SafeString:
        """The name, and whose it is."""
        name = columns.link(links.service_url(service.name), service.name)
        if service.company_id is None:
            return name
        return format_html('{} <span class="hub-quiet">company {}</span>', name, service.company_id)

    @admin.display(description="Instances")
    def instance_statuses(self, service: Any) -> str:
        """How many instances of each status."""
        return columns.statuses(service.name, service.registered)

    @admin.display(description="Versions")
    def versions(self, service: Any) -> str:
        """All versions that run."""
        return columns.words(instance.version for instance in service.registered)

    @admin.display(description="Tags")
    def tags(self, service: Any) -> str:
        """All tags."""
        return columns.words(tag for instance in service.registered for tag in instance.tags)

    @admin.display(description="Zones")
    def zones(self, service: Any) -> str:
        """All zones."""
        return columns.words(instance.zone for instance in service.registered if instance.zone)

    @admin.display(description="Last seen")
    def last_seen(self, service: Any) -> SafeString:
        """When any of its instances was last heard of."""
        return ago_html(service.seen, timezone.now())


def mentioning(word: str) -> QuerySet[Instance]:
    """Return the instances that have ``word`` in a tag or a capability, whatever the case."""
    texts = {f"{field}_text": _joined(field) for field in ("tags", "capabilities")}
    having = Q(tags_text__icontains=word) | Q(capabilities_text__icontains=word)
    return Instance.objects.alias(**texts).filter(having)


def _joined(field: str) -> Func:
    return Func(F(field), Value(" "), function="array_to_string", output_field=TextField())
