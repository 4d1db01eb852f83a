"""A thousand clients and a hub that was away for 20 s: they do not return at once. Simulated, with seeds; no clock."""

from collections import Counter
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from random import Random

import pytest

from xerpium_sdk.registry import Backoff, HubUnavailable, NotFound
from xerpium_sdk.registry._follow import Follower
from xerpium_sdk.registry._lease import Lease, Step, member_backoff
from xerpium_sdk.registry._view import View
from xerpium_sdk.wire import Problem

CLIENTS = 1000
AWAY_FROM, AWAY_UNTIL, END = 300.0, 320.0, 420.0
AWAY = HubUnavailable("away")
UNKNOWN = NotFound(Problem(status=404, title="Not found"))


class Simulation:
    """A hub as a function of time, and what reached it after it came back."""

    def __init__(self, *, forgets: bool) -> None:
        self.known: set[int] = set()
        self.forgets = forgets
        self.requests: Counter[int] = Counter()
        self.back: dict[int, float] = {}
        self.lost = 0

    def run(self, leases: list[Lease], starts: Callable[[], float]) -> None:
        agenda = [(starts(), client) for client in range(len(leases))]
        heapify(agenda)
        while agenda and agenda[0][0] < END:
            now, client = heappop(agenda)
            self.step(now, client, leases[client])
            heappush(agenda, (now + leases[client].delay(now), client))

    def step(self, now: float, client: int, lease: Lease) -> None:
        self.requests[int(now)] += 1
        self.lost += now > AWAY_FROM and not lease.is_held(now) and not self.forgets
        if AWAY_FROM <= now < AWAY_UNTIL:
            if self.forgets:
                self.known.clear()
            lease.missed(now, AWAY)
        elif lease.step is Step.REGISTER:
            self.known.add(client)
            lease.registered(now)
        elif client in self.known:
            lease.renewed(now, 90)
            if now >= AWAY_UNTIL:
                self.back.setdefault(client, now)
        else:
            lease.missed(now, UNKNOWN)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_members_return_spread_out_and_none_is_lost(seed: int, forgets: bool) -> None:
    random = Random(seed)
    simulation = Simulation(forgets=forgets)
    leases = [Lease(90, member_backoff(90), random.random) for _ in range(CLIENTS)]
    simulation.run(leases, starts=lambda: random.uniform(0, 5))
    assert len(simulation.back) == CLIENTS
    assert simulation.lost == 0, "no lease ran out"
    assert max(simulation.back.values()) - AWAY_UNTIL < 40
    clients = Counter(int(moment) for moment in simulation.back.values())
    assert max(clients.values()) <= CLIENTS * 0.2, "in one second"
    requests = max(count for second, count in simulation.requests.items() if second >= AWAY_UNTIL)
    assert requests <= CLIENTS * (0.5 if forgets else 0.2), "where all were forgotten, each needs three"


def test_members_that_started_together_drift_apart() -> None:
    random = Random(1)
    simulation = Simulation(forgets=False)
    simulation.run([Lease(90, member_backoff(90), random.random) for _ in range(CLIENTS)], starts=lambda: 0.0)
    calm = [simulation.requests[second] for second in range(200, 300)]
    assert max(calm) <= 3 * CLIENTS / 26, "a mean of 1000 in 26 s, and no wave of more than three times that"


@pytest.mark.parametrize("seed", range(5))
def test_streams_that_broke_at_the_same_moment_come_back_spread_out(seed: int) -> None:
    random = Random(seed)
    back: Counter[int] = Counter()
    for _ in range(CLIENTS):
        follower = Follower(View(), Backoff(base=0.5, cap=10), random.random)
        follower.begin(0)
        list(follower.heard(100, b": keep-alive\n\n"))
        now = AWAY_FROM
        while now < AWAY_UNTIL:
            now += follower.lost(now)
            follower.begin(now)
        back[int(10 * now)] += 1
    assert max(back.values()) <= CLIENTS * 0.05, "in any tenth of a second at most one client in twenty"
    assert max(back) / 10 - AWAY_UNTIL <= 10
