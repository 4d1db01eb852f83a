"""Components and widgets as stored after services declared them."""

import datetime as dt
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.errors import Conflict, InvalidInput
from apps.core.models import AuditEntry
from apps.events.models import OutboxEntry
from apps.menus.models import COMPONENT, Handover
from apps.menus.services.handing import path_hand_over, path_take_back
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.services.reconciling import is_change
from apps.uiregistry.tasks import purge
from tests.uiregistry.declared import component, declare, widget

pytestmark = pytest.mark.django_db


def live() -> dict[str, str]:
    """Return the route of every component that is not archived."""
    return dict(Component.objects.filter(archived_at=None).values_list("name", "route_path"))


def announced() -> list[dict[str, Any]]:
    entries = OutboxEntry.objects.order_by("id")
    return [orjson.loads(one.fields["data"]) for one in entries if one.fields["event_type"] == "ui_changed"]


def hand_over(path: str, service: str) -> None:
    path_hand_over(
        kind=COMPONENT, path=path, company_id=None, service_name=service, actor="operator:ann", now=timezone.now()
    )


def shown() -> set[str]:
    return set(Component.objects.filter(archived_at=None, displaced=False).values_list("name", flat=True))


def test_what_is_declared_is_there_and_what_is_not_is_archived() -> None:
    first = declare(components=[component("List"), component("Form", props={"title": "Edit"}), component("Old")])
    assert [entry["key"] for entry in first.created] == ["List", "Form", "Old"]
    assert first.total_before == 0

    second = declare(components=[component("Form", props={"title": "Change"}), component("List"), component("New")])
    assert [entry["key"] for entry in second.created] == ["New"]
    assert [(entry["key"], entry["fields"]) for entry in second.updated] == [("Form", ["props"])]
    assert [entry["key"] for entry in second.removed] == ["Old"]
    assert second.total_before == 3
    assert second.ids["List"] == first.ids["List"]
    assert live() == {"List": "/list", "Form": "/form", "New": "/new"}
    assert Component.objects.get(name="Old").archived_at is not None
    in_order = Component.objects.filter(archived_at=None).order_by("position").values_list("name", flat=True)
    assert list(in_order) == ["Form", "List", "New"]

    third = declare(components=[component("Old")])
    assert third.ids["Old"] == first.ids["Old"]
    assert [entry["key"] for entry in third.created] == ["Old"]


def test_the_same_again_writes_nothing_and_tells_nobody() -> None:
    declare(components=[component("List"), component("Form")])
    declare(widgets=[widget("Count")])
    AuditEntry.objects.count()
    before = (len(announced()), AuditEntry.objects.count())
    with CaptureQueriesContext(connection) as asked:
        assert not is_change(declare(components=[component("List"), component("Form")]))
        assert not is_change(declare(widgets=[widget("Count")]))
    assert not [query["sql"] for query in asked if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert (len(announced()), AuditEntry.objects.count()) == before


def test_what_changes_is_audited_and_announced() -> None:
    declare(components=[component("List"), component("Old")])
    declare(components=[component("List", permissions=["product.view"])])
    assert [told["counts"] for told in announced()] == [
        {"created": 2, "updated": 0, "removed": 0},
        {"created": 0, "updated": 1, "removed": 1},
    ]
    assert announced()[1]["updated"] == ["List"]
    entries = AuditEntry.objects.filter(object_type="component").order_by("id")
    assert [(one.action, one.object_id) for one in entries] == [
        ("created", "products/List"),
        ("created", "products/Old"),
        ("changed", "products/List"),
        ("archived", "products/Old"),
    ]
    assert entries[2].after == {"permissions": ["product.view"]}


@pytest.mark.parametrize("many", [1, 200])
def test_the_number_of_statements_does_not_depend_on_how_many_there_are(many: int) -> None:
    names = [f"Page {number}" for number in range(many)]
    with CaptureQueriesContext(connection) as asked:
        declare(components=[component(name) for name in names])
    assert len(asked) <= 12
    with CaptureQueriesContext(connection) as asked:
        declare(components=[component(name, permissions=["a"]) for name in names[1:]] + [component("Other")])
    assert len(asked) <= 13


def test_two_of_one_service_may_change_routes_for_each_others() -> None:
    declare(components=[component("A", route_path="/one"), component("B", route_path="/two")])
    done = declare(components=[component("A", route_path="/two"), component("B", route_path="/one")])
    assert [entry["fields"] for entry in done.updated] == [["route_path"], ["route_path"]]
    assert live() == {"A": "/two", "B": "/one"}
    declare(components=[component("C", route_path="/two"), component("B", route_path="/one")])
    assert live() == {"C": "/two", "B": "/one"}


def test_every_fault_of_a_list_is_told_at_once() -> None:
    declare(components=[component("Kept", route_path="/kept/:id")])
    with pytest.raises(InvalidInput) as refused:
        declare(
            components=[
                component("A", route_path="/edit/:id"),
                component("B", route_path="/Edit/:pk/"),
                component("A", route_path="/other"),
                component("C", route_path="/kept/:key"),
            ],
            prune=False,
        )
    assert {(fault.pointer, fault.code) for fault in refused.value.errors} == {
        ("/components/1/route_path", "route_repeated"),
        ("/components/2/name", "repeated"),
        ("/components/3/route_path", "route_repeated"),
    }
    with pytest.raises(InvalidInput) as refused:
        declare(widgets=[widget("A"), widget("A")])
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/widgets/1/name", "repeated")]


def test_a_route_of_another_service_is_refused_by_its_name() -> None:
    declare("sales", components=[component("Form", route_path="/edit/:id")])
    with pytest.raises(Conflict) as refused:
        declare(components=[component("Mine"), component("Edit", route_path="/EDIT/:pk")])
    assert refused.value.code == "route_taken"
    assert [fault.pointer for fault in refused.value.errors] == ["/components/1/route_path"]
    assert "sales" in refused.value.detail
    declare(components=[component("Edit", route_path="/EDIT/:pk")], company=7)
    declare("sales", components=[])
    declare(components=[component("Edit", route_path="/EDIT/:pk")])


def test_what_an_operator_gave_to_another_service_is_displaced_and_no_failure() -> None:
    declare(components=[component("Edit", route_path="/edit/:id")])
    hand_over("/edit/:pk", "sales")
    assert Component.objects.get(name="Edit").displaced
    done = declare(components=[component("Edit", route_path="/edit/:id", permissions=["a"])])
    assert [warning["code"] for warning in done.warnings] == ["handed_over"]
    declare("sales", components=[component("Form", route_path="/edit/:key")])
    assert not is_change(declare(components=[component("Edit", route_path="/edit/:id", permissions=["a"])]))
    assert shown() == {"Form"}
    hand_over("/edit/:pk", "products")
    assert shown() == {"Edit"}
    declare(components=[])
    assert shown() == set()
    path_take_back(id=Handover.objects.get().pk, actor="operator:ann", now=timezone.now())
    assert shown() == {"Form"}


def test_what_another_service_left_is_shown_of_those_who_were_displaced() -> None:
    declare(components=[component("Edit", route_path="/edit/:id")])
    hand_over("/edit/:id", "sales")
    declare("sales", components=[component("Form", route_path="/edit/:key")])
    path_take_back(id=Handover.objects.get().pk, actor="operator:ann", now=timezone.now())
    assert shown() == {"Edit"}
    declare(components=[component("Edit", route_path="/other")])
    assert shown() == {"Edit", "Form"}
    with pytest.raises(Conflict):
        declare(components=[component("Edit", route_path="/edit/:id")])


def test_a_companys_rows_and_everybodys_do_not_touch_each_other() -> None:
    declare(components=[component("List")])
    own = declare(components=[component("List", permissions=["a"])], company=7)
    assert [entry["key"] for entry in own.created] == ["List"]
    declare(components=[], company=7)
    assert Component.objects.filter(archived_at=None).count() == 1
    assert Widget.objects.count() == 0


def test_one_at_a_time_keeps_the_others_and_their_places() -> None:
    declare(widgets=[widget("A"), widget("B")])
    declare(widgets=[widget("C")], prune=False)
    declare(widgets=[widget("A", size="large")], prune=False)
    assert dict(Widget.objects.values_list("name", "position")) == {"A": 0, "B": 1, "C": 2}


def test_what_no_schema_knows_is_told_with_where_it_stands() -> None:
    done = declare(
        components=[component("List", props={"titel": "x"}, api_endpoint="/api/v1/{id}"), component("B")],
    )
    assert [(warning["pointer"], warning["code"]) for warning in done.warnings] == [
        ("/components/0/props/titel", "unknown_key"),
        ("/components/0/api_endpoint", "unknown_placeholder"),
    ]


def test_what_was_taken_back_long_ago_is_forgotten() -> None:
    declare(components=[component("List"), component("Old")])
    declare(widgets=[widget("Count"), widget("Old")])
    declare(components=[component("List")])
    declare(widgets=[widget("Count")])
    purge()
    assert (Component.objects.count(), Widget.objects.count()) == (2, 2)
    long_ago = timezone.now() - dt.timedelta(days=91)
    for model in (Component, Widget):
        model.objects.filter(name="Old").update(archived_at=long_ago)
    purge()
    assert [row.name for row in (Component.objects.get(), Widget.objects.get())] == ["List", "Count"]
