"""The commands about keys: what they make, what they print, and what they refuse to do silently."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.core.scopes import DEFAULT_SCOPES
from apps.core.tenancy import system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import parse_enrolment, parse_key
from apps.serviceauth.management.words import person
from apps.serviceauth.models import ServiceAccount, ServiceKey
from tests.support.accounts import DAY, HOME, account, key, key_row

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    # A shell has no context of its own: the command says for whom it runs.
    with use(None):
        call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def issued(*arguments: str) -> ServiceKey:
    """Return the key that `issue_key --print` prints, and nothing but that."""
    printed = run("issue_key", "--print", *arguments)
    assert printed.count("\n") == 1
    return key_row(printed.strip())


def test_a_key_and_its_account_are_made_at_once() -> None:
    row = issued("orders", "--companies", "1,2", "--scopes", "ui:read,ui:write", "--expires", "90d", "--label", "shop")
    assert (row.account.name, row.account.companies, row.account.scopes) == ("orders", [1, 2], ["ui:read", "ui:write"])
    assert row.expires_at is not None
    assert row.expires_at - row.created_at == 90 * DAY
    assert (row.label, row.companies, row.scopes) == ("shop", None, None)
    assert person() in row.created_by


@pytest.mark.parametrize(
    ("arguments", "companies", "is_all"),
    [([], [], False), (["--companies", "*"], [], True), (["--companies", "none"], [], False)],
    ids=["unsaid", "all", "none"],
)
def test_a_new_account_acts_for_the_companies_that_were_named(
    arguments: list[str], companies: list[int], is_all: bool
) -> None:
    made = issued("orders", *arguments).account
    assert (made.companies, made.all_companies, set(made.scopes)) == (companies, is_all, DEFAULT_SCOPES)


def test_an_account_may_be_kept_from_what_belongs_to_all_companies() -> None:
    assert not issued("orders", "--companies", "7", "--no-global").account.writes_global
    assert issued("orders", "--no-global").account.companies == [7]
    assert issued("billing").account.writes_global
    with pytest.raises(CommandError, match="may write rows of all companies"):
        run("issue_key", "billing", "--no-global")


def test_it_says_what_was_made_and_how_it_is_used() -> None:
    told = run("issue_key", "orders", "--companies", "7", "--networks", "10.0.0.0/8")
    text = next(word for word in told.split() if word.startswith("xrp_") and parse_key(word))
    assert told.count(text) == 1
    for words in ("orders (made just now)", "company 7", "10.0.0.0/8", "never by itself", "XERPIUM_SERVICE_KEY"):
        assert words in told
    services.authenticate_key(service_name="orders", service_key=text, source="10.1.1.1", now=timezone.now())
    with pytest.raises(BadCredentials):
        services.authenticate_key(service_name="orders", service_key=text, source="192.0.2.1", now=timezone.now())


def test_the_audit_names_the_command_and_who_ran_it() -> None:
    row = issued("orders")
    with use(system("test")):
        entry = AuditEntry.objects.get(action="key_issued")
    assert (entry.actor_kind, entry.actor) == ("hub", f"{person()} with manage.py issue_key")
    assert entry.object_id == row.key_id


def test_a_key_of_an_account_that_is_there_is_narrowed_to_what_was_named() -> None:
    account(companies=[1, 2, 3])
    row = issued("orders", "--companies", "1,3", "--scopes", "ui:read")
    assert (row.companies, row.scopes) == ([1, 3], ["ui:read"])
    assert row.account.companies == [1, 2, 3]
    assert (issued("orders").companies, issued("orders", "--companies", "1,2,3").companies) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["--companies", "1,4"], "lacks company 4"),
        (["--companies", "*"], "lacks all companies"),
        (["--scopes", "events:decide"], "lacks the scope events:decide"),
    ],
    ids=["company", "all", "scope"],
)
def test_an_account_is_widened_only_when_somebody_says_so(arguments: list[str], missing: str) -> None:
    account(companies=[1, 2])
    with pytest.raises(CommandError, match=missing) as caught:
        run("issue_key", "orders", *arguments)
    assert "companies 1, 2" in str(caught.value)
    with use(system("test")):
        assert not ServiceKey.objects.exists()
    issued("orders", "--widen", *arguments)
    with use(system("test")):
        wider = ServiceAccount.objects.get()
    assert wider.all_companies or 4 in wider.companies or "events:decide" in wider.scopes
    assert set(wider.scopes) >= DEFAULT_SCOPES


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Orders"], "NAME: “Orders”"),
        (["orders", "--scopes", "events:publsh"], "--scopes: There is no scope “events:publsh”"),
        (["orders", "--networks", "home"], "--networks: “home” is no network"),
        (["orders", "--companies", "0"], "--companies: A company is a whole number"),
        (["orders", "--companies", "one"], "numbers with commas"),
        (["orders", "--expires", "90"], "30m, 12h, 90d"),
        (["orders", "--expires", "9999d"], "--expires: A key ends"),
    ],
    ids=["name", "scope", "network", "company-0", "company-word", "no-unit", "too-long"],
)
def test_a_wrong_option_is_named_and_nothing_is_made(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run("issue_key", *arguments)
    with use(system("test")):
        assert not ServiceAccount.objects.exists()


def test_a_disabled_account_gets_no_key() -> None:
    mine = account()
    with use(system("test")):
        services.account_disable(account=mine, actor="anna", now=timezone.now())
    with pytest.raises(CommandError, match="enable it first"):
        run("issue_key", "orders")


def test_an_enrolment_token_fetches_the_key_of_the_account_that_it_made() -> None:
    text = run("issue_enrolment", "orders", "--companies", "1", "--key-expires", "90d", "--print").strip()
    assert parse_enrolment(text)
    fetched, row = services.enrolment_redeem(text=text, service_name="orders", source=HOME, now=timezone.now())
    assert row.account.companies == [1]
    assert row.expires_at is not None
    assert key_row(fetched).pk == row.pk
    told = run("issue_enrolment", "orders", "--valid", "30m")
    assert "for 30 min" in told
    assert "/api/v1/service-auth/enrol" in told


def test_an_enrolment_gives_an_account_no_more_than_it_has() -> None:
    account(companies=[1])
    with pytest.raises(CommandError, match="for company 1: an enrolment does not give it more"):
        run("issue_enrolment", "orders", "--companies", "1,2")
    with pytest.raises(CommandError, match="--valid: An enrolment token"):
        run("issue_enrolment", "orders", "--valid", "8d")


def test_keys_are_listed_with_how_they_stand_and_nothing_secret() -> None:
    mine = account()
    texts = [key(mine, label=f"place {n}", expires_at=timezone.now() + 90 * DAY) for n in range(3)]
    services.authenticate_key(service_name="orders", service_key=texts[0], source=HOME, now=timezone.now())
    run("disable_key", key_row(texts[1]).key_id, reason="retired")
    listed = run("list_keys", "orders")
    lines = {line.split()[1]: line for line in listed.splitlines()[1:]}
    assert set(lines) == {key_row(texts[0]).key_id, key_row(texts[2]).key_id}
    assert "in use" in lines[key_row(texts[0]).key_id]
    assert HOME in lines[key_row(texts[0]).key_id]
    assert "never used" in lines[key_row(texts[2]).key_id]
    everything = run("list_keys", "--all")
    assert "disabled" in everything
    assert not any(text.split("_")[2] in everything for text in texts)
    with pytest.raises(CommandError, match="no account products"):
        run("list_keys", "products")


def test_a_key_is_disabled_by_its_id_once() -> None:
    text = key(account())
    row = key_row(text)
    assert f"Disabled the key {row.key_id} of orders" in run("disable_key", row.key_id, reason="laptop lost")
    assert key_row(text).disabled_reason == "laptop lost"
    assert "was disabled before" in run("disable_key", row.key_id)
    with pytest.raises(CommandError, match="There is no key"):
        run("disable_key", "nobodys")
    with pytest.raises(CommandError, match="Give the id alone"):
        run("disable_key", text)
