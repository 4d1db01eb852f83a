"""The catalogue against a naive model: whatever the order, repetition or loss of changes, the same state in the end."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.registry.catalog import Catalog, CatalogGapError, Update
from apps.registry.lifecycle import service_status
from tests.registry.catalog_rows import Document, change, row
from xerpium_sdk.wire.registry import Status

OWNERS: dict[str, int | None] = {"a": None, "b": None, "c": 7, "d": 9}
WORDS = ["healthy", "unhealthy", "stale", "deregistered"]


class Hub:
    """What PostgreSQL and the stream hold: the latest row of every instance, and all changes ever made."""

    def __init__(self) -> None:
        self.revision = 0
        self.rows: dict[int, Document] = {}
        self.service_revisions: dict[str, int] = {}
        self.changes: list[Document] = []

    def write(self, service: str, slot: int, **fields: Any) -> Document:
        """Change one instance of a service, in a revision of its own."""
        self.revision += 1
        pk = 10 * (ord(service) - ord("a")) + slot
        self.rows[pk] = row(pk, service, self.revision, company_id=OWNERS[service], **fields)
        self.service_revisions[service] = self.revision
        self.changes.append(change(self.rows[pk]))
        return self.changes[-1]

    def present(self) -> list[Document]:
        """Return the rows of the projection: what has not left."""
        return [item for item in self.rows.values() if item["status"] != "deregistered"]

    def status_of(self, service: str) -> Status | None:
        found = [Status(item["status"]) for item in self.present() if item["service"] == service]
        return service_status(found) if found else None

    def records(self) -> dict[str, Document]:
        """Return what there is to know of each service, worked out from nothing each time."""
        return {name: self._record(name) for name in OWNERS if self.status_of(name) is not None}

    def _record(self, name: str) -> Document:
        rows = [item for item in self.present() if item["service"] == name]
        needed = {other for item in rows if item["status"] != "stale" for other in item["dependencies"]}
        own = {None, OWNERS[name]}
        fit = {
            other for other in OWNERS if OWNERS[other] in own and self.status_of(other) not in (None, Status.UNHEALTHY)
        }
        return {
            "status": self.status_of(name),
            "impaired": sorted(needed - fit),
            "revision": self.service_revisions[name],
            "instances": {item["instance_id"]: (item["status"], item["revision"]) for item in rows},
        }


def digest(body: bytes) -> Document:
    """Return the parts of a record that the model knows."""
    document = json.loads(body)
    instances = {item["instance_id"]: (item["status"], item["revision"]) for item in document["instances"]}
    return {key: document[key] for key in ("status", "impaired", "revision")} | {"instances": instances}


class Reader:
    """A client of the stream that loses its connection now and then: it knows what it was sent, and the last id."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.last_id = -1
        self.records: dict[str, Document] = {}
        self.inbox: list[Update] = []
        self.stop = catalog.subscribe(self.inbox.append)
        self.connect()

    def connect(self) -> None:
        """Begin as a stream does: subscribe, then send what changed since the last id, or everything."""
        self.stop()
        self.inbox.clear()
        self.stop = self.catalog.subscribe(self.inbox.append)
        missed = self.catalog.changes_since(self.last_id)
        if missed is None:
            revision, body = self.catalog.snapshot()
            document = json.loads(body)
            self.records = {item["name"]: digest(json.dumps(item).encode()) for item in document["services"]}
            self.last_id = revision
        else:
            self.receive(missed)

    def receive(self, updates: list[Update]) -> None:
        for update in updates:
            self.last_id = update.revision
            self.records[update.name] = digest(update.body)
            if self.records[update.name]["status"] == "deregistered":
                del self.records[update.name]

    def read(self, number: int) -> None:
        """Receive up to ``number`` of the updates that have come."""
        self.receive(self.inbox[:number])
        del self.inbox[:number]


class CatalogMachine(RuleBasedStateMachine):
    """One hub, one catalogue fed in every order there is, one reader of its stream."""

    @initialize(before=st.integers(0, 3))
    def begin(self, before: int) -> None:
        self.hub = Hub()
        for number in range(before):
            self.hub.write("ab"[number % 2], number, dependencies=["b", "c"])
        self.catalog = Catalog(max_waiting=5, max_history=3)
        self.catalog.load(self.hub.revision, self.hub.present(), service_revisions=self.hub.service_revisions)
        self.reader = Reader(self.catalog)
        self.undelivered: list[Document] = []
        self.in_transit: list[tuple[int, list[Document], dict[str, int]]] = []

    @rule(
        service=st.sampled_from(sorted(OWNERS)),
        slot=st.integers(0, 1),
        status=st.sampled_from(WORDS),
        dependencies=st.lists(st.sampled_from([*OWNERS, "lost"]), max_size=2),
        own=st.booleans(),
    )
    def write(self, service: str, slot: int, status: str, dependencies: list[str], own: bool) -> None:
        """Somebody changes an instance; if it was this process, it folds the change at once and must see it."""
        written = self.hub.write(service, slot, status=status, dependencies=dependencies)
        self.undelivered.append(written)
        if own:
            self.deliver_one(written)
            shown = self.catalog.record(service)
            found = digest(shown.body)["instances"] if shown else {}
            expected = (status, self.hub.revision) if status != "deregistered" else None
            assert found.get(written["instances"][0]["instance_id"]) == expected

    @rule(index=st.integers(0, 20))
    def deliver(self, index: int) -> None:
        if self.undelivered:
            self.deliver_one(self.undelivered.pop(index % len(self.undelivered)))

    @rule(index=st.integers(0, 40))
    def deliver_again(self, index: int) -> None:
        if self.hub.changes:
            self.deliver_one(self.hub.changes[index % len(self.hub.changes)])

    @rule(index=st.integers(0, 20))
    def lose(self, index: int) -> None:
        if self.undelivered:
            self.undelivered.pop(index % len(self.undelivered))

    @rule()
    def start_loading(self) -> None:
        """Read the projection; it arrives later, when it may be out of date."""
        rows, revisions = self.hub.present(), dict(self.hub.service_revisions)
        self.in_transit.append((self.hub.revision, rows, revisions))

    @rule(index=st.integers(0, 3))
    def finish_loading(self, index: int) -> None:
        if self.in_transit:
            revision, rows, revisions = self.in_transit.pop(index % len(self.in_transit))
            self.catalog.load(revision, rows, service_revisions=revisions)

    @rule()
    def catch_up(self) -> None:
        known = self.catalog.revision
        self.catalog.catch_up(self.hub.revision, [item for item in self.hub.rows.values() if item["revision"] > known])

    @rule(number=st.integers(1, 4))
    def read(self, number: int) -> None:
        self.reader.read(number)

    @rule()
    def reconnect(self) -> None:
        self.reader.connect()

    def deliver_one(self, item: Document) -> None:
        try:
            self.catalog.apply(item)
        except CatalogGapError:
            self.catalog.load(self.hub.revision, self.hub.present(), service_revisions=self.hub.service_revisions)

    @invariant()
    def what_has_no_gap_is_right(self) -> None:
        if self.catalog.revision == self.hub.revision:
            assert dict(self.held()) == self.hub.records()

    def held(self) -> Iterator[tuple[str, Document]]:
        for name in self.catalog.services():
            rendered = self.catalog.record(name)
            assert rendered is not None
            yield name, digest(rendered.body)

    def teardown(self) -> None:
        """After a reload all hold the same: the catalogue, its reader, and a catalogue that begins now."""
        self.catalog.load(self.hub.revision, self.hub.present(), service_revisions=self.hub.service_revisions)
        self.reader.read(len(self.reader.inbox))
        assert dict(self.held()) == self.hub.records()
        assert self.reader.records == self.hub.records()
        fresh = Catalog()
        fresh.load(self.hub.revision, self.hub.present(), service_revisions=self.hub.service_revisions)
        assert fresh.snapshot() == self.catalog.snapshot()
        graphs = [catalog.graph(companies) for catalog in (fresh, self.catalog) for companies in (frozenset({7}), "*")]
        assert graphs[:2] == graphs[2:]


CatalogMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestCatalogMachine = CatalogMachine.TestCase
