"""Which instance is chosen. Seeded; no clock, no network."""

import gc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.hub import instance
from xerpium_sdk.registry import Endpoint, InstanceRecord, VersionRangeError
from xerpium_sdk.registry._choice import Candidates, Load, eligible


def record(instance_id: str = "a", **changes: object) -> InstanceRecord:
    return InstanceRecord.from_json(instance(instance_id, **changes))


def candidates(*weights: int) -> tuple[Candidates, list[Load]]:
    records = [record(str(place), weight=weight) for place, weight in enumerate(weights)]
    loads = [Load() for _ in records]
    return Candidates(records, loads), loads


def one_of(some: Candidates, random: Callable[[], float]) -> Endpoint:
    endpoint = some.choose(random)
    assert endpoint is not None
    return endpoint


def names(instances: list[InstanceRecord]) -> list[str]:
    return [item.instance_id for item in instances]


def test_healthy_comes_before_degraded_before_starting_and_the_rest_is_left_out() -> None:
    everyone = [
        record(status, status=status)
        for status in ("stale", "starting", "draining", "degraded", "unhealthy", "healthy", "deregistered")
    ]
    assert names(eligible(everyone, None, None)) == ["healthy"]
    assert names(eligible(everyone[:-2], None, None)) == ["degraded"]
    assert names(eligible(everyone[:3], None, None)) == ["starting"]
    assert eligible([everyone[0], everyone[2], everyone[4]], None, None) == []


def test_a_zone_is_a_preference_among_equals() -> None:
    near, far = record("near", zone="eu-1"), record("far", zone="us-1")
    assert names(eligible([far, near], None, "eu-1")) == ["near"]
    assert names(eligible([far], None, "eu-1")) == ["far"]
    assert names(eligible([far, near], None, None)) == ["far", "near"]
    ill_and_near = record("near", status="degraded", zone="eu-1")
    assert names(eligible([far, ill_and_near], None, "eu-1")) == ["far"]


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.4.2", None, True),
        ("1.2.3", "1.2.3-beta", False),
        ("1.2.5", "~1.2.0-beta", True),
        ("1.4.2", ">= 1.2", True),
        ("1.4.2", "^1.4", True),
        ("1.4.2", "~1.3", False),
        ("2.0.0", ">=1.2 <2", False),
        ("3.1.0", "1.x || 3.x", True),
        ("1.5.0-rc.1", "^1.4", False),
        ("1.5.0-rc.1", ">=1.5.0-alpha", True),
        ("latest", "*", False),
        ("latest", None, True),
    ],
)
def test_version_ranges_are_npm_s(version: str, wanted: str | None, fits: bool) -> None:
    assert bool(eligible([record(version=version, status="healthy")], wanted, None)) is fits


@pytest.mark.parametrize("wanted", ["one", ">>1", "1.2.3.4", "^"])
def test_what_is_no_range_is_said_to_be_none(wanted: str) -> None:
    with pytest.raises(VersionRangeError):
        eligible([record()], wanted, None)


def test_idle_instances_are_drawn_by_weight() -> None:
    some, _ = candidates(100, 50, 0, 10)
    random = Random(1).random
    drawn: Counter[str] = Counter()
    for _ in range(16_000):
        endpoint = one_of(some, random)
        drawn[endpoint.instance.instance_id] += 1
        endpoint.done()
    assert drawn["0"] == pytest.approx(10_000, rel=0.05)
    assert drawn["1"] == pytest.approx(5_000, rel=0.05)
    assert drawn["3"] == pytest.approx(1_000, rel=0.15)
    assert "2" not in drawn


@pytest.mark.parametrize("weights", [(0,), (0, 0), (7,)])
def test_weights_that_say_nothing_are_equal(weights: tuple[int, ...]) -> None:
    some, _ = candidates(*weights)
    random = Random(1).random
    drawn = {one_of(some, random).instance.instance_id for _ in range(50)}
    assert drawn == {str(place) for place in range(len(weights))}


def test_nobody_to_choose() -> None:
    assert candidates()[0].choose(Random(1).random) is None


def test_work_that_lasts_is_shared_out_by_weight_far_better_than_by_drawing_once() -> None:
    some, loads = candidates(100, 100, 100, 100, 50)
    random = Random(1).random
    under_way = [some.choose(random) for _ in range(900)]
    shares = [len(load.tokens) for load in loads]
    assert len(under_way) == 900
    assert all(abs(share - 200) <= 12 for share in shares[:4]), shares
    assert abs(shares[4] - 100) <= 12, shares


def test_a_slow_instance_gets_less() -> None:
    some, loads = candidates(100, 100)
    random = Random(1).random
    stuck = [one for one in (one_of(some, random) for _ in range(40)) if one.instance.instance_id == "0"]
    served = 0
    for _ in range(100):
        with one_of(some, random) as endpoint:
            served += endpoint.instance.instance_id == "1"
    assert len(loads[0].tokens) == len(stuck)
    assert served > 65, "half would be blind chance"


def test_what_is_done_is_done_once_and_the_forgotten_is_given_back() -> None:
    some, (load,) = candidates(100)
    first, second = one_of(some, Random(1).random), one_of(some, Random(1).random)
    assert len(load.tokens) == 2
    first.done()
    first.done()
    assert len(load.tokens) == 1
    with pytest.raises(RuntimeError), one_of(some, Random(1).random):
        raise RuntimeError
    assert len(load.tokens) == 1
    del second
    gc.collect()
    assert load.tokens == set()


def test_an_endpoint_shows_where_it_leads() -> None:
    some, _ = candidates(100)
    endpoint = one_of(some, Random(1).random)
    assert endpoint.url == "http://10.0.3.17:8101/api/v1"
    assert repr(endpoint) == "<Endpoint 0 http://10.0.3.17:8101/api/v1>"


def test_threads_lose_no_count() -> None:
    some, loads = candidates(100, 100, 100)
    random = Random(1).random

    def work(_: int) -> None:
        for _ in range(500):
            with one_of(some, random):
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [len(load.tokens) for load in loads] == [0, 0, 0]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.floats(0, 1, exclude_max=True))
def test_every_draw_hits_someone(weights: list[int], number: float) -> None:
    some, _ = candidates(*weights)
    endpoint = one_of(some, lambda: number)
    assert weights[int(endpoint.instance.instance_id)] or not any(weights)
