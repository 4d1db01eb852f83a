"""Hearing what changes trees: revisions of menus, from PostgreSQL, and how services live, from the catalogue.

Both say as of when a company's tree is, in a few numbers that are others whenever it may be another tree. Everybody's
changes count in every company, a company's own only there.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from apps.core.tenancy import Companies, system, use
from apps.menus import rows
from apps.menus.lifetimes import Lifetime, lifetime_of
from apps.registry import selectors as registry
from apps.registry.catalog import Catalog, Standing, Update

__all__ = ["CHECK_SECONDS", "Listener", "MenuRevisions", "ServiceLives", "sight_of"]

logger = logging.getLogger(__name__)

CHECK_SECONDS = 0.25
"""PostgreSQL is asked so often by a process that follows, and at most so often by one that does not."""
AWAY_SECONDS = 2.0
"""Who waits for an answer does not wait for a database that is away more often than this."""
STALE_SECONDS = 1.5
PATIENCE_SECONDS = 1.0

Listener = Callable[[Collection[int | None]], None]
"""Is told whose trees are others now; None is everybody's. It is called by any thread and has to return at once."""


class _Told:
    """Those who want to hear of changes."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every change from now on; return the function that ends it."""
        self._listeners += (listener,)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def tell(self, companies: Collection[int | None]) -> None:
        """Tell all of them."""
        for listener in self._listeners:
            listener(companies)


class MenuRevisions(_Told):
    """The revision of every company's menus, as this process knows them."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[int | None, int] = {}
        self._last = 0
        self._times_back = 0
        self._checked_at = self._confirmed_at = float("-inf")
        self.is_away = False
        """Whether PostgreSQL did not answer when it was asked last."""
        self._checking, self._noting = threading.Lock(), threading.Lock()
        self._followers = 0
        self._stopping = threading.Event()

    def of(self, company_id: int | None) -> int:
        """Return the revision of a company's tree; of the tree without a company where it is None."""
        return max(self._values.get(None, 0), self._values.get(company_id, 0))

    def stamp(self, company_id: int | None) -> tuple[int, int]:
        """Return as of when the rows of one company, or of everybody (None), are: its revision is the second number."""
        return self._times_back, self._values.get(company_id, 0)

    @property
    def is_known(self) -> bool:
        """Whether PostgreSQL was ever asked."""
        return self._confirmed_at > float("-inf")

    def staleness(self) -> float | None:
        """Return for how many seconds nobody could confirm the revisions, while PostgreSQL is away; else None.

        What was never asked for is not stale: there is nothing that could be served in its place.
        """
        if not self.is_known:
            return None
        age = time.monotonic() - self._confirmed_at
        return age if age > STALE_SECONDS and (self.is_away or self._followers) else None

    def note(self, companies: Iterable[int | None], revision: int) -> None:
        """Take a change that this process knows of before it asks PostgreSQL: its own, or one that it has just read."""
        with self._noting:
            risen = [company_id for company_id in companies if self._values.get(company_id, 0) < revision]
            for company_id in risen:
                self._values[company_id] = revision
        if risen:
            self.tell(risen)

    def refresh(self) -> None:
        """Ask PostgreSQL, unless a thread does so, or somebody just did; while it is away what is known counts.

        Raises:
            DatabaseError: it is away, and was never asked.
        """
        if self._followers and self.is_known:
            return
        if time.monotonic() - self._checked_at >= (AWAY_SECONDS if self.is_away else CHECK_SECONDS):
            self._check()

    def _check(self) -> None:
        asked_at = time.monotonic()
        # When it hangs, one waits for it, and the others go on with what is known.
        if not self._checking.acquire(timeout=0 if self.staleness() else PATIENCE_SECONDS):
            return
        try:
            if self._checked_at < asked_at:
                self._read(asked_at)
        finally:
            self._checking.release()

    def _read(self, asked_at: float) -> None:
        try:
            with use(system("see whose menus changed")):
                found = rows.read_revisions(self._last)
                if found.last < self._last:  # another database, or this one went back
                    found = rows.read_revisions(0)
                    self._go_back()
        except (DatabaseError, InterfaceError) as error:
            if not self.is_away:
                logger.warning("Menus cannot be read; what is known of them is served: %s", error)
            self.is_away, self._checked_at = True, time.monotonic()
            if not self.is_known:
                raise
            return
        self.is_away = False
        self._last = found.last
        for company_id, value in found.changed.items():
            self.note([company_id], value)
        self._checked_at = self._confirmed_at = asked_at

    def _go_back(self) -> None:
        with self._noting:
            known = set(self._values) | {None}
            self._times_back += 1
            self._values = {}
        self.tell(known)

    def follow(self) -> None:
        """Ask PostgreSQL from a thread, for who may not wait for it; `unfollow` ends that."""
        self._followers += 1
        if self._followers == 1:
            self._stopping = threading.Event()
            threading.Thread(target=self._run, args=(self._stopping,), name="menus", daemon=True).start()

    def unfollow(self) -> None:
        """End what `follow` began."""
        self._followers -= 1
        if self._followers == 0:
            self._stopping.set()

    def forget(self) -> None:
        """Know nothing; for tests, whose database is another one each time."""
        with self._checking:
            self._last = 0
            self._checked_at = self._confirmed_at = float("-inf")
            self._go_back()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            # Whatever happens: without this thread nobody on an event loop would hear of other processes' changes.
            try:
                close_old_connections()
                self._check()
            except Exception as error:
                logger.debug("Following the menus failed: %s", error)
            with suppress(Exception):
                connection.close()
            stopping.wait(CHECK_SECONDS)


class ServiceLives(_Told):
    """How the services that have menu items live, as the catalogue of this process knows it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._times_attached = 0
        self._changes: Counter[int | None] = Counter()
        self._watched: set[str] = set()
        self._known: dict[str, tuple[int | None, Lifetime]] = {}

    def attach(self) -> None:
        """Follow the catalogue of this process, once.

        Raises:
            Unavailable: it was never loaded, and neither Redis nor PostgreSQL answers.
        """
        catalog = registry.catalogue()
        if catalog is self._catalog:
            return
        with self._lock:
            if catalog is not self._catalog:
                self._unsubscribe()
                self._unsubscribe = catalog.subscribe(self._hear)
                self._catalog = catalog
                self._known = {}
                self._times_attached += 1

    def stamp(self, company_id: int | None) -> tuple[int, int, int]:
        """Return numbers that are others whenever a service that this company sees lives in another way."""
        return self._times_attached, self._changes[None], self._changes[company_id]

    def of(self, names: Iterable[str], company_id: int | None, registered: Collection[str]) -> dict[str, Lifetime]:
        """Return how services live, as far as a company may see.

        Args:
            names: the services.
            company_id: the company; None sees those of all companies only.
            registered: those of them that were ever registered.
        """
        found = {}
        for name in names:
            self._watched.add(name)
            standing = self._catalog.standing(name, sight_of(company_id)) if self._catalog else None
            if standing is not None:
                life = lifetime_of(standing.statuses, was_registered=True)
                self._known.setdefault(name, (standing.company_id, life))
            else:
                life = lifetime_of((), was_registered=name in registered or self._has_left(name, company_id))
            found[name] = life
        return found

    def _has_left(self, name: str, company_id: int | None) -> bool:
        known = self._known.get(name)
        return known is not None and known[0] in (None, company_id) and known[1] is Lifetime.LEFT

    def _hear(self, update: Update) -> None:
        """Take what the catalogue tells, inside its lock."""
        if update.name not in self._watched:
            return
        standing: Standing = update.standing
        now = (standing.company_id, lifetime_of(standing.statuses, was_registered=True))
        before = self._known.get(update.name)
        if now == before:
            return
        self._known[update.name] = now
        concerned = {now[0], before[0]} if before else {now[0]}
        for company_id in concerned:
            self._changes[company_id] += 1
        self.tell(concerned)


def sight_of(company_id: int | None) -> Companies:
    """Return whose rows are in the tree of a company besides everybody's."""
    return frozenset() if company_id is None else frozenset({company_id})
