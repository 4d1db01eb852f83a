"""The console's own pages: home, and the picture of who needs whom."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.console import selectors
from apps.console.picture import KINDS, choose, draw
from apps.registry import selectors as registry

MAY_LOOK = "registry.view_service"
MAY_SEE_ACCESS = "serviceauth.view_serviceaccount"
MAY_SEE_MENUS = "menus.view_menuitem"


def home_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows to the context of the admin's index; nothing for who may not see services."""
    if not request.user.has_perm(MAY_LOOK):
        return context | {"may_look": False}
    return context | {"may_look": True} | _home(request)


@permission_required(MAY_LOOK, raise_exception=True)
def home_live(request: HttpRequest) -> HttpResponse:
    """Answer with the part of the home page that keeps itself up to date."""
    return TemplateResponse(request, "console/home_live.html", _home(request))


def _home(request: HttpRequest) -> dict[str, Any]:
    return selectors.home_page(
        now=timezone.now(),
        access=request.user.has_perm(MAY_SEE_ACCESS),
        menus=request.user.has_perm(MAY_SEE_MENUS),
    )


@permission_required(MAY_LOOK, raise_exception=True)
def graph(request: HttpRequest) -> HttpResponse:
    """Draw who needs whom: all of it, a part by ``q``, ``tag``, ``company``, or what is ``around`` one service."""
    everything = selectors.neighbourhood()
    asked = {name: request.GET.get(name, "").strip() for name in ("q", "tag", "company", "around")}
    wanted = selectors.services_wanted(q=asked["q"], tag=asked["tag"], company=asked["company"])
    choice = choose(everything, wanted=wanted, around=asked["around"], everything="all" in request.GET)
    context = admin.site.each_context(request) | {
        "title": "Who needs whom",
        "asked": asked,
        "filtered": any(asked.values()),
        "choice": choice,
        "picture": draw(everything, choice.names),
        "total": len(everything.statuses),
        "cycles": everything.cycles,
        "kinds": KINDS,
        "tags": registry.tags(),
        "companies": registry.company_ids(),
    }
    return TemplateResponse(request, "console/graph.html", context)
