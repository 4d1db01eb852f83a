"""The page of the menu tree, and what its program asks for: the tree, and changes of it."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from apps.core.admin import actor_of
from apps.core.errors import InvalidInput, NotFound
from apps.core.tenancy import current
from apps.menus import icons
from apps.menus.admin.asking import answers, body_of, deeds
from apps.menus.admin.choosing import MAY_LOOK, chosen
from apps.menus.admin.nodes import Drawing, difference
from apps.menus.outline import Whom
from apps.menus.selectors.outlines import arranged_for, revision_of
from apps.menus.selectors.waiting import waiting_decisions
from apps.menus.services.arranging import Arrangement, Wish, overlays_change, overlays_move
from apps.registry import selectors as registry
from apps.serviceauth.selectors import roles_known

__all__ = ["change", "icon_names", "move", "tree", "tree_data"]

MOST_SENT = 2000
"""When more nodes than this are other, the page gets all of them."""


@permission_required(MAY_LOOK, raise_exception=True)
def tree(request: HttpRequest) -> HttpResponse:
    """Show the menu tree, to be arranged for whom the address says."""
    choice = chosen(request)
    context = admin.site.each_context(request) | {
        "title": "Menu tree",
        "choice": choice,
        "waiting": waiting_decisions(),
        "data_address": f"{reverse('menus:tree-data')}?{choice.query}",
    }
    return TemplateResponse(request, "menus/tree.html", context)


@answers
def tree_data(request: HttpRequest) -> Mapping[str, Any]:
    """Answer with the whole tree; with nothing but its stamp when the page knows that one."""
    choice = chosen(request)
    stamp = _stamp(choice.whom)
    if request.GET.get("known") == stamp:
        return {"stamp": stamp}
    drawing = Drawing(arranged_for(choice.whom), names_of_roles=choice.names_of_roles)
    return {"stamp": stamp, "nodes": drawing.all()}


@answers
def icon_names(request: HttpRequest) -> Mapping[str, Any]:
    """Answer with the names of all icons, and what draws them."""
    return {"icons": icons.every()}


@deeds
def change(request: HttpRequest) -> Mapping[str, Any]:
    """Change fields of items; what would take it back comes with the answer."""
    body = body_of(request)
    wishes = [_wish(one) for one in _list(body, "changes")]
    whom = _whom(body)
    done = overlays_change(whom=whom, wishes=wishes, actor=actor_of(request), now=timezone.now())
    return _done(done, whom)


@deeds
def move(request: HttpRequest) -> Mapping[str, Any]:
    """Put items elsewhere; what would take it back comes with the answer."""
    body = body_of(request)
    ids = _list(body, "ids")
    parent, before = body.get("parent_id"), body.get("before_id")
    if not ids or not all(map(_is_id, ids)) or not _is_id(parent) or not (before is None or _is_id(before)):
        raise InvalidInput("Name the items by number, and where they are to stand.")
    whom = _whom(body)
    done = overlays_move(
        whom=whom,
        item_ids=ids,
        parent_id=int(parent or 0),
        before_id=before,
        actor=actor_of(request),
        now=timezone.now(),
    )
    return _done(done, whom)


def _done(done: Arrangement, whom: Whom) -> Mapping[str, Any]:
    drawing = Drawing(done.after, names_of_roles={role.id: role.name for role in roles_known()})
    answer = difference(done.before, drawing)
    if len(answer["nodes"]) > MOST_SENT:
        answer = {"all": {"stamp": _stamp(whom), "nodes": drawing.all()}}
    undo = [{"id": wish.item_id, "set": wish.values, "unset": list(wish.unset)} for wish in done.undo]
    return {**answer, "stamp": _stamp(whom), "undo": {"changes": undo} if undo else None}


def _stamp(whom: Whom) -> str:
    """Return what changes whenever the tree may be another: by what was said, or by how services live."""
    return f"{revision_of(whom.company_id)}-{registry.catalogue().revision}"


def _wish(told: Any) -> Wish:
    if not isinstance(told, dict) or not _is_id(told.get("id")):
        raise InvalidInput("Name each item by number.")
    values, unset = told.get("set", {}), told.get("unset", [])
    if not isinstance(values, dict) or not isinstance(unset, list):
        raise InvalidInput("Say what to set by name, and what to reset as a list.")
    return Wish(told["id"], values, tuple(map(str, unset)))


def _whom(body: Mapping[str, Any]) -> Whom:
    """Return for whom a change is; whether the operator may make it is the service's to say.

    Raises:
        NotFound: it is for a company or a role that is not in sight.
        InvalidInput: it is for nobody in particular.
    """
    whom = Whom(str(body.get("scope")), body.get("scope_id") or 0, body.get("company_id"))
    if not (_is_id(whom.scope_id) and (whom.company_id is None or _is_id(whom.company_id))):
        raise InvalidInput("Say for whom.")
    scope = current()
    if scope is None or not scope.reads(whom.company_id):
        raise NotFound
    wanted = {
        "global": (0, None),
        "company": (whom.company_id, whom.company_id),
        "role": (whom.scope_id, whom.company_id),
        "user": (whom.scope_id, whom.company_id),
    }.get(whom.scope)
    if wanted != (whom.scope_id, whom.company_id) or (whom.scope != "global" and not whom.scope_id):
        raise InvalidInput("Say for whom.")
    if whom.scope == "role" and whom.scope_id not in {role.id for role in roles_known()}:
        raise NotFound
    return whom


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    if not isinstance(found, list):
        raise InvalidInput(f"{name} is a list.")
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
