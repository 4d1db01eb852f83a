"""What somebody gets of a menu, and why not the rest. Reads only; looking at a person's menu is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import Http404, HttpRequest

from apps.core import audit
from apps.menus import icons
from apps.menus.admin.asking import answers
from apps.menus.admin.choosing import Choice, chosen, number_of
from apps.menus.explaining import Reason, reasons
from apps.menus.models import ROLE, USER
from apps.menus.outline import Node
from apps.menus.selectors.outlines import Arranged, arranged_for
from apps.menus.tree import Forest, compile
from apps.serviceauth.selectors import permissions_of

__all__ = ["preview", "why"]

MOST_EXPLAINED = 500
SHORTLY = {
    "inactive": "off",
    "archived": "gone",
    "service_gone": "service away",
    "pending_parent": "waits",
    "cycle": "circle",
    "displaced": "handed over",
    "replaced": "replaced",
    "hidden": "hidden",
    "permission_missing": "no right",
    "ancestor": "above is hidden",
    "no_visible_children": "empty",
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose menu it is, with what they are granted."""

    choice: Choice
    grants: Sequence[str]
    locale: str | None

    @property
    def told(self) -> str:
        """What is shown, as the beginning of a sentence."""
        rights = "with every right" if "*" in self.grants else "without any right"
        if self.grants and "*" not in self.grants:
            rights = f"with {', '.join(self.grants[:3])}{' …' if len(self.grants) > 3 else ''}"
        words = self.choice.words
        return f"{words[0].upper()}{words[1:]}, {rights}, gets"


@answers
def preview(request: HttpRequest) -> Mapping[str, Any]:
    """Answer with all items, which of them somebody gets, and in a word why not the others."""
    viewer, found, forest = _asked(request)
    _write_down(viewer, "menu_previewed", "tree")
    shown = forest.shown(viewer.grants)
    names = _names(orjson.loads(forest.render(viewer.grants, viewer.locale)))
    nodes, left = [], MOST_EXPLAINED
    for node in found.outline.nodes.values():
        told = _document(node, names)
        if node.item.id not in shown:
            left -= 1
            why = _reasons(forest, viewer, node, shown) if left >= 0 else []
            told |= {"off": True, "why": SHORTLY.get(why[0].code, "hidden") if why else "hidden"}
        nodes.append(told)
    return {"nodes": nodes, "told": viewer.told}


@answers
def why(request: HttpRequest) -> Mapping[str, Any]:
    """Answer with every reason why somebody does not get one item."""
    viewer, found, forest = _asked(request)
    number = number_of(request.GET.get("item", ""))
    if number is None or number not in found.outline.nodes:
        raise Http404("There is no such item in this menu.")
    _write_down(viewer, "menu_explained", str(number))
    told = _reasons(forest, viewer, found.outline.nodes[number], forest.shown(viewer.grants))
    return {"reasons": [line for reason in told for line in _lines(reason)]}


def _asked(request: HttpRequest) -> tuple[Viewer, Arranged, Forest]:
    choice = chosen(request)
    if choice.missing:
        raise Http404(choice.missing)
    found = arranged_for(choice.whom)
    layers = [one.layer for one in found.said]
    forest = compile(list(found.outline.structure.items.values()), layers, found.lifetimes)
    locale = request.GET.get("locale", "").strip()[:35] or None
    return Viewer(choice, _grants(request, choice), locale), found, forest


def _grants(request: HttpRequest, choice: Choice) -> tuple[str, ...]:
    """Return what the viewer is granted: what the address says, else what the person or the role has."""
    written = request.GET.get("permissions", "").replace(",", " ").split()
    if written:
        return tuple(dict.fromkeys(written))[:200]
    whom = choice.whom
    if whom.scope == USER:
        return permissions_of(whom.scope_id, whom.company_id) if whom.company_id is not None else ()
    if whom.scope == ROLE:
        return next((role.permissions for role in choice.roles if role.id == whom.scope_id), ())
    return ("*",)


def _write_down(viewer: Viewer, action: str, what: str) -> None:
    whom = viewer.choice.whom
    if whom.scope == USER:
        told = {"user_id": whom.scope_id, "item": what}
        audit.record(action, "person", whom.scope_id, company_id=whom.company_id, after=told)


def _reasons(forest: Forest, viewer: Viewer, node: Node, shown: set[int]) -> list[Reason]:
    return reasons(node.item.id, forest.structure, forest.layers, forest.lifetimes, viewer.grants, shown.__contains__)


def _lines(reason: Reason, depth: int = 0) -> list[str]:
    told = reason.message if not reason.actor else f"{reason.message} ({reason.actor})"
    return [f"{'— ' * depth}{told}", *(line for inner in reason.reasons for line in _lines(inner, depth + 1))]


def _names(items: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return the names that the viewer reads, by item."""
    found, waiting = {}, list(items)
    while waiting:
        item = waiting.pop()
        found[item["id"]] = item["name"]
        waiting += item["children"]
    return found


def _document(node: Node, names: Mapping[int, str]) -> dict[str, Any]:
    mark = node.lifetime.mark
    return {
        "id": node.item.id,
        "parent": node.parent,
        "name": names.get(node.item.id, node.name),
        "icon": node.icon,
        "glyph": icons.glyph(node.icon) if node.icon else "",
        **({"pinned": True} if node.pinned else {}),
        **({"status": mark} if mark else {}),
    }
