"""The hot routes of menus on the event loop: trees that are finished and current, and the stream of changes.

Each has an ordinary twin in `apps.menus.views` that answers the same bytes; whatever is not plainly the common case,
and every tree that is not finished yet, is left to it.
"""

import asyncio
import re
from collections.abc import Iterable
from contextlib import ExitStack

from apps.core import sse
from apps.core.asgi import Application, Header, Receive, Request, Scope, Send, send_stream
from apps.core.bridge import declares_body
from apps.core.errors import Unavailable
from apps.menus import tree_answers
from apps.menus.feed import Feed
from apps.menus.kept import accepts_gzip
from apps.menus.live import LiveMenus, live
from apps.menus.selectors.trees import view_of
from apps.menus.tree_serializers import LOCALE
from apps.registry.observation import fast_answers
from apps.serviceauth import verifying
from apps.serviceauth.viewers import EVERYBODY, Viewer, Viewers

__all__ = ["MENUS", "MenusEdge", "locale_of"]

READ = "menus:read"
MENUS = "/api/v1/menus/"
TREE = "/api/v1/menus/tree"
STREAM = "/api/v1/menus/stream"
_LOCALE = re.compile(rb"locale=([A-Za-z0-9_-]{1,35})")
# Of these a client may send several lines, which are one list to Django.
_LISTS = frozenset({b"accept-encoding", b"if-none-match"})


class MenusEdge:
    """Answers the hot routes of menus, and hands everything else on."""

    def __init__(self, menus: LiveMenus = live) -> None:
        self._menus = menus
        self._feed: Feed | None = None
        self._viewers = Viewers()

    def open(self) -> None:
        """Begin following the menus, and what tokens are worth; called on the event loop that will serve."""
        self._menus.revisions.follow()
        verifying.watch()
        self._feed = Feed(self._menus)

    async def close(self) -> None:
        """End the streams and stop following."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
            self._menus.revisions.unfollow()
            verifying.unwatch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, django: Application) -> None:
        """Answer one request, or hand it to ``django``."""
        request = Request(scope, receive, send)
        viewer = self._viewer_of(request)
        # Waiting watches for the client's leaving, which would take a body away from Django.
        if viewer is not None and not declares_body(scope):
            if request.path == TREE and request.method in ("GET", "HEAD") and await self._tree(request, viewer):
                return None
            if request.path == STREAM and request.method == "GET" and await self._stream(request, viewer):
                return None
        return await django(scope, receive, send)

    def _viewer_of(self, request: Request) -> Viewer | None:
        """Return who asks; None when that is for Django to say, or when it may not."""
        if self._feed is None or not self._menus.revisions.is_known or not request.usable:
            return None
        viewer = EVERYBODY if request.token is None else self._viewers.find(request.token)
        return viewer if viewer is not None and viewer.may(READ) else None

    async def _tree(self, request: Request, viewer: Viewer) -> bool:
        locale = locale_of(request.query)
        if (request.query and locale is None) or _is_repeated(request.scope["headers"]):
            return False
        accepted = request.headers.get(b"accept-encoding", b"").decode("latin-1")
        found = self._menus.at_hand(view_of(viewer.principal), locale, packed=accepts_gzip(accepted))
        if found is None:
            return False
        fast_answers["menu tree"] += 1
        known = request.headers.get(b"if-none-match")
        status, headers, body = tree_answers.chosen(
            found,
            accept_encoding=accepted,
            if_none_match=None if known is None else known.decode("latin-1"),
            stale=self._menus.staleness(),
        )
        await request.answer(status, [(name.lower().encode(), value.encode()) for name, value in headers], body)
        return True

    async def _stream(self, request: Request, viewer: Viewer) -> bool:
        """Stream until the client is gone or its token has ended; leave it to the twin when there are too many."""
        feed = self._feed
        if feed is None or request.query:
            return False
        company_id = view_of(viewer.principal).company_id
        # What tells of services is followed for trees that were compiled.
        warming = asyncio.get_running_loop().run_in_executor(None, self._menus.warm, company_id)
        since = sse.last_event_id(request.headers.get(b"last-event-id", b"").decode("latin-1"))
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(feed.listening(company_id))
            except Unavailable:
                return False
            fast_answers["menu stream"] += 1
            frames = feed.frames(stream, since, viewer)
            try:
                await send_stream(request, frames, sse.HEADERS)
            finally:
                await asyncio.gather(warming, return_exceptions=True)
        return True


def locale_of(query: bytes) -> str | None:
    """Return the language of a query that says nothing else, and says it plainly; None leaves it to the twin."""
    match = _LOCALE.fullmatch(query)
    locale = match[1].decode() if match else ""
    return locale if LOCALE.fullmatch(locale) else None


def _is_repeated(headers: Iterable[Header]) -> bool:
    names = [name for name, _ in headers if name in _LISTS]
    return len(names) > len(set(names))
