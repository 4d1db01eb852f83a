"""Whatever services and operators do in whatever order: trees have no circles, and what operators said holds.

Several services declare, move, rename, take back and declare again, one by one and as manifests; operators change items
in several scopes and hand paths over. What is refused must leave everything as it was.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.core.errors import InvalidInput
from apps.core.tenancy import system, use
from apps.menus.models import MenuItem, Overlay
from apps.menus.outline import Whom
from apps.menus.parents import loop_from
from apps.menus.services import PathTaken
from apps.menus.services.handing import path_hand_over, path_take_back
from apps.menus.services.items import item_archive, item_declare, item_update
from apps.menus.services.overlays import overlay_remove, overlay_set
from apps.menus.services.reconciling import Outcome
from apps.menus.structure import Item, Layer, Structure, settle
from tests.menus.conftest import reconciled

SERVICES = st.sampled_from(["one", "two", "three"])
COMPANIES = st.sampled_from([None, None, 7])
NAMES = st.sampled_from("ABCDE")
REFS = st.one_of(st.none(), NAMES, st.sampled_from(["/a", "two:/b", "Nobody"]))
SCOPES = st.sampled_from([Whom(), Whom("company", 7, 7), Whom("role", 3, 7), Whom("user", 5, 7), Whom("user", 5, None)])
EVERYBODY, SEVEN = Whom(), Whom("company", 7, 7)
TREES = [
    (None, [EVERYBODY]),
    (7, [EVERYBODY, SEVEN]),
    (7, [EVERYBODY, SEVEN, Whom("role", 3, 7)]),
    (7, [EVERYBODY, SEVEN, Whom("user", 5, None), Whom("user", 5, 7)]),
    (8, [EVERYBODY, Whom("user", 5, None)]),
]
"""The company of a tree, and the scopes that count in it."""
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Mine", "Ours"]),
        "order_number": st.sampled_from([0.5, 1.5]),
        "hidden": st.booleans(),
        "pinned": st.booleans(),
    },
).filter(bool)


def item(name: str, parent: str | None = None, path: str | None = None) -> dict[str, Any]:
    found = {"name": name, "path": path or f"/{name.lower()}", "key": name}
    return found if parent is None else {**found, "parent_name": parent}


class Menus(RuleBasedStateMachine):
    """Several services and operators at work; ``said`` is what operators said last, by item and scope."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[tuple[int, Whom], dict[str, Any]] = {}
        self.scope = use(system("tests"))
        self.scope.__enter__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.last: tuple[str, int | None, list[dict[str, Any]]] | None = None

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        self.scope.__exit__(None, None, None)

    def attempt(self, deed: Any) -> Any:
        """Do something that may be refused, and is undone then."""
        try:
            with transaction.atomic():
                return deed()
        except (InvalidInput, PathTaken):
            return None

    # --- Services -----------------------------------------------------------------------------------------------------

    @rule(service=SERVICES, company=COMPANIES, name=NAMES, parent=REFS, path=st.sampled_from([None, "/a", "/shared"]))
    def declare(self, service: str, company: int | None, name: str, parent: str | None, path: str | None) -> None:
        self.last = None
        self.attempt(
            lambda: item_declare(
                service_name=service,
                declared_in=company,
                values=item(name, parent, path),
                companies="*",
                actor="x",
                now=timezone.now(),
            )
        )

    @rule(
        service=SERVICES,
        company=COMPANIES,
        wanted=st.lists(st.tuples(NAMES, REFS), max_size=4, unique_by=lambda one: one[0]),
    )
    def put_manifest(self, service: str, company: int | None, wanted: list[tuple[str, str | None]]) -> None:
        items = [item(name, parent) for name, parent in wanted]
        done: Outcome | None = self.attempt(lambda: reconciled(*items, service=service, declared_in=company))
        self.last = None if done is None else (service, company, items)

    @rule()
    def repeat_manifest(self) -> None:
        if self.last is not None:
            service, company, items = self.last
            assert not reconciled(*items, service=service, declared_in=company).changed
            self.last = None

    @rule(data=st.data(), name=NAMES, parent=REFS)
    def change(self, data: st.DataObject, name: str, parent: str | None) -> None:
        self.last = None
        if rows := self.live():
            row = data.draw(st.sampled_from(rows))
            changes = {"name": name, **({"parent_name": parent} if parent else {})}
            self.attempt(
                lambda: item_update(id=row, changes=changes, partial=True, companies="*", actor="x", now=timezone.now())
            )

    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        self.last = None
        if rows := self.live():
            item_archive(id=data.draw(st.sampled_from(rows)), companies="*", actor="x", now=timezone.now())

    # --- Operators ----------------------------------------------------------------------------------------------------

    @rule(data=st.data(), whom=SCOPES, values=VALUES)
    def overlay(self, data: st.DataObject, whom: Whom, values: dict[str, Any]) -> None:
        if rows := self.live():
            self.set(data.draw(st.sampled_from(rows)), whom, values)

    @rule(data=st.data(), whom=SCOPES)
    def move(self, data: st.DataObject, whom: Whom) -> None:
        if rows := self.live():
            row, parent = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from([0, *rows]))
            self.set(row, whom, {**self.said.get((row, whom), {}), "parent_id": parent})

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        live = set(self.live())
        if there := sorted((one for one in self.said if one[0] in live), key=str):
            row, whom = data.draw(st.sampled_from(there))
            where = {"scope": whom.scope, "scope_id": whom.scope_id, "company_id": whom.company_id}

            def remove() -> bool:
                overlay_remove(item_id=row, **where, actor="x", now=timezone.now())  # type: ignore[arg-type]
                return True

            if self.attempt(remove):
                del self.said[row, whom]

    @rule(service=SERVICES, path=st.sampled_from(["/a", "/shared"]), company=COMPANIES)
    def hand_over(self, service: str, path: str, company: int | None) -> None:
        self.last = None
        row = path_hand_over(
            kind="menu", path=path, company_id=company, service_name=service, actor="x", now=timezone.now()
        )
        if service == "three":
            path_take_back(id=row.pk, actor="x", now=timezone.now())

    def set(self, row: int, whom: Whom, values: dict[str, Any]) -> None:
        done = self.attempt(
            lambda: overlay_set(
                item_id=row,
                scope=whom.scope,
                scope_id=whom.scope_id,
                company_id=whom.company_id,
                values=values,
                actor="x",
                now=timezone.now(),
            )
        )
        if done is not None:
            self.said[row, whom] = values

    def live(self) -> list[int]:
        return list(MenuItem.objects.filter(archived_at=None).order_by("pk").values_list("pk", flat=True))

    # --- What always holds --------------------------------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        rows = list(MenuItem.objects.order_by("pk"))
        overlays = {
            (row.item_id, Whom(row.scope, row.scope_id, row.company_id)): row.values for row in Overlay.objects.all()
        }
        assert overlays == self.said, "operators' words are stored as they said them"
        links_hold(rows)
        items = [as_item(row) for row in rows if row.archived_at is None]
        for company, scopes in TREES:
            here = [item for item in items if item.company_id in (None, company)]
            layers = [layer_of(overlays, whom) for whom in scopes]
            tree_holds(settle(here, layers))


def as_item(row: MenuItem) -> Item:
    return Item(
        *(row.pk, row.service_name, row.company_id, row.key, row.name, row.path, row.url, row.route_key, row.icon),
        *(
            row.parent_id,
            row.pending_parent,
            row.order_number,
            None,
            None,
            (),
            False,
            True,
            True,
            {},
            None,
            row.displaced,
        ),
    )


def layer_of(overlays: Mapping[tuple[int, Whom], Mapping[str, Any]], whom: Whom) -> Layer:
    return Layer(whom.scope, whom.scope_id, {number: said for (number, of), said in overlays.items() if of == whom})


def links_hold(rows: list[MenuItem]) -> None:
    """Assert that stored links lead to the top, from what is there to what is there."""
    parents = {row.pk: row.parent_id for row in rows}
    there = {row.pk: row for row in rows if row.archived_at is None}
    assert not any(loop_from(number, parents) for number in parents)
    for row in rows:
        if row.parent_id is not None:
            assert row.pk in there
            assert row.parent_ref is not None
            assert there[row.parent_id].company_id in (None, row.company_id)


def tree_holds(structure: Structure) -> None:
    """Assert that a tree has no circle, and that in it what operators said holds."""
    assert not any(loop_from(number, structure.parents) for number in structure.parents)
    for number, values in structure.values.items():
        holds(structure, number, values)


def holds(structure: Structure, number: int, values: Mapping[str, Any]) -> None:
    """Assert that what operators said of an item holds in a tree."""
    parent = values.get("parent_id")
    if parent is None or number in structure.replaced or structure.items[number].displaced:
        return
    target = structure.replaced.get(parent, parent)
    if parent == 0:
        assert structure.parents[number] is None
    elif target in structure.items and not structure.items[target].displaced:
        assert structure.parents.get(number) == target, structure.waiting.get(number)


@pytest.mark.django_db
def test_trees_stay_trees_and_operators_have_the_last_word() -> None:
    run_state_machine_as_test(
        Menus,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
