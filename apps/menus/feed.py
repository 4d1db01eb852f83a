"""Telling streams that a tree is another one: on the event loop, and for the twin in Django.

A client hears only that its company's tree changed, and fetches it; so of several changes the last one is told. What
changes another company's rows is not told at all.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import contextmanager, suppress

from apps.core import sse
from apps.core.errors import Unavailable
from apps.menus.live import LiveMenus
from apps.serviceauth.viewers import EVERYBODY, Viewer

__all__ = ["MAX_STREAMS", "Feed", "Stream", "changed_frame", "concerns", "opening"]

MAX_STREAMS = 5_000


class Stream:
    """One client that listens; belongs to an event loop."""

    def __init__(self, company_id: int | None) -> None:
        self.company_id = company_id
        self.changed = asyncio.Event()
        self.is_over = False


class Feed:
    """Hands changes from whichever thread made them to streams. Belongs to one event loop."""

    def __init__(self, menus: LiveMenus) -> None:
        self._menus = menus
        self._loop = asyncio.get_running_loop()
        self._streams: set[Stream] = set()
        self._ends = [menus.revisions.subscribe(self._hand_over), menus.lives.subscribe(self._hand_over)]

    def close(self) -> None:
        """Stop listening and end all streams."""
        for end in self._ends:
            end()
        for stream in self._streams:
            stream.is_over = True
            stream.changed.set()

    def _hand_over(self, companies: Collection[int | None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, companies)

    def _deliver(self, companies: Collection[int | None]) -> None:
        for stream in self._streams:
            if concerns(companies, stream.company_id):
                stream.changed.set()

    @contextmanager
    def listening(self, company_id: int | None) -> Iterator[Stream]:
        """Give a stream that hears of what changes in the tree of a company after this moment.

        Raises:
            Unavailable: too many listen already.
        """
        if len(self._streams) >= MAX_STREAMS:
            raise Unavailable("Too many streams of menus are open on this hub.", retry_after=5)
        stream = Stream(company_id)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def frames(self, stream: Stream, since: int | None, viewer: Viewer = EVERYBODY) -> AsyncGenerator[bytes]:
        """Yield the frames of a stream to a client with revision ``since``, for as long as ``viewer`` may listen."""
        yield opening(self._menus.revisions.of(stream.company_id), since)
        clock = self._loop.time
        due = clock() + sse.KEEP_ALIVE_SECONDS
        while (left := viewer.seconds_left()) > 0:
            told = sse.KEEP_ALIVE if clock() >= due else b""
            with suppress(TimeoutError):
                await asyncio.wait_for(stream.changed.wait(), max(0.0, min(left, due - clock())))
                stream.changed.clear()
                told = changed_frame(self._menus.revisions.of(stream.company_id))
            if stream.is_over:
                return
            # A token may have ended, or have been revoked, while there was nothing to tell.
            if told and viewer.seconds_left() > 0:
                yield told
                due = clock() + sse.KEEP_ALIVE_SECONDS


def concerns(companies: Collection[int | None], company_id: int | None) -> bool:
    """Whether a change of what ``companies`` have (None: everybody) makes the tree of ``company_id`` another one."""
    return None in companies or company_id in companies


def opening(revision: int, since: int | None) -> bytes:
    """Return the first frame for a client with revision ``since``: where the tree stands, or that it is another."""
    if since is None or since > revision:
        return sse.frame("snapshot", revision, _told(revision))
    # Who missed nothing must learn at once that the stream is alive.
    return changed_frame(revision) if since < revision else sse.KEEP_ALIVE


def changed_frame(revision: int) -> bytes:
    """Return the frame that tells of a change; of how a service lives, too, which makes no other revision."""
    return sse.frame("menu.changed", revision, _told(revision))


def _told(revision: int) -> bytes:
    return b'{"revision":%d}' % revision
