"""Items as the page of the tree reads them: everything that its rows and its panel show, as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.core.companies import company_names
from apps.menus import icons
from apps.menus.admin import words
from apps.menus.models import MENU, Handover
from apps.menus.outline import Node, Outline
from apps.menus.selectors.outlines import Arranged

__all__ = ["Drawing", "difference"]

Document = dict[str, Any]


class Drawing:
    """Makes documents of the nodes of one arranged menu, with what they share fetched once."""

    def __init__(self, found: Arranged, *, names_of_roles: Mapping[int, str]) -> None:
        self.found = found
        self.names = {number: node.name for number, node in found.outline.nodes.items()}
        self.names |= {
            number: item.name for number, item in found.outline.structure.items.items() if number not in self.names
        }
        company = found.whom.company_id
        self.companies = company_names([company]) if company is not None else {}
        self.wheres = [one.whom.words(self.companies, names_of_roles) for one in found.said]
        self.owners = _owners(found.outline)

    def all(self) -> list[Document]:
        """Return all nodes, each after what is above it."""
        return [self.document(node) for node in self.found.outline.nodes.values()]

    def document(self, node: Node) -> Document:
        """Return one node."""
        item = node.item
        told: Document = {
            "id": item.id,
            "parent": node.parent,
            "name": node.name,
            "icon": node.icon,
            "service": item.service_name,
        }
        # Most things are as one would guess, and there may be ten thousand of them.
        if (glyph := icons.glyph(node.icon) if node.icon else "") != node.icon:
            told["glyph"] = glyph
        if item.key not in (item.path, item.url):
            told["key"] = item.key
        told["url" if item.path is None else "path"] = item.url if item.path is None else item.path
        if item.company_id is not None:
            told["company_name"] = self.companies.get(item.company_id, f"company {item.company_id}")
        if item.permissions:
            told |= {"permissions": item.permissions, "any_of": item.any_of}
        told |= {name: True for name, is_so in self._flags(node) if is_so}
        owner = self.owners.get((item.route_key, item.company_id), "")
        if marks := words.marks_of(node, self.names, owner):
            told["marks"] = [{"word": mark.word, "tone": mark.tone, "told": mark.told} for mark in marks]
        if node.changes:
            told["changes"] = {change.field: self._change(node, change) for change in node.changes}
        return told

    def _flags(self, node: Node) -> Iterable[tuple[str, bool]]:
        return (("hidden", node.hidden), ("pinned", node.pinned), ("off", node.is_away), ("is_page", node.item.is_page))

    def _change(self, node: Node, change: Any) -> Document:
        is_here = change.field in node.own
        return {
            "told": words.declared_words(node.item, change, self.names),
            "isHere": is_here,
            "where": self.wheres[change.depth],
            "drift": change.has_drifted,
        }


def _owners(known: Outline) -> dict[tuple[str | None, int | None], str]:
    """Return who has the paths of displaced items."""
    displaced = {node.item.route_key for node in known.nodes.values() if node.item.displaced}
    if not displaced:
        return {}
    rows = Handover.objects.filter(kind=MENU, route_key__in=displaced)
    return {(row.route_key, row.company_id): row.service_name for row in rows}


def difference(before: Outline, drawing: Drawing) -> Document:
    """Return what the page has to take in after a change: nodes that are other, orders that are, and who is gone."""
    after = drawing.found.outline
    changed = [node for number, node in after.nodes.items() if before.nodes.get(number) != node]
    parents = {*before.children, *after.children}
    order = {
        _parent(parent): list(after.children.get(parent, ()))
        for parent in parents
        if list(before.children.get(parent, ())) != list(after.children.get(parent, ()))
    }
    return {
        "nodes": [drawing.document(node) for node in changed],
        "order": order,
        "gone": [number for number in before.nodes if number not in after.nodes],
    }


def _parent(number: int) -> str:
    return str(number)
