"""Signing keys over time: published, then signing, then only verifying, then gone; and no token fails on the way."""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from django.db import OperationalError, connection

from apps.core.errors import Unavailable
from apps.core.models import AuditEntry
from apps.serviceauth import signing
from apps.serviceauth.models import SigningKey
from apps.serviceauth.services.issuing import sign
from apps.serviceauth.services.signing import (
    PUBLISHED_AHEAD,
    VERIFIES_AFTER,
    signer,
    signing_key_withdraw,
    signing_keys_rotate,
)
from apps.serviceauth.trust import TrustStore, trust
from apps.serviceauth.verifying import InvalidToken, claims_of, verify
from tests.serviceauth.tokens.forging import good
from tests.support.wait import wait_until

NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)
SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)
WEEK = 7 * DAY


def rotate(now: dt.datetime, **options: Any) -> list[str]:
    """Rotate, as the clock says."""
    return signing_keys_rotate(now=now, **options)


def stored() -> dict[str, SigningKey]:
    """Return what is stored."""
    return {key.kid: key for key in SigningKey.objects.all()}


def token(now: dt.datetime) -> str:
    """Return a token that is signed now by the key that signs now."""
    return sign(good(), now).access_token


@pytest.mark.django_db
def test_the_first_key_is_made_when_it_is_needed() -> None:
    first = signer(NOON)
    assert list(stored()) == [first.kid]
    assert first.algorithm == "ES256"
    assert signer(NOON).kid == first.kid
    assert rotate(NOON) == []
    assert set(AuditEntry.objects.values_list("action", "object_id")) == {("signing_key_made", first.kid)}


@pytest.mark.django_db
def test_what_is_stored_signs_nothing_by_itself() -> None:
    kid = signer(NOON).kid
    row = stored()[kid]
    assert set(row.public) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert signing.thumbprint(row.public) == kid == row.public["kid"]
    assert b"PRIVATE" not in bytes(row.private)
    with pytest.raises(signing.CannotUnseal):
        signing.unseal(bytes(row.private), "another pepper that is as long as it must be")


@pytest.mark.django_db
def test_a_key_is_published_before_it_signs_and_kept_until_its_tokens_are_gone() -> None:
    old = signer(NOON).kid
    due = NOON + WEEK
    assert rotate(due - PUBLISHED_AHEAD - SECOND) == []
    (new,) = rotate(due - PUBLISHED_AHEAD)
    assert {jwk["kid"] for jwk in trust.fresh().published} == {old, new}
    assert rotate(due - PUBLISHED_AHEAD) == []
    assert signer(due - SECOND).kid == old
    last = token(due - SECOND)
    assert signer(due).kid == new
    assert claims_of(last)
    rotate(due + VERIFIES_AFTER - SECOND)
    assert set(stored()) == {old, new}
    rotate(due + VERIFIES_AFTER)
    assert set(stored()) == {new}
    with pytest.raises(InvalidToken):
        claims_of(last)


@pytest.mark.django_db
def test_a_beat_that_was_away_shortens_no_notice() -> None:
    old = signer(NOON).kid
    late = NOON + 5 * WEEK
    (new,) = rotate(late)
    assert signer(late).kid == old
    assert signer(late + PUBLISHED_AHEAD).kid == new


@pytest.mark.django_db
def test_an_operator_need_not_wait_for_the_week() -> None:
    old = signer(NOON).kid
    (new,) = rotate(NOON, at_once=True)
    assert rotate(NOON, at_once=True) == []
    assert signer(NOON + PUBLISHED_AHEAD - SECOND).kid == old
    assert signer(NOON + PUBLISHED_AHEAD).kid == new


@pytest.mark.django_db
def test_another_algorithm_comes_with_the_next_key(settings: Any) -> None:
    old = signer(NOON)
    settings.TOKEN_ALGORITHM = "RS256"
    (new,) = rotate(NOON)
    assert signer(NOON).kid == old.kid
    changed = signer(NOON + PUBLISHED_AHEAD)
    assert (changed.kid, changed.algorithm) == (new, "RS256")
    assert jwt.get_unverified_header(token(NOON + PUBLISHED_AHEAD))["alg"] == "RS256"
    assert verify(token(NOON)).name == verify(token(NOON + PUBLISHED_AHEAD)).name == "orders"
    assert rotate(NOON + PUBLISHED_AHEAD) == []


@pytest.mark.django_db
def test_a_key_that_is_withdrawn_is_void_at_once() -> None:
    bad = signer(NOON).kid
    stolen = token(NOON)
    assert verify(stolen)
    now = signing_key_withdraw(kid=bad, now=NOON)
    assert list(stored()) == [now] != [bad]
    with pytest.raises(InvalidToken):
        verify(stolen)
    assert signer(NOON).kid == now
    assert verify(token(NOON))
    with pytest.raises(SigningKey.DoesNotExist):
        signing_key_withdraw(kid=bad, now=NOON)
    assert AuditEntry.objects.filter(action="signing_key_withdrawn", object_id=bad).count() == 1


@pytest.mark.django_db
def test_a_key_that_waits_steps_in_for_one_that_is_withdrawn() -> None:
    present = signer(NOON).kid
    (waiting,) = rotate(NOON, at_once=True)
    assert signing_key_withdraw(kid=present, now=NOON) == waiting
    assert signer(NOON).kid == waiting
    assert len(stored()) == 1


@pytest.mark.django_db
def test_another_key_follows_where_the_next_one_is_withdrawn() -> None:
    present = signer(NOON).kid
    (waiting,) = rotate(NOON, at_once=True)
    later = NOON + PUBLISHED_AHEAD - SECOND
    assert signing_key_withdraw(kid=waiting, now=later) == present
    (another,) = set(stored()) - {present}
    assert signer(later + PUBLISHED_AHEAD - SECOND).kid == present
    assert signer(later + PUBLISHED_AHEAD).kid == another


@pytest.mark.django_db
def test_another_pepper_in_front_seals_the_next_key(settings: Any) -> None:
    old = signer(NOON).kid
    version, pepper = next(iter(settings.KEY_PEPPERS.items()))
    settings.KEY_PEPPERS = {version + 1: "p" * 40, version: pepper}
    (new,) = rotate(NOON, at_once=True)
    assert (stored()[old].pepper_version, stored()[new].pepper_version) == (version, version + 1)
    assert signer(NOON + PUBLISHED_AHEAD).kid == new
    # Once the old pepper is gone only verifying is left for what it sealed.
    last = token(NOON)
    settings.KEY_PEPPERS = {version + 1: "p" * 40}
    trust.forget()
    assert verify(last)
    assert signer(NOON + PUBLISHED_AHEAD).kid == new


@pytest.mark.django_db
def test_without_its_pepper_a_key_is_replaced_and_its_tokens_stay_good(settings: Any) -> None:
    old = signer(NOON).kid
    kept = token(NOON)
    settings.KEY_PEPPERS = {77: "q" * 40}
    trust.forget()
    new = signer(NOON).kid
    assert new != old
    assert verify(kept)
    assert verify(token(NOON))
    assert stored()[old].verifies_until == NOON + VERIFIES_AFTER


@pytest.mark.django_db
def test_with_a_wrong_pepper_the_hub_signs_nothing_and_says_so(settings: Any) -> None:
    kept = token(NOON)
    version = next(iter(settings.KEY_PEPPERS))
    settings.KEY_PEPPERS = {version: "wrong " * 10}
    trust.forget()
    with pytest.raises(Unavailable) as caught:
        signer(NOON)
    assert caught.value.code == "no_signer"
    assert len(stored()) == 1
    assert verify(kept)


@pytest.mark.django_db
def test_who_has_never_seen_the_keys_says_so_instead_of_refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = token(NOON)

    def away(self: TrustStore) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(TrustStore, "_reload", away)
    trust.expire()
    assert verify(kept).name == "orders"
    trust.forget()
    with pytest.raises(Unavailable):
        verify(kept)


def test_ten_rotations_and_nobody_notices(transactional_db: None) -> None:
    """Eight threads sign and verify while the clock goes on, and keys come, take over and go."""
    load = _Load(NOON)
    with load.running(threads=8):
        while len(load.signers) <= 10 and not load.failures:
            signing_keys_rotate(now=load.clock, at_once=True)
            load.let_everybody_work()
            load.clock += PUBLISHED_AHEAD
    assert load.failures == []
    assert load.signed > 8 * 20
    assert load.verified > load.signed
    assert len(stored()) < len(load.signers)


class _Load:
    """Threads that sign tokens and verify those of the last 55 minutes, each time with another token."""

    def __init__(self, clock: dt.datetime) -> None:
        self.clock, self.failures, self.signers = clock, list[str](), set[str]()
        self.signed = self.verified = 0
        self._stop, self._rounds, self._kept = threading.Event(), list[int](), list[tuple[dt.datetime, str]]()
        self._lock = threading.Lock()

    @contextmanager
    def running(self, *, threads: int) -> Iterator[None]:
        self._rounds = [0] * threads
        running = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in running:
                thread.join(20)

    def let_everybody_work(self) -> None:
        """Wait until each thread has begun and ended a round since now."""
        before = list(self._rounds)
        wait_until(lambda: self.failures or all(now >= was + 2 for now, was in zip(self._rounds, before, strict=True)))

    def _work(self, number: int) -> None:
        try:
            while not self._stop.wait(0.002):  # so that each thread gets its turn
                self._round()
                self._rounds[number] += 1
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _round(self) -> None:
        now, made = self.clock, token(self.clock)
        with self._lock:
            self._kept = [one for one in self._kept if now - one[0] < dt.timedelta(minutes=55)][-200:]
            self._kept.append((now, made))
            others = [one for _, one in self._kept[:: max(1, len(self._kept) // 5)]]
            self.signers.add(jwt.get_unverified_header(made)["kid"])
            self.signed += 1
        for one in [made, *others]:
            claims_of(one)
        with self._lock:
            self.verified += 1 + len(others)
