"""The pages of the bus that are no list of rows: how it is doing, its consumer groups, and the catalogue of types."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.events import links
from apps.events.admin import bus, catalogue

__all__ = ["MAY_SEE_BUS", "MAY_SEE_GROUPS", "MAY_SEE_TYPES", "group", "groups", "overview", "type_", "types"]

MAY_SEE_BUS = "events.view_streamstate"
MAY_SEE_GROUPS = "events.view_groupstate"
MAY_SEE_TYPES = "events.view_eventtypedeclaration"
MAY_SEE_LETTERS = "events.view_deadletter"
MAY_SEE_EVENTS = "events.view_journalentry"


def _page(request: HttpRequest, name: str, title: str, page: dict[str, Any]) -> HttpResponse:
    """Answer with a whole page, or with its live part alone where its script asks for that."""
    if "X-Live" in request.headers:
        return TemplateResponse(request, f"events/{name}_live.html", page)
    context = admin.site.each_context(request) | page | {"title": title, "live_address": request.get_full_path()}
    return TemplateResponse(request, f"events/{name}.html", context)


@permission_required(MAY_SEE_BUS, raise_exception=True)
def overview(request: HttpRequest) -> HttpResponse:
    """Show how the bus is doing: what is wrong first, then what flows, then every stream."""
    letters = request.user.has_perm(MAY_SEE_LETTERS)
    return _page(request, "overview", "Events", bus.overview_page(now=timezone.now(), may_see_letters=letters))


@permission_required(MAY_SEE_GROUPS, raise_exception=True)
def groups(request: HttpRequest) -> HttpResponse:
    """List the consumer groups, what is wrong first."""
    page = bus.groups_page(now=timezone.now(), level=request.GET.get("level", ""))
    return _page(request, "groups", "Consumer groups", page)


@permission_required(MAY_SEE_GROUPS, raise_exception=True)
def group(request: HttpRequest, name: str) -> HttpResponse:
    """Show one consumer group: its consumers, its handlers, and what it gave up."""
    page = bus.group_page(name, now=timezone.now(), may_see_letters=request.user.has_perm(MAY_SEE_LETTERS))
    if page is None:
        return _gone(request, f"No consumer group is called “{name[:100]}” now.", links.groups_url())
    return _page(request, "group", f"Consumer group {name}", page)


@permission_required(MAY_SEE_TYPES, raise_exception=True)
def types(request: HttpRequest) -> HttpResponse:
    """List the event types, and what came without having been declared."""
    return _page(request, "types", "Event types", catalogue.types_page(q=request.GET.get("q", "").strip()))


@permission_required(MAY_SEE_TYPES, raise_exception=True)
def type_(request: HttpRequest, name: str) -> HttpResponse:
    """Show one event type: what stands in it, how to publish and to handle it, and the latest events."""
    page = catalogue.type_page(name, may_see_events=request.user.has_perm(MAY_SEE_EVENTS))
    if page is None:
        told = f"Nobody has declared the type “{name[:100]}”, and no such event came in the last 7 days."
        return _gone(request, told, links.types_url())
    return _page(request, "type", f"Event type {name}", page)


def _gone(request: HttpRequest, told: str, address: str) -> HttpResponse:
    if "X-Live" in request.headers:
        return HttpResponse(status=404)
    messages.warning(request, told)
    return HttpResponseRedirect(address)
