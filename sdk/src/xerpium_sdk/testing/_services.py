"""The register of a hub in memory: who registered, what they report, and the catalogue that follows from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status
from xerpium_sdk.wire.versions import VersionError, parse_version

__all__ = ["Register", "faults_of"]

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?")
RESERVED = ("register", "health", "graph")
NEEDED = ("name", "version", "host", "port", "health_check_url", "api_base_url")


@dataclass
class Register:
    """Services by name, their instances by id. Each change has the next revision.

    Leases do not run out here: a test that wants somebody to be gone says so.
    """

    revision: int = 0
    changes: list[ServiceRecord] = field(default_factory=list)
    """Every change, in order, as the catalogue's stream tells it."""
    _instances: dict[str, dict[str, InstanceRecord]] = field(default_factory=dict)
    _revisions: dict[str, int] = field(default_factory=dict)
    _companies: dict[str, int | None] = field(default_factory=dict)

    def records(self) -> dict[str, ServiceRecord]:
        """Return all services, by name."""
        return {name: self._record(name) for name in sorted(self._instances)}

    def get(self, name: str) -> ServiceRecord | None:
        """Return a service; None when nobody of that name is registered."""
        return self._record(name) if name in self._instances else None

    def register(self, registration: Registration, reported: Status | None = None) -> ServiceRecord:
        """Take an instance in, or take in what it says now: a restart loses neither a drain nor what was reported."""
        name, instance_id = registration.name, registration.effective_instance_id
        now, known = _now(), self._instances.get(name, {}).get(instance_id)
        if reported is None and known is not None and known.reported_status is not Status.DRAINING:
            reported = known.reported_status
        said = {key: value for key, value in registration.to_json().items() if key not in ("name", "company_id")}
        said["poll_interval_seconds"] = registration.poll_interval_seconds or 30
        instance = InstanceRecord.from_json(said | {"instance_id": instance_id})
        instance = replace(
            instance,
            status=reported or Status.STARTING,
            reported_status=reported,
            draining=known is not None and known.draining,
            registered_at=known.registered_at if known else now,
            status_since=now,
            last_seen=now,
        )
        self._companies[name] = registration.company_id
        return self._put(name, instance)

    def report(self, name: str, status: Status, instance_id: str | None = None) -> list[InstanceRecord]:
        """Take down what an instance, or all of a service, says of itself; empty when there is none such."""
        now, known = _now(), self._instances.get(name, {})
        found = [one for one in known.values() if instance_id in (None, one.instance_id)]
        for one in found:
            is_news = status is not one.reported_status
            since = now if is_news else one.status_since
            heard = replace(one, status=status, reported_status=status, last_seen=now, status_since=since)
            if is_news:
                self._put(name, heard)
            else:
                known[one.instance_id] = heard
        return [known[one.instance_id] for one in found]

    def drain(self, name: str, instance_id: str, *, draining: bool) -> InstanceRecord | None:
        """Let an instance get no new work, or get some again; None when there is none such."""
        known = self._instances.get(name, {}).get(instance_id)
        if known is None:
            return None
        self._put(name, replace(known, draining=draining))
        return self._shown(self._instances[name][instance_id])

    def remove(self, name: str, instance_id: str | None = None) -> bool:
        """Take out an instance, or a service with all of them; return whether there was one."""
        known = self._instances.get(name, {})
        if not known or (instance_id is not None and instance_id not in known):
            return False
        gone = [instance_id] if instance_id is not None else list(known)
        for one in gone:
            del known[one]
        self.revision += 1
        self._revisions[name] = self.revision
        if not known:
            del self._instances[name]
        self.changes.append(self._record(name))
        return True

    def _put(self, name: str, instance: InstanceRecord) -> ServiceRecord:
        self.revision += 1
        self._revisions[name] = self.revision
        self._instances.setdefault(name, {})[instance.instance_id] = replace(instance, revision=self.revision)
        record = self._record(name)
        self.changes.append(record)
        return record

    def _record(self, name: str) -> ServiceRecord:
        shown = sorted(map(self._shown, self._instances.get(name, {}).values()), key=lambda one: one.status.severity)
        return ServiceRecord(
            name=name,
            status=_of_all([one.status for one in shown]),
            revision=self._revisions[name],
            company_id=self._companies.get(name),
            impaired=self._impaired(shown),
            instances=tuple(shown),
            preferred=shown[0] if shown else None,
        )

    def _impaired(self, shown: list[InstanceRecord]) -> tuple[str, ...]:
        wanted = {other for one in shown for other in one.dependencies}
        return tuple(sorted(other for other in wanted if not self._works(other)))

    def _works(self, name: str) -> bool:
        return any(self._shown(one).status.is_choosable for one in self._instances.get(name, {}).values())

    @staticmethod
    def _shown(instance: InstanceRecord) -> InstanceRecord:
        return (
            replace(instance, status=Status.worst(instance.status, Status.DRAINING)) if instance.draining else instance
        )


def _now() -> datetime:
    """Return the time as the wire has it, in milliseconds: what a test sees is what its clients read."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def faults_of(document: Any) -> list[FieldProblem]:
    """Return what is wrong with the body of a registration, as far as it is looked at here."""
    if not isinstance(document, Mapping):
        return [FieldProblem("", "invalid", "An object is needed.")]
    faults = [FieldProblem(f"/{name}", "required", "It is needed.") for name in NEEDED if not document.get(name)]
    known = Registration.__dataclass_fields__
    faults += [FieldProblem(f"/{name}", "unknown", "There is no such field.") for name in document if name not in known]
    name = document.get("name")
    if name and (not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED):
        faults.append(FieldProblem("/name", "name", "A name has 1 to 100 of a-z, 0-9, '.', '_' and '-'."))
    try:
        if document.get("version"):
            parse_version(document["version"])
    except (VersionError, TypeError):
        faults.append(FieldProblem("/version", "version", "A version is one of SemVer, such as 1.4.2."))
    if not faults:
        faults += _unreadable(document)
    return faults


def _unreadable(document: Mapping[str, Any]) -> list[FieldProblem]:
    try:
        Registration.from_json(document)
    except DecodeError as error:
        return [FieldProblem("", "invalid", str(error))]
    return []


def _of_all(statuses: list[Status]) -> Status:
    """Return what a service is, by its instances; who leaves on purpose counts for nothing (contract, "Registry")."""
    if not statuses:
        return Status.DEREGISTERED
    staying = set(statuses) - {Status.DRAINING}
    if staying == {Status.HEALTHY}:
        return Status.HEALTHY
    if staying & {Status.HEALTHY, Status.DEGRADED}:
        return Status.DEGRADED
    return Status.STARTING if Status.STARTING in staying else Status.UNHEALTHY
