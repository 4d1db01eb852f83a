"""The reconciler: what a service declares at once becomes what is stored; parents, pruning, few statements."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.errors import InvalidInput, NotAllowed
from apps.core.models import AuditEntry
from apps.core.tenancy import company, use
from apps.events.models import OutboxEntry
from apps.menus.models import MenuItem, MenuRevision, Overlay
from apps.menus.services import Outcome, PathTaken, menus_reconcile
from apps.menus.services.reconciling import Declared
from tests.menus.conftest import reconciled

pytestmark = pytest.mark.django_db

Item = dict[str, Any]


def item(name: str, **more: Any) -> Item:
    return {"name": name, "path": f"/{name.lower()}", **more}


def parents() -> dict[str, str | None]:
    """Return the name of the parent of every live item, ``?`` for those that wait."""
    rows = MenuItem.objects.filter(archived_at=None).select_related("parent")
    return {row.name: row.parent.name if row.parent else "?" if row.pending_parent else None for row in rows}


def keys(entries: list[Item]) -> list[str]:
    return [entry["key"] for entry in entries]


# --- Making it so -----------------------------------------------------------------------------------------------------


def test_what_is_not_declared_any_more_is_archived() -> None:
    first = reconciled(item("A"), item("B", parent_name="A"), item("C"))
    assert keys(first.created) == ["/a", "/b", "/c"]
    second = reconciled(item("C", icon="box"), item("A"))
    assert (keys(second.created), keys(second.updated), keys(second.removed)) == ([], ["/c"], ["/b"])
    assert second.updated[0]["fields"] == ["icon"]
    assert second.total_before == 3
    third = reconciled(item("A"), item("B", parent_name="A"), item("C", icon="box"))
    assert keys(third.created) == ["/b"]
    assert third.ids == first.ids
    assert parents() == {"A": None, "B": "A", "C": None}


def test_the_same_again_changes_nothing() -> None:
    wanted = [item("A"), item("B", parent_name="A"), item("C", parent_name="Nobody"), item("D", before="/x")]
    first = reconciled(*wanted)
    state = (MenuRevision.objects.get().value, AuditEntry.objects.count(), OutboxEntry.objects.count())
    again = reconciled(*wanted)
    assert (again.changed, again.created, again.updated, again.removed) == (False, [], [], [])
    assert (again.ids, again.warnings, again.pending) == (first.ids, first.warnings, first.pending)
    assert (MenuRevision.objects.get().value, AuditEntry.objects.count(), OutboxEntry.objects.count()) == state


def test_another_order_is_another_position_and_no_change() -> None:
    reconciled(item("A"), item("B"))
    assert not reconciled(item("B"), item("A")).changed
    assert list(MenuItem.objects.order_by("position").values_list("name", flat=True)) == ["B", "A"]


def test_only_what_is_of_the_same_scope_is_pruned() -> None:
    reconciled(item("A"))
    reconciled(item("B"), declared_in=7)
    reconciled(item("X"), service="billing")
    done = reconciled(item("C"))
    assert keys(done.removed) == ["/a"]
    assert set(parents()) == {"B", "C", "X"}
    assert MenuItem.objects.get(name="B").company_id == 7


def test_the_number_of_statements_does_not_depend_on_how_many_items_there_are() -> None:
    def counted(number: int) -> int:
        some = [item(f"{number}-{n}", parent_name=f"{number}-{n // 2}" if n else "Nobody") for n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            reconciled(*some)
            reconciled(*({**one, "icon": "box", "name": f"N{one['name']}"} for one in some))
            reconciled()
        return len(queries)

    counted(2)
    assert counted(40) == counted(4) <= 60


def test_two_items_exchange_their_paths() -> None:
    reconciled({"key": "a", "name": "A", "path": "/a"}, {"key": "b", "name": "B", "path": "/b"})
    done = reconciled({"key": "a", "name": "A", "path": "/b"}, {"key": "b", "name": "B", "path": "/a"})
    assert keys(done.updated) == ["a", "b"]
    assert MenuItem.objects.filter(displaced=False).count() == 2


def test_all_faults_at_once() -> None:
    reconciled(item("Taken"), service="billing")
    with pytest.raises(InvalidInput) as refused:
        reconciled(
            item("A"), item("A"), item("B", path="/A/", key="b"), item("C", parent_name="C"), item("D", path="/taken")
        )
    assert {(fault.pointer, fault.code) for fault in refused.value.errors} == {
        ("/menus/1/key", "duplicate_key"),
        ("/menus/2/path", "duplicate_path"),
        ("/menus/3/parent_name", "cycle"),
        ("/menus/4/path", "path_taken"),
    }
    with pytest.raises(PathTaken) as taken:
        reconciled(item("A"), item("D", path="/Taken/"))
    assert [fault.pointer for fault in taken.value.errors] == ["/menus/1/path"]
    assert parents() == {"Taken": None}


def test_nobody_declares_for_a_company_that_is_not_its_own() -> None:
    declared = {"service_name": "shop", "declared_in": 7, "items": [Declared("/menus/0", item("A", company_id=8))]}
    caller = {"companies": frozenset({7}), "actor": "service:shop", "now": timezone.now()}
    with pytest.raises(NotAllowed) as refused:
        menus_reconcile(**declared, **caller, prune=True)  # type: ignore[arg-type]
    assert refused.value.errors[0].pointer == "/menus/0/company_id"


def test_what_operators_hold_is_told() -> None:
    done = reconciled(item("A"), item("B"))
    values = {"name": "Mine", "parent_id": 0}
    for scope, number, of in (("global", 0, None), ("company", 7, 7)):
        Overlay.objects.create(
            item_id=done.ids["/a"], scope=scope, scope_id=number, company_id=of, values=values, base={}, actor="x"
        )
    kept = reconciled(item("A", key="/a", icon="box", parent_name="B") | {"name": "Z"}, item("B")).kept_by_overlay
    assert kept == [
        {
            "kind": "menu",
            "key": "/a",
            "id": done.ids["/a"],
            "fields": ["name", "parent_name"],
            "scopes": ["global", "company"],
        }
    ]


# --- Parents ----------------------------------------------------------------------------------------------------------


def test_parents_may_stand_behind_their_children() -> None:
    done = reconciled(item("C", parent_name="B"), item("B", parent_name="A"), item("A"))
    assert (done.pending, done.warnings) == ([], [])
    assert parents() == {"A": None, "B": "A", "C": "B"}


def test_a_parent_that_comes_later() -> None:
    first = reconciled(item("B", parent_name="A"))
    assert keys(first.pending) == ["/b"]
    assert [(one["pointer"], one["code"]) for one in first.warnings] == [("/menus/0/parent_name", "pending_parent")]
    reconciled(item("A"), service="billing")
    assert parents() == {"A": None, "B": "A"}
    reconciled(service="billing")
    assert parents() == {"B": "?"}


@pytest.mark.parametrize("ref", ["A", "/a", "billing:/a"])
def test_what_a_parent_may_be_called(ref: str) -> None:
    reconciled(item("B", parent_name=ref))
    reconciled(item("A"), service="billing")
    assert parents()["B"] == "A"
    reconciled(item("C", parent_name=ref), service="third")
    assert parents()["C"] == "A"


def test_a_parent_by_its_id() -> None:
    number = reconciled(item("A"), service="billing").ids["/a"]
    reconciled(item("B", parent_id=number), item("C", parent_id=number + 1_000_000))
    assert parents() == {"A": None, "B": "A", "C": "?"}
    reconciled(service="billing")
    assert parents() == {"B": "?", "C": "?"}
    reconciled(item("A"), service="billing")
    assert parents()["B"] == "A"


def test_own_items_come_first() -> None:
    reconciled(item("A"), service="billing")
    reconciled(item("A", path="/own"), item("B", parent_name="A"))
    assert MenuItem.objects.get(name="B").parent.service_name == "shop"  # type: ignore[union-attr]  # it has one


def test_an_own_item_that_comes_later_takes_over() -> None:
    reconciled(item("A"), service="billing")
    reconciled(item("B", parent_name="A"))
    reconciled(item("A", path="/own"), prune=False)
    assert MenuItem.objects.get(name="B").parent.service_name == "shop"  # type: ignore[union-attr]  # it has one


def test_several_that_may_be_meant() -> None:
    reconciled(item("A"), service="one")
    reconciled(item("A", path="/a2"), service="two")
    with pytest.raises(InvalidInput) as refused:
        reconciled(item("B", parent_name="A"))
    [fault] = refused.value.errors
    assert (fault.pointer, fault.code) == ("/menus/0/parent_name", "ambiguous_parent")
    assert "one:/a" in fault.message
    assert "two:/a2" in fault.message
    reconciled(item("B", parent_name="two:/a2"))
    assert parents()["B"] == "A"


def test_who_is_linked_stays_so_when_another_has_the_name() -> None:
    reconciled(item("A"), service="one")
    reconciled(item("B", parent_name="A"))
    reconciled(item("A", path="/a2"), service="two")
    assert not reconciled(item("B", parent_name="A")).changed
    assert MenuItem.objects.get(name="B").parent.service_name == "one"  # type: ignore[union-attr]  # it has one


def test_a_parent_that_is_called_something_else_now() -> None:
    reconciled(item("A"), service="one")
    reconciled(item("B", parent_name="A"), item("C", parent_name="/a"))
    reconciled(item("Z", path="/a"), service="one")
    assert parents() == {"Z": None, "B": "?", "C": "Z"}


def test_the_parent_of_a_company() -> None:
    reconciled(item("A"), declared_in=7, service="one")
    reconciled(item("B", parent_name="A"))
    reconciled(item("C", parent_name="A"), declared_in=8)
    reconciled(item("D", parent_name="A"), declared_in=7)
    assert parents() == {"A": None, "B": "?", "C": "?", "D": "A"}
    reconciled(item("A", path="/a"), service="two")
    # In company 7 its own row has the place of everybody's; the others mean the only one that they see.
    assert parents()["D"] == "A"
    assert MenuItem.objects.get(name="D").parent.company_id == 7  # type: ignore[union-attr]  # it has one
    assert {MenuItem.objects.get(name=name).parent.company_id for name in "BC"} == {None}  # type: ignore[union-attr]


def test_items_of_companies_are_linked_by_what_everybody_gets() -> None:
    with use(company(7)):
        reconciled(item("B", parent_name="A"), declared_in=7)
    reconciled(item("A"), service="one")
    assert parents() == {"A": None, "B": "A"}


# --- Circles ----------------------------------------------------------------------------------------------------------


def test_a_circle_is_spelt_out() -> None:
    with pytest.raises(InvalidInput) as refused:
        reconciled(item("A", parent_name="C"), item("B", parent_name="A"), item("C", parent_name="B"))
    assert {fault.code for fault in refused.value.errors} == {"cycle"}
    assert "A → C → B → A" in refused.value.errors[0].message
    assert parents() == {}


def test_a_circle_through_what_is_stored() -> None:
    reconciled(item("A"), service="one")
    reconciled(item("B", parent_name="A"))
    with pytest.raises(InvalidInput) as refused:
        reconciled(item("A", parent_name="B"), service="one")
    assert "A → B → A" in refused.value.errors[0].message


def test_a_circle_that_closes_later_leaves_the_newcomer_waiting() -> None:
    reconciled(item("A", parent_name="B"), service="one")
    done = reconciled(item("B", parent_name="A"))
    assert keys(done.pending) == ["/b"]
    assert [one["code"] for one in done.warnings] == ["circular_parent"]
    assert parents() == {"A": "B", "B": "?"}
    assert not reconciled(item("B", parent_name="A")).changed
    reconciled(item("A"), service="one")
    assert parents() == {"A": None, "B": "A"}


def test_items_below_one_another_are_turned_round_at_once() -> None:
    reconciled(item("A"), item("B", parent_name="A"), item("C", parent_name="B"))
    reconciled(item("A", parent_name="B"), item("B", parent_name="C"), item("C"))
    assert parents() == {"A": "B", "B": "C", "C": None}


# --- Warnings ---------------------------------------------------------------------------------------------------------


def test_warnings() -> None:
    done: Outcome = reconciled(
        item("A", icon="no-such-icon"), item("B", after="/a", before="/c"), item("C", parent_name="A", before="/a")
    )
    assert [(one["pointer"], one["code"]) for one in done.warnings] == [
        ("/menus/0/icon", "unknown_icon"),
        ("/menus/1/before", "unknown_sibling"),
        ("/menus/2/before", "unknown_sibling"),
    ]
