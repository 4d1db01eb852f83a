"""Limits: exact under threads and processes, in Redis and without it, and nobody pays for what others do elsewhere."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client, RequestFactory

from apps.core import limits
from apps.core.access import Principal
from apps.core.engines import free_port
from apps.core.errors import NotAuthenticated, TooManyRequests
from apps.core.windows import Store
from tests.support.tokens import bearer, token_for

HERE, ELSEWHERE = "192.0.2.9", "198.51.100.1"


@pytest.fixture(params=["redis", "away"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The limits once with Redis, once with an address where nobody answers."""
    url = None if request.param == "redis" else f"redis://127.0.0.1:{free_port()}/0"
    made = Store(url)
    monkeypatch.setattr(limits, "_store", made)
    return made


def attempt(secret: str, *, name: str = "product-service", source: str = HERE) -> str:
    """Say a secret, of which "right" is the right one; return what came of it."""
    try:
        with limits.attempt("key", name, source, secret=secret):
            if secret != "right":
                raise NotAuthenticated
    except NotAuthenticated:
        return "wrong"
    except TooManyRequests:
        return "refused"
    return "in"


def in_threads(deed: Callable[[int], str], times: int, threads: int = 32) -> Counter[str]:
    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(deed, range(times)))


def test_a_limit_is_exact_under_32_threads(store: Store) -> None:
    def ask(_: int) -> str:
        try:
            limits.hit("test", 50, HERE)
        except TooManyRequests:
            return "refused"
        return "in"

    assert in_threads(ask, 1000) == {"in": 50, "refused": 950}


PROGRAM = """
import os, sys, django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from apps.core import limits
from apps.core.errors import TooManyRequests
def ask(amount):
    try:
        limits.hit(f"processes-{amount}", amount, "somebody")
    except TooManyRequests:
        return 0
    return 1
for amount in map(int, sys.argv[1:]):
    started = []
    for _ in range(4):
        if not (child := os.fork()):
            with ThreadPoolExecutor(8) as pool:
                let_in = sum(pool.map(ask, [amount] * 400))
            os.write(1, b"%d %d\\n" % (amount, let_in))
            os._exit(0)
        started.append(child)
    for child in started:
        os.waitpid(child, 0)
"""


def test_a_limit_is_exact_across_processes() -> None:
    """The larger one is counted by two counters instead of one entry a request."""
    command = [sys.executable, "-c", PROGRAM, "100", "1500"]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=50).stdout
    let_in = Counter[str]()
    for amount, number in map(str.split, said.splitlines()):
        let_in[amount] += int(number)
    assert (let_in, said.count("\n")) == ({"100": 100, "1500": 1500}, 8)


def test_guessing_gets_ten_verdicts_and_no_more(store: Store) -> None:
    assert in_threads(lambda n: attempt(f"guess {n}"), 640) == {"wrong": 10, "refused": 630}


@pytest.mark.usefixtures("store")
def test_callers_are_admitted_exactly_and_each_for_itself_under_32_threads(settings: Any) -> None:
    settings.API_RATE_LIMIT = 100
    callers = [
        Principal("service", "orders", frozenset({1}), company_id=1),
        Principal("service", "orders", frozenset({2}), company_id=2),
        Principal("user", "user:5", frozenset({1}), company_id=1, user_id=5, actors=("orders",)),
        Principal("operator", "orders"),
    ]

    def ask(number: int) -> str:
        caller = callers[number % 4]
        try:
            limits.admit(caller)
        except TooManyRequests as error:
            return "refused" if 0 < error.retry_after <= 60 else "refused for how long?"
        return caller.scope

    found = in_threads(ask, 1600)
    assert found == {**{caller.scope: 100 for caller in callers}, "refused": 1200}


def test_no_limit_is_none_and_callers_of_an_open_hub_have_none(settings: Any) -> None:
    for limit, caller in ((0, Principal("service", "orders")), (1, Principal("open", "open"))):
        settings.API_RATE_LIMIT = limit
        for _ in range(5):
            limits.admit(caller)


@pytest.mark.django_db
def test_who_asks_too_often_is_told_when_to_come_back(settings: Any) -> None:
    settings.API_RATE_LIMIT = 3
    client = Client(headers=bearer(token_for("orders")))
    answers = [client.get("/api/v1/services", REMOTE_ADDR=f"192.0.2.{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "too_many_requests"
    assert 0 < int(answers[3]["Retry-After"]) <= 60
    assert Client(headers=bearer(token_for("billing"))).get("/api/v1/services", REMOTE_ADDR=HERE).status_code == 200


def test_refusals_are_counted_by_an_address_that_no_header_changes(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(limits, "REFUSED_PER_SOURCE", 20)

    def ask(number: int, peer: str = HERE) -> str:
        headers = {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": f"10.1.0.{number}"}
        return str(Client().get("/api/v1/services", headers=headers, REMOTE_ADDR=peer).status_code)

    assert in_threads(ask, 64) == {"401": 20, "429": 44}
    assert ask(1, ELSEWHERE) == "401"
    settings.TRUSTED_PROXIES = (ip_network(f"{HERE}/32"),)
    assert Counter(ask(number % 2) for number in range(44)) == {"401": 40, "429": 4}


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("192.0.2.9", "203.0.113.5", "192.0.2.9"),
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.5:80", "203.0.113.5"),
        ("", "203.0.113.5", "203.0.113.5"),
        ("", "", "unknown"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    peer: str, forwarded: str, source: str, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.0/24"),)
    request = RequestFactory(headers={"X-Forwarded-For": forwarded}).get("/", REMOTE_ADDR=peer)
    assert limits.source_of(request) == source


def test_an_address_of_ipv6_counts_with_its_neighbours() -> None:
    assert limits.neighbourhood("2001:db8::1") == limits.neighbourhood("2001:db8::ffff:1") == "2001:db8::/64"
    assert limits.neighbourhood("2001:db8:0:1::1") != limits.neighbourhood("2001:db8::1")
    assert limits.neighbourhood(HERE) == HERE
