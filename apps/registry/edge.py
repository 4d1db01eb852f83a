"""The registry's hot routes on the event loop: discovery, heartbeats, blocking queries, the catalogue's stream.

Each has an ordinary twin in `apps.registry.views` that answers the same bytes; whatever is not plainly the common case
is left to it.
"""

import asyncio
import datetime as dt
import re
from collections.abc import Iterable
from contextlib import ExitStack
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from apps.core import sse, strictjson
from apps.core.asgi import (
    JSON,
    Application,
    Header,
    Receive,
    Request,
    Scope,
    Send,
    disconnected,
    replaying,
    security_headers,
    send_stream,
)
from apps.core.bridge import declares_body
from apps.core.errors import Unavailable
from apps.core.etags import matches
from apps.core.quick import PlainGet
from apps.core.redis import RedisError
from apps.registry.catalog import Rendered
from apps.registry.feed import Feed
from apps.registry.heartbeats import Heartbeats
from apps.registry.live import LiveCatalog, live
from apps.registry.models import REPORTABLE
from apps.registry.observation import fast_answers
from apps.serviceauth import verifying
from apps.serviceauth.viewers import EVERYBODY, Viewer, Viewers
from xerpium_sdk.wire.registry import Status
from xerpium_sdk.wire.times import parse_time

READ, WRITE = "registry:read", "registry:write"
SERVICES = "/api/v1/services/"
SERVICES_BYTES = SERVICES.encode()
HEALTH = "/api/v1/services/health"
STREAM = "/api/v1/catalog/stream"
NOT_NAMES = frozenset({"register", "health", "graph"})
REPORT_FIELDS = frozenset({"service_name", "status", "details", "timestamp", "instance_id"})
REPORTABLE_WORDS = frozenset(status.value for status in REPORTABLE)
PRIVATE = (b"cache-control", b"private, no-cache")
LONGEST_WAIT = 60
_DIGITS = re.compile("[0-9]{1,18}")


class RegistryEdge:
    """Answers the hot routes; `handle` says whether it did, and with what input the request goes on if not."""

    def __init__(self, source: LiveCatalog = live) -> None:
        self._live = source
        self._feed: Feed | None = None
        self._heartbeats = Heartbeats()
        self._viewers = Viewers()

    def open(self) -> None:
        """Begin following the catalogue, and what tokens are worth; called on the event loop that will serve."""
        self._live.start()
        verifying.watch()
        self._feed = Feed(self._live.catalog)

    async def close(self) -> None:
        """End the streams and let go of Redis."""
        if self._feed is not None:
            self._feed.close()
            verifying.unwatch()
            self._feed = None
        await self._heartbeats.close()

    def quick(self, request: PlainGet) -> tuple[bytes, bytes] | None:
        """Return the answer to a plain GET of a service as ready bytes, or None for whatever is not quite that."""
        path, token = request.path, request.token
        if not path.startswith(SERVICES_BYTES) or not self._live.is_loaded or self._live.staleness() is not None:
            return None
        viewer = EVERYBODY if token is None else self._viewers.find(token)
        if viewer is None or not viewer.may(READ):
            return None
        name = path[len(SERVICES_BYTES) :].removesuffix(b"/").decode("latin-1")
        record = self._live.catalog.record(name, companies=viewer.companies)
        if record is None:
            return None
        fast_answers["discovery"] += 1
        known = request.if_none_match
        if known is not None and matches(known.decode("latin-1"), record.etag):
            return _not_modified(record, request.secure), b""
        return _whole_answer(record, request.secure), record.body

    async def __call__(self, scope: Scope, receive: Receive, send: Send, django: Application) -> None:
        """Answer one request, or hand it to ``django``."""
        path: str = scope["path"]
        if self._feed is None or not self._live.is_loaded or not path.startswith("/api/v1/"):
            return await django(scope, receive, send)
        request = Request(scope, receive, send)
        viewer = self._viewer_of(request)
        if viewer is None:
            return await django(scope, receive, send)
        if request.path == HEALTH and request.method == "POST" and not request.query:
            return await self._report(request, viewer, django)
        # Waiting watches for the client's leaving, which would take a body away from Django.
        if request.method in ("GET", "HEAD") and viewer.may(READ) and not declares_body(scope):
            if request.path == STREAM and request.method == "GET" and not request.query:
                if await self._stream(request, viewer, self._feed):
                    return None
            elif request.path.startswith(SERVICES) and await self._read(request, viewer, self._feed):
                return None
        return await django(scope, receive, send)

    def _viewer_of(self, request: Request) -> Viewer | None:
        """Return who asks; None when that is for Django to say."""
        if not request.usable:
            return None
        return EVERYBODY if request.token is None else self._viewers.find(request.token)

    async def _read(self, request: Request, viewer: Viewer, feed: Feed) -> bool:
        name = request.path[len(SERVICES) :]
        if "/" in name or name in NOT_NAMES:
            return False
        if not request.query:
            rendered = self._live.catalog.record(name, companies=viewer.companies)
            if rendered is None:
                return False
            await self._answer(request, rendered)
            return True
        wanted = blocking_query(request.query)
        if wanted is None:
            return False
        return await self._wait(request, viewer, feed, name, **wanted)

    async def _wait(self, request: Request, viewer: Viewer, feed: Feed, name: str, revision: int, wait: int) -> bool:
        """Answer a blocking query: the record once it is newer, 204 when it is not in time.

        Who is still unknown then is left to the twin, as a query that need not wait any more; so is a caller whose
        token has ended.
        """
        gone = asyncio.ensure_future(disconnected(request.receive))
        try:
            record = await self._newer(viewer, feed, name, revision, wait, gone)
            left = gone.done()
        except Unavailable:
            return False
        finally:
            gone.cancel()
        if left:
            return True
        if record is None or not viewer.seconds_left():
            request.scope["query_string"] = b""
            return False
        if record.revision > revision:
            await request.answer(200, self._marked([JSON, (b"etag", record.etag.encode()), PRIVATE]), record.body)
        else:
            await request.answer(204, self._marked([]))
        return True

    async def _newer(
        self, viewer: Viewer, feed: Feed, name: str, revision: int, wait: int, gone: "asyncio.Future[None]"
    ) -> Rendered | None:
        """Return the record as soon as it is newer than ``revision``, and what there is after ``wait`` seconds.

        Also when the viewer's token ends before, which is looked at as often as streams do.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            with feed.next_change(name) as changed:
                record = self._live.catalog.record(name, companies=viewer.companies)
                remaining = min(deadline - loop.time(), viewer.seconds_left())
                if (record is not None and record.revision > revision) or remaining <= 0 or gone.done():
                    return record
                patience = min(remaining, sse.KEEP_ALIVE_SECONDS)
                await asyncio.wait({changed, gone}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)

    async def _answer(self, request: Request, rendered: Rendered) -> None:
        fast_answers["discovery"] += 1
        headers: list[Header] = [(b"etag", rendered.etag.encode()), PRIVATE]
        known = request.headers.get(b"if-none-match")
        if known is not None and matches(known.decode("latin-1"), rendered.etag):
            return await request.answer(304, self._marked(headers))
        return await request.answer(200, self._marked([JSON, *headers]), rendered.body)

    def _marked(self, headers: list[Header]) -> list[Header]:
        stale = self._live.staleness()
        return headers if stale is None else [*headers, (b"x-catalog-stale", b"%d" % stale)]

    async def _report(self, request: Request, viewer: Viewer, django: Application) -> None:
        body = await request.body() if viewer.may(WRITE) else None
        if body is None:
            return await django(request.scope, request.receive, request.send)
        answer = await self._renewed(request, viewer, body)
        if answer is None:
            return await django(request.scope, replaying(body, request.receive), request.send)
        fast_answers["heartbeat"] += 1
        return await request.answer(200, [JSON], answer)

    async def _renewed(self, request: Request, viewer: Viewer, body: bytes) -> bytes | None:
        """Renew the leases of a report that changes nothing and return the answer; None leaves it to the twin."""
        report = plain_report(body)
        if report is None:
            return None
        catalog, name, instance_id = self._live.catalog, report["service_name"], report.get("instance_id")
        if instance_id is None and request.is_forwarded:
            return None  # the peer is a proxy: whose address is meant is a matter of settings
        found = catalog.instance_for_report(name, instance_id, request.peer, companies=viewer.companies)
        revision = catalog.revision_of(name)
        if revision is None or not found or not viewer.may_change(name, found[0].company_id):
            return None
        if not all(_is_settled(row.document, report["status"]) for row in found):
            return None
        now = dt.datetime.now(dt.UTC)
        try:
            await self._heartbeats.renew(found, report.get("details"), now)
        except RedisError:
            return None
        seen = int(now.timestamp() * 1000)
        catalog.touch({row.pk: seen for row in found})
        return orjson.dumps(
            {
                "status": Status.worst(*(row.status for row in found)).value,
                "lease_seconds": min(row.document["lease_seconds"] for row in found),
                "revision": revision,
            }
        )

    async def _stream(self, request: Request, viewer: Viewer, feed: Feed) -> bool:
        """Stream until the client is gone or its token has ended; leave it to the twin when there are too many."""
        since = sse.last_event_id(request.headers.get(b"last-event-id", b"").decode("latin-1"))
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(feed.listening())
            except Unavailable:
                return False
            fast_answers["stream"] += 1
            frames = feed.frames(stream, since, viewer)
            await send_stream(request, frames, sse.HEADERS)
        return True


def _lines(headers: Iterable[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


@lru_cache(maxsize=4096)
def _whole_answer(record: Rendered, secure: bool) -> bytes:
    headers = (JSON, (b"etag", record.etag.encode()), (b"content-length", b"%d" % len(record.body)), PRIVATE)
    return b"HTTP/1.1 200 OK\r\n" + _lines((*headers, *security_headers(secure=secure)))


def _not_modified(record: Rendered, secure: bool) -> bytes:
    headers = ((b"etag", record.etag.encode()), PRIVATE)
    return b"HTTP/1.1 304 Not Modified\r\n" + _lines((*headers, *security_headers(secure=secure)))


def blocking_query(query: bytes) -> dict[str, int] | None:
    """Return ``wait`` and ``revision`` of a query that says just these, both in range; None leaves it to the twin."""
    try:
        given = dict(parse_qsl(query.decode("ascii"), strict_parsing=True, max_num_fields=4))
    except (ValueError, UnicodeDecodeError):
        return None
    numbers = {name: int(text) for name, text in given.items() if _DIGITS.fullmatch(text)}
    if numbers.keys() != {"wait", "revision"} or len(given) != 2 or query.count(b"=") != 2:
        return None
    return numbers if numbers["wait"] <= LONGEST_WAIT else None


def plain_report(body: bytes) -> dict[str, Any] | None:
    """Return a report that is well formed in the plainest way, or None; the twin says what is wrong with the rest."""
    try:
        report = strictjson.parse(body, limit=len(body))
    except (strictjson.NotJSON, strictjson.TooLong):
        return None
    if not isinstance(report, dict) or not REPORT_FIELDS.issuperset(report):
        return None
    texts = (report.get("service_name"), report.get("status"), report.get("instance_id", ""))
    if not all(isinstance(text, str) for text in texts) or report["status"] not in REPORTABLE_WORDS:
        return None
    if not isinstance(report.get("details", {}), dict):
        return None
    timestamp = report.get("timestamp")
    if timestamp is not None:
        try:
            parse_time(timestamp)
        except (ValueError, TypeError):
            return None
    return report


def _is_settled(document: Any, word: str) -> bool:
    """Whether a report of ``word`` leaves an instance as it is, so that only its lease has to be renewed."""
    return bool(document["reported_status"] == word and document["status"] not in ("stale", "deregistered"))
