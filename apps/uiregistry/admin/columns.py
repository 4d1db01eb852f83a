"""Cells of the lists of components and widgets, and what is fetched once for a whole page of rows."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from apps.core.badges import BADGES, Badge
from apps.core.companies import company_names
from apps.menus.lifetimes import Lifetime
from apps.menus.selectors.lives import lifetimes_of
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.standing import STANDINGS
from xerpium_sdk.wire.registry import Status

__all__ = ["DISPLACED", "NONE", "OFF", "TAKEN_BACK", "DeclaredRows", "badge_of", "company", "link", "tags"]

NONE = "–"
SHOWN_TAGS = 1

TAKEN_BACK = Badge("taken back", "faint", BADGES[Status.DEREGISTERED].icon, "Its service does not declare it any more.")
DISPLACED = Badge(
    "displaced", "amber", "M4 8h8M9 5l3 3-3 3", "An operator handed its route to another service, which has it now."
)
OFF = Badge("switched off", "grey", BADGES[Status.DRAINING].icon, "Its service declares it, and says is_active: false.")


def badge_of(row: Any, lifetime: Lifetime) -> Badge:
    """Return how a component or widget is doing, what hides it before what marks it."""
    if row.archived_at is not None:
        return TAKEN_BACK
    if getattr(row, "displaced", False):
        return DISPLACED
    return STANDINGS[lifetime] if row.is_active else OFF


class DeclaredRows(ChangeList):
    """A page of components or widgets, each with how its service stands and the name of its company."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and with a few queries what all its rows need beside it."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count  # what was taken back is not counted
        rows: list[Component | Widget] = list(self.result_list)
        found = lifetimes_of(row.service_name for row in rows)
        names = company_names(row.company_id for row in rows if row.company_id is not None)
        for row in rows:
            row.badge = badge_of(row, found[row.service_name])  # type: ignore[union-attr]  # for the cells
            row.company_name = named(row.company_id, names)  # type: ignore[union-attr]
        self.result_list = rows


def named(company_id: int | None, names: Any) -> str:
    """Return what a company is called; of everybody's things that they are."""
    return "all companies" if company_id is None else str(names.get(company_id, f"Company {company_id}"))


def company(company_id: int | None) -> str:
    """Return what a company is called, for a page that shows one."""
    return named(company_id, company_names([company_id]) if company_id is not None else {})


def link(address: str, text: str) -> SafeString:
    """Return a link that may be long: it breaks or ends in dots, and is whole on hover."""
    return format_html('<a class="hub-link hub-name" href="{}" title="{}">{}</a>', address, text, text)


def tags(values: Iterable[str]) -> SafeString | str:
    """Return the first values as small tags, and how many more there are."""
    found = list(values)
    if not found:
        return format_html('<span class="hub-quiet">{}</span>', "everybody")
    shown = format_html_join(
        " ", '<span class="hub-tag" title="{0}">{0}</span>', ((value,) for value in found[:SHOWN_TAGS])
    )
    if len(found) <= SHOWN_TAGS:
        return shown
    rest = len(found) - SHOWN_TAGS
    return format_html('{} <span class="hub-quiet" title="{}">+{}</span>', shown, ", ".join(found), rest)
