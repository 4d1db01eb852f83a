"""Forms made from JSON Schemas: from a schema and a value to fields, and from what a browser sends to a value. Pure.

What is sent under a field's name becomes the value at the field's pointer, so faults that a schema finds lead back to
their field. An empty input is an absent key. What no input can hold is written as JSON.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core import strictjson
from apps.core.errors import FieldError
from apps.core.pointers import below

__all__ = ["Field", "Item", "Sent", "form_of", "read", "tell", "words_of"]

MOST_ITEMS = 250
LONG = 500
"""Texts that may be longer than this are written in several lines."""
OTHERS = "~"
"""The name of what a schema does not know; no key is written so in a pointer."""

Json = Any
Schema = Mapping[str, Any]
_YES_NO = (("", "not said"), ("true", "yes"), ("false", "no"))


@dataclass(slots=True)
class Item:
    """One object of a list of objects; the blank one at the end makes another when it is filled in."""

    title: str
    fields: "list[Field]"
    is_blank: bool = False


@dataclass(slots=True)
class Field:
    """An input, or a group of them.

    Attributes:
        name: as the browser sends it: the pointer without its first slash.
        kind: ``text``, ``area``, ``number``, ``choice``, ``lines``, ``json``, ``group`` or ``items``.
        value: what stands in the input.
        choices: for ``choice``: value and label.
        attributes: of the input, such as ``min``.
        children: of a ``group``.
        items: of ``items``.
        faults: what is wrong with it.
    """

    name: str
    label: str
    kind: str
    value: str = ""
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    children: "list[Field]" = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of its input in a page: letters, digits and dashes."""
        return "field-" + "".join(sign if sign.isalnum() else "-" for sign in self.name)

    @property
    def rows(self) -> int:
        """How many lines an input of several shows."""
        return min(max(self.value.count("\n") + 1, 2), 10)

    @property
    def parts(self) -> "Iterator[Field]":
        """The fields inside of it."""
        yield from self.children
        for item in self.items:
            yield from item.fields


@dataclass(slots=True)
class Sent:
    """What a browser sent: the value, what could not be read (with pointers), and the texts of those inputs."""

    value: dict[str, Any]
    faults: list[FieldError] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


# --- from a schema to fields ------------------------------------------------------------------------------------------


def form_of(schema: Schema, value: Mapping[str, Any], *, name: str, only_set: bool = False) -> list[Field]:
    """Return the fields of an object.

    Args:
        schema: of an object, with ``properties``.
        value: what stands in them.
        name: of the object, which the names of its fields begin with.
        only_set: leave out what ``value`` does not say, for a form that is only looked at.
    """
    known: Mapping[str, Any] = schema.get("properties", {})
    needed = schema.get("required", ())
    fields = [
        _field(below(f"/{name}", key)[1:], key, part, value.get(key), key in needed, only_set)
        for key, part in known.items()
        if part is not False and (key in value or not only_set)
    ]
    others = {key: inner for key, inner in value.items() if key not in known}
    if others and known:
        told = "The schema does not know these keys; the service's page gets them as they are."
        fields.append(Field(f"{name}/{OTHERS}", "Other keys", "json", _as_json(others), told))
    return fields


def tell(fields: Sequence[Field], faults: Iterable[FieldError], texts: Mapping[str, str] | None = None) -> list[str]:
    """Put each fault to its field, or to the nearest one around it, and texts that could not be read back into place.

    Returns what belongs to no field.
    """
    known = {f"/{one.name}": one for one in _walk(fields)}
    for pointer, text in (texts or {}).items():
        if pointer in known:
            known[pointer].value = text
    left = []
    for fault in faults:
        pointer = fault.pointer
        while pointer and pointer not in known:
            pointer = pointer.rpartition("/")[0]
        if not pointer:
            left.append(fault.message)
            continue
        inside = fault.pointer[len(pointer) + 1 :]
        place = inside.split("/")[0]
        where = f"Line {int(place) + 1}: " if place.isdecimal() else f"{inside}: " if inside else ""
        known[pointer].faults.append(where + fault.message)
    return left


def words_of(key: str) -> str:
    """Return a key as people write it: ``chart_type`` is “Chart type”."""
    words = key.replace("_", " ").strip() or key
    return words[:1].upper() + words[1:]


def _walk(fields: Iterable[Field]) -> Iterator[Field]:
    for one in fields:
        yield one
        yield from _walk(one.parts)


def _field(name: str, key: str, schema: Schema, value: Json, required: bool, only_set: bool) -> Field:
    kind = _kind(schema, value)
    made = Field(name, words_of(key), kind, help=str(schema.get("description", "")), required=required)
    if kind == "group":
        made.children = form_of(schema, value or {}, name=name, only_set=only_set)
    elif kind == "items":
        made.items = _items(schema["items"], value or [], name, only_set)
    elif kind == "lines":
        made.value = "\n".join(_line(one) for one in value or ())
        made.help = made.help or _lines_help(schema["items"])
    elif kind == "choice":
        made.choices = _choices(schema)
        made.value = _line(value) if value is not None else ""
    elif kind == "json":
        made.value = "" if value is None else _as_json(value)
    else:
        made.value = "" if value is None else _line(value)
        made.attributes = _attributes(schema, kind)
    return made


def _kind(schema: Schema, value: Json) -> str:
    """Return how a value of ``schema`` is written; one that does not fit as JSON, so that nothing is lost."""
    kind = schema.get("type")
    if "enum" in schema or kind == "boolean":
        return "choice" if value is None or not isinstance(value, list | dict) else "json"
    if kind == "object":
        return "group" if schema.get("properties") and isinstance(value, dict | None) else "json"
    if kind == "array":
        return _kind_of_list(schema.get("items", {}), value)
    if isinstance(value, list | dict) or not kind or (isinstance(kind, list) and {"array", "object"} & set(kind)):
        return "json"
    if kind in ("integer", "number"):
        return "number" if value is None or _is_number(value) else "text"
    return "area" if schema.get("maxLength", 0) > LONG else "text"


def _kind_of_list(items: Schema, value: Json) -> str:
    if not isinstance(value, list | None):
        return "json"
    if items.get("type") == "object":
        fits = all(isinstance(one, dict) for one in value or ()) and bool(items.get("properties"))
        return "items" if fits else "json"
    simple = {"string", "number", "integer", "boolean"}
    kinds = [one.get("type") for one in (items, *items.get("anyOf", ()))]
    scalar = any(simple & set(kind if isinstance(kind, list) else [kind]) for kind in kinds if kind)
    fits = all(isinstance(one, str | int | float | dict) and "\n" not in str(one) for one in value or ())
    return "lines" if scalar and fits else "json"


def _items(schema: Schema, value: Sequence[Mapping[str, Any]], name: str, only_set: bool) -> list[Item]:
    made = [
        Item(_title(one, number), form_of(schema, one, name=f"{name}/{number}", only_set=only_set))
        for number, one in enumerate(value[:MOST_ITEMS])
    ]
    if not only_set and len(value) < MOST_ITEMS:
        made.append(Item("Add one", form_of(schema, {}, name=f"{name}/{len(value)}"), is_blank=True))
    return made


def _title(value: Mapping[str, Any], number: int) -> str:
    named = next((value[key] for key in ("label", "name", "field", "title") if isinstance(value.get(key), str)), "")
    return named or f"Number {number + 1}"


def _choices(schema: Schema) -> tuple[tuple[str, str], ...]:
    # Also where one is needed: a blank item must say nothing.
    if schema.get("type") == "boolean":
        return _YES_NO
    return (("", "not said"), *((_line(one), _line(one).replace("_", " ")) for one in schema["enum"]))


def _attributes(schema: Schema, kind: str) -> dict[str, Any]:
    names = {"minimum": "min", "maximum": "max"} if kind == "number" else {"maxLength": "maxlength"}
    found = {html: schema[key] for key, html in names.items() if key in schema}
    if kind == "number":
        found["step"] = 1 if schema.get("type") == "integer" else "any"
    return found


def _lines_help(items: Schema) -> str:
    objects = any(one.get("type") == "object" for one in items.get("anyOf", ()))
    return "One a line; with more than a name as a JSON object." if objects else "One a line."


def _line(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return f"{value:g}" if abs(value) < 1e6 else repr(value)
    return json.dumps(value, ensure_ascii=False)


def _as_json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- from what was sent to a value ------------------------------------------------------------------------------------


def read(schema: Schema, posted: Mapping[str, str], *, name: str) -> Sent:
    """Return the object that was written into the fields of `form_of`; what the schema itself says is not asked."""
    sent = Sent({})
    sent.value = _read_object(schema, posted, name, name, sent)
    return sent


def _read_object(schema: Schema, posted: Mapping[str, str], name: str, at: str, sent: Sent) -> dict[str, Any]:
    """Return an object that stands under ``name`` in what was sent and at ``at`` in the value that is made."""
    value: dict[str, Any] = {}
    for key, part in schema.get("properties", {}).items():
        if part is False:
            continue
        source, target = below(f"/{name}", key)[1:], below(f"/{at}", key)[1:]
        found = _read(part, posted, source, target, sent)
        if found is not None:
            value[key] = found
    others = _read_json(posted.get(f"{name}/{OTHERS}", ""), f"{at}/{OTHERS}", sent)
    if isinstance(others, dict):
        value |= {key: inner for key, inner in others.items() if key not in value}
    return value


def _read(schema: Schema, posted: Mapping[str, str], name: str, at: str, sent: Sent) -> Json:
    kind = schema.get("type")
    text = posted.get(name, "")
    if kind == "object" and schema.get("properties") and not text:
        return _read_object(schema, posted, name, at, sent) or None
    if kind == "array" and schema.get("items", {}).get("type") == "object" and not text:
        return _read_items(schema["items"], posted, name, at, sent)
    if not text.strip():
        return None
    if kind == "array":
        return _read_json(text, at, sent) if text.lstrip().startswith("[") else _read_lines(schema, text, at, sent)
    if "enum" in schema:
        return next((one for one in schema["enum"] if _line(one) == text), text)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.strip(), text)
    if kind in ("integer", "number"):
        return _read_number(text, at, sent)
    if kind == "string":
        return text.replace("\r\n", "\n")
    if isinstance(kind, list) and not {"array", "object"} & set(kind):
        return _scalar(text, kind)
    return _read_json(text, at, sent)


def _read_items(schema: Schema, posted: Mapping[str, str], name: str, at: str, sent: Sent) -> list[Any] | None:
    start = f"{name}/"
    places = {key[len(start) :].split("/")[0] for key in posted if key.startswith(start)}
    found: list[Any] = []
    for place in sorted((one for one in places if one.isdecimal() and len(one) < 5), key=int)[: MOST_ITEMS + 1]:
        value = _read_object(schema, posted, f"{name}/{place}", f"{at}/{len(found)}", sent)
        if value:
            found.append(value)
    return found or None


def _read_lines(schema: Schema, text: str, at: str, sent: Sent) -> list[Any]:
    items = schema.get("items", {})
    kinds = {kind for one in (items, *items.get("anyOf", ())) for kind in _listed(one.get("type"))}
    found: list[Any] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if "object" in kinds and line.startswith("{"):
            value = _read_json(line, f"{at}/{len(found)}", sent)
            if value is None:
                sent.texts[f"/{at}"] = text
            found.append(line if value is None else value)
        else:
            found.append(_scalar(line, kinds))
    return found


def _listed(kind: Any) -> Sequence[str]:
    return kind if isinstance(kind, list) else [kind] if kind else []


def _scalar(text: str, kinds: Iterable[str]) -> Json:
    """Return a text as what it looks like, of the kinds that are allowed: what allows texts alone stays a text."""
    allowed = set(kinds)
    if not allowed - {"string"}:
        return text
    try:
        value = strictjson.parse(text.encode(), limit=len(text.encode()), max_depth=1)
    except ValueError:
        return text
    if isinstance(value, bool):
        return value if "boolean" in allowed else text
    fits = (value is None and "null" in allowed) or (_is_number(value) and bool(allowed & {"number", "integer"}))
    return value if fits else text


def _read_number(text: str, at: str, sent: Sent) -> Json:
    value = _scalar(text.strip(), ["number"])
    if _is_number(value):
        return value
    sent.faults.append(FieldError(f"/{at}", "invalid_type", "This must be a number."))
    sent.texts[f"/{at}"] = text
    return None


def _read_json(text: str, at: str, sent: Sent) -> Json:
    if not text.strip():
        return None
    try:
        return strictjson.parse(text.encode(), limit=len(text.encode()), max_depth=8)
    except ValueError as error:
        sent.faults.append(FieldError(f"/{at}", "malformed", f"This is not JSON: {error}"))
        sent.texts[f"/{at}"] = text
        return None
