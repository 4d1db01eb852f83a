"""Manifests: the list, the states that one was in over time, what differs between two, and the way back to one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from apps.core.admin import ReadOnlyModelAdmin, actor_of
from apps.core.badges import Badge
from apps.core.companies import company_names
from apps.core.errors import HubError, NotFound
from apps.core.filters import CompanyFilter
from apps.core.look import ago_html, draw_badge
from apps.core.tenancy import in_sight
from apps.menus.lifetimes import Lifetime
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry import links
from apps.uiregistry.admin import columns
from apps.uiregistry.manifest import SECTIONS, identity
from apps.uiregistry.models import Manifest
from apps.uiregistry.selectors import manifests as selectors
from apps.uiregistry.services import manifests as services
from apps.uiregistry.services.states import manifest_keep_pending
from apps.uiregistry.standing import STANDINGS
from apps.uiregistry.telling import counted, tell

__all__ = ["ManifestAdmin"]

MAY_RESTORE = "uiregistry.change_manifest"
MOST_REVISIONS = 50
MOST_NAMED = 100


class ManifestRows(ChangeList):
    """A page of manifests, each with how its service stands and how many items it has."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; a handful of queries whatever its length."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count
        rows = list(self.result_list)
        found = lifetimes_of(row.service_name for row in rows)
        names = company_names(row.company_id for row in rows if row.company_id is not None)
        for row in rows:
            row.badge = standing_of(found[row.service_name])
            row.company_name = columns.named(row.company_id, names)
        self.result_list = rows


@admin.register(Manifest)
class ManifestAdmin(ReadOnlyModelAdmin):
    """All that services declared, each as a whole."""

    list_display = ("state", "service_link", "for_whom", "version", "generation_text", "number_text", "changed")
    list_display_links = None
    list_filter = (CompanyFilter,)
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("service_name",)
    search_help_text = "Service"
    fields = ("service_name",)
    ordering = ("service_name", "id")
    sortable_by: tuple[str, ...] = ()
    empty_template = "uiregistry/manifests_empty.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["uiregistry/ui.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return ManifestRows

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks whether to roll back."""
        view = self.admin_site.admin_view(self.restore)
        return [
            path("<int:object_id>/restore/<int:number>/", view, name="uiregistry_manifest_restore"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the states of a manifest, and what differs between two of them."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        manifest_keep_pending(service_name=row.service_name, company_id=row.company_id, now=timezone.now())
        row.refresh_from_db()
        page = _page(request, row) | {
            "row": row,
            "badge": standing_of(lifetimes_of([row.service_name])[row.service_name]),
            "company": columns.company(row.company_id),
            "may_restore": request.user.has_perm(MAY_RESTORE) and row.is_writable,
        }
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    def restore(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        """Say in numbers what rolling back will do (GET), and do it (POST)."""
        row = self._own(request, object_id)
        back = links.manifest_url(row.pk)
        asked: dict[str, Any] = {
            "service_name": row.service_name,
            "declared_in": row.company_id,
            "number": number,
            "actor": actor_of(request),
            "companies": in_sight(),
            "now": timezone.now(),
        }
        before = row.number
        try:
            done = services.manifest_restore(**asked, dry_run=request.method != "POST")
        except NotFound:
            messages.warning(request, f"There is no revision {number} of {row.service_name}, or no longer.")
            return HttpResponseRedirect(back)
        except HubError as error:
            if request.method == "POST":
                messages.error(request, f"Nothing was rolled back. {error}")
                return HttpResponseRedirect(back)
            return self._ask(request, row, number, {}, back, refusal=_refused(error))
        if request.method != "POST":
            return self._ask(request, row, number, done, back)
        undo = reverse("admin:uiregistry_manifest_restore", args=[row.pk, before])
        told = format_html(
            'Rolled {} back to revision {}. {} <a class="hub-undo" href="{}">Undo …</a>',
            row.service_name, number, _sentence(done), undo,
        )  # fmt: skip
        messages.success(request, told)
        return HttpResponseRedirect(back)

    def _own(self, request: HttpRequest, object_id: int) -> Manifest:
        if not self.has_view_permission(request) or not request.user.has_perm(MAY_RESTORE):
            raise PermissionDenied
        row: Manifest | None = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if not row.is_writable:
            raise PermissionDenied
        return row

    def _ask(
        self, request: HttpRequest, row: Manifest, number: int, done: Mapping[str, Any], back: str, refusal: str = ""
    ) -> HttpResponse:
        deeds = (("removed", "It takes back"), ("created", "It brings back"), ("updated", "It changes"))
        context = self.admin_site.each_context(request) | {
            "title": f"Roll {row.service_name} back",
            "sentence": f"Roll {row.service_name} back to revision {number}?" if refusal else _asks(row, number, done),
            "afterwards": _afterwards(done),
            "refusal": refusal,
            "groups": [(title, _lines(done[name], _names(row, number))) for name, title in deeds if done.get(name)],
            "verb": "Roll back",
            "back": back,
        }
        return TemplateResponse(request, "uiregistry/ask.html", context)

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="Service is")
    def state(self, row: Any) -> SafeString:
        """How its service stands."""
        return draw_badge(row.badge)

    @admin.display(description="Service")
    def service_link(self, row: Manifest) -> SafeString:
        """Whose it is."""
        return columns.link(links.manifest_url(row.pk), row.service_name)

    @admin.display(description="For")
    def for_whom(self, row: Any) -> str:
        """From within which company it was declared."""
        return str(row.company_name)

    @admin.display(description="Generation")
    def generation_text(self, row: Manifest) -> str:
        """Its generation."""
        return columns.NONE if row.generation is None else str(row.generation)

    @admin.display(description="Revision")
    def number_text(self, row: Manifest) -> SafeString | str:
        """How many states it was in, and whether single items were changed since."""
        if not row.touched_by:
            return f"{row.number:,}"
        told = '{} <span class="hub-quiet" title="Single items were changed since">and changes by {}</span>'
        return format_html(told, f"{row.number:,}", row.touched_by)

    @admin.display(description="Changed")
    def changed(self, row: Manifest) -> SafeString:
        """When it last was another one."""
        return ago_html(row.updated_at, timezone.now())


def standing_of(lifetime: Lifetime) -> Badge:
    """Return how a service stands, as it is said of the service itself and not of what it shows."""
    badge = STANDINGS[lifetime]
    return replace(badge, word="well") if lifetime is Lifetime.WELL else badge


def _page(request: HttpRequest, row: Manifest) -> dict[str, Any]:
    """Return the states, newest first, and what differs between the two that are compared."""
    companies = in_sight()
    of = selectors.revisions(row.service_name, row.company_id, companies=companies)
    numbers = list(of.values_list("number", flat=True))
    after = _asked(request, "to", numbers) or (numbers[0] if numbers else None)
    earlier = [number for number in numbers if after is not None and number < after]
    before = _asked(request, "from", numbers) or (earlier[0] if earlier else None)
    found = None
    if after is not None:
        _, difference = selectors.revision_difference(
            row.service_name, row.company_id, after, before, companies=companies
        )
        found = tell(difference)
    shown: list[Any] = list(of[:MOST_REVISIONS])
    for one in shown:
        one.counts = counted(kind for section, kind in SECTIONS.items() for _ in range(getattr(one, section)))
        one.told = cause_words(one.cause)
    return {
        "revisions": shown,
        "older": max(len(numbers) - MOST_REVISIONS, 0),
        "numbers": numbers,
        "before": before,
        "after": after,
        "told": found,
    }


def _asked(request: HttpRequest, name: str, numbers: Sequence[int]) -> int | None:
    text = request.GET.get(name, "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    return number if number in numbers else None


def cause_words(cause: str) -> str:
    """Return what led to a state, in words."""
    known = {
        "put": "sent as a whole",
        "items": "single items changed",
        "removed": "everything taken back",
        "applied": "applied from a file",
    }
    return known.get(cause, cause.replace("restored from", "rolled back to revision"))


def _sentence(done: Mapping[str, Any]) -> str:
    parts = [
        f"{verb} {words}"
        for name, verb in (("removed", "removes"), ("created", "brings back"), ("updated", "changes"))
        if (words := counted(entry["kind"] for entry in done[name]))
    ]
    if not parts:
        return "Nothing is another one by that."
    told = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"This {told}."


def _asks(row: Manifest, number: int, done: Mapping[str, Any]) -> str:
    if not done["changed"]:
        return f"{row.service_name} is in revision {number} already: nothing would change."
    told = _sentence(done).removesuffix(".")
    return f"{told} of {row.service_name}: back to revision {number}."


def _afterwards(done: Mapping[str, Any]) -> str:
    kept = len({(entry["kind"], entry["key"]) for entry in done.get("kept_by_overlay", ())})
    stays = f" What operators changed of {kept:,} item{'' if kept == 1 else 's'} stays." if kept else ""
    counts = "Items keep their ids. The next release of the service counts again; the one of now, sent again, does not."
    return counts + stays


def _names(row: Manifest, number: int) -> dict[tuple[str, str], str]:
    """Return what the items of now and of a state are called, by kind and key."""
    now = selectors.manifest_body(row.service_name, row.company_id, row)
    earlier = selectors.revision(row.service_name, row.company_id, number, companies=in_sight()).body
    return {
        (kind, identity(section, item)[1]): str(item.get("name", ""))
        for body in (earlier, now)
        if body is not None
        for section, kind in SECTIONS.items()
        for item in body[section]
    }


def _lines(entries: Sequence[Mapping[str, Any]], names: Mapping[tuple[str, str], str]) -> list[str]:
    words = {"menu": "Menu item", "component": "Page or form", "widget": "Widget"}
    lines = []
    for entry in entries[:MOST_NAMED]:
        kind, key = entry["kind"], entry["key"]
        name = names.get((kind, key), key)
        lines.append(f"{words.get(kind, kind)} {name}" if name == key else f"{words.get(kind, kind)} {name}, {key}")
    return lines + ([f"and {len(entries) - MOST_NAMED:,} more"] if len(entries) > MOST_NAMED else [])


def _refused(error: HubError) -> str:
    faults = " ".join(fault.message for fault in error.errors[:5])
    return f"{error} {faults}".strip()
