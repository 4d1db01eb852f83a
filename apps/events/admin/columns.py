"""Cells of the lists, and what is fetched once for a whole page of rows so that no cell asks for itself."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from apps.core.companies import company_names
from apps.events import links, wording
from apps.events.wording import verdict_of

__all__ = ["NONE", "Counted", "Rows", "company", "entity", "link", "preview", "two_lines", "type_badge"]

NONE = "–"


class Rows(ChangeList):
    """A page of rows, each with the name of its company."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the names of all its companies with one query."""
        super().get_results(request)
        rows = list(self.result_list)
        names = company_names(row.company_id for row in rows if row.company_id is not None)
        for row in rows:
            row.company_name = _named(row.company_id, names)
        self.result_list = rows

    @property
    def first_page(self) -> str:
        """The address of the newest rows of this list."""
        return str(self.get_query_string(remove=["p"]))

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        """What the list is filtered by: the filter, its value, and the address of the list without it."""
        found = []
        for spec in self.filter_specs:
            labels = {str(value): str(label) for value, label in getattr(spec, "lookup_choices", ())}
            for name in filter(None, spec.expected_parameters()):
                value = str(self.filter_params.get(name, [""])[-1])
                if value:
                    title = getattr(spec, "names", {}).get(name, spec.title)
                    address = self.get_query_string(remove=[name, "p"])
                    found.append((str(title), labels.get(value, value), address))
        return found


class Counted(ChangeList):
    """A list of which only its condition is wanted, and no row."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch nothing."""
        self.result_list: list[Any] = []
        self.result_count = self.full_result_count = 0
        self.show_all = self.multi_page = self.can_show_all = False


def company(company_id: int | None) -> str:
    """Return what a company is called, for a page that shows one."""
    return _named(company_id, company_names([company_id]) if company_id is not None else {})


def _named(company_id: int | None, names: Any) -> str:
    if company_id is None:
        return ""
    return str(names.get(company_id, f"Company {company_id}"))


def link(address: str, text: str) -> SafeString:
    """Return a link that may be long: it breaks or ends in dots, and is whole on hover."""
    return format_html('<a class="hub-link hub-name" href="{}" title="{}">{}</a>', address, text, text)


def type_badge(event_type: str, verdict: str, address: str) -> SafeString:
    """Return an event's type in the look of its verdict, with a link."""
    found = verdict_of(verdict)
    return format_html(
        '<a class="hub-badge hub-tone-{} hub-type" href="{}" title="{}: {}">'
        '<svg class="hub-icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg><span>{}</span></a>{}',
        found.badge.tone if found.is_wrong else "faint",
        address,
        found.badge.word,
        found.badge.meaning,
        found.badge.icon,
        event_type or "not an event",
        format_html('<span class="hub-unseen">, {}</span>', found.badge.word),
    )


def entity(row: Any) -> SafeString | str:
    """Return what an event or a dead letter is about, with a link to all that is about it."""
    if not row.entity_type and not row.entity_id:
        return NONE
    told = f"{row.entity_type} {row.entity_id}".strip()
    return link(links.journal_url(entity_type=row.entity_type, entity_id=row.entity_id), told)


def preview(data: Any, *, is_large: bool = False) -> SafeString | str:
    """Return data in one line that ends in dots."""
    text = "large: open it to see its data" if is_large else wording.preview(data)
    return format_html('<span class="hub-why" title="{0}">{0}</span>', text) if text else NONE


def two_lines(first: SafeString | str, second: SafeString | str, *, mono: bool = False, title: str = "") -> SafeString:
    """Return a cell of two lines: what counts, and below it in quiet letters what explains it."""
    if not second:
        return format_html("{}", first)
    kind = " hub-mono" if mono else ""
    title = title or ("" if isinstance(second, SafeString) else second)
    told = '<span class="hub-two"><span>{}</span><span class="hub-why{}" title="{}">{}</span></span>'
    return format_html(told, first, kind, title, second)
