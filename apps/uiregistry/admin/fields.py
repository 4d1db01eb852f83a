"""The fields of a form component as a page would draw them, out of its props. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.uiregistry.schemaforms import words_of

__all__ = ["Input", "inputs_of"]

_INPUTS = {
    "text": "text", "email": "email", "url": "url", "tel": "tel", "password": "password", "number": "number",
    "integer": "number", "currency": "number", "percent": "number", "date": "date", "time": "time",
    "datetime": "datetime-local", "file": "file", "image": "file", "color": "color",
}  # fmt: skip
MOST_OPTIONS = 50


@dataclass(frozen=True, slots=True)
class Input:
    """One field.

    Attributes:
        kind: ``input``, ``area``, ``select``, ``radio``, ``check`` or ``hidden``.
        type: of an ``input``.
        affix: what stands behind it, such as a currency.
        options: of a choice, as labels.
        source: where a choice's options come from, if not from the form itself.
        columns: how many of the grid's twelve it takes.
        section: the heading that it stands under.
    """

    name: str
    label: str
    kind: str
    type: str = "text"
    value: str = ""
    required: bool = False
    read_only: bool = False
    help: str = ""
    placeholder: str = ""
    affix: str = ""
    options: tuple[str, ...] = ()
    source: str = ""
    columns: int = 12
    section: str = ""
    several: bool = False
    rows: int = 3


def inputs_of(props: Mapping[str, Any]) -> list[Input]:
    """Return the fields of a form, in their order; a field that has no heading of its own stands under the last one."""
    across = props.get("columns")
    width = 12 // across if isinstance(across, int) and 1 <= across <= 12 else 12
    found: list[Input] = []
    section = ""
    for field in props.get("fields") or ():
        if not isinstance(field, Mapping):
            continue
        heading = str(field.get("section") or "")
        found.append(_input(field, width, heading if heading != section else ""))
        section = heading or section
    return found


def _input(field: Mapping[str, Any], width: int, section: str) -> Input:
    kind = str(field.get("type", "text"))
    options = [_option(one) for one in field.get("options") or ()]
    default = field.get("default")
    columns = field.get("width")
    return Input(
        name=str(field.get("name", "")),
        label=str(field.get("label") or words_of(str(field.get("name", "")))),
        kind=_kind(kind),
        type=_INPUTS.get(kind, "text"),
        value="" if default is None else str(default),
        required=field.get("required") is True,
        read_only=field.get("read_only") is True,
        help=str(field.get("help_text") or ""),
        placeholder=str(field.get("placeholder") or ""),
        affix=str(field.get("currency") or "") if kind == "currency" else "%" if kind == "percent" else "",
        options=tuple(options[:MOST_OPTIONS]),
        source=str(field.get("source") or ""),
        columns=columns if isinstance(columns, int) and 1 <= columns <= 12 else width,
        section=section,
        several=kind == "multiselect",
        rows=field["rows"] if isinstance(field.get("rows"), int) else 3,
    )


def _kind(kind: str) -> str:
    if kind in ("select", "multiselect"):
        return "select"
    if kind in ("checkbox", "switch"):
        return "check"
    return {"textarea": "area", "radio": "radio", "hidden": "hidden"}.get(kind, "input")


def _option(option: Any) -> str:
    if isinstance(option, Mapping):
        return str(option.get("label") or option.get("value"))
    return str(option)
