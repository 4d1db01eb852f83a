"""Finding the stored item that each declaration is about, and what it changes of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Max, Q

from apps.core.errors import FieldError
from apps.menus.declaring import differences, key_of, meaning, parent_field
from apps.menus.models import MenuItem
from apps.menus.paths import route_key
from apps.menus.services.claiming import Place, at_places

__all__ = ["Declared", "Matched", "Target", "items_match"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One item as a service declares it.

    Attributes:
        pointer: where it stands in the request: ``/menus/3``, or ``""`` for a request that is the item.
        values: what `apps.menus.serializers.MenuItemSerializer` read: only what was sent, without nulls and without
            ``service_name``.
        id: the stored item that is meant; None: the one with its key, or a new one.
    """

    pointer: str
    values: Mapping[str, Any]
    id: int | None = None


@dataclass(slots=True)
class Target:
    """A declaration with its item: as it will be in ``row``, as it was in ``was``.

    Attributes:
        pointer: where the declaration stands.
        row: the item, new or stored, with what is declared; its parent is still the old one.
        was: its columns before; None where it was not there, or archived.
        said: what was declared before; None as well.
        fields: in what the two declarations differ.
        is_moved: it stands elsewhere in its manifest, which nobody sees in a tree.
    """

    pointer: str
    row: MenuItem
    was: Mapping[str, Any] | None
    said: Mapping[str, Any] | None
    fields: list[str]
    is_moved: bool

    @property
    def is_new(self) -> bool:
        """Whether it was not there."""
        return self.was is None

    @property
    def place(self) -> Place | None:
        """Where it wants to be; None for a link elsewhere."""
        return None if self.row.route_key is None else (self.row.route_key, self.row.company_id)

    @property
    def place_before(self) -> Place | None:
        """Where it was."""
        if self.was is None or self.was["route_key"] is None or self.was["displaced"]:
            return None
        return self.was["route_key"], self.row.company_id

    @property
    def is_changed(self) -> bool:
        """Whether anything of it will be another."""
        return self.was is None or bool(self.fields) or _columns_of(self.row) != self.was

    def pointer_to(self, name: str) -> str:
        """Return where it says ``name``."""
        return f"{self.pointer}/{name}"

    @property
    def parent_pointer(self) -> str:
        """Where it names its parent."""
        return self.pointer_to(parent_field(self.row.declared) or "parent_name")


@dataclass(slots=True)
class Matched:
    """The items of a service, sorted by what becomes of them."""

    targets: list[Target]
    removed: list[MenuItem]
    faults: list[FieldError]
    total: int


_COLUMNS = (
    *("name", "path", "url", "route_key", "icon", "description", "parent_ref", "parent_ref_kind", "parent_id"),
    *("order_number", "before", "after", "required_permissions", "permission_mode", "labels", "badge", "is_page"),
    *("is_active", "displaced", "declared_in"),
)


def items_match(
    *, service_name: str, declared_in: int | None, items: Sequence[Declared], prune: bool, drop: Iterable[int] = ()
) -> Matched:
    """Return the items that ``items`` are about, changed as they say but not stored, with faults of what cannot be.

    Args:
        service_name: whose they are.
        declared_in: the company from within which they are declared.
        items: what is declared.
        prune: whether what is not declared any more is removed.
        drop: the numbers of items to remove.
    """
    drop = set(drop)
    rows = _Stored(service_name, declared_in, items, prune, drop)
    matched = Matched([], [], [], rows.total)
    last = -1 if prune else rows.last_position()
    for number, item in enumerate(items):
        row = rows.take(item)
        if row is None:
            fault = FieldError(f"{item.pointer}/key", "duplicate_key", _TWICE.format(key_of(item.values)))
            matched.faults.append(fault)
            continue
        position = row.position
        if prune or row.declared_in != declared_in or not _is_live(row):
            row.position = last + 1 + number
        matched.targets.append(_target(item, row, declared_in, is_moved=row.position != position))
    matched.removed = [row for row in rows.left() if row.pk in drop or (prune and row.declared_in == declared_in)]
    _number(matched.targets)
    matched.faults += _paths_twice(matched, rows)
    return matched


_TWICE = "Another item of this request has the key “{}”: each has one of its own."


class _Stored:
    """The stored items of a service that are concerned, each to be taken once."""

    def __init__(
        self, service_name: str, declared_in: int | None, items: Sequence[Declared], prune: bool, drop: set[int]
    ) -> None:
        self._service, self._scope = service_name, declared_in
        self._taken: set[tuple[int | None, str]] = set()
        self._taken_ids: set[int] = set()
        some = Q(pk__in={*drop, *(item.id for item in items if item.id is not None)})
        if prune:
            some |= Q(declared_in=declared_in, archived_at=None)
        keys: dict[int | None, set[str]] = {}
        for item in items:
            keys.setdefault(self._company(item), set()).add(key_of(item.values))
        for company, of in keys.items():
            some |= Q(company_id=company, key__in=of)
        some |= at_places((route_key(item.values["path"]), self._company(item)) for item in items if _path(item))
        self._rows = list(MenuItem.objects.filter(some, service_name=service_name).order_by("archived_at", "pk"))
        self._by_id = {row.pk: row for row in self._rows}
        self._by_key: dict[Place, list[MenuItem]] = defaultdict(list)
        self._by_route: dict[Place, list[MenuItem]] = defaultdict(list)
        for row in self._rows:
            self._by_key[row.key, row.company_id].append(row)
            if row.route_key is not None:
                self._by_route[row.route_key, row.company_id].append(row)
        self.total = sum(row.archived_at is None and row.declared_in == declared_in for row in self._rows)

    def take(self, item: Declared) -> MenuItem | None:
        """Return the item that a declaration is about, a new one if need be; None if another one is about it too."""
        company, key = self._company(item), key_of(item.values)
        row = self._found(item, company, key)
        if row is None:
            row = MenuItem(service_name=self._service, company_id=company, key=key)
            if (company, key) in self._taken:
                return None
        elif row.pk in self._taken_ids:
            return None
        if row.pk is not None:
            self._taken_ids.add(row.pk)
        self._taken.add((company, row.key))
        return row

    def left(self) -> list[MenuItem]:
        """Return the live ones that were not taken."""
        return [row for row in self._rows if row.archived_at is None and row.pk not in self._taken_ids]

    def last_position(self) -> int:
        """Return where the last of the service's items stands."""
        own = MenuItem.objects.filter(service_name=self._service, declared_in=self._scope, archived_at=None)
        found: int | None = own.aggregate(last=Max("position"))["last"]
        return -1 if found is None else found

    def _company(self, item: Declared) -> int | None:
        company: int | None = item.values.get("company_id") or self._scope
        return company

    def _found(self, item: Declared, company: int | None, key: str) -> MenuItem | None:
        if item.id is not None:
            return self._by_id.get(item.id)
        named = [*self._by_key.get((key, company), [])]
        if item.values.get("key") is None and _path(item):
            # Without a key its path is what it is known by, and how that is written makes no difference.
            route = route_key(item.values["path"])
            # One that was taken is at its new place already.
            alike = [row for row in self._by_route.get((route, company), []) if row.route_key == route]
            named = sorted(
                [*named, *(row for row in alike if "key" not in row.declared)],
                key=lambda row: row.archived_at is not None,
            )
        return named[0] if named else None


def _path(item: Declared) -> bool:
    return item.values.get("path") is not None


def _target(item: Declared, row: MenuItem, declared_in: int | None, *, is_moved: bool) -> Target:
    was, said = (_columns_of(row), row.declared) if _is_live(row) else (None, None)
    row.archived_at = None
    row.declared = dict(item.values)
    row.declared_in = declared_in
    for name, value in meaning(item.values).items():
        setattr(row, name, value)
    fields = [] if said is None else differences(said, row.declared)
    return Target(item.pointer, row, was, said, fields, is_moved)


def _is_live(row: MenuItem) -> bool:
    return row.pk is not None and row.archived_at is None


def _columns_of(row: MenuItem) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}


def _number(targets: Iterable[Target]) -> None:
    """Give new items their numbers, so that others can be linked with them before they are stored."""
    new = [target.row for target in targets if target.row.pk is None]
    if new:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('menus_menuitem', 'id')) FROM generate_series(1, %s)", [len(new)]
            )
            for row, (number,) in zip(new, cursor.fetchall(), strict=True):
                row.pk = number


def _paths_twice(matched: Matched, rows: _Stored) -> list[FieldError]:
    """Return a fault for each declared path that another item of the same service has."""
    gone = {row.pk for row in matched.removed}
    places: dict[Place, str] = {
        (row.route_key, row.company_id): row.key
        for row in rows.left()
        if row.pk not in gone and row.route_key is not None
    }
    faults = []
    for target in matched.targets:
        if target.place is None:
            continue
        if (other := places.setdefault(target.place, target.row.key)) != target.row.key:
            words = f"The item “{other}” of this service has this path: two items do not share one."
            faults.append(FieldError(target.pointer_to("path"), "duplicate_path", words))
    return faults
