"""What services declared to a hub in memory: menu items, pages and widgets, singly or as a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.manifests import InvalidManifest, Manifest
from xerpium_sdk.wire.menus import MenuItem
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.times import format_time
from xerpium_sdk.wire.ui import UIComponent, UIWidget

__all__ = ["COLLECTIONS", "Declarations", "Refusal", "Row"]

JSON = dict[str, Any]
COLLECTIONS = {"menu-items": "menus", "components": "components", "widgets": "widgets"}
"""The address of each collection, and the list of a manifest that it is."""
KINDS = {"menus": "menu", "components": "component", "widgets": "widget"}
READERS: Mapping[str, Any] = {"menus": MenuItem, "components": UIComponent, "widgets": UIWidget}
MOST_UNGUARDED = 5
"""So many items may always go."""


class Refusal(Exception):
    """Raised when a declaration is not taken; nothing of it is kept."""

    def __init__(self, status: int, code: str, detail: str, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, errors


@dataclass
class Row:
    """One item; ``said`` is what was sent, without nulls and without whose it is."""

    id: int
    part: str
    service_name: str
    key: str
    said: JSON

    def document(self) -> JSON:
        """Return the hub's record of it."""
        return self.said | {"id": self.id, "service_name": self.service_name}


@dataclass
class _Head:
    version: str
    generation: int


@dataclass
class Declarations:
    """Items by service, part and key: a manifest and single calls write the same rows, as at the hub.

    There is one company here, and nobody who changes what services say. What a menu item says of parents and siblings
    is kept and not looked into.
    """

    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    revisions: dict[str, list[JSON]] = field(default_factory=dict)
    """Every state of a service's manifest, the newest first."""
    _heads: dict[str, _Head] = field(default_factory=dict)
    _last_id: int = 0
    _revision: int = 0

    def of(self, part: str) -> dict[str, tuple[Any, ...]]:
        """Return the items of a part (``menus``, ``components``, ``widgets``) by service."""
        found: dict[str, list[Any]] = {}
        for row in self.rows.values():
            if row.part == part:
                whose = {} if part == "menus" else {"service_name": row.service_name}
                found.setdefault(row.service_name, []).append(READERS[part].from_json(row.said | whose))
        return {name: tuple(items) for name, items in sorted(found.items())}

    def manifests(self) -> dict[str, Manifest]:
        """Return the manifests that were put, by service."""
        return {name: Manifest.from_json(self._body(name)) for name in sorted(self._heads)}

    def declare(self, part: str, document: Any) -> JSON:
        """Take in one item, or what it says now.

        Raises:
            Refusal: it has no name, or leads nowhere, or a path is another service's.
        """
        said, service_name = _said(document), str(_object(document).get("service_name") or "")
        if not service_name:
            raise _invalid(FieldProblem("/service_name", "required", "Say whose it is."))
        if faults := _faults(part, said, ""):
            raise _invalid(*faults)
        self._free(part, said, service_name, "")
        row = self._write(part, service_name, said)
        if (head := self._heads.get(service_name)) is not None:
            self._keep(service_name, head, "items")
        return row.document() | ({"pending_parent": False} if part == "menus" else {}) | {"warnings": []}

    def withdraw(self, part: str, item_id: int) -> bool:
        """Take an item out; return whether there was one."""
        found = [place for place, row in self.rows.items() if row.part == part and row.id == item_id]
        for place in found:
            del self.rows[place]
        return bool(found)

    def manifest(self, service_name: str) -> JSON | None:
        """Return what PUT would take to say what there is; None when there is nothing."""
        return self._body(service_name) if service_name in self._heads or self._rows_of(service_name) else None

    def put(self, service_name: str, body: Any, *, dry_run: bool = False, confirm_prune: bool = False) -> JSON:
        """Make what a service has what ``body`` says, and return what that changed.

        Raises:
            Refusal: something in it is wrong, it is of an older generation, or more than half would go.
        """
        manifest = _manifest(body)
        head = self._heads.get(service_name)
        wanted = self._wanted(service_name, body)
        answer = self._compared(service_name, wanted)
        is_same = not any(answer.values()) and head is not None and head.version == manifest.version
        is_same = is_same and self._order(service_name) == list(wanted)
        generation = manifest.generation or 0
        if not is_same and head is not None and generation <= head.generation:
            raise _conflict("older_generation", "/generation", f"Other content needs one above {head.generation}.")
        gone, there = len(answer["removed"]), len(self._rows_of(service_name))
        if gone > MOST_UNGUARDED and 2 * gone > there and not confirm_prune:
            raise _conflict("prune_guard", "?confirm_prune", f"{gone} of {there} items would go.")
        if not dry_run:
            self._apply(service_name, wanted, answer)
            self._heads[service_name] = _Head(
                manifest.version or "", max(generation, head.generation if head else generation)
            )
            if not is_same:
                self._keep(service_name, self._heads[service_name], "put")
        answer |= {"kept_by_overlay": [], "pending": [], "warnings": []}
        return {"revision": self._revision, "generation": generation, "changed": not is_same} | answer

    def restore(self, service_name: str, number: int) -> JSON | None:
        """Put an earlier state back, under a greater generation than any before; None when there is none such."""
        found = [one for one in self.revisions.get(service_name, ()) if one["number"] == number]
        if not found:
            return None
        head = self._heads.get(service_name)
        body = found[0]["body"] | {"generation": head.generation + 1 if head else found[0]["generation"]}
        answer = self.put(service_name, body, confirm_prune=True)
        if answer["changed"]:
            self.revisions[service_name][0]["cause"] = f"restored from {number}"
        return answer

    def remove(self, service_name: str) -> bool:
        """Take out a manifest and everything that the service has; return whether there was anything."""
        places = [place for place in self.rows if place[0] == service_name]
        for place in places:
            del self.rows[place]
        return self._heads.pop(service_name, None) is not None or bool(places)

    def _wanted(self, service_name: str, body: JSON) -> dict[tuple[str, str], JSON]:
        wanted: dict[tuple[str, str], JSON] = {}
        for part in KINDS:
            for index, item in enumerate(body.get(part) or ()):
                said = _said(item)
                self._free(part, said, service_name, f"/{part}/{index}")
                wanted[part, _key(part, said)] = said
        return wanted

    def _compared(self, service_name: str, wanted: Mapping[tuple[str, str], JSON]) -> JSON:
        there = {(row.part, row.key): row for row in self._rows_of(service_name)}
        answer: dict[str, list[JSON]] = {"created": [], "updated": [], "removed": []}
        for (part, key), said in wanted.items():
            row = there.get((part, key))
            if row is None:
                answer["created"].append({"kind": KINDS[part], "key": key, "id": None})
            elif row.said != said:
                names = sorted(name for name in row.said.keys() | said.keys() if row.said.get(name) != said.get(name))
                answer["updated"].append({"kind": KINDS[part], "key": key, "id": row.id, "fields": names})
        for place, row in there.items():
            if place not in wanted:
                answer["removed"].append({"kind": KINDS[row.part], "key": row.key, "id": row.id})
        return answer

    def _apply(self, service_name: str, wanted: Mapping[tuple[str, str], JSON], answer: JSON) -> None:
        known = {place: self.rows.pop(place) for place in list(self.rows) if place[0] == service_name}
        ids = {(kind, row.key): row.id for row in known.values() for kind in [KINDS[row.part]]}
        for (part, key), said in wanted.items():
            before = known.get((service_name, part, key))
            ids[KINDS[part], key] = self._write(part, service_name, said, before.id if before else None).id
        for entry in answer["created"]:
            entry["id"] = ids[entry["kind"], entry["key"]]

    def _write(self, part: str, service_name: str, said: JSON, item_id: int | None = None) -> Row:
        place = service_name, part, _key(part, said)
        known = self.rows.get(place)
        number = item_id or (known.id if known else None)
        if number is None:
            self._last_id += 1
            number = self._last_id
        self.rows[place] = row = Row(number, part, service_name, place[2], said)
        return row

    def _free(self, part: str, said: JSON, service_name: str, pointer: str) -> None:
        """Raise when the place where an item leads is another service's."""
        name = {"menus": "path", "components": "route_path"}.get(part, "")
        shape = _shape(said.get(name))
        for row in self.rows.values() if shape else ():
            if row.part == part and row.service_name != service_name and _shape(row.said.get(name)) == shape:
                fault = FieldProblem(f"{pointer}/{name}", "taken", f"It is {row.service_name}'s.")
                raise Refusal(409, "path_taken", f"{said[name]} is {row.service_name}'s.", (fault,))

    def _rows_of(self, service_name: str) -> list[Row]:
        return [row for row in self.rows.values() if row.service_name == service_name]

    def _order(self, service_name: str) -> list[tuple[str, str]]:
        rows = self._rows_of(service_name)
        return [(part, row.key) for part in KINDS for row in rows if row.part == part]

    def _body(self, service_name: str) -> JSON:
        head, rows = self._heads.get(service_name, _Head("0.0.0", 0)), self._rows_of(service_name)
        lists = {part: [dict(row.said) for row in rows if row.part == part] for part in KINDS}
        return {"schema_version": 1, "version": head.version, "generation": head.generation, **lists}

    def _keep(self, service_name: str, head: _Head, cause: str) -> None:
        self._revision += 1
        states = self.revisions.setdefault(service_name, [])
        state = {"number": len(states) + 1, "cause": cause, "digest": "", "actor": f"service {service_name}"}
        state |= {"version": head.version, "generation": head.generation, "created_at": format_time(datetime.now(UTC))}
        states.insert(0, state | {"body": self._body(service_name)})


def _manifest(body: Any) -> Manifest:
    """Return the manifest of a body.

    Raises:
        Refusal: it is none, or contradicts itself.
    """
    document = _object(body)
    faults = [
        FieldProblem(f"/{name}", "required", "It is needed.")
        for name in ("version", "generation")
        if document.get(name) is None
    ]
    for part in KINDS:
        for index, item in enumerate(document.get(part) or ()):
            faults += _faults(part, _said(item), f"/{part}/{index}")
    if faults:
        raise _invalid(*faults)
    try:
        return Manifest.from_json(document)
    except DecodeError as error:
        cause = error.__cause__
        told = cause.errors if isinstance(cause, InvalidManifest) else (FieldProblem("", "invalid", str(error)),)
        raise _invalid(*told) from error


def _faults(part: str, said: JSON, pointer: str) -> list[FieldProblem]:
    unknown = [name for name in said if name not in READERS[part].__dataclass_fields__]
    faults = [FieldProblem(f"{pointer}/{name}", "unknown", "There is no such field.") for name in unknown]
    if not said.get("name"):
        faults.append(FieldProblem(f"{pointer}/name", "required", "It is needed."))
    if part == "menus" and bool(said.get("path")) == bool(said.get("url")):
        faults.append(FieldProblem(f"{pointer}/path", "required", "An item has either a path or a url."))
    return faults


def _invalid(*faults: FieldProblem) -> Refusal:
    return Refusal(422, "invalid_input", "Something in it is not as it should be; nothing of it is kept.", faults)


def _conflict(code: str, pointer: str, detail: str) -> Refusal:
    return Refusal(409, code, detail, (FieldProblem(pointer, code, detail),))


def _object(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise _invalid(FieldProblem("", "invalid", "An object is needed."))
    return document


def _said(document: Any) -> JSON:
    return {name: value for name, value in _object(document).items() if value is not None and name != "service_name"}


def _key(part: str, said: JSON) -> str:
    return MenuItem.from_json(said).effective_key if part == "menus" else str(said["name"])


def _shape(path: Any) -> str:
    """Return what makes two paths one: case and a slash at the end do not count, nor what a parameter is called."""
    parts = str(path or "").rstrip("/").lower().split("/")
    return "/".join(":" if part.startswith(":") else part for part in parts)
