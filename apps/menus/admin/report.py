"""The page of what is amiss with a menu, and what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.menus import icons
from apps.menus.admin.choosing import MAY_LOOK, chosen, number_of
from apps.menus.admin.pages import tree_address
from apps.menus.linting import Entry, Finding, Known, Severity, lint
from apps.menus.models import COMPANY, GLOBAL
from apps.menus.outline import DISPLACED, Node, Outline, Whom
from apps.menus.overlays import TOP
from apps.menus.pages import pages_of
from apps.menus.selectors.outlines import arranged_for
from apps.menus.structure import CYCLE, PENDING
from xerpium_sdk.wire.credentials import covers

__all__ = ["entries_of", "lint_report"]

MOST_SHOWN = 50
MOST_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A finding, with the items that it is about, each with its name and the address of its place in the tree."""

    finding: Finding
    word: str
    items: Sequence[tuple[str, str]]
    more: int


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one severity, with the status whose look they have."""

    title: str
    edge: str
    tone: str
    lines: Sequence[Line]
    more: int


SEVERITIES = {
    Severity.ERROR: ("people run into", "unhealthy", "red"),
    Severity.WARNING: ("people are confused by", "degraded", "amber"),
    Severity.NOTE: ("could be nicer", "", "grey"),
}
WORDS = {
    "unreachable": "unreachable",
    "dead_route": "no page",
    "unknown_permission": "no role",
    "duplicate_name": "same name",
    "empty_folder": "empty",
    "too_deep": "deep",
    "too_many": "many",
    "no_icon": "no icon",
    "unknown_icon": "icon",
}


@permission_required(MAY_LOOK, raise_exception=True)
def lint_report(request: HttpRequest) -> HttpResponse:
    """Show what is amiss with the menu of everybody or of a company, worst first, with the way to each item."""
    choice = chosen(request)
    company = number_of(choice.asked["company"])
    whom = Whom(GLOBAL) if company is None else Whom(COMPANY, company, company)
    outline = arranged_for(whom).outline
    here = [role for role in choice.roles if role.company_id in (None, company)]
    granted = {pattern for role in here for pattern in role.permissions}
    known = Known(
        routes=pages_of(company) or None,
        granted=granted or None,
        has_icon=icons.is_known,
    )
    found = lint(entries_of(outline), known, covers=covers)
    context = admin.site.each_context(request) | {
        "title": "Menu check",
        "choice": choice,
        "whom": whom.words(choice.companies, {}),
        "groups": _groups(found, outline, whom),
        "total": len(outline.nodes),
        "without": _without(known),
    }
    return TemplateResponse(request, "menus/lint.html", context)


def entries_of(outline: Outline) -> list[Entry]:
    """Return the items of a menu as `lint` judges them; what stands nowhere is for the inbox, not for this."""
    apart = {number for number in outline.nodes if _top_of(outline, number).apart is not None}
    return [_entry(node) for number, node in outline.nodes.items() if number not in apart]


def _top_of(outline: Outline, number: int) -> Node:
    above = outline.above(number)
    return outline.nodes[above[-1] if above else number]


def _entry(node: Node) -> Entry:
    item = node.item
    return Entry(
        id=item.id,
        parent=None if node.parent == TOP else node.parent,
        name=node.name,
        service=item.service_name,
        path=item.path or item.url or "",
        route=item.route_key,
        icon=node.icon,
        permissions=item.permissions,
        any_of=item.any_of,
        is_page=item.is_page,
        away=_away(node),
        gone=not node.lifetime.is_shown,
    )


def _away(node: Node) -> str:
    if node.hidden:
        return "an operator hid it"
    if not node.item.is_active:
        return "its service declares it as inactive"
    if not node.lifetime.is_shown:
        return f"{node.item.service_name} is away"
    told = {
        PENDING: "it waits for its parent",
        CYCLE: "it would be below itself",
        DISPLACED: "its path was handed over",
    }
    return told[node.apart] if node.apart else ""


def _groups(found: Sequence[Finding], outline: Outline, whom: Whom) -> list[Group]:
    groups = []
    for severity, (title, edge, tone) in SEVERITIES.items():
        of = [finding for finding in found if finding.severity == severity]
        if of:
            lines = [_line(finding, outline, whom) for finding in of[:MOST_SHOWN]]
            noun = "thing" if len(of) == 1 else "things"
            verb = f"that {title}" if severity == Severity.NOTE else title
            groups.append(Group(f"{len(of):,} {noun} {verb}", edge, tone, lines, len(of) - len(lines)))
    return groups


def _line(finding: Finding, outline: Outline, whom: Whom) -> Line:
    shown = [(outline.nodes[number].name, tree_address(whom, number)) for number in finding.items[:MOST_ITEMS]]
    return Line(finding, WORDS[finding.code], shown, len(finding.items) - len(shown))


def _without(known: Known) -> list[str]:
    """Return what was not judged, for want of whom to ask."""
    told = []
    if known.granted is None:
        told.append("There are no roles yet, so nobody knows which permissions are given to somebody.")
    if known.routes is None:
        told.append("No service has declared a page yet, so nobody knows which paths lead nowhere.")
    return told
