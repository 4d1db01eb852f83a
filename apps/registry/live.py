"""The catalogue of this process, and the thread that keeps it current.

It loads the projection from Redis and follows the change stream. While Redis or the relay is away it asks PostgreSQL
for what changed since its own revision, twice a second. While both are away it keeps serving what it has and says for
how long nobody could confirm it (docs/operating: "When an engine is away").
"""

import logging
import threading
import time
from contextlib import suppress
from typing import Any, cast

import orjson
from django.db import connection

from apps.core.errors import Unavailable
from apps.core.redis import RedisError, blocking_client, client
from apps.core.tenancy import system, use
from apps.registry import leases, projection
from apps.registry.catalog import Catalog, CatalogGapError, Rendered
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES, REGISTRY_PROTECTION, RELAY_ALIVE

logger = logging.getLogger(__name__)

# Redis is asked again at least this often, so that nothing is ever confirmed for longer (contract: 1 s).
BLOCK_MS = 400
PAUSE_SECONDS = 0.5
FIRST_LOAD_SECONDS = 5.0
STALE_AFTER_SECONDS = 1.5
BATCH = 500
# The relay writes its mark twice a second, for three seconds. When that is more than a second ago nobody relays, though
# the mark is still there; asking PostgreSQL once too often does no harm.
RELAY_FRESH_MS = 1800

Reply = list[tuple[str, list[tuple[str, dict[str, str]]]]]
"""What ``XREAD`` answers: by stream, the entries with id and fields."""


class SourceAway(Exception):
    """Raised when Redis cannot be relied on for changes: it is away, it is empty, or nobody relays to it."""


class LiveCatalog:
    """A `Catalog` and its follower; the thread starts with the first reader, so commands that read none have none."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self._starting = threading.Lock()
        self._loaded = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._confirmed_at = 0.0
        self._touched_ms = 0
        self._written = 0
        self._trouble = ""
        self._epoch = ""
        self.protection: dict[str, str] | None = None
        """Since when and why protection is on; None while it is off."""

    def ready(self) -> Catalog:
        """Return the catalogue, loaded.

        Raises:
            Unavailable: it was never loaded, and nobody answers to load it from.
        """
        if not self._loaded.is_set():
            self.start()
            if not self._loaded.wait(FIRST_LOAD_SECONDS):
                raise Unavailable("The catalogue is not loaded yet: PostgreSQL and Redis are away.")
        return self.catalog

    @property
    def is_loaded(self) -> bool:
        """Whether there is anything to serve."""
        return self._loaded.is_set()

    def staleness(self) -> float | None:
        """Return for how many seconds nobody could confirm that the catalogue is current; None while it is."""
        age = time.monotonic() - self._confirmed_at
        return age if age > STALE_AFTER_SECONDS else None

    def start(self) -> None:
        """Start following, once."""
        with self._starting:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop following and forget everything; the next reader begins anew."""
        with self._starting:
            thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None:
            thread.join()
        self._loaded.clear()
        self.catalog = Catalog()
        self._touched_ms = self._written = 0

    def record_as_written(self, name: str) -> Rendered | None:
        """Return the record of a service with what the caller has just written, None when there is no such service.

        What is committed is folded already. Under an ``Idempotency-Key`` the answer is stored in the transaction that
        it tells of, so it is made of what that transaction sees.
        """
        if not connection.in_atomic_block:
            return self.ready().record(name)
        state = projection.read_service(name)
        written = Catalog()
        written.load(state.revision, state.instances, service_revisions=state.service_revisions)
        return written.record(name)

    def fold(self, changes: list[dict[str, Any]]) -> None:
        """Take changes that this process has just committed, so that their writer reads them at once."""
        if not self._loaded.is_set():
            self._written = max(self._written, *(change["revision"] for change in changes))
            return
        for change in changes:
            self._apply(change)

    def _apply(self, change: dict[str, Any]) -> None:
        try:
            self.catalog.apply(change)
        except CatalogGapError:
            logger.info("Changes of the catalogue are missing; it will be loaded again.")

    @use(system("follow the catalogue"))
    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow_redis()
            except SourceAway as error:
                self._note_trouble(f"{error}")
                self._ask_postgres()
                # It is not the changes' source, but it still knows the heartbeats.
                with suppress(RedisError):
                    self._touch()
                self._stopping.wait(PAUSE_SECONDS)
            except RedisError as error:
                self._note_trouble(f"{error}" or type(error).__name__)
                self._ask_postgres()
                self._stopping.wait(PAUSE_SECONDS)
            except Exception:
                # The catalogue must outlive any one bad entry: say so, load everything again.
                logger.exception("Following the catalogue's changes failed; it is loaded again.")
                self._stopping.wait(PAUSE_SECONDS)

    def _follow_redis(self) -> None:
        """Load the projection, then follow the stream until something is in the way."""
        self._check_relay()
        self._load_projection()
        self._note_trouble("")
        checked = time.monotonic()
        while not self._stopping.is_set():
            asked_at = time.monotonic()
            self._read_stream()
            self._confirmed_at = asked_at
            # By the time of now: the read may have taken most of the second that all this has.
            if time.monotonic() - checked >= PAUSE_SECONDS:
                self._check_relay()
                self._touch()
                checked = time.monotonic()

    def _check_relay(self) -> None:
        with client().pipeline(transaction=False) as pipe:
            pipe.pttl(RELAY_ALIVE)
            pipe.get(REGISTRY_PROTECTION)
            pipe.hget(REGISTRY_CATALOG, projection.META)
            left_ms, protection, meta = pipe.execute()
        self.protection = orjson.loads(protection) if protection else None
        if left_ms < RELAY_FRESH_MS:
            raise SourceAway("the relay is not running")
        if meta and self._loaded.is_set() and projection.epoch_of(meta) != self._epoch:
            self._load_projection()

    def _load_projection(self) -> None:
        state = projection.read_projection(client())
        if state is None:
            raise SourceAway("Redis holds no catalogue")
        if not self._loaded.is_set() and state.revision < self._written:
            raise SourceAway("Redis lacks what this process has written")
        if not self._loaded.is_set() or state.epoch != self._epoch or state.revision > self.catalog.revision:
            self._load(state)

    def _load(self, state: projection.State) -> None:
        # Another epoch is another database, or this one went back: nothing that is held counts as newer.
        another = self._loaded.is_set() and state.epoch != self._epoch
        self.catalog.load(state.revision, state.instances, service_revisions=state.service_revisions, rewind=another)
        self._epoch = state.epoch
        self._touched_ms = 0
        self._confirmed_at = time.monotonic()
        self._loaded.set()

    def _read_stream(self) -> None:
        position = f"{self.catalog.revision}-0"
        reply = blocking_client().xread({REGISTRY_CHANGES: position}, count=BATCH, block=BLOCK_MS)
        entries = [entry for _, found in cast(Reply, reply or []) for entry in found]
        for entry_id, fields in entries:
            # What this process wrote itself it has already.
            if not self.catalog.has_change(_revision_of(entry_id)):
                self._apply(orjson.loads(fields["change"]))
        # The stream is in order and without holes: what it skipped (it was trimmed, or Redis lost it) will not come.
        if entries and self.catalog.revision < _revision_of(entries[-1][0]):
            self._load_projection()

    def _touch(self) -> None:
        """Bring in when instances were last seen: reading only who was heard of since the last time."""
        seen = leases.seen_since(self._touched_ms)
        if seen:
            self.catalog.touch(seen)
            self._touched_ms = max(seen.values())

    def _ask_postgres(self) -> None:
        asked_at = time.monotonic()
        try:
            changed = projection.read_since(self.catalog.revision) if self._loaded.is_set() else projection.read_all()
            if not self._loaded.is_set():
                self._load(changed)
            elif changed.epoch != self._epoch or changed.revision < self.catalog.revision:
                self._load(projection.read_all())
            elif changed.revision > self.catalog.revision:
                self.catalog.catch_up(changed.revision, changed.instances)
            self._confirmed_at = asked_at
        except Exception as error:
            self._note_trouble(f"{self._trouble}; PostgreSQL: {error}".replace("\n", " "))
        finally:
            connection.close()

    def _note_trouble(self, trouble: str) -> None:
        if bool(trouble) != bool(self._trouble):
            if trouble:
                logger.warning("The catalogue cannot follow Redis, PostgreSQL is asked instead: %s", trouble)
            else:
                logger.info("The catalogue follows Redis again.")
        self._trouble = trouble


def _revision_of(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


live = LiveCatalog()
