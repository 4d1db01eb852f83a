"""The console's pages of accounts and keys: who sees and does what, and that a secret is in one answer only."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from apps.core.models import AuditEntry, IdempotencyRecord
from apps.registry.live import live
from apps.serviceauth import services
from apps.serviceauth.admin.forms import OVERLAP_WORDS, UNTIL_USED
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import ENROLMENT_PATTERN, KEY_PATTERN
from apps.serviceauth.models import EnrolmentToken, Operator, Revocation, ServiceAccount, ServiceKey
from tests.support import operators
from tests.support.accounts import DAY, HOME, HOUR, account, key, key_row

pytestmark = pytest.mark.django_db

BASE = "/admin/serviceauth/serviceaccount/"
EVERYTHING = (
    "view_serviceaccount", "add_serviceaccount", "change_serviceaccount", "add_servicekey", "change_servicekey",
    "add_enrolmenttoken", "change_enrolmenttoken",
)  # fmt: skip
RIGHTS = {"reach": "some", "companies": "1, 2", "writes_global": "on", "scopes": ["ui:read"]}


@pytest.fixture(autouse=True)
def quiet_hub() -> Iterator[None]:
    yield
    live.stop()


@pytest.fixture
def anna() -> Client:
    """Somebody who may do everything."""
    return operators.superuser()


@pytest.fixture
def otto() -> Client:
    """Somebody who may look at accounts and change nothing."""
    return operators.staff("otto", "view_serviceaccount", app="serviceauth")


@pytest.fixture
def bob() -> Client:
    """Somebody who may do everything with the accounts of company 2."""
    client = operators.staff("bob", *EVERYTHING, app="serviceauth")
    user = User.objects.get(username="bob")
    # Nobody hands on what he may not do himself: what `ui:read` stands for.
    user.user_permissions.add(Permission.objects.get(codename="view_component"))
    Operator.objects.update_or_create(user=user, defaults={"companies": [2]})
    return client


def shown(answer: Any, pattern: str = KEY_PATTERN) -> str:
    """Return the one secret in an answer."""
    assert answer.status_code == 200, answer
    found = set(re.findall(pattern, answer.content.decode()))
    assert len(found) == 1
    return str(found.pop())


def newest(of: ServiceAccount, model: Any = ServiceKey) -> int:
    row = model.objects.filter(account=of).order_by("-pk").first()
    return row.pk if row else 0


def issue(client: Client, of: ServiceAccount, **values: Any) -> Any:
    form = {"newest": newest(of), "life": "365", "scopes": of.scopes, "label": "shop"} | values
    return client.post(f"{BASE}{of.pk}/issue/", form)


def is_good(text: str, now: dt.datetime | None = None) -> bool:
    try:
        services.authenticate_key(service_name="orders", service_key=text, source=HOME, now=now or timezone.now())
    except BadCredentials:
        return False
    return True


# --- who --------------------------------------------------------------------------------------------------------------


def test_who_may_look_sees_everything_and_no_button(otto: Client) -> None:
    mine = account(companies=[1])
    key(mine, label="shop")
    page = otto.get(f"{BASE}{mine.pk}/change/").content.decode()
    assert "shop" in page
    assert "registry:write" in page
    assert not re.search("/(issue|rights|rotate|disable|enrol)/", page)
    assert "orders" in otto.get(BASE).content.decode()


def test_each_deed_needs_its_own_permission(otto: Client, anna: Client) -> None:
    mine = account()
    row = key_row(key(mine))
    token = EnrolmentToken.objects.create(
        account=mine, digest=b"x" * 32, pepper_version=1, expires_at=timezone.now() + DAY, created_by="anna"
    )
    deeds = [f"{BASE}{mine.pk}/{deed}/" for deed in ("issue", "enrol", "rights", "disable", "enable")]
    deeds += [f"{BASE}add/", f"{BASE}keys/{row.pk}/rotate/", f"{BASE}keys/{row.pk}/disable/"]
    for deed in deeds:
        assert (otto.get(deed).status_code, otto.post(deed).status_code) == (403, 403), deed
        assert anna.get(deed).status_code == 200, deed
    assert otto.post(f"{BASE}enrolments/{token.pk}/cancel/").status_code == 403
    stranger = operators.staff("sven")
    assert stranger.get(BASE).status_code == 403
    assert ServiceKey.objects.get().disabled_at is None


def test_an_operator_of_a_company_sees_its_accounts_and_no_others(bob: Client) -> None:
    mine = account("orders-2", [2], writes_global=False)
    foreign = [
        account("orders-1", [1]),
        account("orders-both", [1, 2]),
        account("orders-all"),
        account("orders-none", []),
    ]
    listed = bob.get(BASE).content.decode()
    assert "orders-2" in listed
    for other in foreign:
        row = key_row(key(other))
        assert other.name not in listed
        for deed in ("issue", "enrol", "rights", "disable", "enable"):
            assert bob.get(f"{BASE}{other.pk}/{deed}/").status_code == 404
            assert bob.post(f"{BASE}{other.pk}/{deed}/", {"reason": "x"}).status_code == 404
        for deed in ("rotate", "disable"):
            assert bob.post(f"{BASE}keys/{row.pk}/{deed}/", {"overlap": "0"}).status_code == 404
        assert other.name not in bob.get(f"{BASE}{other.pk}/change/", follow=True).content.decode()
        assert other.name not in bob.get(f"{BASE}?q={row.key_id}").content.decode()
    services.account_update(account=mine, actor="test", scopes=["ui:read"])
    mine.refresh_from_db()
    assert key_row(shown(issue(bob, mine))).account == mine


def test_an_operator_of_a_company_makes_accounts_of_it_only(bob: Client) -> None:
    form = bob.get(f"{BASE}add/").content.decode()
    assert "all companies" not in re.sub(r"Only operators of all companies|belongs to all companies", "", form)
    refused = bob.post(f"{BASE}add/", RIGHTS | {"name": "orders"})
    assert "You do not act for company 1" in refused.content.decode()
    made = bob.post(f"{BASE}add/", RIGHTS | {"name": "orders", "companies": "2"})
    assert made.status_code == 302
    row = ServiceAccount.objects.get()
    assert (row.companies, row.writes_global, row.created_by) == ([2], False, "operator:bob")


# --- issue ------------------------------------------------------------------------------------------------------------


def test_a_key_is_in_one_answer_and_nowhere_else(anna: Client, caplog: pytest.LogCaptureFixture) -> None:
    mine = account(companies=[1, 2])
    answer = issue(anna, mine, networks="10.0.0.0/8, 192.0.2.1", companies="1", scopes=["ui:read"])
    text = shown(answer)
    assert "no-store" in answer["Cache-Control"]
    assert is_good(text)
    row = key_row(text)
    assert (row.label, row.companies, row.scopes) == ("shop", [1], ["ui:read"])
    assert row.networks == ["10.0.0.0/8", "192.0.2.1/32"]
    assert row.created_by == "operator:anna"
    later = anna.get(f"{BASE}{mine.pk}/change/").content.decode() + anna.get(BASE).content.decode()
    stored = [
        *(str(session.get_decoded()) for session in Session.objects.all()),
        *(str(values) for model in (AuditEntry, LogEntry, IdempotencyRecord) for values in model.objects.values()),
    ]
    secret = text.split("_")[2]
    for place in (later, *stored, caplog.text, str(answer.headers), str(answer.cookies)):
        assert secret not in place
    audit = AuditEntry.objects.get(action="key_issued")
    assert (audit.actor_kind, audit.actor, audit.object_id) == ("operator", "anna", row.key_id)


def test_the_same_form_again_makes_no_second_key(anna: Client) -> None:
    mine = account()
    seen = newest(mine)
    text = shown(issue(anna, mine, newest=seen))
    again = issue(anna, mine, newest=seen).content.decode()
    assert "nothing was made now" in again
    assert not re.search(KEY_PATTERN, again)
    assert ServiceKey.objects.get() == key_row(text)


def test_what_a_service_refuses_stands_at_its_field(anna: Client) -> None:
    mine = account(companies=[1])
    told = issue(anna, mine, networks="home", companies="2").content.decode()
    assert "“home” is no network" in told
    assert "A key acts for companies of its account only" in told
    assert not ServiceKey.objects.exists()


# --- rotate, disable --------------------------------------------------------------------------------------------------


def test_rotating_says_who_needs_the_new_key_and_keeps_the_old_one(anna: Client) -> None:
    old = key(account())
    assert is_good(old)
    page = f"{BASE}keys/{key_row(old).pk}/rotate/"
    assert HOME in anna.get(page).content.decode()
    new = shown(anna.post(page, {"overlap": "24"}))
    ends = key_row(old).expires_at
    assert ends is not None
    assert abs(ends - timezone.now() - DAY) < dt.timedelta(minutes=1)
    assert is_good(old)
    assert is_good(new)
    assert "was replaced already" in anna.post(page, {"overlap": "24"}).content.decode()


def test_the_overlaps_that_are_offered_are_those_of_the_service() -> None:
    offered = {dt.timedelta(hours=int(hours)) for hours in OVERLAP_WORDS if hours != UNTIL_USED}
    assert offered == set(services.OVERLAPS)


def test_the_offered_choice_waits_for_the_new_key(anna: Client) -> None:
    old = key(account())
    shown(anna.post(f"{BASE}keys/{key_row(old).pk}/rotate/", {"overlap": UNTIL_USED}))
    assert key_row(old).ends_when_replaced_in_use


def test_a_disabled_key_is_over_with_its_tokens(anna: Client) -> None:
    text = key(account())
    row = key_row(text)
    page = f"{BASE}keys/{row.pk}/disable/"
    assert "gets no token" in anna.get(page).content.decode()
    assert anna.post(page, {"reason": "laptop lost"}).status_code == 302
    assert not is_good(text)
    assert key_row(text).disabled_reason == "laptop lost"
    assert Revocation.objects.filter(kind="key", subject=row.key_id).exists()


def test_an_account_is_switched_off_and_on(anna: Client) -> None:
    mine = account()
    text = key(mine)
    assert "1 live key of orders" in anna.get(f"{BASE}{mine.pk}/disable/").content.decode()
    anna.post(f"{BASE}{mine.pk}/disable/", {"reason": "retired"})
    assert not is_good(text)
    assert Revocation.objects.get().subject == "orders"
    assert "disabled: enable it first" in issue(anna, mine).content.decode()
    anna.post(f"{BASE}{mine.pk}/enable/")
    assert is_good(text)


# --- rights -----------------------------------------------------------------------------------------------------------


def test_rights_are_ticked_and_what_is_taken_away_is_void(anna: Client) -> None:
    mine = account(companies=[1, 2])
    page = f"{BASE}{mine.pk}/rights/"
    form = anna.get(page).content.decode()
    assert 'value="ui:read" checked' in form
    assert 'value="events:decide" checked' not in form
    values = RIGHTS | {"may_act": "on", "act_companies": "*", "act_scopes": ["ui:read"]}
    assert anna.post(page, values).status_code == 302
    mine.refresh_from_db()
    assert (mine.companies, mine.scopes, mine.may_act) == ([1, 2], ["ui:read"], True)
    assert (mine.act_companies, mine.act_all_companies, mine.act_scopes) == ([1, 2], False, ["ui:read"])
    assert Revocation.objects.get().subject == "orders"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reach": "some", "companies": ""}, "Write the numbers"),
        ({"reach": "all", "companies": "1"}, "Leave this empty"),
        ({"companies": "one"}, "“one” is no company"),
        ({"companies": "0"}, "A company is a whole number from 1"),
        ({"scopes": ["events:publsh"]}, "events:publsh"),
        ({"may_act": "on", "act_companies": "3"}, "in companies of its own only"),
    ],
    ids=["none", "both", "word", "zero", "scope", "beyond"],
)
def test_wrong_rights_change_nothing_and_are_told(anna: Client, changes: dict[str, Any], told: str) -> None:
    mine = account(companies=[1, 2])
    answer = anna.post(f"{BASE}{mine.pk}/rights/", RIGHTS | changes)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    mine.refresh_from_db()
    assert len(mine.scopes) > 1


def test_a_new_account_leads_to_its_page(anna: Client) -> None:
    made = anna.post(f"{BASE}add/", RIGHTS | {"name": "orders", "description": "Takes orders"}, follow=True)
    page = made.content.decode()
    assert "It needs a key" in page
    assert "Takes orders" in page
    assert (
        "There is an account “orders” already" in anna.post(f"{BASE}add/", RIGHTS | {"name": "orders"}).content.decode()
    )


# --- enrolment --------------------------------------------------------------------------------------------------------


def test_an_enrolment_token_is_shown_once_and_can_be_voided(anna: Client) -> None:
    mine = account()
    form = {"newest": 0, "valid": "60", "life": "90", "networks": ""}
    answer = anna.post(f"{BASE}{mine.pk}/enrol/", form)
    text = shown(answer, ENROLMENT_PATTERN)
    assert "no-store" in answer["Cache-Control"]
    token = EnrolmentToken.objects.get()
    assert abs(token.expires_at - timezone.now() - HOUR) < dt.timedelta(minutes=1)
    page = anna.get(f"{BASE}{mine.pk}/change/").content.decode()
    assert "waiting" in page
    assert text.split("_")[1] not in page
    assert "nothing was made now" in anna.post(f"{BASE}{mine.pk}/enrol/", form).content.decode()
    assert anna.get(f"{BASE}enrolments/{token.pk}/cancel/").status_code == 404
    anna.post(f"{BASE}enrolments/{token.pk}/cancel/")
    with pytest.raises(BadCredentials):
        services.enrolment_redeem(text=text, service_name="orders", source=HOME, now=timezone.now())


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_of_many_accounts_asks_a_few_questions(anna: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        key(account(f"service-{number}", [number + 1]))
    anna.get(BASE)
    with django_assert_max_num_queries(14):
        page = anna.get(BASE).content.decode()
    assert "service-29" in page


def test_an_account_is_found_by_what_a_log_says_of_its_key(anna: Client) -> None:
    text = key(account("orders"))
    account("products")
    for asked in (key_row(text).key_id, f"xrp_{key_row(text).key_id}_", "ORDER"):
        page = anna.get(BASE, {"q": asked}).content.decode()
        assert "orders" in page
        assert ">products<" not in page
