"""Changes of the catalogue on the event loop: who waits for one service, and who listens to all of them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

from apps.core import sse
from apps.core.errors import Unavailable
from apps.registry.catalog import Catalog, Companies, Update, visible
from apps.serviceauth.viewers import EVERYBODY, Viewer

MAX_WAITING = 20_000
MAX_STREAMS = 5_000
# A reader that is this many changes behind is let go; it comes back with the id of what it saw last.
MAX_BEHIND = 1_000

Stream = asyncio.Queue[Update | None]


class Feed:
    """Hands changes from whichever thread made them to coroutines. Belongs to one event loop and one catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._loop = asyncio.get_running_loop()
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._waiting_count = 0
        self._streams: set[Stream] = set()
        self._unsubscribe = catalog.subscribe(self._hand_over)

    def close(self) -> None:
        """Stop listening and end all streams."""
        self._unsubscribe()
        for stream in list(self._streams):
            stream.put_nowait(None)

    def _hand_over(self, update: Update) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, update)

    def _deliver(self, update: Update) -> None:
        for future in self._waiting.pop(update.name, ()):
            if not future.done():
                future.set_result(None)
        for stream in list(self._streams):
            if stream.qsize() >= MAX_BEHIND:
                self._streams.discard(stream)
                stream.put_nowait(None)
            else:
                stream.put_nowait(update)

    @contextmanager
    def next_change(self, name: str) -> "Iterator[asyncio.Future[None]]":
        """Give a future that is done when the service ``name`` changes after this moment.

        Look at the service inside the block: what changed before is to be seen then, and nothing after is missed.

        Raises:
            Unavailable: too many wait already.
        """
        if self._waiting_count >= MAX_WAITING:
            raise Unavailable("Too many blocking queries are open on this hub.", retry_after=5)
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting[name].add(future)
        self._waiting_count += 1
        try:
            yield future
        finally:
            self._waiting_count -= 1
            self._forget(name, future)

    def _forget(self, name: str, future: "asyncio.Future[None]") -> None:
        others = self._waiting.get(name)
        if others is not None:
            others.discard(future)
            if not others:
                del self._waiting[name]

    @contextmanager
    def listening(self) -> "Iterator[Stream]":
        """Give a queue of what changes after this moment; None at its end means that the reader is let go.

        Raises:
            Unavailable: too many listen already.
        """
        if len(self._streams) >= MAX_STREAMS:
            raise Unavailable("Too many catalogue streams are open on this hub.", retry_after=5)
        stream: Stream = asyncio.Queue()
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def frames(self, stream: Stream, since: int | None, viewer: Viewer = EVERYBODY) -> AsyncGenerator[bytes]:
        """Yield the frames of a stream: what a client with revision ``since`` lacks, then changes as they come.

        Of all that only what ``viewer`` may see, and only for as long as it may.
        """
        sent, frames = opening(self._catalog, since, viewer.companies)
        for one in frames:
            yield one
        clock = self._loop.time
        due = clock() + sse.KEEP_ALIVE_SECONDS
        while (left := viewer.seconds_left()) > 0:
            # Also while changes come that this viewer does not see.
            told = sse.KEEP_ALIVE if clock() >= due else b""
            with suppress(TimeoutError):
                update = await asyncio.wait_for(stream.get(), min(left, due - clock()))
                if update is None:
                    return
                if is_news(update, sent, viewer.companies):
                    told = sse.frame("change", update.revision, update.body)
            # A token may have ended, or have been revoked, while there was nothing to tell.
            if told and viewer.seconds_left() > 0:
                yield told
                due = clock() + sse.KEEP_ALIVE_SECONDS


def is_news(update: Update, sent: int, companies: Companies = "*") -> bool:
    """Whether a stream for ``companies`` that began at revision ``sent`` has to tell of ``update``.

    Also when it carries that very revision: of several updates by one change all but the last carry the one before.
    What was known already is then told twice, which does no harm.
    """
    return update.revision >= sent and visible(update.company_id, companies)


def opening(catalog: Catalog, since: int | None, companies: Companies = "*") -> tuple[int, list[bytes]]:
    """Return the revision that a stream for ``companies`` begins with and its first frames.

    They are the changes since ``since`` when those are still known, else a snapshot of everything.
    """
    missed = catalog.changes_since(since, companies) if since is not None else None
    if missed is None or since is None:
        revision, body = catalog.snapshot(companies)
        return revision, [sse.frame("snapshot", revision, body)]
    frames = [sse.frame("change", update.revision, update.body) for update in missed]
    # A client that missed nothing must learn at once that the stream is alive.
    return max([since, *(update.revision for update in missed)]), frames or [sse.KEEP_ALIVE]
