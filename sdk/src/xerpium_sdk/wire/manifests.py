"""Everything that a service declares in one document, and what the hub answers (contract, "Manifest")."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

from xerpium_sdk.wire.data import dump_data
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.menus import MenuItem
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.times import format_time, parse_time
from xerpium_sdk.wire.ui import UIComponent, UIWidget
from xerpium_sdk.wire.versions import VersionError, parse_version

__all__ = [
    "InvalidManifest",
    "Manifest",
    "ManifestEntry",
    "ManifestResult",
    "ManifestRevision",
    "generation_of",
]

SCHEMA_VERSION = 1
_MOST = 999
Item = MenuItem | UIComponent | UIWidget


class InvalidManifest(ValueError):
    """Raised when a manifest contradicts itself; ``errors`` has every fault with its pointer, as the hub would."""

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.message}" for error in errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a service shows, as one object. What it does not name, the service does not have.

    Args:
        menus, components, widgets: what there is.
        version: which release says so; None: the version under which the service registers.
        generation: greater than before when the content is another; None: made of the version (`generation_of`).

    Raises:
        InvalidManifest: keys, names, paths or routes occur twice, or an item leads nowhere.
    """

    menus: Sequence[MenuItem] = ()
    components: Sequence[UIComponent] = ()
    widgets: Sequence[UIWidget] = ()
    version: str | None = None
    generation: int | None = None

    def __post_init__(self) -> None:
        for name in _PARTS:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if faults := list(_faults(self)):
            raise InvalidManifest(faults)

    def of(self, service_name: str, version: str | None) -> "Manifest":
        """Return the manifest as ``service_name`` sends it: with a version, a generation, and nobody else's items.

        Args:
            version: what it is if the manifest does not say.

        Raises:
            InvalidManifest: something in it is another service's, or has no form in JSON, or no generation can be made
                of the version.
        """
        faults = list(_strangers(self, service_name))
        found, generation = self.version or version, self.generation
        if not found:
            faults.append(FieldProblem("/version", "required", "Say which version of the service this is."))
        elif generation is None:
            try:
                generation = generation_of(found)
            except VersionError as error:
                faults.append(FieldProblem("/generation", "required", f"Give a generation: {error}."))
        try:
            dump_data(self.to_json())
        except (TypeError, ValueError) as error:
            faults.append(FieldProblem("", "no_json", str(error)))
        if faults:
            raise InvalidManifest(faults)
        return replace(self, version=found, generation=generation)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a manifest.

        Raises:
            DecodeError: it is none of this schema version, or something in it cannot be read.
        """
        try:
            if document.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
                raise DecodeError(f"A manifest of schema version {document['schema_version']!r}.", document)
            return cls(
                menus=tuple(MenuItem.from_json(item) for item in document.get("menus") or ()),
                components=tuple(UIComponent.from_json(item) for item in document.get("components") or ()),
                widgets=tuple(UIWidget.from_json(item) for item in document.get("widgets") or ()),
                version=document.get("version"),
                generation=document.get("generation"),
            )
        except (AttributeError, TypeError, InvalidManifest) as error:
            raise DecodeError(f"Not a manifest: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the body of ``PUT services/{name}/manifest``, once it has a version and a generation (see `of`)."""
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "version": self.version,
            "generation": self.generation,
        }
        for name in _PARTS:
            document[name] = [_without_service(item.to_json()) for item in getattr(self, name)]
        return document


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What became of one item: ``kind`` is ``menu``, ``component`` or ``widget``, ``key`` its key or name.

    ``fields`` names what changed, or what operators hold on to; ``scopes`` where they do.
    """

    kind: str
    key: str
    id: int | None = None
    fields: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an entry; unknown members are ignored."""
        return cls(
            str(document["kind"]),
            str(document["key"]),
            document.get("id"),
            tuple(document.get("fields") or ()),
            tuple(str(scope) for scope in document.get("scopes") or ()),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document; lists that are empty are left out."""
        lists = {"fields": list(self.fields), "scopes": list(self.scopes)}
        return {"kind": self.kind, "key": self.key, "id": self.id} | {name: v for name, v in lists.items() if v}


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """What the hub made of a manifest, or would make of it (dry run).

    ``pending`` are items whose parent is not there yet, ``kept_by_overlay`` those where an operator's word stands
    against what the service says now, ``warnings`` what was accepted and should be looked at.
    """

    revision: int
    generation: int
    changed: bool
    created: tuple[ManifestEntry, ...] = ()
    updated: tuple[ManifestEntry, ...] = ()
    removed: tuple[ManifestEntry, ...] = ()
    kept_by_overlay: tuple[ManifestEntry, ...] = ()
    pending: tuple[ManifestEntry, ...] = ()
    warnings: tuple[FieldProblem, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an answer.

        Raises:
            DecodeError: it is none.
        """
        try:
            entries = {name: tuple(map(ManifestEntry.from_json, document.get(name) or ())) for name in _ENTRIES}
            return cls(
                revision=int(document["revision"]),
                generation=int(document["generation"]),
                changed=bool(document["changed"]),
                warnings=tuple(map(_warning, document.get("warnings") or ())),
                **entries,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DecodeError(f"Not an answer to a manifest: {error!r}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the document."""
        document: dict[str, Any] = {
            "revision": self.revision,
            "generation": self.generation,
            "changed": self.changed,
        }
        document |= {name: [entry.to_json() for entry in getattr(self, name)] for name in _ENTRIES}
        pairs = [(warning.pointer, warning.code, warning.message) for warning in self.warnings]
        return document | {"warnings": [dict(zip(_WARNING, pair, strict=True)) for pair in pairs]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRevision:
    """One state that a service's declarations were in, and what brought it about."""

    number: int
    cause: str
    digest: str = ""
    actor: str = ""
    version: str | None = None
    generation: int | None = None
    created_at: datetime | None = None

    @property
    def is_rollback(self) -> bool:
        """Whether an operator put an earlier state back."""
        return self.cause.startswith("restored")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a revision.

        Raises:
            DecodeError: it has no number or no cause.
        """
        try:
            known = {name: value for name, value in document.items() if name in _REVISION_FIELDS}
            if isinstance(known.get("created_at"), str):
                known["created_at"] = parse_time(known["created_at"])
            return cls(**known)
        except (TypeError, ValueError) as error:
            raise DecodeError(f"Not a revision: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the document with every field."""
        document = {name: getattr(self, name) for name in _REVISION_FIELDS}
        return document | {"created_at": format_time(self.created_at) if self.created_at else None}


def generation_of(version: str) -> int:
    """Return the generation of a release: greater for a greater version.

    Parts beyond 999 count as 999, and what is before a release counts as the release; then the versions decide.

    Raises:
        VersionError: ``version`` is none of SemVer.

    >>> generation_of("1.4.2")
    1004002
    """
    major, minor, patch = parse_version(version)[:3]
    return major * 1_000_000 + min(minor, _MOST) * 1_000 + min(patch, _MOST)


def _faults(manifest: Manifest) -> Iterator[FieldProblem]:
    for index, item in enumerate(manifest.menus):
        if bool(item.path) == bool(item.url):
            yield FieldProblem(f"/menus/{index}/path", "required", "An item has either a path or a url.")
    menus, components = manifest.menus, manifest.components
    yield from _repeated(
        "menus", "key", "key", ((item.effective_key, item.company_id) for item in menus), given=[m.key for m in menus]
    )
    paths = ((_shape(item.path), item.company_id) if item.path else None for item in menus)
    yield from _repeated("menus", "path", "path", paths)
    yield from _repeated("components", "name", "name", (item.name for item in components))
    routes = (_shape(item.route_path) if item.route_path else None for item in components)
    yield from _repeated("components", "route_path", "route", routes)
    yield from _repeated("widgets", "name", "name", (item.name for item in manifest.widgets))


def _repeated(
    part: str, field: str, word: str, marks: Iterable[object], *, given: Sequence[object] | None = None
) -> Iterator[FieldProblem]:
    """Yield a fault for each mark that an item before has; keys that nobody gave are paths, which are told already."""
    first: dict[object, int] = {}
    for index, mark in enumerate(marks):
        if mark is None:
            continue
        before = first.setdefault(mark, index)
        if before != index and (given is None or given[index]):
            message = f"/{part}/{before} has the same {word}."
            yield FieldProblem(f"/{part}/{index}/{field}", "duplicate", message)


def _shape(path: str) -> str:
    """Return what makes two paths one, as far as that can be seen without the hub, which looks closer."""
    parts = path.rstrip("/").lower().split("/")
    return "/".join(":" if part.startswith(":") else part for part in parts) or "/"


def _strangers(manifest: Manifest, service_name: str) -> Iterator[FieldProblem]:
    for part in ("components", "widgets"):
        for index, item in enumerate(getattr(manifest, part)):
            if item.service_name not in (None, "", service_name):
                message = f"It is said to be of {item.service_name}, and the manifest is of {service_name}."
                yield FieldProblem(f"/{part}/{index}/service_name", "mismatch", message)


def _without_service(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "service_name"}


def _warning(document: Mapping[str, Any]) -> FieldProblem:
    return FieldProblem(*(str(document.get(name) or "") for name in _WARNING))


_PARTS = ("menus", "components", "widgets")
_ENTRIES = ("created", "updated", "removed", "kept_by_overlay", "pending")
_WARNING = ("pointer", "code", "message")
_REVISION_FIELDS = dict.fromkeys(item.name for item in fields(ManifestRevision))
