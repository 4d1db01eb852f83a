"""What waits for an operator's decision: what services say otherwise than operators, paths that two services want."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from apps.core.admin import actor_of
from apps.core.companies import company_names
from apps.core.errors import HubError
from apps.menus.admin import words
from apps.menus.admin.choosing import MAY_CHANGE, MAY_LOOK
from apps.menus.admin.pages import tree_address
from apps.menus.models import MENU, Conflict, Handover, MenuItem, Overlay
from apps.menus.outline import Whom
from apps.menus.overlays import FIELDS, has_drifted
from apps.menus.selectors.decisions import conflicts, drifted, handovers
from apps.menus.selectors.items import declared_values
from apps.menus.selectors.waiting import pending_items, waiting_decisions
from apps.menus.services.handing import conflict_dismiss, path_hand_over, path_take_back
from apps.menus.services.settling import drift_keep, drift_take
from apps.serviceauth.selectors import roles_known

__all__ = ["dismiss", "hand_over", "inbox", "settle", "take_back"]

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Drift:
    """A field of which a service says something else by now; ``sides`` are what it says and what operators said."""

    overlay: Overlay
    field: str
    title: str
    whom: str
    address: str
    said: str
    yours: str
    was: str
    actor: str
    may_decide: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """Two services that want one path; ``kind`` and ``where`` in words."""

    conflict: Conflict
    what: str
    where: str
    may_decide: bool


@permission_required(MAY_LOOK, raise_exception=True)
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits: conflicts first, then drift, then items whose parent is not there."""
    may_change = request.user.has_perm(MAY_CHANGE)
    waiting = waiting_decisions()
    found: list[Conflict] = list(conflicts().order_by("-last_at", "-pk")[:MOST_SHOWN])
    given: list[Handover] = list(handovers().order_by("-at", "-pk")[:MOST_SHOWN])
    companies = company_names(filter(None, [*(row.company_id for row in found), *(row.company_id for row in given)]))
    context = admin.site.each_context(request) | {
        "title": "Inbox",
        "waiting": waiting,
        "claims": [_claim(row, companies, may_change=may_change) for row in found],
        "more_claims": waiting.conflicts - len(found),
        "drifts": _drifts(may_change=may_change),
        "pending": [(item, tree_address(_whom_of(item), item.pk)) for item in pending_items(limit=MOST_SHOWN)],
        "handovers": [
            (row, words.who(row.actor), _where(row.company_id, companies), may_change and row.is_writable)
            for row in given
        ],
        "may_change": may_change,
    }
    return TemplateResponse(request, "menus/inbox.html", context)


@permission_required(MAY_CHANGE, raise_exception=True)
@require_POST
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what operators said of some fields, or take what the service says."""
    fields = [name for name in request.POST.getlist("field") if name in FIELDS]
    try:
        if request.POST.get("decision") == "take":
            row = drift_take(overlay_id=pk, fields=fields, actor=actor_of(request), now=timezone.now())
            told = f"“{row.item.name}” is as {row.item.service_name} says."
        else:
            row = drift_keep(overlay_id=pk, fields=fields)
            told = f"“{row.item.name}” stays as operators said."
    except HubError as error:
        return _back(request, messages.ERROR, _sentence(error))
    return _back(request, messages.SUCCESS, told)


@permission_required(MAY_CHANGE, raise_exception=True)
def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether a path is to be handed over (GET), and do it (POST)."""
    row = conflicts().filter(pk=pk).first()
    if row is None or not row.is_writable:
        raise Http404
    if request.method == "POST":
        try:
            path_hand_over(
                kind=row.kind, path=row.path, company_id=row.company_id, service_name=row.claimant,
                actor=actor_of(request), now=timezone.now(),
            )  # fmt: skip
        except HubError as error:
            return _back(request, messages.ERROR, _sentence(error))
        told = f"{row.path} belongs to {row.claimant} now. It can be taken back below."
        return _back(request, messages.SUCCESS, told)
    companies = company_names([row.company_id]) if row.company_id is not None else {}
    claim = _claim(row, companies, may_change=True)
    context = admin.site.each_context(request) | {
        "title": f"Hand {row.path} over to {row.claimant}",
        "claim": claim,
        "leaving": _leaving(row),
        "back": reverse("menus:inbox"),
    }
    return TemplateResponse(request, "menus/hand_over.html", context)


@permission_required(MAY_CHANGE, raise_exception=True)
@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave a path with whoever has it."""
    return _do(request, "Dismissed: the path stays where it is.", lambda: conflict_dismiss(id=pk))


@permission_required(MAY_CHANGE, raise_exception=True)
@require_POST
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an operator's word on a path back."""
    return _do(
        request,
        "Taken back: whoever declared the path first has it again.",
        lambda: path_take_back(id=pk, actor=actor_of(request), now=timezone.now()),
    )


def _do(request: HttpRequest, told: str, deed: Any) -> HttpResponse:
    try:
        deed()
    except HubError as error:
        return _back(request, messages.ERROR, _sentence(error))
    return _back(request, messages.SUCCESS, told)


def _back(request: HttpRequest, level: int, told: str) -> HttpResponse:
    messages.add_message(request, level, told)
    return HttpResponseRedirect(reverse("menus:inbox"))


def _sentence(error: HubError) -> str:
    return " ".join(fault.message for fault in error.errors) or error.detail or "Somebody decided it already."


def _claim(row: Conflict, companies: Mapping[int, str], *, may_change: bool) -> Claim:
    what = "menu item" if row.kind == MENU else "page"
    return Claim(row, what, _where(row.company_id, companies), may_change and row.is_writable)


def _where(company_id: int | None, companies: Mapping[int, str]) -> str:
    return "in all companies" if company_id is None else f"in {companies.get(company_id, f'company {company_id}')}"


def _leaving(row: Conflict) -> list[MenuItem]:
    """Return the items that leave the trees when a path is handed over."""
    if row.kind != MENU:
        return []
    rows = MenuItem.objects.filter(
        route_key=row.route_key, company_id=row.company_id, archived_at=None, displaced=False
    )
    return list(rows.exclude(service_name=row.claimant))


def _whom_of(item: MenuItem) -> Whom:
    return Whom() if item.company_id is None else Whom("company", item.company_id, item.company_id)


# --- drift ------------------------------------------------------------------------------------------------------------


def _drifts(*, may_change: bool) -> list[Drift]:
    rows = list(drifted().order_by("-item__updated_at", "pk")[:MOST_SHOWN])
    parents = {value for row in rows for value in _parents(row)}
    names = dict(MenuItem.objects.filter(pk__in=parents).values_list("pk", "name"))
    companies = company_names({row.company_id for row in rows if row.company_id is not None})
    roles = {role.id: role.name for role in roles_known()}
    return [drift for row in rows for drift in _fields(row, names, companies, roles, may_change=may_change)]


def _parents(row: Overlay) -> Iterable[int]:
    return filter(None, (row.values.get("parent_id"), row.base.get("parent_id"), row.item.parent_id))


def _fields(
    row: Overlay, names: Mapping[int, str], companies: Mapping[int, str], roles: Mapping[int, str], *, may_change: bool
) -> Iterable[Drift]:
    now = declared_values(row.item)
    whom = Whom(row.scope, row.scope_id, row.company_id)
    for field in FIELDS:
        if field in row.values and has_drifted(field, row.values, row.base, now):
            yield Drift(
                overlay=row,
                field=field,
                title=words.FIELD_WORDS[field],
                whom=whom.words(companies, roles),
                address=tree_address(whom, row.item_id),
                said=words.value_words(field, now[field], names),
                yours=words.value_words(field, row.values[field], names),
                was=words.value_words(field, row.base[field], names),
                actor=words.who(row.actor),
                may_decide=may_change and row.is_writable,
            )
