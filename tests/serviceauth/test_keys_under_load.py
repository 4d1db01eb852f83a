"""Keys while many come at once: one enrolment, rotations without a failed call, and guessing beside the true owner."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.core import limits
from apps.core.errors import TooManyRequests
from apps.core.guesses import Guesses, guesses
from apps.core.tenancy import system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import new_key
from apps.serviceauth.models import ServiceKey
from apps.serviceauth.services import authenticating
from apps.serviceauth.services.issuing import token_issue
from apps.serviceauth.verifying import verify
from tests.support.accounts import HOME, HOUR, account, key, key_row

pytestmark = pytest.mark.usefixtures("transactional_db")

STRANGER, OWNER = "203.0.113.9", "10.0.0.7"


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run ``work`` in so many threads, each with a connection of its own, and return what they returned."""

    def one(number: int) -> Any:
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def fetch_token(text: str, source: str = HOME) -> str:
    """Get a token as the token endpoint does: within the limits, by the services."""
    with limits.attempt("key", "orders", source, secret=text):
        proved = services.authenticate_key(service_name="orders", service_key=text, source=source, now=timezone.now())
    with use(system("test")):
        return token_issue(service=proved, now=timezone.now()).access_token


def outcome(text: str, source: str) -> str:
    try:
        fetch_token(text, source)
    except (BadCredentials, TooManyRequests) as error:
        return type(error).__name__
    return "token"


def test_of_many_that_enrol_at_once_exactly_one_gets_a_key() -> None:
    mine, start = account(), threading.Barrier(8)
    text = services.enrolment_create(account=mine, actor="anna", now=timezone.now())

    def come(_: int) -> str:
        start.wait(timeout=10)
        try:
            made, _key = services.enrolment_redeem(text=text, service_name="orders", source=HOME, now=timezone.now())
        except BadCredentials as error:
            return error.reason
        return made

    answers = at_once(8, come)
    assert answers.count("used") == 7
    assert ServiceKey.objects.get().key_id in next(one for one in answers if one != "used")


def test_ten_rotations_under_load_without_a_failed_call() -> None:
    """Half of the callers take a new key over at once; the others go on with the one before it for a while."""
    keys = [key(account())]
    fetched, over = [0] * 8, threading.Event()

    def call(number: int) -> list[str]:
        failures = []
        while not over.is_set():
            known = keys[-1] if number % 2 else keys[max(0, len(keys) - 2)]
            # Each comes from an address of its own: 120 attempts a minute are allowed to each.
            try:
                verify(fetch_token(known, f"10.0.{number}.{fetched[number] // 100}"))
            except Exception as error:
                failures.append(repr(error))
            fetched[number] += 1
        return failures

    def rotate() -> None:
        for turn in range(10):
            seen = sum(fetched)
            overlap = HOUR if turn % 2 else services.UNTIL_USED
            keys.append(services.key_rotate(key=key_row(keys[-1]), overlap=overlap, actor="anna", now=timezone.now()))
            while sum(fetched) < seen + 16:
                over.wait(0.005)

    def work(number: int) -> list[str]:
        if number < 8:
            return call(number)
        with use(system("test")):
            try:
                rotate()
            finally:
                over.set()
        return []

    failures = [told for found in at_once(9, work) for told in found]
    assert failures == []
    assert len(set(keys)) == 11
    assert min(fetched) > 0
    assert sum(fetched) >= 160


def test_guessing_is_bounded_work_and_keeps_no_owner_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = key(account())
    assert outcome(text, STRANGER) == "token"
    looked_at = []
    monkeypatch.setattr(
        authenticating, "find_key", lambda text, find=authenticating.find_key: looked_at.append(1) or find(text)
    )
    guessed = at_once(8, lambda _: [outcome(new_key().text, STRANGER) for _ in range(25)])
    told = [one for found in guessed for one in found]
    assert "token" not in told
    assert told.count("BadCredentials") == 10
    # Those that are under way when the tenth fails are looked at; nothing after them is.
    assert len(looked_at) <= 10 + 8
    assert outcome(text, OWNER) == "token"
    assert outcome(text, STRANGER) == "token"
    assert guesses(at_least=100) == [Guesses("key", "orders", STRANGER, 200)]


def test_an_owner_at_the_same_address_who_never_came_in_before_waits_a_minute_at_most() -> None:
    text = key(account())
    for _ in range(10):
        outcome(new_key().text, STRANGER)
    with pytest.raises(TooManyRequests) as caught:
        fetch_token(text, STRANGER)
    assert 0 < caught.value.retry_after <= 60
    assert outcome(text, OWNER) == "token"
