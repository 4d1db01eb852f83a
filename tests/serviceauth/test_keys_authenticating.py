"""Who brings a key: one answer for whatever is wrong, and the operator knows what it was."""

import datetime as dt
import logging
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.errors import HubError
from apps.core.tenancy import Companies, system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import new_key
from apps.serviceauth.models import ServiceKey
from apps.serviceauth.services import peppers
from tests.support.accounts import DAY, HOME, HOUR, NOON, account, key, key_row

pytestmark = pytest.mark.django_db
SECOND = dt.timedelta(seconds=1)


def authenticate(
    text: str, name: str = "orders", source: str = HOME, now: dt.datetime = NOON
) -> services.Authenticated:
    return services.authenticate_key(service_name=name, service_key=text, source=source, now=now)


def refused(text: str, **options: Any) -> BadCredentials:
    with pytest.raises(BadCredentials) as caught:
        authenticate(text, **options)
    return caught.value


def test_a_key_is_its_accounts() -> None:
    text = key(account(companies=[1, 2]), now=NOON)
    found = authenticate(text)
    assert (found.account.name, found.service_name, found.companies) == ("orders", "orders", frozenset({1, 2}))
    assert "registry:write" in found.scopes
    assert "events:decide" not in found.scopes


def test_every_live_key_is_good() -> None:
    mine = account()
    for text in [key(mine, now=NOON) for _ in range(3)]:
        assert authenticate(text).key.key_id in text


@pytest.mark.parametrize(
    ("granted", "narrowed", "left"),
    [
        ("*", None, "*"),
        ("*", [3], frozenset({3})),
        ([1, 2], [2], frozenset({2})),
        ([1, 2], [], frozenset()),
        ([], None, frozenset()),
    ],
)
def test_a_key_narrows_its_account(granted: Companies, narrowed: list[int] | None, left: Companies) -> None:
    text = key(account(companies=granted), now=NOON, companies=narrowed, scopes=["events:publish"])
    found = authenticate(text)
    assert found.companies == left
    assert found.scopes == {"events:publish"}


def test_what_an_account_lost_its_keys_lose() -> None:
    mine = account(companies=[1, 2])
    text = key(mine, now=NOON, companies=[1, 2], scopes=["registry:read", "ui:read"])
    with use(system("test")):
        services.account_update(account=mine, actor="test", companies=frozenset({2}), scopes=["ui:read"])
    found = authenticate(text)
    assert (found.companies, found.scopes) == (frozenset({2}), frozenset({"ui:read"}))


def broken(mine: Any, fault: str) -> tuple[str, dict[str, Any]]:
    """Return a key that is refused for ``fault``, and how it is brought."""
    if fault == "expired":
        return key(mine, now=NOON - DAY, expires_at=NOON), {}
    if fault == "network":
        return key(mine, now=NOON, networks=["192.0.2.0/24", "2001:db8::/32"]), {}
    text = key(mine, now=NOON)
    with use(system("test")):
        if fault == "disabled":
            services.key_disable(key=key_row(text), reason="", actor="test", now=NOON)
        if fault == "account":
            services.account_disable(account=mine, actor="test", now=NOON)
    return text, {"name": "products"} if fault == "name" else {}


@pytest.mark.parametrize("fault", ["name", "account", "disabled", "expired", "network"])
def test_what_is_wrong_is_told_to_operators_only(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    text, brought = broken(account(), fault)
    with caplog.at_level(logging.WARNING):
        error = refused(text, **brought)
    stranger = refused(new_key().text)
    assert (error.status, error.code, error.detail, error.errors) == (401, stranger.code, stranger.detail, ())
    row = key_row(text)
    assert (row.refused_reason, row.refused_at, row.refused_from) == (fault, NOON, HOME)
    assert row.last_used_at is None
    logged = "\n".join(str(record.msg) for record in caplog.records)
    assert fault in logged
    assert row.key_id in logged
    assert text not in logged
    assert text.split("_")[2] not in logged


@pytest.mark.parametrize("slip", ["Hunter2!", "correct horse", "x" * 101, "xrp_Ab_Cd"], ids=range(4))
def test_a_secret_in_the_place_of_the_name_is_not_logged(slip: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        refused(new_key().text, name=slip)
        with pytest.raises(BadCredentials):
            services.enrolment_redeem(text="xre_1", service_name=slip, source=HOME, now=NOON)
    logged = "\n".join(str(record.msg) for record in caplog.records)
    assert "service_key_refused" in logged
    assert "enrolment_refused" in logged
    assert slip not in logged


def test_a_wrong_secret_leaves_no_sign_on_the_key() -> None:
    text = key(account(), now=NOON)
    other = new_key()
    with use(system("test")):
        ServiceKey.objects.update(key_id=other.key_id)
    refused(other.text)
    assert key_row(other.text).refused_at is None
    refused(text)


@pytest.mark.parametrize("text", ["", "password", "xrp_", "xrp_" + "0" * 200, "ключ", "\0"])
def test_what_is_no_key_asks_the_database_nothing(text: str) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        refused(text)
    assert len(asked) == 0


def test_an_unknown_key_id_is_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    known = key(account(), now=NOON)
    with use(system("test")):
        ServiceKey.objects.update(digest=bytes(32))
    calls: list[str] = []
    real = peppers.keys.is_digest_of
    monkeypatch.setattr(peppers.keys, "is_digest_of", lambda *args: calls.append(args[1]) or real(*args))
    counts = []
    for text in (known, new_key().text):
        calls.clear()
        with CaptureQueriesContext(connection) as asked:
            refused(text)
        counts.append((len(calls), len(asked)))
    assert counts[0] == counts[1] == (1, 1)


@pytest.mark.parametrize(
    ("name", "good"),
    [("acme-orders", True), ("acme-x", True), ("acme-", False), ("acme-*", False), ("acme", False), ("other", False),
     ("acme-Orders", False), ("acme-orders-", False), ("acme-" + "a" * 200, False), ("", False)],
)  # fmt: skip
def test_an_account_may_be_for_all_names_that_begin_alike(name: str, good: bool) -> None:
    text = key(account("acme-*"), now=NOON)
    if good:
        assert authenticate(text, name).service_name == name
    else:
        assert refused(text, name=name).reason == "name"


@pytest.mark.parametrize(
    ("source", "good"),
    [("192.0.2.7", True), ("192.0.3.7", False), ("2001:db8::9", True), ("2001:db9::9", False), ("unknown", False)],
)
def test_a_key_may_work_from_its_networks_only(source: str, good: bool) -> None:
    text = key(account(), now=NOON, networks=["192.0.2.0/24", "2001:db8::/32"])
    if good:
        assert authenticate(text, source=source).key.last_used_at is None
        assert key_row(text).last_used_from == source
    else:
        assert refused(text, source=source).reason == "network"


def test_a_use_is_noted_once_a_minute() -> None:
    text = key(account(), now=NOON)
    authenticate(text)
    assert (key_row(text).last_used_at, key_row(text).last_used_from) == (NOON, HOME)
    with CaptureQueriesContext(connection) as asked:
        authenticate(text, source="10.9.9.9", now=NOON + 59 * SECOND)
    assert len(asked) == 1
    assert key_row(text).last_used_from == HOME
    authenticate(text, source="10.9.9.9", now=NOON + 60 * SECOND)
    assert key_row(text).last_used_from == "10.9.9.9"


def test_a_caller_without_an_address_is_noted_without() -> None:
    text = key(account(), now=NOON)
    authenticate(text, source="unknown")
    assert (key_row(text).last_used_at, key_row(text).last_used_from) == (NOON, None)


def test_a_login_works_where_nothing_can_be_written() -> None:
    text = key(account(), now=NOON)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")  # as a standby that has not taken over yet
        assert authenticate(text).account.name == "orders"
        transaction.set_rollback(True)
    assert key_row(text).last_used_at is None


def test_a_new_pepper_signs_and_the_old_one_still_verifies(settings: Any) -> None:
    settings.KEY_PEPPERS = {1: "a" * 32}
    mine = account()
    old = key(mine, now=NOON)
    settings.KEY_PEPPERS = {2: "b" * 32, 1: "a" * 32}
    new = key(mine, now=NOON)
    assert (key_row(old).pepper_version, key_row(new).pepper_version) == (1, 2)
    assert authenticate(old).key != authenticate(new).key
    settings.KEY_PEPPERS = {2: "b" * 32}
    assert refused(old).reason == "unknown_key"
    assert authenticate(new)


def test_the_database_alone_recognises_nobody(settings: Any) -> None:
    text = key(account(), now=NOON)
    row = key_row(text)
    stored = {str(getattr(row, field.attname)) for field in ServiceKey._meta.fields} | {bytes(row.digest).hex()}
    assert not any(text.split("_")[2] in value for value in stored)
    settings.KEY_PEPPERS = {row.pepper_version: "another pepper of the same version"}
    assert refused(text).reason == "unknown_key"


def test_nobody_can_tell_the_account_from_the_answer() -> None:
    errors: list[HubError] = [refused(key(account(), now=NOON), name=name) for name in ("nobody",)]
    errors.append(refused(new_key().text, name="orders", now=NOON + HOUR))
    assert len({(error.status, error.code, error.detail, tuple(error.headers.items())) for error in errors}) == 1
