"""Accounts: what may be asked of one, by whom, and what is written down."""

from typing import Any

import pytest

from apps.core.access import Principal
from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.core.models import AuditEntry
from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import Companies, acting, system, use
from apps.serviceauth import services
from apps.serviceauth.models import Revocation, ServiceAccount
from tests.support.accounts import NOON, account, key, key_row

pytestmark = pytest.mark.django_db

ANNA = Principal("operator", "anna")
OF_COMPANIES = Principal("operator", "bob", companies=frozenset({1, 2}), scopes=DEFAULT_SCOPES)


def faults(error: pytest.ExceptionInfo[InvalidInput]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in error.value.errors}


def trail() -> list[tuple[str, str, str]]:
    with use(system("test")):
        entries = AuditEntry.objects.exclude(action__endswith="_revoked").order_by("id")
        return [(e.action, e.object_type, e.object_id) for e in entries]


@pytest.mark.parametrize(
    "name", ["", "Orders", "orders-", "-orders", "or ders", "a" * 101, "orders*", "*", "a-*x", "o-*", "órders"]
)
def test_a_name_that_no_service_may_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        account(name)
    assert faults(caught) == {("/name", "invalid")}


@pytest.mark.parametrize("name", ["orders", "acme-*", "acme.eu_*", "x", "a" * 100])
def test_a_name_of_a_service_or_of_all_that_begin_alike_is_taken(name: str) -> None:
    assert account(name).name == name


def test_an_account_has_what_services_do_with_their_own() -> None:
    assert set(account().scopes) == DEFAULT_SCOPES


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        account("Orders", [0], scopes=["events:publsh"], may_act=True, act_companies=frozenset({9}))
    assert faults(caught) == {
        ("/name", "invalid"),
        ("/companies", "invalid"),
        ("/scopes", "unknown_scope"),
        ("/act_companies", "beyond_account"),
    }


def test_a_name_is_taken_once() -> None:
    account()
    with pytest.raises(Conflict):
        account()


def test_an_account_without_anything_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        account(companies=[], writes_global=False)
    assert faults(caught) == {("/writes_global", "required")}


# --- operators of companies -------------------------------------------------------------------------------------------


def made_by_bob(**options: Any) -> ServiceAccount:
    with acting(OF_COMPANIES):
        return services.account_create(
            **{"name": "orders", "actor": "bob", "companies": frozenset({1}), "writes_global": False} | options
        )


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"companies": "*"}, ("/companies", "not_yours")),
        ({"companies": frozenset({1, 3})}, ("/companies", "not_yours")),
        ({"companies": frozenset()}, ("/companies", "required")),
        ({"writes_global": True}, ("/writes_global", "not_yours")),
        ({"scopes": ["events:decide"]}, ("/scopes", "not_yours")),
        ({"may_act": True, "act_companies": frozenset({2})}, ("/act_companies", "beyond_account")),
        ({"may_act": True, "act_companies": "*"}, ("/act_companies", "not_yours")),
        ({"may_act": True, "act_scopes": ["events:decide"]}, ("/act_scopes", "not_yours")),
    ],
)
def test_nobody_hands_on_more_than_he_has(options: dict[str, Any], fault: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        made_by_bob(**options)
    assert fault in faults(caught)
    with use(system("test")):
        assert not ServiceAccount.objects.exists()


def test_an_operator_of_companies_makes_accounts_of_these() -> None:
    mine = made_by_bob(companies=frozenset({1, 2}))
    assert (mine.companies, mine.all_companies, mine.writes_global, mine.created_by) == ([1, 2], False, False, "bob")


@pytest.mark.parametrize("companies", ["*", [1, 3], [], [3]])
def test_accounts_beyond_his_companies_are_not_there(companies: Companies) -> None:
    theirs = account("theirs", companies)
    text = key(theirs, now=NOON)
    row = key_row(text)
    with acting(OF_COMPANIES):
        assert not ServiceAccount.objects.exists()
        attempts: list[Any] = [
            lambda: services.account_update(account=theirs, actor="bob", description="mine"),
            lambda: services.account_disable(account=theirs, actor="bob", now=NOON),
            lambda: services.account_enable(account=theirs, actor="bob"),
            lambda: services.key_issue(account=theirs, actor="bob", now=NOON),
            lambda: services.key_disable(key=row, reason="", actor="bob", now=NOON),
            lambda: services.key_rotate(key=row, overlap=services.OVERLAPS[0], actor="bob", now=NOON),
            lambda: services.enrolment_create(account=theirs, actor="bob", now=NOON),
        ]
        for attempt in attempts:
            with pytest.raises(NotFound):
                attempt()
    assert services.authenticate_key(service_name="theirs", service_key=text, source="", now=NOON)


def test_he_issues_no_key_with_scopes_that_he_lacks() -> None:
    theirs = account("theirs", [1], writes_global=False, scopes=["events:decide", "ui:read"])
    with acting(OF_COMPANIES):
        with pytest.raises(InvalidInput) as caught:
            services.key_issue(account=theirs, actor="bob", now=NOON)
        assert services.key_issue(account=theirs, actor="bob", now=NOON, scopes=["ui:read"])
        with pytest.raises(InvalidInput):
            services.enrolment_create(account=theirs, actor="bob", now=NOON)
    assert faults(caught) == {("/scopes", "not_yours")}


def test_an_account_that_writes_global_rows_stays_with_operators_of_all() -> None:
    theirs = account("theirs", [1])
    with acting(OF_COMPANIES), pytest.raises(InvalidInput) as caught:
        services.key_issue(account=theirs, actor="bob", now=NOON)
    assert faults(caught) == {("/account", "not_yours")}


# --- changes ----------------------------------------------------------------------------------------------------------


def changed(mine: ServiceAccount, **changes: Any) -> ServiceAccount:
    with acting(ANNA):
        return services.account_update(account=mine, actor="anna", **changes)


def test_what_is_not_named_stays() -> None:
    mine = account(companies=[1], may_act=True, act_companies=frozenset({1}), act_scopes=["ui:read"])
    after = changed(mine, description="of the shop")
    assert after.description == "of the shop"
    assert (after.companies, after.may_act, after.act_companies, after.act_scopes) == ([1], True, [1], ["ui:read"])


def test_who_acts_for_nobody_has_no_policy_left() -> None:
    mine = account(may_act=True, act_companies="*", act_scopes=["ui:read"])
    after = changed(mine, may_act=False)
    assert (after.act_all_companies, after.act_companies, after.act_scopes) == (False, [], [])


@pytest.mark.parametrize(
    ("changes", "voids"),
    [
        ({"description": "x"}, False),
        ({"companies": "*"}, False),
        ({"companies": frozenset({1, 2, 3})}, False),
        ({"companies": frozenset({1})}, True),
        ({"scopes": ["ui:read"]}, True),
        ({"writes_global": False}, True),
    ],
)
def test_what_is_taken_away_voids_the_tokens_that_have_it(changes: dict[str, Any], voids: bool) -> None:
    mine = account(companies=[1, 2])
    changed(mine, **changes)
    assert [(one.kind, one.subject) for one in Revocation.objects.all()] == ([("account", "orders")] if voids else [])


def test_an_account_is_switched_off_and_on() -> None:
    mine = account()
    text = key(mine, now=NOON)
    with acting(ANNA):
        assert services.account_disable(account=mine, actor="anna", now=NOON, reason="moved")
        assert not services.account_disable(account=mine, actor="anna", now=NOON)
        with pytest.raises(Conflict):
            services.key_issue(account=mine, actor="anna", now=NOON)
        with pytest.raises(Conflict):
            services.enrolment_create(account=mine, actor="anna", now=NOON)
        assert services.account_enable(account=mine, actor="anna")
        assert not services.account_enable(account=mine, actor="anna")
    assert Revocation.objects.get().subject == "orders"
    assert services.authenticate_key(service_name="orders", service_key=text, source="", now=NOON)


def test_everything_is_written_down_without_secrets() -> None:
    with acting(ANNA):
        mine = services.account_create(name="orders", actor="anna", companies=frozenset({7}))
        text = services.key_issue(account=mine, actor="anna", now=NOON, label="shop")
        row = key_row(text)
        services.account_update(account=mine, actor="anna", scopes=["ui:read"])
        services.account_update(account=mine, actor="anna", scopes=["ui:read"])
        new = services.key_rotate(key=row, overlap=services.OVERLAPS[1], actor="anna", now=NOON)
        services.key_disable(key=row, reason="done", actor="anna", now=NOON)
        token = services.enrolment_create(account=mine, actor="anna", now=NOON)
        services.account_disable(account=mine, actor="anna", now=NOON)
        services.account_enable(account=mine, actor="anna")
    assert trail() == [
        ("account_created", "service_account", "orders"),
        ("key_issued", "service_key", row.key_id),
        ("account_changed", "service_account", "orders"),
        ("key_issued", "service_key", key_row(new).key_id),
        ("key_replaced", "service_key", row.key_id),
        ("key_disabled", "service_key", row.key_id),
        ("enrolment_created", "service_account", "orders"),
        ("account_disabled", "service_account", "orders"),
        ("account_enabled", "service_account", "orders"),
    ]
    with use(system("test")):
        entries = list(AuditEntry.objects.values())
    assert {(entry["actor"], entry["company_id"]) for entry in entries if "revoked" not in entry["action"]} == {
        ("anna", 7)
    }
    secrets = [one.split("_")[-2] for one in (text, new, token)]
    assert not any(secret in str(entries) for secret in secrets)
