"""A service as the catalogue shows it: an immutable snapshot of its instances, and the record (JSON) made of it.

A snapshot is never changed, a new one takes its place; so readers need no lock, and whatever is computed from one
(`cached_property`) stays true for as long as anybody holds it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from itertools import chain
from typing import Any, Literal, NamedTuple

import orjson

from apps.registry.lifecycle import preference, service_status
from xerpium_sdk.wire.registry import InstanceRecord, Registration, Status
from xerpium_sdk.wire.times import format_time
from xerpium_sdk.wire.versions import satisfies

__all__ = ["Companies", "InstanceRow", "Instances", "Rendered", "Snapshot", "canonical_host", "variant", "visible"]

Companies = Literal["*"] | frozenset[int]
"""Whose rows a caller may see beside the global ones: those of these companies, or of all."""

_INSTANCE_FIELDS = tuple(field.name for field in fields(InstanceRecord))
_REGISTERED = tuple(field.name for field in fields(Registration) if field.name not in ("name", "company_id"))
_VARIANTS = 512


def visible(company_id: int | None, companies: Companies) -> bool:
    """Whether a row of ``company_id`` (None: for all companies) may be shown to a caller of ``companies``."""
    return company_id is None or companies == "*" or company_id in companies


class InstanceRow(NamedTuple):
    """One instance in the catalogue; ``document`` is all that its row says, by field name."""

    pk: int
    service: str
    company_id: int | None
    revision: int
    status: Status
    document: Mapping[str, Any]

    @classmethod
    def read(cls, document: Mapping[str, Any], service: str, company_id: int | None) -> "InstanceRow":
        """Return the row of an instance document with "id" and "revision", of the service named."""
        return cls(document["id"], service, company_id, document["revision"], Status.read(document["status"]), document)


class Rendered(NamedTuple):
    """A record as it goes out, and what is needed to answer conditional and blocking queries without reading it."""

    body: bytes
    etag: str
    """Strong and quoted, ready for the header."""
    revision: int
    status: Status


@dataclass(frozen=True, eq=False)
class Instances:
    """The instances of one service, and what follows from them alone."""

    rows: tuple[InstanceRow, ...]

    @cached_property
    def status(self) -> Status:
        """The status of a service that has these instances."""
        return service_status(row.status for row in self.rows)

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """What the live ones declare."""
        return _union("dependencies", [row for row in self.rows if row.status.is_live])

    @cached_property
    def tags(self) -> frozenset[str]:
        """The tags of all of them."""
        return _union("tags", self.rows)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The capabilities of all of them."""
        return _union("capabilities", self.rows)

    @cached_property
    def by_id(self) -> dict[str, InstanceRow]:
        """The rows by instance id."""
        return {row.document["instance_id"]: row for row in self.rows}

    @cached_property
    def by_host(self) -> dict[str, list[InstanceRow]]:
        """The rows by `canonical_host`."""
        found: dict[str, list[InstanceRow]] = {}
        for row in self.rows:
            found.setdefault(canonical_host(row.document["host"]), []).append(row)
        return found

    def best_first(self, zone: str | None) -> list[InstanceRow]:
        """Return the rows in discovery's order: by status, those in ``zone`` first, then by weight, then by id."""

        def place(row: InstanceRow) -> tuple[int, bool, int, str]:
            document = row.document
            elsewhere = zone is not None and document.get("zone") != zone
            return preference(row.status), elsewhere, -document["weight"], document["instance_id"]

        return sorted(self.rows, key=place)


def _union(field: str, rows: Iterable[InstanceRow]) -> frozenset[str]:
    return frozenset(chain.from_iterable([row.document[field] for row in rows]))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One service at one moment. One that has left has no instances, and its record says deregistered."""

    name: str
    company_id: int | None
    revision: int
    """Of its own last change."""
    instances: Instances
    impaired: tuple[str, ...] = ()
    seen: Mapping[int, int] | None = None
    """When heartbeats were last seen, by instance pk, in Unix milliseconds; newer than the rows say."""

    @property
    def status(self) -> Status:
        """The status of the service."""
        return self.instances.status

    @cached_property
    def record(self) -> Rendered:
        """The answer to ``GET services/{name}``."""
        return _render(self, zone=None)

    def mentions(self, text: str) -> bool:
        """Whether ``text``, given in casefolded form, is part of the name, a tag or a capability."""
        words = (self.name, *self.instances.tags, *self.instances.capabilities)
        return any(text in word.casefold() for word in words)

    def touched(self, seen: Mapping[int, int]) -> "Snapshot":
        """Return the snapshot with newer heartbeats, itself when none of them is newer."""
        known = self.seen or {}
        newer = {pk: moment for pk, moment in seen.items() if moment > known.get(pk, 0)}
        return replace(self, seen={**known, **newer}) if newer else self

    def narrowed(self, version: str) -> "Snapshot | None":
        """Return the service as if it had only the instances whose version is in the range, None when there is none.

        Raises:
            VersionRangeError: when ``version`` is no range.
        """
        rows = tuple(row for row in self.instances.rows if satisfies(row.document["version"], version))
        instances = Instances(rows)
        impaired = tuple(name for name in self.impaired if name in instances.dependencies)
        return replace(self, instances=instances, impaired=impaired) if rows else None


@lru_cache(maxsize=_VARIANTS)
def variant(snapshot: Snapshot, version: str | None, zone: str | None) -> Rendered | None:
    """Return the record for those who ask for a version range, prefer a zone, or both; None when no version satisfies.

    Raises:
        VersionRangeError: when ``version`` is no range.
    """
    wanted = snapshot if version is None else snapshot.narrowed(version)
    return None if wanted is None else _render(wanted, zone)


def _render(snapshot: Snapshot, zone: str | None) -> Rendered:
    instances = [_instance_document(row, snapshot.seen or {}) for row in snapshot.instances.best_first(zone)]
    on_top = {name: value for name in _REGISTERED for value in (instances[0].get(name),)} if instances else {}
    document = on_top | {
        "name": snapshot.name,
        "company_id": snapshot.company_id,
        "status": snapshot.status,
        "impaired": snapshot.impaired,
        "revision": snapshot.revision,
        "instances": instances,
    }
    # What orjson returns holds on to a far larger buffer until it is copied: 4.1 KB for a document of 377 bytes.
    body = bytes(bytearray(orjson.dumps(document)))
    etag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
    return Rendered(body, etag, snapshot.revision, snapshot.status)


def _instance_document(row: InstanceRow, seen: Mapping[int, int]) -> dict[str, Any]:
    document = {name: row.document.get(name) for name in _INSTANCE_FIELDS}
    moment = seen.get(row.pk)
    if moment is not None:
        heartbeat = format_time(datetime.fromtimestamp(moment / 1000, UTC))
        # Both have the same form, so the later time is the greater text.
        document["last_seen"] = max(document["last_seen"] or "", heartbeat)
    return document


@lru_cache(maxsize=4096)
def canonical_host(host: str) -> str:
    """Return a host in a form in which all spellings of one address are equal; ``loopback`` for this machine's own.

    Names are not looked up: only ``localhost`` stands for an address.
    """
    if host.lower() == "localhost":
        return "loopback"
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host.lower()
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "loopback" if address.is_loopback else str(address)
