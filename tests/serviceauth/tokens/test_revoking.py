"""What was revoked is refused: at once here, within a second in every other process, and nothing else is."""

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.serviceauth.models import Revocation, ServiceAccount, ServiceKey
from apps.serviceauth.services.accounts import account_disable
from apps.serviceauth.services.issuing import sign
from apps.serviceauth.services.keys import key_disable
from apps.serviceauth.services.revoking import (
    revocation_mark,
    revocations_prune,
    revoke_account,
    revoke_key,
    revoke_token,
    revoke_user,
)
from apps.serviceauth.tokens import Claims
from apps.serviceauth.trust import FRESH_SECONDS, TrustStore, trust
from apps.serviceauth.verifying import InvalidToken, is_good, verify, verify_cached
from tests.serviceauth.tokens.forging import good
from tests.support.database import application_url
from tests.support.tokens import issued_for, token_for
from tests.support.wait import wait_until

HOUR = dt.timedelta(hours=1)


def signed(claims: Claims) -> str:
    """Return a token that says this."""
    return sign(claims, timezone.now()).access_token


def refused(token: str) -> bool:
    """Whether a token is good for nothing."""
    try:
        verify(token)
    except InvalidToken:
        return verify_cached(token.encode()) is None and not is_good(token.encode())
    return False


def words() -> dict[str, Any]:
    """Return what a revocation needs besides."""
    return {"reason": "test", "actor": "operator:anna", "now": timezone.now()}


Revoke = Callable[[Claims], None]
WAYS: dict[str, Revoke] = {
    "token": lambda claims: revoke_token(claims, **words()),
    "key": lambda claims: revoke_key(str(claims.key_id), **words()),
    "account": lambda claims: revoke_account(claims.account, **words()),
    "person": lambda claims: revoke_user(7, **words()),
}


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS)
def test_what_is_revoked_is_refused_and_nothing_else(way: str) -> None:
    claims = replace(good("shop"), key_id="k7", user_id=7, subject="user:7", actors=("shop",))
    token = signed(claims)
    other = signed(replace(good("other"), key_id="k8", user_id=8, subject="user:8", actors=("other",)))
    assert verify(token)
    WAYS[way](claims)
    assert refused(token)
    assert verify(other)
    # What is got afterwards is good again, but for a key, which was revoked because it is dead.
    later = claims.issued_at + 2
    again = signed(replace(claims, issued_at=later, not_before=later, token_id="another"))
    assert refused(again) is (way == "key")


@pytest.mark.django_db
@pytest.mark.parametrize("behind", ["account:acme-*", "key:k9", "token:j9"])
def test_what_a_token_rests_on_counts_however_far_away(behind: str) -> None:
    kind, _, subject = behind.partition(":")
    claims = replace(
        good("shop"), user_id=7, subject="user:7", actors=("shop", "acme-orders"), rests_on=("x:y", behind)
    )
    token = signed(claims)
    assert verify(token)
    revoke_account("acme-orders", **words())  # another account that could have that name, and did not act
    revoke_account(subject.removeprefix("a"), **words())
    assert verify(token)
    ways = {"account": revoke_account, "key": revoke_key}
    ways.get(kind, lambda *_, **said: revoke_token(replace(claims, token_id=subject), **said))(subject, **words())
    assert refused(token)


@pytest.mark.django_db
def test_a_person_may_be_revoked_in_one_company_alone() -> None:
    here, there = (signed(replace(good("shop"), user_id=7, subject="user:7", company_id=company)) for company in (1, 2))
    revoke_user(7, company_id=1, **words())
    assert refused(here)
    assert verify(there)
    revoke_user(7, **words())
    assert refused(there)


@pytest.mark.django_db
def test_what_is_being_issued_while_rights_are_taken_away_is_void_too() -> None:
    """Another process looks an account up, rights are taken away, and then the token is signed."""
    before = timezone.now()
    revoke_account("orders", reason="narrowed", actor="anna", now=before - dt.timedelta(minutes=1))
    moment = int((before + dt.timedelta(seconds=0.5)).timestamp())
    assert refused(signed(replace(good("orders"), issued_at=moment, not_before=moment)))
    assert verify(signed(replace(good("orders"), issued_at=moment + 4, not_before=moment + 4)))


@pytest.mark.django_db
def test_what_ends_a_key_or_an_account_ends_its_tokens() -> None:
    issued = issued_for("orders")
    key = ServiceKey.objects.get(key_id=issued.claims.key_id)
    assert verify(issued.access_token)
    key_disable(key=key, reason="lost", actor="anna", now=timezone.now())
    assert refused(issued.access_token)
    another = issued_for("orders").access_token
    assert verify(another)
    account = ServiceAccount.objects.get(name="orders")
    account_disable(account=account, actor="anna", now=timezone.now() + dt.timedelta(seconds=1))
    assert refused(another)


@pytest.mark.django_db
def test_a_revocation_is_recorded_once_and_forgotten_when_nothing_is_left_to_revoke() -> None:
    claims = good()
    revoke_token(claims, **words())
    revoke_token(claims, **words())
    revoke_user(7, **words())
    assert list(Revocation.objects.values_list("kind", "subject").order_by("id")) == [
        ("token", claims.token_id),
        ("user", "7"),
    ]
    recorded = AuditEntry.objects.filter(action__endswith="_revoked").order_by("id").values_list("action", "object_id")
    assert list(recorded) == [("token_revoked", claims.token_id), ("user_revoked", "7")]
    ends = dt.datetime.fromtimestamp(claims.expires_at, dt.UTC)
    assert revocations_prune(now=ends) == 0  # a verifier's clock may be behind
    assert revocations_prune(now=ends + dt.timedelta(seconds=31)) == 1
    assert revocations_prune(now=timezone.now() + HOUR + dt.timedelta(seconds=31)) == 1
    assert not trust.look().void


def test_marks_tell_nothing_but_to_who_has_the_token() -> None:
    assert revocation_mark("user", "7") != revocation_mark("account", "7") != revocation_mark("user", "8")
    assert len(revocation_mark("user", "7")) == 64


def test_another_store_knows_within_a_second(transactional_db: None) -> None:
    """Another store is what another process has: it sees PostgreSQL, and nothing of this one."""
    revoked = {
        way: replace(good(f"shop-{way}"), key_id=f"k-{way}", user_id=7 if way == "person" else 9, subject="user:7")
        for way in WAYS
    }
    elsewhere = TrustStore()
    assert not any(elsewhere.fresh().is_void(claims) for claims in revoked.values())
    for way, claims in revoked.items():
        WAYS[way](claims)
    began = time.monotonic()
    wait_until(lambda: all(elsewhere.fresh().is_void(claims) for claims in revoked.values()), timeout=3)
    assert time.monotonic() - began <= FRESH_SECONDS + 0.5


OTHER_PROCESS = """
import sys, time
import django
django.setup()
from apps.serviceauth.verifying import InvalidToken, verify
token = sys.stdin.readline().strip()
verify(token)
print("good", flush=True)
while True:
    try:
        verify(token)
    except InvalidToken:
        print(time.time(), flush=True)
        break
    time.sleep(0.01)
"""


def test_another_process_refuses_within_a_second(transactional_db: None) -> None:
    token = token_for("orders")
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": application_url()}
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS], env=environment, stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            other.stdin.write(f"{token}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "good\n"
            revoke_account("orders", **words())
            revoked_at = time.time()
            assert float(other.stdout.readline()) - revoked_at <= FRESH_SECONDS + 0.5
        finally:
            other.kill()


def test_who_may_not_wait_hears_of_revocations_whatever_becomes_of_connections(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("apps.serviceauth.trust.WATCH_SECONDS", 0.05)
    monkeypatch.setattr("apps.serviceauth.trust.close_old_connections", broken)
    store, claims = TrustStore(), good("orders")
    store.watch()
    try:
        time.sleep(0.2)  # a few rounds
        monkeypatch.undo()
        revoke_account("orders", **words())
        wait_until(lambda: store.present.is_void(claims), timeout=3)
    finally:
        store.unwatch()
