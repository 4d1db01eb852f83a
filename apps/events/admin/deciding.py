"""The way from a button to a decision: one page that says in numbers what will happen, then the deed, counted once."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from apps.core.admin import actor_of
from apps.events import links, services
from apps.events.models import DeadLetter

__all__ = ["MAY_DECIDE", "OWN", "VERBS", "Deciding", "Verb", "actor_of"]

MAY_DECIDE = "events.decide_deadletter"
MOST_LINES = 50
OWN = frozenset({"ids", "all", "next", "newest", "csrfmiddlewaretoken"})
"""What the page that asks has in its address beside the filters of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One of the two decisions, with the words for before and after it; ``{}`` takes ``14 events``."""

    name: str
    title: str
    icon: str
    asks: str
    afterwards: str
    done: str
    decide: Callable[..., int]
    is_danger: bool = False


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            name="replay",
            title="Replay",
            icon="replay",
            asks="This sends {} again.",
            afterwards="Each goes only to the group that gave it up; the others do not see it. One that fails again "
            "comes back here as a new dead letter. Later events of the same thing may have been handled meanwhile: the "
            "handler meets this one late.",
            done="Sent {} again.",
            decide=services.dead_letters_replay,
        ),
        Verb(
            name="discard",
            title="Discard",
            icon="delete",
            asks="This discards {}, unhandled.",
            afterwards="It cannot be taken back. What was discarded stays in this list, under the state “discarded”, "
            "until its retention ends; the events themselves stay in the journal.",
            done="Discarded {}.",
            decide=services.dead_letters_discard,
            is_danger=True,
        ),
    )
}  # fmt: skip


def several(count: int) -> str:
    """Return ``1 event`` or ``14 events``."""
    return f"{count:,} event" if count == 1 else f"{count:,} events"


class Deciding:
    """For the admin of dead letters: its actions, and the page that asks."""

    admin_site: Any
    message_user: Callable[..., None]
    get_changelist_instance: Callable[..., Any]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may decide, and not only look."""
        return request.user.has_perm("events.view_deadletter") and request.user.has_perm(MAY_DECIDE)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the decisions to those who may make them."""
        if not self.has_decide_permission(request):
            return {}
        return {name: (_action(name), name, f"{verb.title} them …") for name, verb in VERBS.items()}

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks."""
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]  # a mixin of ModelAdmin
        view = self.admin_site.admin_view(self.decide)
        return [path("decide/<slug:verb>/", view, name="events_deadletter_decide"), *urls]

    def decide(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Ask whether to do it (GET), and do it (POST)."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if verb not in VERBS:
            raise Http404
        chosen, back = VERBS[verb], _back(request)
        try:
            meant = self._meant(request)
        except IncorrectLookupParameters as error:
            raise SuspiciousOperation("The list has no such filter.") from error
        able = meant.filter(is_text=True) if verb == "replay" else meant
        if request.method == "POST":
            self._carry_out(request, chosen, able)
            return HttpResponseRedirect(back)
        told = meant.aggregate(count=Count("pk"), newest=Max("pk"), able=Count("pk", filter=Q(is_text=True)))
        count = told["able"] if verb == "replay" else told["count"]
        if not count:
            self.message_user(request, _nothing(chosen, told["count"]), messages.INFO)
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": f"{chosen.title} {several(count)}",
            "verb": chosen,
            "sentence": chosen.asks.format(several(count)),
            "lines": _lines(able),
            "unable": told["count"] - count,
            "newest": told["newest"],
            "back": back,
        }
        return TemplateResponse(request, "events/decide.html", context)

    def _meant(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Return the waiting letters that are meant: some by their ids, or all of a filter up to a newest one."""
        asked = request.GET
        waiting: QuerySet[DeadLetter] = DeadLetter.objects.writable().filter(state=DeadLetter.State.WAITING)
        if "all" not in asked:
            pks = [int(part) for part in asked.get("ids", "").split(",") if part.isdecimal() and len(part) < 19]
            return waiting.filter(pk__in=pks)
        newest = request.POST.get("newest", "")
        if newest.isdecimal() and len(newest) < 19:
            waiting = waiting.filter(pk__lte=int(newest))
        # The list itself says what its filters mean; it sees only what belongs to it in the address.
        of_list = copy(request)
        of_list.GET = _filters_of(asked)  # type: ignore[assignment]  # a copy of it is as good
        listed = self.get_changelist_instance(of_list).queryset
        return waiting.filter(pk__in=listed.order_by().values("pk"))

    def _carry_out(self, request: HttpRequest, verb: Verb, meant: QuerySet[DeadLetter]) -> None:
        lines = _lines(meant)
        with transaction.atomic():
            count = verb.decide(ids=meant, actor=actor_of(request), now=timezone.now())
            if count:
                _log(request, verb, count, lines)
        if count:
            self.message_user(request, verb.done.format(several(count)), messages.SUCCESS)
        else:
            self.message_user(request, _nothing(verb, 0), messages.WARNING)


def _action(name: str) -> Callable[..., HttpResponse]:
    def lead(admin: Any, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        back = request.get_full_path()
        if request.POST.get("select_across") == "1":
            return HttpResponseRedirect(links.decide_url(name, all=1, next=back, **request.GET.dict()))
        pks = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
        return HttpResponseRedirect(links.decide_url(name, ids=pks, next=back))

    return lead


def _filters_of(asked: QueryDict) -> QueryDict:
    filters = asked.copy()
    for name in OWN:
        filters.pop(name, None)
    return filters


def _lines(meant: QuerySet[DeadLetter]) -> list[dict[str, Any]]:
    """Return how many events of which type each group gave up, the most first."""
    counted = meant.order_by().values("group", "event_type").annotate(count=Count("pk"))
    return [dict(line) for line in counted.order_by("-count", "group", "event_type")[:MOST_LINES]]


def _nothing(verb: Verb, unable: int) -> str:
    if unable and verb.name == "replay":
        return f"{several(unable)} cannot be sent again: they were no text, and their bytes are not known any more."
    return "Nothing to do: what you chose was decided on already."


def _log(request: HttpRequest, verb: Verb, count: int, lines: list[dict[str, Any]]) -> None:
    """Write down who decided what about how many; about one letter so that it is found on its page."""
    pks = request.GET.get("ids", "")
    told = "; ".join(f"{line['count']:,} of {line['event_type'] or 'no type'} from {line['group']}" for line in lines)
    LogEntry.objects.create(
        user_id=request.user.pk or 0,
        content_type=ContentType.objects.get_for_model(DeadLetter),
        object_id=pks if pks.isdecimal() else None,
        object_repr=f"{count:,} dead letter{'' if count == 1 else 's'}",
        action_flag=CHANGE,
        change_message=f"{verb.done.format(several(count))} {told}"[:2000],
    )


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next") or request.GET.get("next", "")
    own = url_has_allowed_host_and_scheme(address, allowed_hosts=None) and address.startswith("/")
    return address if own else links.dead_letters_url()
