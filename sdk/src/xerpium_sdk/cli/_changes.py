"""What became different between two states of a service, in words. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from xerpium_sdk.cli._ink import Inked, Piece, of_status
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord, Status

__all__ = ["Change", "changes"]

_UNSAID = ("status", "status_since", "reported_status", "polled_status", "last_seen", "revision", "draining")
"""What is told as the status, or is no news by itself."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened: to a service, or to one of its instances."""

    what: str
    service: str
    revision: int
    instance: str | None = None
    before: str | None = None
    after: str | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it for programs, without what there is nothing to say about."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    def pieces(self) -> list[Piece]:
        """Return it for people."""
        name = f"{self.service}/{self.instance}" if self.instance else self.service
        detail = f"  {self.detail}" if self.detail else ""
        if self.what == "status" and self.before and self.after:
            return [f"{name}  ", of_status(Status.read(self.before)), " → ", of_status(Status.read(self.after)), detail]
        now: list[Piece] = [" as ", of_status(Status.read(self.after))] if self.after else []
        return [f"{name}  ", Inked(self.what, "bold"), *now, detail]


def changes(before: ServiceRecord | None, after: ServiceRecord) -> Iterator[Change]:
    """Yield what happened to a service since ``before``; None: it was not there."""
    name, revision = after.name, after.revision
    if after.status is Status.DEREGISTERED:
        yield Change("left", name, revision)
        return
    if before is None:
        yield Change("joined", name, revision, after=str(after.status), detail=_instances(after))
        return
    old = {one.instance_id: one for one in before.instances}
    for one in after.instances:
        known = old.pop(one.instance_id, None)
        if known is None:
            detail = f"version {one.version} at {one.api_base_url}"
            yield Change("instance joined", name, revision, one.instance_id, after=str(one.status), detail=detail)
        else:
            yield from _of_instance(name, revision, known, one)
    for gone in old:
        yield Change("instance left", name, revision, gone)
    if before.status is not after.status:
        yield Change("status", name, revision, before=str(before.status), after=str(after.status))
    if set(before.impaired) != set(after.impaired):
        lacking = ", ".join(after.impaired)
        detail = f"what it needs is missing or unhealthy: {lacking}" if lacking else "all that it needs is there"
        yield Change("impaired" if lacking else "unimpaired", name, revision, detail=detail)


def _of_instance(service: str, revision: int, before: InstanceRecord, after: InstanceRecord) -> Iterator[Change]:
    if before.status is not after.status:
        yield Change(
            "status", service, revision, after.instance_id, str(before.status), str(after.status), _verdicts(after)
        )
    old, new = before.to_json(), after.to_json()
    fields = [field for field in new if field not in _UNSAID and old[field] != new[field]]
    if fields:
        detail = ", ".join(
            f"{field} {old[field]} → {new[field]}" if isinstance(new[field], str | int) else field for field in fields
        )
        yield Change("changed", service, revision, after.instance_id, detail=detail)


def _verdicts(one: InstanceRecord) -> str:
    """Return what a status was made of, where that is two things."""
    told = {"says": one.reported_status, "polled": one.polled_status}
    return ", ".join(f"{name} {status}" for name, status in told.items() if status is not None)


def _instances(record: ServiceRecord) -> str:
    count = len(record.instances)
    versions = ", ".join(dict.fromkeys(one.version for one in record.instances))
    return f"{count} instance{'' if count == 1 else 's'}" + (f", version {versions}" if versions else "")
