"""Declarations of event types: one owner, however many ask at once, and everybody is told."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from apps.core.tenancy import system, use
from apps.events import selectors, services
from apps.events.declarations import declared
from apps.events.models import EventTypeDeclaration, OutboxEntry

pytestmark = pytest.mark.usefixtures("transactional_db")

SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}


def declare(service: str = "shop", **fields: Any) -> bool:
    try:
        _, created = services.type_declare(
            **{"event_type": "parcel_sent", "service_name": service, "schema": SCHEMA, "actor": service, **fields}
        )
        return created
    finally:
        connections.close_all()


def told() -> list[str]:
    return [row.fields["event_type"] for row in OutboxEntry.objects.order_by("id")]


def test_of_those_who_declare_at_once_one_is_the_owner() -> None:
    @use(system("tests"))
    def attempt(service: str) -> str:
        try:
            return "created" if declare(service) else "known"
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, ["shop", "mail"] * 6))
    assert answers.count("created") == 1
    assert answers.count("refused") == 6
    assert answers.count("known") == 5
    assert EventTypeDeclaration.objects.count() == 1
    assert told() == ["event_type_declared"]


def test_only_what_changes_is_told() -> None:
    assert declare()
    assert not declare()
    assert not declare(description="A parcel left.")
    services.type_update(event_type="parcel_sent", changes={"schema": None}, service_name="shop", actor="shop")
    services.type_delete(event_type="parcel_sent", service_name=None, actor="anna")
    assert told() == ["event_type_declared", *["event_type_changed"] * 2, "event_type_removed"]


def test_this_process_knows_at_once_what_it_has_written() -> None:
    assert "parcel_sent" not in declared()
    declare()
    schema = declared()["parcel_sent"].schema
    assert schema
    assert not schema.fits({})
    services.type_update(event_type="parcel_sent", changes={"schema": None}, service_name="shop", actor="shop")
    assert declared()["parcel_sent"].schema is None
    services.type_delete(event_type="parcel_sent", service_name="shop", actor="shop")
    assert "parcel_sent" not in declared()


def test_what_others_may_see_and_do() -> None:
    declare(company_id=5)
    with pytest.raises(Conflict) as refused:
        declare("mail", companies=frozenset({6}))
    assert "shop" not in str(refused.value)
    with pytest.raises(Conflict, match="shop"):
        declare("mail", companies=frozenset({5}))
    with pytest.raises(NotFound):
        services.type_delete(event_type="parcel_sent", service_name="mail", companies=frozenset({6}), actor="mail")
    with pytest.raises(NotAllowed, match="shop"):
        services.type_delete(event_type="parcel_sent", service_name="mail", companies=frozenset({5}), actor="mail")
    with pytest.raises(NotFound):
        selectors.event_type("parcel_sent", companies=frozenset({6}))
    assert selectors.event_type("parcel_sent", companies=frozenset({5})).company_id == 5


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        declare(event_type="ParcelSent", schema={"type": "strnig"}, example=[], description="x" * 3000)
    assert [fault.pointer for fault in refused.value.errors] == [
        *("/event_type", "/description", "/schema/type", "/example"),
    ]
    with pytest.raises(InvalidInput) as refused:
        declare(example={"number": "one"})
    assert [fault.pointer for fault in refused.value.errors] == ["/example/number"]


def test_a_schema_that_the_library_no_longer_takes_leaves_the_type_known() -> None:
    declare()
    EventTypeDeclaration.objects.update(schema={"type": "strnig"})
    found = declared(fresh=True)["parcel_sent"]
    assert (found.service_name, found.schema) == ("shop", None)


def test_the_seeds_types_are_in_the_catalogue_with_examples() -> None:
    declare("auth", event_type="user_login", schema=None)
    found = {view.event_type: view for view in selectors.event_types()}
    assert len(found) == 26
    assert all(view.example for view in found.values())
    assert (found["user_login"].is_declared, found["user_login"].service_name) == (True, "auth")
    assert not found["user_created"].is_declared
    assert [view.event_type for view in selectors.event_types(service_name="auth")] == ["user_login"]
