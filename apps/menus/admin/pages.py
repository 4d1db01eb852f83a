"""What stands on the page of a menu item. Reads only; a handful of queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.core.companies import company_names
from apps.core.models import AuditEntry
from apps.menus import icons
from apps.menus.admin import words
from apps.menus.models import MENU, Handover, MenuItem
from apps.menus.outline import Node, Whom, declared_values
from apps.menus.overlays import FIELDS
from apps.menus.selectors.items import declared_values as declared_columns
from apps.menus.selectors.outlines import arranged_for
from apps.serviceauth.selectors import roles_known

__all__ = ["item_page", "tree_address"]

MOST_HISTORY = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A field: what the service says, what counts for everybody, and whether somebody changed it."""

    title: str
    declared: str
    effective: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """What operators changed in one scope."""

    words: str
    address: str
    actor: str
    at: Any
    reason: str
    lines: tuple[tuple[str, str, bool], ...]
    """Each field: its title, what counts there, and whether the service says something else by now."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An entry of the audit in words: what was done, to which fields, and for whom if it says so."""

    entry: AuditEntry
    verb: str
    told: str
    where: str


DEEDS = {"menu_overlay_changed": "arranged", "menu_drift_kept": "kept"}


def item_page(item: MenuItem, *, may_see_audit: bool) -> dict[str, Any]:
    """Return everything that the page of an item shows."""
    found = arranged_for(Whom("company", item.company_id, item.company_id) if item.company_id else Whom())
    node = found.outline.nodes.get(item.pk)
    names = {number: one.name for number, one in found.outline.structure.items.items()}
    handover = Handover.objects.filter(kind=MENU, route_key=item.route_key, company_id=item.company_id).first()
    owner = handover.service_name if handover else ""
    return {
        "item": item,
        "glyph": icons.glyph(item.icon),
        "node": node,
        "marks": words.marks_of(node, names, owner) if node else [],
        "trail": words.trail(node, found.outline.nodes) if node else "",
        "children": [found.outline.nodes[number] for number in found.outline.children.get(item.pk, ())][:50],
        "company": _company(item.company_id),
        "company_whom": tree_address(Whom(), item.pk)
        if item.company_id is None
        else tree_address(Whom("company", item.company_id, item.company_id), item.pk),
        "lines": _lines(node, names) if node else [],
        "layers": _layers(item, names),
        "entries": _history(item, names) if may_see_audit else [],
        "handover": handover,
    }


def tree_address(whom: Whom, item_id: int) -> str:
    """Return the address of the tree for ``whom`` in which an item is chosen."""
    asked = {
        "global": "",
        "company": f"scope=company&company={whom.company_id}&",
        "role": f"scope=role&role={whom.scope_id}&company={whom.company_id or ''}&",
        "user": f"scope=user&user={whom.scope_id}&company={whom.company_id or ''}&",
    }[whom.scope]
    return f"{reverse('menus:tree')}?{asked}item={item_id}"


def _lines(node: Node, names: dict[int, str]) -> list[Line]:
    declared = declared_values(node.item)
    changed = {change.field: change for change in node.changes}
    return [
        Line(
            title=words.FIELD_WORDS[field].capitalize(),
            declared=words.value_words(field, declared[field], names),
            effective=words.value_words(field, changed[field].value if field in changed else declared[field], names),
            is_changed=field in changed,
        )
        for field in FIELDS
    ]


def _layers(item: MenuItem, names: dict[int, str]) -> list[Layer]:
    overlays = list(item.overlays.order_by("company_id", "scope", "scope_id")[:100])
    companies = company_names({one.company_id for one in overlays if one.company_id is not None})
    roles = {role.id: role.name for role in roles_known()}
    now = declared_columns(item)
    found = []
    for one in overlays:
        whom = Whom(one.scope, one.scope_id, one.company_id)
        lines = tuple(
            (
                words.FIELD_WORDS[field].capitalize(),
                words.value_words(field, one.values[field], names),
                one.base.get(field, now[field]) != now[field],
            )
            for field in FIELDS
            if field in one.values
        )
        told = whom.words(companies, roles)
        found.append(Layer(told, tree_address(whom, item.pk), words.who(one.actor), one.updated_at, one.reason, lines))
    return found


def _company(company_id: int | None) -> str:
    return "" if company_id is None else company_names([company_id]).get(company_id, f"Company {company_id}")


def _history(item: MenuItem, names: Mapping[int, str]) -> list[Deed]:
    """Return what operators did to the item, the latest first."""
    found = AuditEntry.objects.filter(object_type="menu_item", object_id=str(item.pk))
    rows = list(found.order_by("-id")[:MOST_HISTORY])
    companies = company_names({row.company_id for row in rows if row.company_id is not None})
    roles = {role.id: role.name for role in roles_known()}
    return [_deed(row, names, companies, roles) for row in rows]


def _deed(row: AuditEntry, names: Mapping[int, str], companies: Mapping[int, str], roles: Mapping[int, str]) -> Deed:
    sides = {**(row.before or {}), **(row.after or {})}
    after = row.after or {}
    # Of a scope the audit keeps only what differs, so a change of the same overlay does not name it again.
    whom = Whom(sides.get("scope", ""), sides.get("scope_id") or 0, row.company_id)
    told = [
        f"{words.FIELD_WORDS[field]}: {words.value_words(field, after[field], names) if field in after else 'reset'}"
        for field in FIELDS
        if field in sides
    ]
    where = whom.words(companies, roles) if whom.scope else ""
    return Deed(row, DEEDS.get(row.action, row.action.replace("_", " ")), ", ".join(told), where)
