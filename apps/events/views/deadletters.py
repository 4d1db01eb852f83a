"""Dead letters: what groups gave up on, and what operators decide about it."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import caller_of
from apps.core.errors import Conflict, NotAllowed, NotFound
from apps.core.ownership import actor_of, sight
from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.events import answers, selectors, services
from apps.events.models import DeadLetter
from apps.events.serializers import DeadLetterQuery, NothingSerializer, SelectionSerializer
from apps.events.views.callers import deciding_on, filters_of, require_own_group

__all__ = [
    "DeadLetterListView",
    "DeadLetterView",
    "DiscardManyView",
    "DiscardView",
    "ReplayManyView",
    "ReplayView",
]

_DECIDED = OpenApiResponse(description="Somebody has decided on it already, or it cannot be sent again.")
_EXAMPLES = [
    OpenApiExample("Of one group, since noon", value={"group": "billing", "since": "2026-05-04T12:00:00Z"}),
    OpenApiExample("Some", value={"ids": [17, 18]}),
    OpenApiExample("All", value={"all": True}),
]


class DeadLetterListView(HubView):
    """What groups gave up on."""

    scopes = {"get": "events:read"}
    area = "dead-letters"
    queries = {"get": DeadLetterQuery}

    @extend_schema(responses={200: answers.DeadLetterPage})
    def get(self, request: Request) -> Response:
        """List dead letters, newest first; filters are all optional and all must hold.

        Of events of all companies, who does not act for all companies sees what the hub's groups and its own gave up.
        """
        found = selectors.dead_letters(companies=sight(caller_of(request)), **filters_of(self.query))
        page = paginate(found.defer("fields"), request, key=("-id",))
        return Response(page.as_json(answers.dead_letter))


class DeadLetterView(HubView):
    """One dead letter."""

    scopes = {"get": "events:read"}
    area = "dead-letters"

    @extend_schema(responses={200: answers.WholeDeadLetterOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a dead letter with the original entry, and what came back of its replays."""
        return Response(answers.whole_dead_letter(_letter(request, id)))


class ReplayView(HubView):
    """Sending one message again."""

    scopes = {"post": "events:decide"}
    body_required = False

    @extend_schema(request=NothingSerializer, responses={200: answers.WholeDeadLetterOut, 409: _DECIDED})
    def post(self, request: Request, id: int) -> Response:
        """Send a dead letter again, to the group that gave it up and to no other.

        Should it fail once more it comes back as a new dead letter, which names this one in `replay_of`.
        """
        return _decided(request, id, services.dead_letters_replay, sends=True)


class DiscardView(HubView):
    """Letting one message be."""

    scopes = {"post": "events:decide"}
    body_required = False

    @extend_schema(request=NothingSerializer, responses={200: answers.WholeDeadLetterOut, 409: _DECIDED})
    def post(self, request: Request, id: int) -> Response:
        """Discard a dead letter: nobody will handle it. It stays to be read until it is too old."""
        return _decided(request, id, services.dead_letters_discard, sends=False)


class ReplayManyView(HubView):
    """Sending many messages again."""

    scopes = {"post": "events:decide"}

    @extend_schema(request=SelectionSerializer, responses={200: answers.ReplayedOut}, examples=_EXAMPLES)
    def post(self, request: Request) -> Response:
        """Send all dead letters again that wait and match the filter in the body, the oldest first.

        The filters are those of the list; an empty filter is refused, say `{"all": true}`.
        """
        meant = _selected(request)
        count = services.dead_letters_replay(ids=meant, actor=actor_of(caller_of(request)), now=timezone.now())
        left = meant.filter(state=DeadLetter.State.WAITING, is_text=False).count()
        return Response({"replayed": count, "not_replayable": left})


class DiscardManyView(HubView):
    """Letting many messages be."""

    scopes = {"post": "events:decide"}

    @extend_schema(request=SelectionSerializer, responses={200: answers.DiscardedOut}, examples=_EXAMPLES)
    def post(self, request: Request) -> Response:
        """Discard all dead letters that wait and match the filter in the body; as `replay` otherwise."""
        count = services.dead_letters_discard(
            ids=_selected(request), actor=actor_of(caller_of(request)), now=timezone.now()
        )
        return Response({"discarded": count})


def _letter(request: Request, pk: int) -> DeadLetter:
    letter = selectors.dead_letters(companies=sight(caller_of(request))).filter(pk=pk).first()
    if letter is None:
        raise NotFound("There is no such dead letter.")
    return letter


def _decided(request: Request, pk: int, decide: Callable[..., int], *, sends: bool) -> Response:
    """Decide on one dead letter and return it as the answer.

    Raises:
        NotFound: there is none that the caller may see.
        NotAllowed: it sees it, and does not decide on it.
        Conflict: it was decided on already, or its bytes are not known any more and it ``sends`` them.
    """
    caller = caller_of(request)
    NothingSerializer.read(request.data)
    letter = _letter(request, pk)
    if not DeadLetter.objects.filter(deciding_on(caller), pk=pk).exists():
        raise NotAllowed(f"The group {letter.group} gave it up, and you do not decide for it.", code="not_yours")
    if sends and not letter.is_text:
        raise Conflict("Its bytes were no text and cannot be sent again.", code="not_replayable")
    if not decide(ids=[pk], actor=actor_of(caller), now=timezone.now()):
        letter = _letter(request, pk)
        raise Conflict(f"It was {letter.state} by {letter.decided_by} already.", code="already_decided")
    return Response(answers.whole_dead_letter(_letter(request, pk)))


def _selected(request: Request) -> "QuerySet[DeadLetter]":
    """Return the letters that are meant and that the caller decides on.

    Raises:
        NotAllowed: it names another service's group.
    """
    caller = caller_of(request)
    wanted = SelectionSerializer.read(request.data)
    require_own_group(caller, wanted.get("group"))
    ids = wanted.pop("ids", None)
    found = selectors.dead_letters(companies=sight(caller), **wanted).filter(deciding_on(caller))
    return found if ids is None else found.filter(pk__in=ids)
