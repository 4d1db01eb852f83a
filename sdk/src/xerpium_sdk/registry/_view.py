"""The local catalogue: what the hub's stream said last, folded into one view. Pure; randomness is passed in."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from xerpium_sdk._backoff import Random
from xerpium_sdk.errors import NoInstance
from xerpium_sdk.registry._choice import Candidates, Endpoint, Load, eligible
from xerpium_sdk.registry._sse import ServerEvent
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord, Status

__all__ = ["OutOfStep", "View"]

_MAX_QUESTIONS = 256


class OutOfStep(Exception):
    """Raised when the stream cannot be followed from here; a new snapshot can."""


class _Known:
    """One service with the candidates of every question that was asked about it since it last changed."""

    __slots__ = ("loads", "questions", "record")

    def __init__(self, record: ServiceRecord, loads: Mapping[str, Load]) -> None:
        self.record = record
        self.loads = {item.instance_id: loads.get(item.instance_id) or Load() for item in record.instances}
        self.questions: dict[tuple[str | None, str | None], Candidates] = {}

    def prepare(self, version: str | None, zone: str | None) -> Candidates:
        instances = eligible(self.record.instances, version, zone)
        prepared = Candidates(instances, [self.loads[item.instance_id] for item in instances])
        if len(self.questions) >= _MAX_QUESTIONS:  # versions made up at run time must not fill the memory
            self.questions.clear()
        self.questions[version, zone] = prepared
        return prepared

    def but(self, without: Collection[str]) -> list[InstanceRecord]:
        return [item for item in self.record.instances if item.instance_id not in without]

    def other(self, version: str | None, zone: str | None, random: Random, without: Collection[str]) -> Endpoint | None:
        """Return an instance that is none of ``without``, or None. Asked when something failed: not prepared."""
        instances = eligible(self.but(without), version, zone)
        return Candidates(instances, [self.loads[item.instance_id] for item in instances]).choose(random)


class View:
    """All services as of one revision.

    Whatever is applied is read in full before anything changes, and then takes the place of the old in one assignment:
    a reader in another thread sees the old or the new, and a message cut short changes nothing.
    """

    def __init__(self) -> None:
        self.revision: int | None = None
        self._services: dict[str, _Known] = {}
        self._before: dict[str, _Known] = {}

    @property
    def services(self) -> list[ServiceRecord]:
        """All services, by name."""
        return sorted((known.record for known in self._services.values()), key=lambda record: record.name)

    def get(self, name: str) -> ServiceRecord | None:
        """Return what is known of a service."""
        known = self._services.get(name)
        return known.record if known else None

    def can_choose(self, name: str, version: str | None, without: Collection[str] = ()) -> bool:
        """Return whether there is an instance to choose, none of ``without``."""
        known = self._services.get(name) or self._before.get(name)
        return known is not None and bool(eligible(known.but(without), version, None))

    @property
    def is_set_back(self) -> bool:
        """Whether services are chosen that the hub has forgotten."""
        return bool(self._before)

    def forget(self) -> None:
        """Choose only what the hub knows: whoever lives has had the time to come back to it."""
        self._before = {}

    def choose(
        self,
        name: str,
        version: str | None,
        zone: str | None,
        random: Random,
        without: Collection[str] = (),
    ) -> Endpoint:
        """Return an instance for the next piece of work, none of ``without`` as long as there is another.

        Raises:
            NoInstance: when there is none, with the reason.
            VersionRangeError: when ``version`` is no range.
        """
        known = self._services.get(name) or self._before.get(name)
        if known is not None:
            if without and (endpoint := known.other(version, zone, random, without)) is not None:
                return endpoint
            candidates = known.questions.get((version, zone)) or known.prepare(version, zone)
            if (endpoint := candidates.choose(random)) is not None:
                return endpoint
        raise NoInstance(name, self._why_none(name, version))

    def apply(self, event: ServerEvent) -> list[ServiceRecord]:
        """Fold one event of the stream in and return the records that changed; a service that left is among them.

        Raises:
            OutOfStep: when the event cannot be read, or is a change of something never seen whole.
        """
        try:
            if event.name == "snapshot":
                return self._replace(json.loads(event.data))
            if event.name == "change":
                return self._change(ServiceRecord.from_json(json.loads(event.data)), int(event.last_id))
        except (AttributeError, DecodeError, KeyError, TypeError, ValueError) as error:
            raise OutOfStep(f"a {event.name} cannot be read: {error}") from error
        return []  # an event of a newer hub

    def _replace(self, snapshot: Mapping[str, Any]) -> list[ServiceRecord]:
        """Take a snapshot as it is, also an empty one and one of an older revision: the hub may have been set back.

        One that was set back has forgotten services that live. They come back to it; until then, or until `forget`,
        `choose` still has them.
        """
        revision = int(snapshot["revision"])
        records = {record.name: record for record in map(ServiceRecord.from_json, snapshot["services"])}
        old = self._services
        kept = {name: known for name, known in old.items() if records.get(name) == known.record}
        fresh = {
            name: _Known(record, old[name].loads if name in old else {})
            for name, record in records.items()
            if name not in kept
        }
        gone = [_departed(known.record, revision) for name, known in old.items() if name not in records]
        is_set_back = self.revision is not None and revision < self.revision
        before = self._before | old if is_set_back else self._before
        self._before = {name: known for name, known in before.items() if name not in records}
        self._services = kept | fresh
        self.revision = revision
        return [known.record for known in fresh.values()] + gone

    def _change(self, record: ServiceRecord, revision: int) -> list[ServiceRecord]:
        """Take the record of one service. What one revision changes may come as several events."""
        if self.revision is None:
            raise OutOfStep("a change came before the first snapshot")
        known = self._services.get(record.name)
        is_news = known is None or (record.revision >= known.record.revision and record != known.record)
        if is_news:
            services = dict(self._services)
            if record.status is Status.DEREGISTERED:
                services.pop(record.name, None)
            else:
                services[record.name] = _Known(record, known.loads if known else {})
            self._services = services
            if record.name in self._before:
                self._before = {name: old for name, old in self._before.items() if name != record.name}
        self.revision = revision
        return [record] if is_news else []

    def _why_none(self, name: str, version: str | None) -> str:
        if self.revision is None:
            return f"No instance of {name}: the catalogue has not been loaded yet."
        known = self._services.get(name)
        if known is None:
            return f"No instance of {name}: the hub does not know a service of that name."
        instances = known.record.instances
        if eligible(instances, None, None):
            return f"No instance of {name} {version}: there is {_listed(item.version for item in instances)}."
        return f"No instance of {name} can take work: {_listed(item.status for item in instances)}."


def _departed(record: ServiceRecord, revision: int) -> ServiceRecord:
    return ServiceRecord(name=record.name, status=Status.DEREGISTERED, revision=revision, company_id=record.company_id)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted({str(word) for word in words})) or "all have left"
