"""The catalogue that every web process holds in memory: loaded once, kept up to date by changes, read without a lock.

`Shelf` decides what is news; this class adds the order. Its `revision` says up to where nothing is missing: it moves on
one by one, and listeners hear of changes in that order. A change that came early counts in the records at once, so a
process reads its own writes; listeners hear of it when its turn comes.

Writers share one lock. Readers take none: they fetch one immutable `Snapshot` from a dict.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import zip_longest
from threading import RLock
from typing import Any, NamedTuple

from apps.registry.graph import Graph, build_graph
from apps.registry.records import (
    Companies,
    InstanceRow,
    Instances,
    Rendered,
    Snapshot,
    canonical_host,
    variant,
    visible,
)
from apps.registry.revisions import CatalogGapError, Changed, History, InOrder
from apps.registry.shelf import Shelf
from xerpium_sdk.wire.registry import Status

__all__ = ["Catalog", "CatalogGapError", "Companies", "InstanceRow", "Rendered", "Standing", "Update", "visible"]

logger = logging.getLogger(__name__)

_CACHED_PICTURES = 4


class Update(NamedTuple):
    """What listeners and streams tell of one service: its record, and where to resume after it."""

    revision: int
    """To be sent as the event's id. Of several updates with one revision all but the last carry the revision before, so
    that whoever loses the connection between them gets the rest."""
    snapshot: Snapshot

    @property
    def name(self) -> str:
        """The service's name."""
        return self.snapshot.name

    @property
    def company_id(self) -> int | None:
        """Whose service it is; for `visible`."""
        return self.snapshot.company_id

    @property
    def standing(self) -> "Standing":
        """Whose service it is and how its instances are; it has none when it has left."""
        return Standing.of(self.snapshot)

    @property
    def body(self) -> bytes:
        """The record as JSON, rendered when first asked for."""
        return self.snapshot.record.body


class Standing(NamedTuple):
    """Whose a service is, and how its instances are."""

    company_id: int | None
    statuses: tuple[Status, ...]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Standing":
        """Return what a snapshot says of it."""
        return cls(snapshot.company_id, tuple(row.status for row in snapshot.instances.rows))


Listener = Callable[[Update], None]


class Catalog:
    """All services, by name.

    Args:
        max_waiting: how many changes may wait for a missing one before `apply` asks for a reload.
        max_history: how many names' last changes are remembered for `changes_since`.
    """

    def __init__(self, *, max_waiting: int = 1_000, max_history: int = 10_000) -> None:
        self._lock = RLock()
        self._shelf = Shelf()
        self._snapshots: Mapping[str, Snapshot] = self._shelf.snapshots
        self._order = InOrder(max_waiting)
        self._history = History(max_history)
        self._listeners: tuple[Listener, ...] = ()
        self._loaded = False
        self._all_records = lru_cache(maxsize=_CACHED_PICTURES)(self._join_records)
        self._whole_graph = lru_cache(maxsize=_CACHED_PICTURES)(self._build_graph)

    # --- what it holds ------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """The revision up to which no change is missing."""
        return self._order.last

    @property
    def loaded(self) -> bool:
        """Whether it has been loaded at all."""
        return self._loaded

    @property
    def waiting(self) -> int:
        """How many changes wait for an earlier one; more than 0 for more than a moment means that one was lost."""
        return self._order.waiting

    def has_change(self, revision: int) -> bool:
        """Whether the change of this revision was taken already."""
        return self._order.knows(revision)

    def knows(self, name: str, companies: Companies = "*") -> bool:
        """Whether there is such a service; tells, when `record` gave None, an unknown service from an unmet version."""
        return self._visible(name, companies) is not None

    def revision_of(self, name: str) -> int | None:
        """Return the revision of a service's own last change, None when there is no such service; renders nothing."""
        snapshot = self._snapshots.get(name)
        return None if snapshot is None else snapshot.revision

    def standing(self, name: str, companies: Companies = "*") -> Standing | None:
        """Return whose a service is and how its instances are, None when there is no such service; renders nothing."""
        snapshot = self._visible(name, companies)
        return None if snapshot is None else Standing.of(snapshot)

    def record(
        self, name: str, version: str | None = None, zone: str | None = None, *, companies: Companies = "*"
    ) -> Rendered | None:
        """Return the answer to ``GET services/{name}``, None when there is no such service or no such version.

        Args:
            name: the service's name.
            version: an npm-style range that instances must satisfy to be in the record.
            zone: instances of this zone come first among those of equal status.
            companies: whose rows the caller may see.

        Raises:
            VersionRangeError: when ``version`` is no range.
        """
        snapshot = self._snapshots.get(name)
        if snapshot is None or not (companies == "*" or visible(snapshot.company_id, companies)):
            return None
        if version is None and zone is None:
            return snapshot.record
        return variant(snapshot, version, zone)

    def services(
        self,
        *,
        tag: str | None = None,
        capability: str | None = None,
        status: Status | None = None,
        dependency: str | None = None,
        company_id: int | None = None,
        q: str | None = None,
        companies: Companies = "*",
    ) -> list[str]:
        """Return the sorted names of the services that meet every filter given.

        ``q`` is part of the name, a tag or a capability, whatever the case; ``dependency`` is declared by a live
        instance.
        """
        needle = q.casefold() if q else None

        def wanted(snapshot: Snapshot) -> bool:
            instances = snapshot.instances
            return (
                (tag is None or tag in instances.tags)
                and (capability is None or capability in instances.capabilities)
                and (status is None or status is snapshot.status)
                and (dependency is None or dependency in instances.dependencies)
                and (company_id is None or company_id == snapshot.company_id)
                and (needle is None or snapshot.mentions(needle))
            )

        return [snapshot.name for snapshot in self._all(companies) if wanted(snapshot)]

    def services_by_status(self) -> Counter[Status]:
        """Return how many services have each status."""
        return Counter(snapshot.status for snapshot in self._all())

    def instances_by_status(self) -> Counter[Status]:
        """Return how many instances have each status."""
        return Counter(row.status for snapshot in self._all() for row in snapshot.instances.rows)

    def list_items(self, names: Iterable[str], companies: Companies = "*") -> list[Rendered]:
        """Return the records of those of the named services that are (still) there, in the order given."""
        found = (self._visible(name, companies) for name in names)
        return [snapshot.record for snapshot in found if snapshot is not None]

    def instance_for_report(
        self, service: str, instance_id: str | None, peer_host: str | None, *, companies: Companies = "*"
    ) -> list[InstanceRow]:
        """Return the instances that a report means (contract, "Registry").

        That is the instance named, or without a name those at the caller's address, or, if none is there, all of the
        service. Empty when there is no such service or instance.

        Args:
            service: the service's name.
            instance_id: the instance that the report names, if it does.
            peer_host: the address that the report came from, if it is known.
            companies: whose rows the caller may report on.
        """
        snapshot = self._visible(service, companies)
        if snapshot is None:
            return []
        instances = snapshot.instances
        if instance_id is not None:
            row = instances.by_id.get(instance_id)
            return [] if row is None else [row]
        here = instances.by_host.get(canonical_host(peer_host)) if peer_host else None
        return list(here or instances.rows)

    def graph(self, companies: Companies = "*") -> Graph:
        """Return the dependency graph of what the caller may see; a service that it may not see counts as missing."""
        return self._whole_graph(self._shelf.generation, companies)

    # --- what streams need --------------------------------------------------------------------------------------------

    def snapshot(self, companies: Companies = "*") -> tuple[int, bytes]:
        """Return the revision and ``{"revision", "services": [records]}`` as JSON.

        Cached until a record changes, so heartbeats alone do not show in it. Subscribe first, then take the snapshot:
        that way an update may come twice, but none is missed.
        """
        revision = self.revision
        return revision, self._all_records(self._shelf.generation, revision, companies)

    def changes_since(self, revision: int, companies: Companies = "*") -> list[Update] | None:
        """Return what changed after ``revision``, each service once and as it is now; None when that is not known."""
        with self._lock:
            found = self._history.since(revision) if revision <= self.revision else None
            if found is None:
                return None
            # By whose it is now: the name may have passed to another company since.
            return [update for update in self._updates(found) if visible(update.company_id, companies)]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every `Update` from now on, in order; return the function that ends it.

        It is called by the writing thread, inside the lock: it should hand the update over and return.
        """
        with self._lock:
            self._listeners += (listener,)
        return lambda: self._unsubscribe(listener)

    # --- what changes it ----------------------------------------------------------------------------------------------

    def load(
        self,
        revision: int,
        rows: Iterable[Mapping[str, Any]],
        *,
        service_revisions: Mapping[str, int] | None = None,
        rewind: bool = False,
    ) -> list[Update]:
        """Take over everything that was there at ``revision``; what is held and newer stays.

        Args:
            revision: the catalogue's revision that the rows are true as of.
            rows: all instance documents, with "id", "service", "company_id" and "revision".
            service_revisions: the revisions of the services' own last changes, where the source knows them.
            rewind: the database itself went back (a restored backup): what is held does not count as newer.

        Returns:
            An update for every service whose record changed by it; none the first time.
        """
        with self._lock:
            if rewind:
                self._shelf.age()
                self._order.forget()
                self._history.forget(revision)
            return self._moved(revision, self._shelf.take_all(revision, rows, service_revisions or {}, complete=True))

    def catch_up(self, revision: int, rows: Iterable[Mapping[str, Any]]) -> list[Update]:
        """Take over all that changed since `revision`, deregistered instances included, when changes do not arrive.

        Args:
            revision: the catalogue's revision that the rows are true as of.
            rows: the instance documents, as for `load`, of every instance whose revision is above the catalogue's.

        Returns:
            An update for every service whose record changed by it.
        """
        with self._lock:
            return self._moved(revision, self._shelf.take_all(revision, rows, {}, complete=False))

    def apply(self, change: Mapping[str, Any]) -> list[Update]:
        """Take one change: ``{"revision", "service": {"name", "company_id"}, "instances": [documents]}``.

        Its rows count at once, so that a process reads its own writes; it is told to listeners when all changes before
        it have come.

        Returns:
            The updates told now: none for a change known already, several when it closes a gap.

        Raises:
            CatalogGapError: when too many changes wait for one that is missing: `load` again.
        """
        revision, name = change["revision"], change["service"]["name"]
        company_id = change["service"]["company_id"]
        with self._lock:
            if self._order.knows(revision):
                return []
            rows = [InstanceRow.read(document, name, company_id) for document in change["instances"]]
            others = [item for item in self._shelf.take(name, company_id, revision, rows) if item.name != name]
            changed = [*_changed(revision, others), Changed(revision, name, company_id)]
            return self._tell(self._order.add(revision, changed))

    def touch(self, seen: Mapping[int, int]) -> None:
        """Note heartbeats: instance pk -> Unix milliseconds. No change of the catalogue: no revision, no update."""
        with self._lock:
            self._shelf.touch(seen)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _moved(self, revision: int, snapshots: list[Snapshot]) -> list[Update]:
        """Take all changes up to ``revision`` for done, and tell which records are others than before."""
        at = max(revision, self.revision)
        waited, after = self._order.jump(at)
        if self._loaded:
            return self._tell([*waited, *_changed(at, snapshots), *after])
        self._loaded = True
        self._history.forget(at)
        return self._tell(after)

    def _tell(self, changed: list[Changed]) -> list[Update]:
        for item in changed:
            self._history.note(item)
        updates = self._updates(changed)
        for listener in self._listeners:
            self._call(listener, updates)
        return updates

    def _call(self, listener: Listener, updates: list[Update]) -> None:
        try:
            for update in updates:
                listener(update)
        except Exception:
            # A reader that went away must not keep the catalogue from moving on.
            logger.exception("A listener of the catalogue failed and is not called again.")
            self._unsubscribe(listener)

    def _unsubscribe(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    def _updates(self, changed: list[Changed]) -> list[Update]:
        return [
            Update(item.revision - (after is not None and after.revision == item.revision), self._snapshot_of(item))
            for item, after in zip_longest(changed, changed[1:])
        ]

    def _snapshot_of(self, changed: Changed) -> Snapshot:
        left = Snapshot(changed.name, changed.company_id, changed.revision, Instances(()))
        return self._snapshots.get(changed.name, left)

    def _visible(self, name: str, companies: Companies) -> Snapshot | None:
        snapshot = self._snapshots.get(name)
        return snapshot if snapshot is not None and visible(snapshot.company_id, companies) else None

    def _all(self, companies: Companies = "*") -> list[Snapshot]:
        """Return what may be seen, by name. The inner list is made in one step, while writers may be at work."""
        found = [snapshot for snapshot in list(self._snapshots.values()) if visible(snapshot.company_id, companies)]
        return sorted(found, key=lambda snapshot: snapshot.name)

    def _join_records(self, _generation: int, revision: int, companies: Companies) -> bytes:
        records = b",".join(snapshot.record.body for snapshot in self._all(companies))
        return b'{"revision":%d,"services":[%b]}' % (revision, records)

    def _build_graph(self, _generation: int, companies: Companies) -> Graph:
        shown = self._all(companies)
        return build_graph(
            {snapshot.name: snapshot.instances.dependencies for snapshot in shown},
            {snapshot.name: snapshot.status for snapshot in shown},
        )


def _changed(revision: int, snapshots: Iterable[Snapshot]) -> list[Changed]:
    return [Changed(revision, snapshot.name, snapshot.company_id) for snapshot in snapshots]
