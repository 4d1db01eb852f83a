"""Keys while many come at once: one enrolment, rotations without a failed call, and guessing beside the true owner."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.core.guesses import Guesses, guesses
from apps.core.tenancy import system, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.keys import new_key
from apps.serviceauth.models import ServiceKey
from apps.serviceauth.selectors import access_troubles
from apps.serviceauth.services import authenticating
from tests.support.accounts import HOME, HOUR, account, key, key_row
from tests.support.api import Api

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


def ask(text: str, source: str = HOME) -> Any:
    """Ask the token endpoint, from an address."""
    body = {"service_name": "orders", "service_key": text}
    return Api().post("/service-auth/token", body, REMOTE_ADDR=source)


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
            answer = ask(known, f"10.0.{number}.{fetched[number] // 100}")
            if answer.status_code != 200:
                failures.append(answer.content.decode())
            fetched[number] += 1
        return failures

    def rotate() -> None:
        for turn in range(10):
            seen = sum(fetched)
            overlap = HOUR if turn % 2 else services.UNTIL_USED
            keys.append(services.key_rotate(key=key_row(keys[-1]), overlap=overlap, actor="anna", now=timezone.now()))
            while sum(fetched) < seen + 8:
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
    assert sum(fetched) >= 80


def test_guessing_is_bounded_work_and_keeps_no_owner_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = key(account())
    assert ask(text, STRANGER).status_code == 200
    looked_at = []
    monkeypatch.setattr(
        authenticating, "find_key", lambda text, find=authenticating.find_key: looked_at.append(1) or find(text)
    )
    guessed = at_once(8, lambda _: [ask(new_key().text, STRANGER).status_code for _ in range(6)])
    told = Counter(status for found in guessed for status in found)
    assert told == {401: 10, 429: 38}
    # Those that are under way when the tenth fails are looked at; nothing after them is.
    assert len(looked_at) <= 10 + 8
    assert ask(text, OWNER).status_code == 200
    assert ask(text, STRANGER).status_code == 200
    assert guesses() == [Guesses("key", "orders", STRANGER, 48)]
    (trouble,) = access_troubles(now=timezone.now())
    assert "48 failures in 10 minutes; the owner is still let in" in trouble.text


def test_an_owner_at_the_same_address_who_never_came_in_before_waits_a_minute_at_most() -> None:
    text = key(account())
    for _ in range(10):
        ask(new_key().text, STRANGER)
    answer = ask(text, STRANGER)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert ask(text, OWNER).status_code == 200
