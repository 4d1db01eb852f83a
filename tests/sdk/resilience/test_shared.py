"""Breakers of two processes on one Redis, which is cut, and freezes, and comes back."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import pytest
from redis import Redis

from tests.support.cutting import cut_connections
from tests.support.freezing import FreezingProxy
from tests.support.wait import wait_until
from xerpium_sdk.resilience import BreakerPolicy, CircuitBreaker, CircuitOpenError, CircuitState
from xerpium_sdk.resilience.shared import SharedBreakers

POLICY = BreakerPolicy(consecutive_failures=2, open_seconds=0.5, half_open_calls=2)
LONG = BreakerPolicy(consecutive_failures=2, open_seconds=30, half_open_calls=2)
Make = Callable[..., "Process"]
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED


class Down(Exception):
    """What a dependency raises that is down."""


def fail() -> None:
    raise Down


class Process:
    """What one process has: a breaker for one service, shared."""

    def __init__(self, url: str, policy: BreakerPolicy, group: str) -> None:
        self.client = Redis.from_url(url)
        self.shared = SharedBreakers(self.client, group=group, poll_seconds=0.02)
        self.breaker = CircuitBreaker(name="stock", policy=policy)
        self.shared.attach(self.breaker)
        self.shared.start()

    def fail(self) -> None:
        """Let the breaker open."""
        for _ in range(2):
            with pytest.raises(Down):
                self.breaker.call_sync(fail)

    def works(self) -> bool:
        """Call; return whether that was allowed."""
        try:
            return self.breaker.call_sync(bool, 1)
        except CircuitOpenError:
            return False

    @property
    def state(self) -> CircuitState:
        return self.breaker.state


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes processes; none of their threads is left."""
    before, made = set(threading.enumerate()), list[Process]()

    def make(policy: BreakerPolicy = POLICY, url: str = "", group: str = "shop") -> Process:
        made.append(Process(url or os.environ["REDIS_URL"], policy, group))
        return made[-1]

    yield make
    for process in made:
        assert process.shared.stop()
        process.client.close()
    assert {one.name for one in set(threading.enumerate()) - before if one.name.startswith("breakers")} == set()


@pytest.fixture
def way() -> Iterator[FreezingProxy]:
    """A way to the tests' Redis that can be frozen."""
    with FreezingProxy(os.environ["REDIS_URL"]) as proxy:
        yield proxy


def test_they_open_together_and_close_together(make: Make, redis_server: Any) -> None:
    one, two, other = make(), make(), make(group="bank")
    one.fail()
    wait_until(lambda: two.state is OPEN, description="the other process to hear of it")
    assert 0.3 < two.breaker.metrics.retry_after <= 0.5
    assert all(redis_server.pttl(key) > 0 for key in redis_server.keys("xerpium:breaker:*"))
    assert other.works()  # another service may have its own way there
    wait_until(two.works, description="a trial call")
    wait_until(lambda: two.works() and two.state is CLOSED, description="the other one")
    wait_until(lambda: one.state is CLOSED, description="the first process to hear of it")
    assert one.breaker.metrics.admitted == 2


def test_one_of_eight_tries_at_a_time(make: Make) -> None:
    processes = [make() for _ in range(8)]
    processes[0].fail()
    wait_until(lambda: all(one.state is OPEN for one in processes), description="all to hear of it")
    inside, most, guard, ended = 0, 0, threading.Lock(), threading.Event()

    def trial() -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        sleep(0.05)
        with guard:
            inside -= 1
        raise Down  # so that there are many rounds of trials

    def ask(process: Process) -> None:
        while not ended.is_set():
            try:
                process.breaker.call_sync(trial)
            except (Down, CircuitOpenError):
                sleep(0.002)

    threads = [threading.Thread(target=ask, args=(process,)) for process in processes for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(one.breaker.metrics.admitted for one in processes) >= 6, description="two rounds")
    ended.set()
    for thread in threads:
        thread.join()
    assert most <= POLICY.half_open_calls


def test_a_call_never_waits_for_redis(make: Make, way: FreezingProxy) -> None:
    one = make(url=way.url)
    wait_until(lambda: one.breaker._circuit._shared, description="it to be shared")
    way.freeze()
    longest = 0.0
    for number in range(200):
        began = monotonic()
        with suppress(Down, CircuitOpenError):
            one.breaker.call_sync(fail if number < 2 else bool)
        longest = max(longest, monotonic() - began)
        sleep(0.002)
    assert longest < 0.1
    began = monotonic()
    assert one.shared.stop()
    assert monotonic() - began < 0.6


def test_without_redis_each_goes_by_itself_and_says_so_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="xerpium_sdk.resilience")
    way = FreezingProxy(os.environ["REDIS_URL"])
    one, two = make(url=way.url), make(LONG)
    wait_until(lambda: one.shared.trouble, description="trouble")
    one.fail()
    wait_until(lambda: one.works() and one.state is CLOSED, description="it to find out by itself")
    assert two.works()
    sleep(0.1)  # several more tries of Redis
    assert caplog.text.count("Breakers are not shared, since Redis does not answer") == 1
    with way:
        wait_until(lambda: not one.shared.trouble, description="Redis")
        two.fail()
        wait_until(lambda: one.state is OPEN, description="what the other one says")
    assert caplog.text.count("Breakers are shared again") == 1


def test_what_opened_while_redis_was_away_is_told_then(make: Make) -> None:
    way = FreezingProxy(os.environ["REDIS_URL"])
    one, two = make(LONG, url=way.url), make(LONG)
    one.fail()
    wait_until(lambda: one.shared.trouble, description="trouble")
    with way:
        wait_until(lambda: two.state is OPEN, description="the other process to hear of it")
        assert 25 < two.breaker.metrics.retry_after <= 30


def test_cut_connections_are_made_anew(make: Make, redis_server: Any) -> None:
    one, two = make(LONG), make(LONG)
    for number in range(3):
        cut_connections(redis_server)
        (one, two)[number % 2].fail()
        wait_until(lambda: one.state is two.state is OPEN, description="both to know")
        one.breaker.reset()
        wait_until(lambda: one.state is two.state is CLOSED, description="both to know that it is over")


def test_leave_for_trials_is_given_back_at_the_end(make: Make, redis_server: Any) -> None:
    one, two = make(), make()
    one.fail()
    wait_until(lambda: two.state is OPEN, description="the other process to hear of it")
    wait_until(one.works, description="a trial call")
    assert not two.works()
    assert one.shared.stop()
    mine = one.shared._attached[0].member.token
    assert mine not in [redis_server.get(key) for key in redis_server.keys("xerpium:breaker:*:trial")]
    wait_until(two.works, timeout=1.5, description="the other one to try at once")
    one.shared.start()
    wait_until(lambda: one.breaker._circuit._shared, description="it to be shared again")


def test_a_breaker_that_nobody_uses_any_more_is_forgotten(make: Make) -> None:
    one = make()
    for _ in range(3):
        one.shared.attach(CircuitBreaker(name="gone"))
    one.shared.attach(one.breaker, "another name")
    assert len(one.shared._attached) <= 3
    with pytest.raises(ValueError, match="nobody to share"):
        one.shared.attach(CircuitBreaker())
