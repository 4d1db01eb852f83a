"""Menu trees: what somebody sees, why, and when it changes (contract, "Menus"). Answered from memory."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from queue import Empty, SimpleQueue

from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import sse
from apps.core.access import caller_of
from apps.core.errors import Unavailable
from apps.core.views import HubView
from apps.menus import feed, tree_answers
from apps.menus.kept import accepts_gzip
from apps.menus.live import live
from apps.menus.selectors import trees
from apps.menus.tree_serializers import StreamQuery, TreeQuery, ViewQuery
from apps.serviceauth.viewers import Viewer, viewer_of

__all__ = ["ExplainView", "StreamView", "TreeView"]

_STALE = OpenApiParameter(
    "X-Menus-Stale",
    int,
    OpenApiParameter.HEADER,
    response=[200, 304],
    description="For how many seconds nobody could confirm this, because PostgreSQL is away; absent while all is well.",
)
# A stream holds a thread of Django's; the event loop, which serves them normally, has no such limit.
_slots = threading.BoundedSemaphore(4)
STREAM_SECONDS = 60
LOOK_SECONDS = 0.5


class TreeView(HubView):
    """The menu that somebody sees."""

    scopes = {"get": "menus:read"}
    queries = {"get": TreeQuery}

    @extend_schema(
        parameters=[_STALE],
        responses={
            200: tree_answers.TreeOut,
            403: OpenApiResponse(description="Only operators look as somebody else, into companies that are theirs."),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the tree of the caller's company, of which the caller sees what its permissions give.

        What operators changed is applied. An item whose children are all hidden is hidden as well unless it says
        `is_page`. An answer may be packed (`Accept-Encoding: gzip`), and either form's tag gives a 304.
        """
        asked = dict(self.query)
        locale = asked.pop("locale", None)
        view = trees.view_of(caller_of(request), **asked)
        accepted = request.META.get("HTTP_ACCEPT_ENCODING", "")
        rendered = trees.tree(view, locale, packed=accepts_gzip(accepted))
        status, headers, body = tree_answers.chosen(
            rendered,
            accept_encoding=accepted,
            if_none_match=request.META.get("HTTP_IF_NONE_MATCH"),
            stale=trees.staleness(),
        )
        return HttpResponseNotModified(headers=headers) if status == 304 else HttpResponse(body, headers=headers)


class ExplainView(HubView):
    """Why somebody sees an item, or does not."""

    scopes = {"get": "menus:read"}
    queries = {"get": ViewQuery}

    @extend_schema(responses={200: tree_answers.ExplanationOut})
    def get(self, request: Request, id: int) -> HttpResponseBase:
        """Say why an item is in the caller's tree or is not: every reason, and what operators changed of it."""
        caller = caller_of(request)
        view = trees.view_of(caller, **self.query)
        found = trees.explanation(id, view)
        names_actors = caller.kind in ("operator", "open")
        return Response(tree_answers.explanation(found, view.company_id, names_actors=names_actors))


class StreamView(HubView):
    """When a tree changes."""

    scopes = {"get": "menus:read"}
    queries = {"get": StreamQuery}
    live = True

    @extend_schema(responses={(200, "text/event-stream"): str})
    def get(self, request: Request) -> HttpResponseBase:
        """Stream changes of the caller's tree as server-sent events.

        First `snapshot` (or, with `Last-Event-ID`, a `menu.changed` if it changed since), then `menu.changed` whenever
        it is another tree; both say its `revision`, which is the `id` too. A comment every 15 s shows that it is alive.
        """
        company_id = trees.view_of(caller_of(request), **self.query).company_id
        since = sse.last_event_id(request.META.get("HTTP_LAST_EVENT_ID"))
        frames = _frames(company_id, since, viewer_of(request))
        # The first frame now: an error before it can still be an answer of its own.
        return StreamingHttpResponse(chain([next(frames)], frames), headers=sse.HEADERS)

    def head(self, request: Request) -> HttpResponseBase:
        """Return the headers of the stream, and end there."""
        trees.view_of(caller_of(request), **self.query)
        return StreamingHttpResponse((), headers=sse.HEADERS)


@contextmanager
def _changes(company_id: int | None) -> "Iterator[SimpleQueue[None]]":
    """Collect the changes of a company's tree for as long as the block runs, in one of the few places for streams.

    Raises:
        Unavailable: all are taken.
    """
    if not _slots.acquire(blocking=False):
        raise Unavailable("Too many streams of menus are open on this process.", retry_after=5)
    changes: SimpleQueue[None] = SimpleQueue()

    def hear(companies: Collection[int | None]) -> None:
        if feed.concerns(companies, company_id):
            changes.put(None)

    ends = [live.revisions.subscribe(hear), live.lives.subscribe(hear)]
    try:
        yield changes
    finally:
        for end in ends:
            end()
        _slots.release()


def _frames(company_id: int | None, since: int | None, viewer: Viewer) -> Iterator[bytes]:
    """Yield the stream's frames for `STREAM_SECONDS`, or until the viewer's token ends.

    Behind a WSGI server nobody says that the client is gone, and a thread must not be lost to each that is: the stream
    ends, and clients come back with the id of what they saw last.
    """
    end = time.monotonic() + STREAM_SECONDS
    with _changes(company_id) as changes:
        yield feed.opening(trees.revision_for(company_id), since)
        due = time.monotonic() + sse.KEEP_ALIVE_SECONDS
        while (left := min(end - time.monotonic(), viewer.seconds_left())) > 0:
            told = sse.KEEP_ALIVE if time.monotonic() >= due else b""
            with suppress(Empty):
                # Nobody else asks PostgreSQL here, where no edge follows the menus.
                changes.get(timeout=max(0.0, min(left, due - time.monotonic(), LOOK_SECONDS)))
                while not changes.empty():
                    changes.get()
                told = feed.changed_frame(trees.revision_for(company_id))
            if not told:
                trees.revision_for(company_id)
            elif viewer.seconds_left() > 0:
                yield told
                due = time.monotonic() + sse.KEEP_ALIVE_SECONDS
