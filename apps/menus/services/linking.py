"""Linking items with the parents that they name: those that are declared now, and those that waited for them.

Pending items of anybody may be linked by what one service declares, so the hub itself does it, whoever the caller is:
whom an item means follows from what is declared, and an item of a company never touches one of another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q

from apps.core.errors import FieldError
from apps.core.tenancy import system, use
from apps.menus.models import MenuItem
from apps.menus.parents import Ambiguous, Directory, Node, loop_from, matches

__all__ = ["Linked", "Linking", "items_link", "relink"]

_NODE = ("id", "company_id", "service_name", "key", "name", "route_key", "displaced")
_ANCESTORS = """
WITH RECURSIVE above AS (
    SELECT id, parent_id, name FROM menus_menuitem WHERE id = ANY(%s)
    UNION
    SELECT m.id, m.parent_id, m.name FROM menus_menuitem m JOIN above a ON m.id = a.parent_id
)
SELECT id, parent_id, name FROM above
"""
_RELINK = """
UPDATE menus_menuitem AS m SET parent_id = r.parent_id, revision = %s
FROM unnest(%s::bigint[], %s::bigint[]) AS r(id, parent_id) WHERE m.id = r.id
"""


@dataclass(slots=True)
class Linking:
    """One item whose parent is to be found.

    Attributes:
        row: the item, as it will be; ``parent_id`` as it is stored.
        pointer: where it names its parent; None for one that is not declared now, but waited.
        is_new: it was not there before.
        is_said: its service says now, and did not before, who its parent is.
        is_renamed: others may have meant it by the name that it had.
        parent_id: the parent that was found.
        is_circular: there is one, and it is below the item.
    """

    row: MenuItem
    pointer: str | None = None
    is_new: bool = False
    is_said: bool = False
    is_renamed: bool = False
    parent_id: int | None = None
    is_circular: bool = False

    @property
    def node(self) -> Node:
        """The item as others name it."""
        return Node(*(getattr(self.row, name) for name in _NODE))


@dataclass(slots=True)
class Linked:
    """What was found: faults of what is declared, and the new parents of others, by item."""

    faults: list[FieldError] = field(default_factory=list)
    others: dict[int, int | None] = field(default_factory=dict)


def items_link(declared: Sequence[Linking], removed: Sequence[MenuItem]) -> Linked:
    """Find the parents of ``declared`` (stored in each), and those of items that what is declared or removed concerns.

    Args:
        declared: what a service declares, as it will be stored.
        removed: what will be archived.
    """
    with use(system("link menu items with their parents")):
        others = [Linking(row) for row in _concerned(declared, removed)]
        both = [*declared, *others]
        directory = _directory(both, {row.pk for row in removed})
        found = Linked()
        targets = {one.row.pk: _meant(one, directory, found.faults) for one in both}
        above = _Above([*targets.values(), *(one.row.parent_id for one in both)], removed)
    _refuse_loops(declared, others, targets, above, found.faults)
    if not found.faults:
        _settle(declared, others, targets, above)
        found.others = {one.row.pk: one.parent_id for one in others if one.parent_id != one.row.parent_id}
    return found


def relink(parents: Mapping[int, int | None], revision: int) -> None:
    """Store new parents of items that nobody declares now."""
    if parents:
        with use(system("link menu items with their parents")), connection.cursor() as cursor:
            cursor.execute(_RELINK, [revision, list(parents), list(parents.values())])


def _concerned(declared: Sequence[Linking], removed: Sequence[MenuItem]) -> Iterable[MenuItem]:
    """Return the items whose parent may be another one now, without those that are declared."""
    appeared = [one.node for one in declared if one.is_new or one.is_renamed]
    called = {name for node in appeared for name in (node.name, node.key, f"{node.service_name}:{node.key}")}
    gone, renamed = [row.pk for row in removed], [one.row.pk for one in declared if one.is_renamed]
    waits = Q(parent=None, parent_ref__isnull=False)
    some = Q(parent_id__in=gone) | Q(parent_id__in=renamed, parent_ref_kind="name")
    if appeared:
        numbers = [str(node.id) for node in appeared]
        some |= waits & Q(parent_ref_kind="id", parent_ref__in=numbers)
        some |= waits & Q(parent_ref_kind="name", parent_ref__in=called)
        # What is a name among a service's own items now was perhaps another's until now.
        own = Q(service_name=appeared[0].service_name, parent_ref_kind="name")
        some |= own & Q(parent_ref__in=called)
    if gone or any(one.is_said and not one.is_new for one in declared):
        some |= waits  # a circle that kept one of them waiting may be open now
    if not (appeared or gone or renamed or any(one.is_said for one in declared)):
        return []
    companies = {row.company_id for row in removed} | {one.row.company_id for one in declared}
    inside = Q() if None in companies else Q(company_id__in=companies)
    besides = [*gone, *(one.row.pk for one in declared)]
    return MenuItem.objects.filter(some & inside, archived_at=None).exclude(pk__in=besides).order_by("pk")


def _directory(both: Sequence[Linking], removed: set[int]) -> Directory:
    """Return whoever may be meant by ``both``: stored items, and those that are declared as they will be."""
    named = {str(one.row.parent_ref) for one in both if one.row.parent_ref_kind == "name"}
    numbers = {int(str(one.row.parent_ref)) for one in both if one.row.parent_ref_kind == "id"}
    if not named and not numbers:
        return Directory([])
    keys = named | {ref.partition(":")[2] for ref in named}
    companies = {one.row.company_id for one in both} - {None}
    declared = {one.row.pk: one.node for one in both if one.pointer is not None}
    rows = MenuItem.objects.filter(
        Q(name__in=named) | Q(key__in=keys) | Q(pk__in=numbers),
        Q(company_id=None) | Q(company_id__in=companies),
        archived_at=None,
    ).exclude(pk__in=removed | declared.keys())
    return Directory([*(Node(*values) for values in rows.values_list(*_NODE)), *declared.values()])


def _meant(one: Linking, directory: Directory, faults: list[FieldError]) -> int | None:
    """Return the parent that ``one`` means; a fault where it may mean several."""
    row = one.row
    if row.parent_ref is None:
        return None
    linked = None if one.is_said else row.parent_id
    found = directory.find(row.parent_ref, str(row.parent_ref_kind), one.node, linked=linked)
    if not isinstance(found, Ambiguous):
        return None if found is None else found.id
    stored = directory.node(linked or 0)
    if stored is not None and matches(row.parent_ref, row.parent_ref_kind, stored):
        return linked
    if one.pointer is not None:
        names = ", ".join(f"{node.service_name}:{node.key} (id {node.id})" for node in found.candidates)
        words = f"“{row.parent_ref}” may be any of {names}: name one by its id, or as service:key."
        faults.append(FieldError(one.pointer, "ambiguous_parent", words))
    return None


class _Above:
    """Who is above whom in what is stored, as far up as the items in question may lead."""

    def __init__(self, seeds: Iterable[int | None], removed: Sequence[MenuItem]) -> None:
        wanted = sorted({seed for seed in seeds if seed is not None})
        rows: list[Any] = []
        if wanted:
            with connection.cursor() as cursor:
                cursor.execute(_ANCESTORS, [wanted])
                rows = cursor.fetchall()
        gone = {row.pk for row in removed}
        self.parents: dict[int, int | None] = {
            id: None if id in gone or parent in gone else parent for id, parent, _ in rows
        }
        self.names: dict[int, str] = {id: name for id, _, name in rows}


def _refuse_loops(
    declared: Sequence[Linking],
    others: Sequence[Linking],
    targets: Mapping[int, int | None],
    above: _Above,
    faults: list[FieldError],
) -> None:
    """Note a fault for whatever is declared now and would close a circle with what is linked already."""
    parents = {**above.parents, **{one.row.pk: one.row.parent_id for one in others}}
    for one in declared:
        waits = one.row.parent_id is None and not one.is_said
        parents[one.row.pk] = None if waits else targets[one.row.pk]
    names = {**above.names, **{one.row.pk: one.row.name for one in declared}}
    for one in declared:
        if one.is_said and (loop := loop_from(one.row.pk, parents)):
            way = " → ".join(names.get(id, str(id)) for id in loop)
            words = f"This would lead in a circle: {way}."
            faults.append(FieldError(str(one.pointer), "cycle", words))


def _settle(
    declared: Sequence[Linking], others: Sequence[Linking], targets: Mapping[int, int | None], above: _Above
) -> None:
    """Link as many as there can be without a circle: what was linked first, then what waited, then what is new."""
    parents = dict(above.parents)
    parents.update({one.row.pk: None for one in (*declared, *others)})
    stays = [one for one in (*declared, *others) if one.row.parent_id is not None and not one.is_said]
    staying = {one.row.pk for one in stays}
    rest = [one for one in (*others, *declared) if one.row.pk not in staying]
    for one in (*stays, *rest):
        parents[one.row.pk] = one.parent_id = targets[one.row.pk]
        if loop_from(one.row.pk, parents):
            parents[one.row.pk] = one.parent_id = None
            one.is_circular = True
