"""Services and instances as the hub's API and its catalogue stream show them (contract, "Registry")."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.times import format_time, parse_time

__all__ = ["InstanceRecord", "Registration", "ServiceRecord", "Status"]


class Status(StrEnum):
    """What an instance or a service is, worst first.

    Compare with `severity` or `worst`: ``<`` between members compares words, not severity.
    """

    DEREGISTERED = "deregistered"
    STALE = "stale"
    DRAINING = "draining"
    UNHEALTHY = "unhealthy"
    DEGRADED = "degraded"
    STARTING = "starting"
    HEALTHY = "healthy"

    @property
    def severity(self) -> int:
        """0 for healthy, more for worse."""
        return _SEVERITY[self]

    @property
    def is_live(self) -> bool:
        """Whether it takes part in discovery at all: its lease runs and it has not left."""
        return self not in (Status.DEREGISTERED, Status.STALE)

    @property
    def is_choosable(self) -> bool:
        """Whether new work may be sent there: healthy, degraded or starting."""
        return self.severity <= Status.DEGRADED.severity

    @classmethod
    def worst(cls, *statuses: "Status") -> "Status":
        """Return the worst of the given ones; healthy when there is none."""
        return max(statuses, key=_SEVERITY.__getitem__, default=cls.HEALTHY)

    @classmethod
    def reportable(cls) -> frozenset["Status"]:
        """The words that a service may say of itself."""
        return _REPORTABLE

    @classmethod
    def read(cls, word: str) -> "Status":
        """Read a word of the hub; one that this version does not know is no reason to send work there: unhealthy."""
        return _WORDS.get(word, cls.UNHEALTHY)


_SEVERITY = {status: severity for severity, status in enumerate(reversed(Status))}
_WORDS = {status.value: status for status in Status}
_REPORTABLE = frozenset({Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.STARTING, Status.DRAINING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a service says of one of its instances.

    Nothing is checked here, the hub does that. Left out, ``health_check_url`` is ``http://host:port/health``,
    ``api_base_url`` is ``http://host:port``, and the hub takes ``host:port`` for the instance id.
    """

    name: str
    version: str
    host: str
    port: int
    health_check_url: str = ""
    api_base_url: str = ""
    api_docs_url: str | None = None
    tags: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    dependencies: Sequence[str] = ()
    instance_id: str | None = None
    weight: int = 100
    zone: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    lease_seconds: int = 90
    deregister_after_seconds: int = 600
    poll_interval_seconds: int | None = None
    company_id: int | None = None

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        object.__setattr__(self, "health_check_url", self.health_check_url or f"http://{host}:{self.port}/health")
        object.__setattr__(self, "api_base_url", self.api_base_url or f"http://{host}:{self.port}")
        for name in _LISTS:
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def effective_instance_id(self) -> str:
        """The instance id given, or the one that the hub makes of host and port."""
        return self.instance_id or f"{self.host}:{self.port}"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a registration.

        Raises:
            DecodeError: when a field without a default is missing, or a list is none.
        """
        try:
            return cls(**_known(document, _REGISTRATION_FIELDS))
        except TypeError as error:
            raise DecodeError(f"Not a registration: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the body of ``POST services/register``; what is None is left out."""
        document = {name: getattr(self, name) for name in _REGISTRATION_FIELDS}
        document |= {name: list(document[name]) for name in _LISTS} | {"metadata": dict(self.metadata)}
        return {name: value for name, value in document.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One instance as the hub sees it. ``status`` is the verdict, the other two are what it was made of."""

    instance_id: str
    version: str
    host: str
    port: int
    health_check_url: str
    api_base_url: str
    api_docs_url: str | None = None
    tags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    weight: int = 100
    zone: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    lease_seconds: int = 90
    deregister_after_seconds: int = 600
    poll_interval_seconds: int = 30
    status: Status = Status.STARTING
    status_since: datetime | None = None
    reported_status: Status | None = None
    polled_status: Status | None = None
    draining: bool = False
    registered_at: datetime | None = None
    last_seen: datetime | None = None
    revision: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an instance.

        Raises:
            DecodeError: when a field without a default is missing, or a value is not what it should be.
        """
        try:
            values = _known(document, _INSTANCE_FIELDS)
            for name, (read, _) in _CODECS.items():
                if name in values:
                    values[name] = read(values[name])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise DecodeError(f"Not an instance: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the document with every field, null where there is no value."""
        document = {name: getattr(self, name) for name in _INSTANCE_FIELDS}
        for name, (_, write) in _CODECS.items():
            if document[name] is not None:
                document[name] = write(document[name])
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """One service with its instances, best first; ``preferred`` is the one whose fields the document repeats on top.

    A service that left has the status deregistered and no instances.
    """

    name: str
    status: Status
    revision: int
    company_id: int | None = None
    impaired: tuple[str, ...] = ()
    instances: tuple[InstanceRecord, ...] = ()
    preferred: InstanceRecord | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a service.

        Raises:
            DecodeError: when a field without a default is missing, or an instance cannot be read.
        """
        try:
            instances = tuple(InstanceRecord.from_json(item) for item in document["instances"])
            return cls(
                name=document["name"],
                status=Status.read(document["status"]),
                revision=int(document["revision"]),
                company_id=document.get("company_id"),
                impaired=tuple(document.get("impaired") or ()),
                instances=instances,
                preferred=_preferred(instances, document.get("instance_id")),
            )
        except KeyError as error:
            raise DecodeError(f"Not a service: {error} is missing.", document) from error
        except (AttributeError, TypeError) as error:
            raise DecodeError(f"Not a service: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the document: the registered fields of the preferred instance, then what is true of the service."""
        on_top = self.preferred.to_json() if self.preferred else {}
        return {name: on_top[name] for name in _REGISTERED if name in on_top} | {
            "name": self.name,
            "company_id": self.company_id,
            "status": self.status.value,
            "impaired": list(self.impaired),
            "revision": self.revision,
            "instances": [instance.to_json() for instance in self.instances],
        }


def _known(document: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None and name in names}


def _preferred(instances: Iterable[InstanceRecord], instance_id: str | None) -> InstanceRecord | None:
    return next((item for item in instances if item.instance_id == instance_id), None)


_LISTS = ("tags", "capabilities", "dependencies")
_STATUSES = ("status", "reported_status", "polled_status")
_TIMES = ("status_since", "registered_at", "last_seen")
# Dicts for their quick `in`: a catalogue of ten thousand instances is read in one go.
_REGISTRATION_FIELDS = dict.fromkeys(item.name for item in fields(Registration))
_INSTANCE_FIELDS = dict.fromkeys(item.name for item in fields(InstanceRecord))
_REGISTERED = tuple(name for name in _REGISTRATION_FIELDS if name not in ("name", "company_id"))
# How the fields that JSON cannot hold as they are, are read and written.
_CODECS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    **dict.fromkeys(_LISTS, (tuple, list)),
    **dict.fromkeys(_STATUSES, (Status.read, str)),
    **dict.fromkeys(_TIMES, (parse_time, format_time)),
    "metadata": (dict, dict),
}
