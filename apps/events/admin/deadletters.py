"""Dead letters: what groups gave up on, why, and what an operator decided."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.look import ago_html, draw_badge
from apps.events import links, selectors, wording
from apps.events.admin import columns, pages
from apps.events.admin.deciding import OWN, VERBS, Deciding
from apps.events.admin.filters import ANY, LETTER_FILTERS
from apps.events.models import DeadLetter

__all__ = ["DeadLetterAdmin"]


class LetterRows(columns.Rows):
    """A page of dead letters, and how many of its filter wait for a decision."""

    waiting: int = 0

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; the count is the list's own, unless it shows what was decided as well."""
        super().get_results(request)
        state = request.GET.get("state", "")
        if state == ANY:
            self.waiting = self.queryset.filter(state=DeadLetter.State.WAITING).count()
        elif state in ("", DeadLetter.State.WAITING):
            self.waiting = self.result_count

    def decide_url(self, verb: str) -> str:
        """Return the address of the page that asks about everything that waits in this list."""
        here = f"{links.dead_letters_url()}{self.get_query_string()}"
        filters = {name: values[-1] for name, values in self.filter_params.items() if name not in OWN}
        if self.query:
            filters["q"] = self.query
        return links.decide_url(verb, all=1, next=here, **filters)

    @property
    def ways(self) -> list[tuple[Any, str]]:
        """The decisions, each with the address of the page that asks."""
        return [(verb, self.decide_url(name)) for name, verb in VERBS.items()]


@admin.register(DeadLetter)
class DeadLetterAdmin(Deciding, ReadOnlyModelAdmin):
    """What waits for a decision, newest first."""

    list_display = ("when", "what", "group_link", "why", "service_link", "company_link", "fate")
    list_display_links = None
    list_filter = LETTER_FILTERS
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_before_template = "events/letters_bar.html"
    empty_template = "events/letters_empty.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("event_id",)
    search_help_text = "Id, type, group, service or words of the error"
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    fields = ("entry_id",)

    class Media:
        css = {"all": ["events/events.css"]}
        js = ["events/events.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Return all dead letters, without what only their pages show."""
        is_list = request.resolver_match is None or "object_id" not in request.resolver_match.kwargs
        return selectors.dead_letters().defer("fields") if is_list else selectors.dead_letters()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows; the page that asks wants only the condition."""
        asks = request.resolver_match is not None and "verb" in request.resolver_match.kwargs
        return columns.Counted if asks else LetterRows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with what may be done to all of it."""
        context = {"may_decide": self.has_decide_permission(request)} | (extra_context or {})
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        """Find by an id in full, or a part of the type, the group, the service or the error."""
        text = search_term.strip()
        if not text:
            return queryset, False
        wanted = Q(event_id=text) | Q(correlation_id=text) | Q(entity_id=text)
        for name in ("event_type", "group", "service_name", "error", "handler"):
            wanted |= Q(**{f"{name}__icontains": text})
        return queryset.filter(wanted), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one dead letter with everything that is known of it."""
        letter = self.get_object(request, object_id)
        if letter is None or not self.has_view_permission(request, letter):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        page = pages.letter_page(letter) | {
            "may_decide": self.has_decide_permission(request)
            and letter.state == DeadLetter.State.WAITING
            and letter.is_writable,
            "ways": [
                (verb, links.decide_url(name, ids=letter.pk, next=request.path))
                for name, verb in VERBS.items()
                if name != "replay" or letter.is_text
            ],
        }
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    @admin.display(description="Given up")
    def when(self, letter: DeadLetter) -> SafeString:
        """How long ago."""
        return ago_html(letter.dead_at, timezone.now())

    @admin.display(description="Event")
    def what(self, letter: DeadLetter) -> SafeString:
        """Its type, which leads to its page, and what it is about."""
        name = columns.link(links.dead_letter_url(letter.pk), letter.event_type or "not an event")
        about = f"{letter.entity_type} {letter.entity_id}".strip()
        return columns.two_lines(name, about)

    @admin.display(description="Group")
    def group_link(self, letter: DeadLetter) -> SafeString:
        """Who gave it up, and in which handler."""
        name = columns.link(links.group_url(letter.group), letter.group)
        return columns.two_lines(name, ".".join(letter.handler.split(".")[-2:]), title=letter.handler)

    @admin.display(description="Why")
    def why(self, letter: DeadLetter) -> SafeString:
        """The reason in plain words, and the last line of the error."""
        reason = wording.reason_of(letter.reason, attempts=letter.attempts)
        return columns.two_lines(reason.word, wording.last_line(letter.error), mono=True)

    @admin.display(description="Service")
    def service_link(self, letter: DeadLetter) -> SafeString | str:
        """Who published it, with a link to all dead letters of it."""
        if not letter.service_name:
            return columns.NONE
        return columns.link(links.dead_letters_url(service_name=letter.service_name), letter.service_name)

    @admin.display(description="Company")
    def company_link(self, letter: Any) -> SafeString | str:
        """Whose it is."""
        if letter.company_id is None:
            return columns.NONE
        return columns.link(links.dead_letters_url(company=letter.company_id), letter.company_name)

    @admin.display(description="State")
    def fate(self, letter: DeadLetter) -> SafeString:
        """What became of it, by whom and when."""
        badge = draw_badge(wording.STATES[letter.state])
        if not letter.decided_by:
            return badge
        decided = ago_html(letter.decided_at, timezone.now())
        return columns.two_lines(badge, format_html("by {} {}", wording.who(letter.decided_by), decided))
