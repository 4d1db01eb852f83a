"""What is different between two manifests, item by item and field by field, for people and programs. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.uiregistry.manifest import SECTIONS, body_of, identity, is_same

__all__ = ["Changed", "Difference", "Field", "Named", "difference"]

Body = Mapping[str, Any]
_ABSENT: Any = object()
_EMPTY = body_of("", 0, {})


@dataclass(frozen=True, slots=True)
class Named:
    """An item that only one of the two manifests has; ``item`` is what it says."""

    kind: str
    key: str
    company_id: int | None
    name: str
    item: Body

    def as_json(self) -> dict[str, Any]:
        """Return it as the wire shows it."""
        return {
            "kind": self.kind,
            "key": self.key,
            "company_id": self.company_id,
            "name": self.name,
            "item": dict(self.item),
        }


@dataclass(frozen=True, slots=True)
class Field:
    """A field that differs. Where the one or the other does not say it, ``had`` or ``has`` is off."""

    path: str
    before: Any
    after: Any
    had: bool = True
    has: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return it as the wire shows it: without ``before`` or ``after`` where there was or is none."""
        sides = (("before", self.had, self.before), ("after", self.has, self.after))
        return {"field": self.path, **{side: value for side, there, value in sides if there}}


@dataclass(frozen=True, slots=True)
class Changed:
    """An item that both manifests have and that says something else."""

    kind: str
    key: str
    company_id: int | None
    name: str
    fields: tuple[Field, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as the wire shows it."""
        fields = [one.as_json() for one in self.fields]
        return {"kind": self.kind, "key": self.key, "company_id": self.company_id, "name": self.name, "fields": fields}


@dataclass(frozen=True, slots=True)
class Difference:
    """What leads from one manifest to another.

    Attributes:
        version: the versions before and after, if they differ.
        reordered: the kinds whose items stand in another order; by itself this changes no menu.
    """

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[Changed, ...] = ()
    version: Field | None = None
    reordered: tuple[str, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return self == Difference()

    def as_json(self) -> dict[str, Any]:
        """Return it as the wire shows it."""
        return {
            "version": self.version.as_json() if self.version else None,
            "added": [one.as_json() for one in self.added],
            "removed": [one.as_json() for one in self.removed],
            "changed": [one.as_json() for one in self.changed],
            "reordered": list(self.reordered),
        }


def difference(before: Body | None, after: Body | None) -> Difference:
    """Return what leads from the body ``before`` to the body ``after``; None is a manifest that says nothing.

    Items are the same one when their company and their key (of pages, forms and widgets: their name) are. What changed
    in them is named by the way to it, such as ``props/fields``: objects are looked into, lists are compared as a whole.
    """
    added: list[Named] = []
    removed: list[Named] = []
    changed: list[Changed] = []
    reordered: list[str] = []
    for section, kind in SECTIONS.items():
        old, new = _by_identity(section, before), _by_identity(section, after)
        added += [_named(kind, key, item) for key, item in new.items() if key not in old]
        removed += [_named(kind, key, item) for key, item in old.items() if key not in new]
        for key, item in new.items():
            if key in old and (fields := tuple(_fields("", old[key], item))):
                changed.append(Changed(kind, key[1], key[0], str(item.get("name", key[1])), fields))
        if [key for key in old if key in new] != [key for key in new if key in old]:
            reordered.append(kind)
    return Difference(tuple(added), tuple(removed), tuple(changed), _version(before, after), tuple(reordered))


def _by_identity(section: str, body: Body | None) -> dict[tuple[int | None, str], Body]:
    return {identity(section, item): item for item in (body or _EMPTY).get(section, ())}


def _named(kind: str, key: tuple[int | None, str], item: Body) -> Named:
    return Named(kind, key[1], key[0], str(item.get("name", key[1])), item)


def _version(before: Body | None, after: Body | None) -> Field | None:
    old, new = (before or {}).get("version"), (after or {}).get("version")
    return None if old == new else Field("version", old, new, had=before is not None, has=after is not None)


def _fields(path: str, before: Any, after: Any) -> Iterator[Field]:
    """Yield what differs between two values that stand at ``path``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            inner = f"{path}/{_escaped(name)}" if path else _escaped(name)
            yield from _fields(inner, before.get(name, _ABSENT), after.get(name, _ABSENT))
    elif before is _ABSENT or after is _ABSENT or not is_same(before, after):
        had, has = before is not _ABSENT, after is not _ABSENT
        yield Field(path, before if had else None, after if has else None, had, has)


def _escaped(name: str) -> str:
    """Return a name as RFC 6901 writes it, so that a slash in it is no step."""
    return name.replace("~", "~0").replace("/", "~1")
