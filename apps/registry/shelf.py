"""The rows that a catalogue holds, folded into one `Snapshot` per service.

Rows come from three sides (the projection, the stream, the process's own writes), late, twice or out of order. Each
carries the revision of its own last change and is taken only if it is newer than what is known of that instance.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from apps.registry.graph import impaired
from apps.registry.records import InstanceRow, Instances, Snapshot, visible
from xerpium_sdk.wire.registry import Status

__all__ = ["Shelf"]

_REMEMBERED_DEPARTURES = 10_000
_NOBODY = Instances(())
_Key = TypeVar("_Key", int, str)


class Shelf:
    """What is known of every service. For one writer at a time; anybody may read `snapshots` meanwhile."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        """By service name; values are replaced, never changed."""
        self.generation = 0
        """Counts the changes of records."""
        self._rows: dict[int, InstanceRow] = {}
        self._gone: dict[int, int] = {}
        self._left: dict[str, int] = {}
        self._dependents: dict[str, set[str]] = {}

    def take(
        self,
        name: str,
        company_id: int | None,
        revision: int,
        rows: Iterable[InstanceRow],
        leaving: Collection[int] = (),
    ) -> list[Snapshot]:
        """Take what is news of one service.

        Args:
            name: the service's name.
            company_id: whose it is, as of ``revision``.
            revision: of the service's change.
            rows: rows of its instances; deregistered ones leave.
            leaving: primary keys of further instances that are gone.

        Returns:
            The snapshots whose record changed by it, the service's own last.
        """
        old = self.snapshots.get(name) or Snapshot(name, company_id, self._left.get(name, 0), _NOBODY)
        news = [row for row in rows if self._note(row)]
        if not news and not leaving and revision <= old.revision:
            return []
        instances = _updated(old.instances, news, leaving) if news or leaving else old.instances
        owner = company_id if revision >= old.revision else old.company_id
        return self._put(old, Snapshot(name, owner, max(revision, old.revision), instances, seen=old.seen))

    def take_all(
        self,
        revision: int,
        documents: Iterable[Mapping[str, Any]],
        service_revisions: Mapping[str, int],
        *,
        complete: bool,
    ) -> list[Snapshot]:
        """Take what is news in rows of many services, true as of ``revision``.

        Args:
            revision: the catalogue's revision when they were read.
            documents: instance documents with "service" and "company_id".
            service_revisions: the services' own revisions, as far as they are known.
            complete: whether these are all there are, so that instances that are not among them have left.

        Returns:
            The snapshots whose record changed by it, each service's last one.
        """
        by_service: dict[str, list[InstanceRow]] = {}
        for document in documents:
            row = InstanceRow.read(document, document["service"], document["company_id"])
            by_service.setdefault(row.service, []).append(row)
        leaving = self._absent(by_service, revision) if complete else {}
        changed: dict[str, Snapshot] = {}
        for name in sorted(by_service.keys() | leaving.keys()):
            rows, gone = by_service.get(name, []), leaving.get(name, ())
            newest = max(rows, key=lambda row: row.revision, default=None)
            company_id = newest.company_id if newest else self.snapshots[name].company_id
            own = max(newest.revision if newest else 0, service_revisions.get(name, revision if gone else 0))
            changed |= {snapshot.name: snapshot for snapshot in self.take(name, company_id, own, rows, gone)}
        return list(changed.values())

    def touch(self, seen: Mapping[int, int]) -> None:
        """Note heartbeats: instance pk -> Unix milliseconds; those of unknown instances are passed over."""
        by_service: dict[str, dict[int, int]] = {}
        for pk, moment in seen.items():
            row = self._rows.get(pk)
            if row is not None:
                by_service.setdefault(row.service, {})[pk] = moment
        for name, moments in by_service.items():
            self.snapshots[name] = self.snapshots[name].touched(moments)

    def age(self) -> None:
        """Let all that is held count as older than anything to come."""
        for name, snapshot in self.snapshots.items():
            rows = tuple(row._replace(revision=0) for row in snapshot.instances.rows)
            self._rows |= {row.pk: row for row in rows}
            self.snapshots[name] = replace(snapshot, revision=0, instances=Instances(rows))
        self._gone.clear()
        self._left.clear()

    def _note(self, row: InstanceRow) -> bool:
        """Remember the row and say whether it is news."""
        held = self._rows.get(row.pk)
        if row.revision <= (held.revision if held else self._gone.get(row.pk, -1)):
            return False
        if row.status is Status.DEREGISTERED:
            self._depart(row.pk, row.revision)
        else:
            self._gone.pop(row.pk, None)
            self._rows[row.pk] = row
        return True

    def _depart(self, pk: int, revision: int) -> None:
        # Remembered, because older rows of it may still be on their way and must not bring it back.
        self._rows.pop(pk, None)
        _remember(self._gone, pk, revision)

    def _absent(self, by_service: Mapping[str, list[InstanceRow]], revision: int) -> dict[str, set[int]]:
        """Take note that held instances that are not among the rows have left, unless newer than ``revision``."""
        listed = {row.pk for rows in by_service.values() for row in rows}
        left = [row for row in self._rows.values() if row.pk not in listed and row.revision <= revision]
        found: dict[str, set[int]] = {}
        for row in left:
            found.setdefault(row.service, set()).add(row.pk)
            self._depart(row.pk, revision)
        return found

    def _put(self, old: Snapshot, new: Snapshot) -> list[Snapshot]:
        self._link(new.name, old.instances.dependencies, new.instances.dependencies)
        new = replace(new, impaired=self._impaired(new))
        if new.instances.rows:
            self.snapshots[new.name] = new
            self._left.pop(new.name, None)
        else:
            self.snapshots.pop(new.name, None)
            _remember(self._left, new.name, new.revision)
        self.generation += 1
        same = (old.status, old.company_id) == (new.status, new.company_id)
        return [*([] if same else self._refresh_dependents(new.name)), new]

    def _link(self, name: str, before: frozenset[str], now: frozenset[str]) -> None:
        for dependency in before - now:
            self._dependents[dependency].discard(name)
            if not self._dependents[dependency]:
                del self._dependents[dependency]
        for dependency in now - before:
            self._dependents.setdefault(dependency, set()).add(name)

    def _refresh_dependents(self, name: str) -> list[Snapshot]:
        changed = []
        for other in sorted(self._dependents.get(name, set()) - {name}):
            snapshot = self.snapshots[other]
            now = self._impaired(snapshot)
            if now != snapshot.impaired:
                self.snapshots[other] = replace(snapshot, impaired=now)
                changed.append(self.snapshots[other])
        return changed

    def _impaired(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return what the service lacks, seen with its own company's eyes.

        So the record is the same for all who may see it, and tells none of them of another company's service: to a
        service, one that it may not see is missing.
        """

        def status_of(name: str) -> Status | None:
            found = snapshot if name == snapshot.name else self.snapshots.get(name)
            own = frozenset() if snapshot.company_id is None else frozenset({snapshot.company_id})
            return found.status if found and visible(found.company_id, own) else None

        return impaired(snapshot.instances.dependencies, status_of)


def _remember(departures: dict[_Key, int], key: _Key, revision: int) -> None:
    departures[key] = revision
    if len(departures) > _REMEMBERED_DEPARTURES:
        del departures[next(iter(departures))]


def _updated(instances: Instances, news: Iterable[InstanceRow], leaving: Collection[int]) -> Instances:
    rows = {row.pk: row for row in instances.rows if row.pk not in leaving}
    for row in news:
        if row.status is Status.DEREGISTERED:
            rows.pop(row.pk, None)
        else:
            rows[row.pk] = row
    return Instances(tuple(rows.values()))
