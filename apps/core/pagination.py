"""Cursor lists: ``{"results": [...], "next": cursor or null}`` in a stable order (contract, "Ground rules").

A cursor is the key of the last row of a page, so rows that come and go between two pages neither repeat nor hide
others. It is opaque to callers and gives no right, so it is not signed, only checked.
"""

from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from apps.core import strictjson
from apps.core.errors import FieldError, InvalidInput
from apps.core.serializers import Query

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_PAGE_BYTES = 8 * 1024 * 1024
_CHUNK = 50

Item = TypeVar("Item")
Key = tuple[Any, ...]


class ListQuery(Query):
    """The parameters of every list; lists with filters declare a subclass."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="How many results at most."
    )
    cursor = serializers.CharField(max_length=2000, required=False, help_text="`next` of the page before.")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page: its items, and the cursor of the next page (``None`` on the last one)."""

    items: list[Item]
    next: str | None

    def as_json(self, show: Callable[[Item], Any] | None = None) -> dict[str, Any]:
        """Return the answer's data; ``show`` turns an item into its document."""
        return {"results": [show(item) for item in self.items] if show else self.items, "next": self.next}


def paginate(
    items: "QuerySet[Any, Item] | Sequence[Item]",
    request: Request,
    *,
    key: Callable[[Item], Key] | tuple[str, ...],
    weigh: Callable[[Item], int] | None = None,
) -> Page[Item]:
    """Return the page of ``items`` that ``limit`` and ``cursor`` of ``request`` ask for.

    ``weigh`` tells the size of a row in bytes where rows may be large: a page ends before it has more than
    ``MAX_PAGE_BYTES`` (but has one row at least), and no more than that is read.

    A QuerySet is ordered here: ``key`` names fields that are never null and together unique, all ascending or all
    with ``-`` for descending, as ``("-created_at", "-id")``. A sequence is ordered by ``key`` already, ascending;
    ``key`` is a function that returns a tuple of texts and numbers, unique in the sequence.

    Raises:
        InvalidInput: ``limit`` or ``cursor`` is none (pointers ``?limit``, ``?cursor``).
    """
    limit, after = _asked(request)
    if isinstance(items, QuerySet):
        if callable(key):
            raise TypeError("The key of a QuerySet is a tuple of field names.")
        return _page_of_rows(items, key, limit, after, weigh)
    if not callable(key):
        raise TypeError("The key of a sequence is a function.")
    return _page_of_sequence(items, key, limit, after)


def _asked(request: Request) -> tuple[int, Key | None]:
    given = request.query_params
    asked = ListQuery.read({name: given.getlist(name) for name in ("limit", "cursor") if name in given})
    return asked["limit"], decode(asked["cursor"]) if "cursor" in asked else None


def encode(key: Key) -> str:
    """Return the cursor that stands after ``key``."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in key]
    return urlsafe_b64encode(orjson.dumps(plain, default=str)).rstrip(b"=").decode()


def decode(cursor: str) -> Key:
    """Return the key that ``cursor`` stands after.

    Raises:
        InvalidInput: no page of the hub ended with this cursor.
    """
    try:
        raw = b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = strictjson.parse(raw, limit=len(raw), max_depth=1)
    except ValueError:
        raise bad_cursor() from None
    if not isinstance(key, list) or None in key or not all(isinstance(value, str | int | float) for value in key):
        raise bad_cursor()
    return tuple(key)


def bad_cursor() -> InvalidInput:
    """Return the refusal of a cursor that no page ended with."""
    return InvalidInput(errors=[FieldError("?cursor", "invalid", "This is no cursor of this list.")])


def _page_of_sequence(items: Sequence[Item], key: Callable[[Item], Key], limit: int, after: Key | None) -> Page[Item]:
    start = 0
    if after is not None and items:
        if _shape(after) != _shape(decode(encode(key(items[0])))):
            raise bad_cursor()
        start = bisect_right(items, after, key=key)
    found = list(items[start : start + limit + 1])
    return _cut(found, limit, key)


def _shape(key: Key) -> list[type]:
    return [type(value) for value in key]


def _page_of_rows(
    rows: "QuerySet[Any, Item]",
    fields: tuple[str, ...],
    limit: int,
    after: Key | None,
    weigh: Callable[[Item], int] | None,
) -> Page[Item]:
    names = tuple(name.removeprefix("-") for name in fields)
    descending = fields[0].startswith("-")
    if any(name.startswith("-") != descending for name in fields):
        raise TypeError("The fields of a key are all ascending or all descending.")
    if after is not None:
        rows = rows.filter(_beyond(names, _values(rows.model, names, after), "lt" if descending else "gt"))
    asked = rows.order_by(*fields)[: limit + 1]
    if weigh is None:
        found = list(asked)
    else:
        found, limit = _light(asked.iterator(chunk_size=_CHUNK), limit, weigh)
    return _cut(found, limit, lambda row: tuple(_field(row, name) for name in names))


def _light(rows: Iterator[Item], limit: int, weigh: Callable[[Item], int]) -> tuple[list[Item], int]:
    """Return rows up to and with the one that is too much for a page, and how many belong to the page."""
    found: list[Item] = []
    weight = 0
    for row in rows:
        found.append(row)
        weight += weigh(row)
        if weight > MAX_PAGE_BYTES and len(found) > 1:
            return found, min(limit, len(found) - 1)
    return found, limit


def _cut(found: list[Item], limit: int, key: Callable[[Item], Key]) -> Page[Item]:
    more = len(found) > limit
    items = found[:limit]
    return Page(items, encode(key(items[-1])) if more else None)


def _beyond(names: tuple[str, ...], values: Key, comparison: str) -> Q:
    """Return the condition for rows after ``values``: (a > x) or (a = x and (b > y or …)).

    ``a >= x`` beside it says nothing new, but lets PostgreSQL start reading the index at x.
    """
    name, value = names[0], values[0]
    beyond = Q(**{f"{name}__{comparison}": value})
    if len(names) == 1:
        return beyond
    same = Q(**{name: value}) & _beyond(names[1:], values[1:], comparison)
    return Q(**{f"{name}__{comparison}e": value}) & (beyond | same)


def _values(model: type[Model], names: tuple[str, ...], after: Key) -> Key:
    """Return the values of a cursor as the fields' own types."""
    if len(after) != len(names):
        raise bad_cursor()
    try:
        values = tuple(
            cast("Field[Any, Any]", model._meta.get_field(name)).to_python(value)
            for name, value in zip(names, after, strict=True)
        )
    except (ValidationError, TypeError, ValueError, OverflowError):
        raise bad_cursor() from None
    if any(isinstance(value, datetime) and value.tzinfo is None for value in values):
        raise bad_cursor()
    return values


def _field(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)
