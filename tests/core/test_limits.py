"""Limits: exact under threads and processes, in Redis and without it, and nobody pays for what others do elsewhere."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.core import limits
from apps.core.engines import free_port
from apps.core.errors import NotAuthenticated, TooManyRequests
from apps.core.windows import Store

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
import sys, django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from apps.core import limits
from apps.core.errors import TooManyRequests
def ask(_):
    try:
        limits.hit(*(sys.argv[1], int(sys.argv[2])), "somebody")
    except TooManyRequests:
        return 0
    return 1
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(ask, range(400))))
"""


@pytest.mark.parametrize("amount", [100, 1500])
def test_a_limit_is_exact_across_processes(amount: int) -> None:
    """The larger one is counted by two counters instead of one entry a request."""
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, "processes", str(amount)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    let_in = sum(int(process.communicate(timeout=50)[0]) for process in started)
    assert let_in == min(amount, 1600)


def test_guessing_gets_ten_verdicts_and_no_more(store: Store) -> None:
    assert in_threads(lambda n: attempt(f"guess {n}"), 640) == {"wrong": 10, "refused": 630}
