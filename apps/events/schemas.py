"""JSON Schemas that services declare for their events: which ones are accepted, and what they find. Pure.

A schema comes from outside and runs on every event, so it must be unable to fetch anything and to take long. References
stay inside the document. Patterns may look ahead, as those that pydantic writes for a Decimal do, and give up after a
bounded number of steps. And a schema whose references branch faster than data can be deep is refused before it runs:
`_Unrolled` counts how often it could look at one value.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import orjson

from apps.core.errors import FieldError
from apps.core.pointers import below

__all__ = ["MAX_DEPTH", "MAX_SCHEMA_BYTES", "Checks", "Schema", "schema_faults"]

MAX_SCHEMA_BYTES = 64 * 1024
MAX_DEPTH = 32
"""Levels of a schema, and of data that a schema is asked about; also what the hub reads as JSON at all."""
MAX_LOOKS = 1000
"""How often a schema may look at one value."""
MAX_WORK = 64_000_000
"""Looks times bytes of data that one request may cost: about two seconds, in which this process does nothing else."""
MAX_TOLD = 128_000_000
"""Looks times bytes of data times bytes of schema, up to which faults are listed; beyond, that there are some is told.

The library makes all errors at once, each with a copy of the value and of what the schema allows: 5,000 members missing
in a megabyte of data took 5 GB.
"""
MAX_FAULTS = 20
MAX_MESSAGE = 300
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=20_000, size_limit=1 << 20, dfa_size_limit=1 << 20)
_REFUSED = {
    "$dynamicRef": "dynamic references are not supported here",
    "$recursiveRef": "belongs to an older draft",
    "$vocabulary": "vocabularies are not supported here",
}
# Where subschemas stand, and whether they look at the same value or at parts of it.
_SAME_LIST, _SAME_MAP, _SAME_ONE = ("allOf", "anyOf", "oneOf"), ("dependentSchemas",), ("not", "if", "then", "else")
_PART_LIST, _PART_MAP = ("prefixItems",), ("properties", "patternProperties")
_PART_ONE = ("additionalProperties", "items", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMA_ONES = (
    _SAME_LIST + _PART_LIST,
    (*_SAME_MAP, *_PART_MAP, "$defs"),
    _SAME_ONE + _PART_ONE,
)


class Schema:
    """A compiled schema; safe to share between threads.

    Raises:
        ValueError: it is none (see `schema_faults`).
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._validator = jsonschema_rs.Draft202012Validator(
            dict(document),
            pattern_options=_PATTERNS,
            offline=True,
            validate_formats=False,
            mask="the value",
        )
        packed = orjson.dumps(document)
        self.size = len(packed)
        # Only references go deeper than the schema is written.
        self._goes_deep = b'"$ref"' in packed

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Whether ``data`` is what the schema asks for; data that is nested too deeply to be checked is not."""
        return (not self._goes_deep or is_shallow(data)) and self._validator.is_valid(data)

    def faults(self, data: Mapping[str, Any]) -> list[FieldError]:
        """Return what is wrong with ``data``, at most ``MAX_FAULTS``, with pointers into it (see `MAX_TOLD`)."""
        if self._goes_deep and not is_shallow(data):
            return [FieldError("", "too_deep", f"More than {MAX_DEPTH} levels are not checked.")]
        found = (fault for error in self._validator.iter_errors(data) for fault in _told(error))
        return list(islice(found, MAX_FAULTS))

    @cached_property
    def looks(self) -> int:
        """How often it looks at one value at most."""
        try:
            return _Unrolled(dict(self._document)).looks()
        except (_TooMany, RecursionError):  # stored when more was allowed
            return MAX_LOOKS


class Checks:
    """Checks data against schemas, of one request or one event: what that may cost is bounded for all of it.

    Args:
        told: how much of `MAX_TOLD` there is.
    """

    def __init__(self, *, told: int = MAX_TOLD) -> None:
        self._work, self._told = float(MAX_WORK), float(told)

    def faults(self, schema: Schema | None, data: Mapping[str, Any], pointer: str = "") -> list[FieldError]:
        """Return what ``schema`` finds wrong with ``data``, which stands at ``pointer``; nothing without a schema."""
        if schema is None:
            return []
        work = schema.looks * _size(data)
        self._work -= work
        if self._work < 0:
            return [FieldError(pointer, "too_much", "So much data takes too long to be checked with such a schema.")]
        if schema.fits(data):
            return []
        self._told -= work * schema.size
        if self._told < 0:
            return [
                FieldError(pointer, "mismatch", "It does not fit its schema. So much data is not searched for where.")
            ]
        return [FieldError(pointer + fault.pointer, fault.code, fault.message) for fault in schema.faults(data)]


def schema_faults(document: Any) -> list[FieldError]:
    """Return why ``document`` cannot be an event type's schema, with pointers into it; nothing when it can."""
    if not isinstance(document, dict):
        return [FieldError("", "invalid_schema", "A schema is an object.")]
    if len(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)) > MAX_SCHEMA_BYTES:
        return [FieldError("", "too_large", f"A schema has at most {MAX_SCHEMA_BYTES // 1024} KiB.")]
    if not is_shallow(document):
        return [FieldError("", "too_deep", f"A schema has at most {MAX_DEPTH} levels.")]
    faults = list(_refused(document, "", is_root=True))
    if not faults:
        faults = list(_meta_faults(document))
    if not faults and (fault := _Unrolled(document).fault()):
        faults = [fault]
    return faults[:MAX_FAULTS]


def is_shallow(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether ``value`` has at most ``most`` levels of objects and lists."""
    level = [value]
    for _ in range(most + 1):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return True
    return False


def _size(data: Mapping[str, Any]) -> float:
    """Return the bytes of ``data`` as JSON; of what has numbers beyond 64 bits nobody knows."""
    try:
        return len(orjson.dumps(data))
    except TypeError:
        return math.inf


def _told(error: Any) -> Iterator[FieldError]:
    """Say one error of the library as the hub does: what is missing or unknown is named by its own pointer."""
    pointer = ""
    for part in error.instance_path:
        pointer = below(pointer, part)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield FieldError(below(pointer, kind.property), "required", "This field is required.")
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            yield FieldError(below(pointer, name), "unknown_field", "The schema does not know this field.")
    else:
        yield FieldError(pointer, kind.name, _cut(error.message))


def _cut(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _meta_faults(document: dict[str, Any]) -> Iterator[FieldError]:
    found = [fault for error in _META.iter_errors(document) for fault in _told(error)]
    if found:
        yield from found
        return
    try:
        Schema(document)
    except jsonschema_rs.ValidationError as error:
        pointer = ""
        for part in error.instance_path:
            pointer = below(pointer, part)
        yield FieldError(pointer, "invalid_schema", _cut(error.message))
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        yield FieldError("", "invalid_schema", _cut(str(error)))


_META = jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, offline=True, mask="the value")


def _subschemas(node: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, Any]]:
    for name in SUBSCHEMA_LISTS:
        if isinstance(parts := node.get(name), list):
            yield from ((below(below(pointer, name), index), part) for index, part in enumerate(parts))
    for name in SUBSCHEMA_MAPS:
        if isinstance(parts := node.get(name), dict):
            yield from ((below(below(pointer, name), key), part) for key, part in parts.items())
    for name in SUBSCHEMA_ONES:
        if name in node:
            yield below(pointer, name), node[name]


def _refused(node: Any, pointer: str, *, is_root: bool = False) -> Iterator[FieldError]:
    """Yield what a schema may have in general and not here."""
    if not isinstance(node, dict):
        return
    for name in node.keys() & _REFUSED.keys():
        yield FieldError(below(pointer, name), "unsupported", f"{name}: {_REFUSED[name]}.")
    if "$ref" in node and not (isinstance(node["$ref"], str) and node["$ref"].startswith("#")):
        yield FieldError(
            below(pointer, "$ref"), "remote_reference", "A reference must stay in the schema: begin with #."
        )
    if "$id" in node and not is_root:
        yield FieldError(below(pointer, "$id"), "unsupported", "Only the whole schema may have an $id.")
    if node.get("$schema", DIALECT) != DIALECT:
        yield FieldError(below(pointer, "$schema"), "unsupported", f"The dialect is {DIALECT}.")
    for at, part in _subschemas(node, pointer):
        yield from _refused(part, at)


@dataclass(slots=True)
class _TooMany(Exception):
    why: str


class _Unrolled:
    """Counts how often a schema could look at one value of data that is ``MAX_DEPTH`` levels deep.

    Along a path into the data the looks of all subschemas add up; different members of ``properties`` look at different
    values, so only the greatest of them counts. What is counted is an upper bound, and linear for what people write.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._root = document
        self._anchors = {node["$anchor"]: node for node in _all_nodes(document) if isinstance(node.get("$anchor"), str)}
        self._known: dict[tuple[int, int], int] = {}
        self._entered: set[tuple[int, int]] = set()

    def looks(self) -> int:
        """Return how often it looks at one value at most.

        Raises:
            _TooMany, RecursionError: more than `MAX_LOOKS`, or nobody knows.
        """
        return self._looks(self._root, MAX_DEPTH)

    def fault(self) -> FieldError | None:
        """Return why it may take too long, or None."""
        try:
            self.looks()
        except _TooMany as error:
            return FieldError("", "too_complex", error.why)
        except RecursionError:
            return FieldError("", "too_complex", "Its references form too long a chain.")
        return None

    def _looks(self, node: Any, depth: int) -> int:
        if not isinstance(node, dict) or depth < 0:
            return 1
        key = (id(node), depth)
        if (known := self._known.get(key)) is not None:
            return known
        if key in self._entered:
            raise _TooMany("A reference leads back to itself without going into the data.")
        self._entered.add(key)
        count = 1 + _compared(node) + self._same(node, depth) + self._parts(node, depth - 1)
        if "unevaluatedProperties" in node or "unevaluatedItems" in node:
            count *= 2  # these ask the others once more
        if count > MAX_LOOKS:
            raise _TooMany(f"Its alternatives and references may look at one value more than {MAX_LOOKS:,} times.")
        self._entered.discard(key)
        self._known[key] = count
        return count

    def _same(self, node: dict[str, Any], depth: int) -> int:
        found = [part for name in _SAME_LIST for part in node.get(name, ())]
        found += [part for name in _SAME_MAP for part in node.get(name, {}).values()]
        found += [node[name] for name in _SAME_ONE if name in node]
        if "$ref" in node:
            found.append(self._target(node["$ref"]))
        return sum(self._looks(part, depth) for part in found)

    def _parts(self, node: dict[str, Any], depth: int) -> int:
        # One member has one name and one place, but may match several patterns.
        greatest = max((self._looks(part, depth) for part in node.get("properties", {}).values()), default=0)
        greatest += max((self._looks(part, depth) for part in node.get("prefixItems", ())), default=0)
        found = [*node.get("patternProperties", {}).values(), *(node[name] for name in _PART_ONE if name in node)]
        return greatest + sum(self._looks(part, depth) for part in found)

    def _target(self, reference: str) -> Any:
        fragment = unquote(reference[1:])
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment)
        node: Any = self._root
        for part in fragment.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            node = node[int(name)] if isinstance(node, list) else node.get(name)
        return node


def _compared(node: Mapping[str, Any]) -> int:
    """Return how much a value is compared with one by one; texts alone, and integers alone, are looked up."""
    enum = node.get("enum", ())
    looked_up = {type(value) for value in enum} in ({str}, {int})
    return len(node.get("dependentRequired", ())) + (0 if looked_up else len(enum))


def _all_nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for _, part in _subschemas(node, ""):
            yield from _all_nodes(part)
