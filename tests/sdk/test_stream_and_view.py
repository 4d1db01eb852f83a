"""The catalogue's stream from bytes to records: the parser, the view, and the follower. No clock, no network."""

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.hub import change, event, instance, service, snapshot
from xerpium_sdk.registry import Backoff, NoInstance, Status
from xerpium_sdk.registry._follow import Follower
from xerpium_sdk.registry._sse import Parser, ServerEvent
from xerpium_sdk.registry._view import OutOfStep, View
from xerpium_sdk.wire import examples

STREAM = (
    b": hello\n\nevent: snapshot\r\nid: 7\r\ndata: {\r\ndata:  }\r\n\r\n"
    b"data\n\nretry: 10\nid: 8\0\nevent: change\ndata:\xc3\xa9\n\nevent: lost\n\ndata: cut off"
)
EVENTS = [ServerEvent("snapshot", "{\n }", "7"), ServerEvent("message", "", "7"), ServerEvent("change", "é", "7")]


def parsed(stream: bytes) -> list[ServerEvent]:
    """Return the events of a stream that arrives whole."""
    return list(Parser().feed(stream))


def applied(view: View, stream: bytes) -> list[str]:
    """Apply a stream's events and return the names that changed, sorted."""
    return sorted(record.name for one in parsed(stream) for record in view.apply(one))


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_how_the_stream_is_cut_into_pieces(cuts: list[int]) -> None:
    parser, places = Parser(), [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]
    assert [found for piece in pieces for found in parser.feed(piece)] == EVENTS


@given(st.binary())
def test_whatever_comes_the_parser_goes_on(noise: bytes) -> None:
    parser = Parser()
    list(parser.feed(noise))
    found = list(parser.feed(b"\n\nid: 9\ndata: {}\n\n"))
    assert found[-1].data == "{}"


def test_a_snapshot_is_taken_whole() -> None:
    view = View()
    assert applied(view, event("snapshot", examples.load("catalog_snapshot"), 44)) == ["product-service"]
    assert view.revision == 44
    assert [record.to_json() for record in view.services] == examples.load("catalog_snapshot")["services"]


def test_a_snapshot_tells_what_it_changed() -> None:
    view = View()
    applied(view, snapshot(3, service("a"), service("b"), service("c")))
    changed = view.apply(
        parsed(snapshot(9, service("a"), service("b", 5, tags=[], status="degraded"), service("d")))[0]
    )
    assert sorted((record.name, record.status) for record in changed) == [
        ("b", Status.DEGRADED),
        ("c", Status.DEREGISTERED),
        ("d", Status.HEALTHY),
    ]
    assert [record.name for record in view.services] == ["a", "b", "d"]


def test_a_snapshot_of_a_hub_that_was_set_back_counts() -> None:
    view = View()
    applied(view, snapshot(900, service("a", 900)))
    assert applied(view, snapshot(4, service("a", 4))) == ["a"]
    assert view.revision == 4
    assert applied(view, change(service("a", 5, status="degraded"))) == ["a"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"revision": 8},
        {"services": []},
        {"revision": "x", "services": []},
        {"revision": 8, "services": None},
        {"revision": 8, "services": [service("b"), {"name": "c"}]},
        {"revision": 8, "services": [service("b"), 3]},
        {"revision": 8, "services": [service("b", instances=[{"instance_id": "half"}])]},
        [],
        None,
    ],
    ids=str,
)
def test_a_broken_snapshot_changes_nothing(broken: Any) -> None:
    view = View()
    applied(view, snapshot(7, service("a", 7)))
    with pytest.raises(OutOfStep):
        applied(view, event("snapshot", broken, 8))
    assert view.revision == 7
    assert [record.name for record in view.services] == ["a"]


def test_a_change_needs_a_snapshot_and_an_id() -> None:
    with pytest.raises(OutOfStep, match="before the first snapshot"):
        applied(View(), change(service("a")))
    view = View()
    applied(view, snapshot(1))
    with pytest.raises(OutOfStep):
        view.apply(ServerEvent("change", json.dumps(service("a"))))


def test_changes_replace_add_and_remove() -> None:
    view = View()
    applied(view, snapshot(1, service("a"), service("b")))
    assert applied(view, change(service("a", 2, status="unhealthy"))) == ["a"]
    assert applied(view, change(service("c", 3))) == ["c"]
    assert applied(view, change(service("b", 4, [], status="deregistered"))) == ["b"]
    assert [(record.name, record.status) for record in view.services] == [("a", "unhealthy"), ("c", "healthy")]
    assert view.revision == 4


def test_what_was_said_before_is_not_news() -> None:
    view = View()
    applied(view, snapshot(5, service("a", 5, status="degraded")))
    assert applied(view, change(service("a", 5, status="degraded"))) == []
    assert applied(view, change(service("a", 4))) == []
    assert view.services[0].status is Status.DEGRADED


def test_one_revision_may_come_as_several_events() -> None:
    view = View()
    applied(view, snapshot(5, service("a", 1), service("b", 5)))
    stream = event("change", service("a", 6, impaired=["b"]), 5) + event(
        "change", service("b", 6, status="unhealthy"), 6
    )
    assert applied(view, stream) == ["a", "b"]
    assert view.revision == 6


def test_an_event_of_a_newer_hub_is_passed_over() -> None:
    assert View().apply(ServerEvent("menus", "{}", "9")) == []


@settings(max_examples=30)
@given(st.permutations(range(2, 8)), st.integers(0, 6))
def test_a_view_that_followed_equals_one_that_loaded(revisions: list[int], left: int) -> None:
    """Changes of different services, in order of revision, lead to what a snapshot at the end would say."""
    names = [f"s{number}" for number in revisions]
    records = {
        name: service(name, revision, [instance(weight=revision)])
        for name, revision in zip(names, range(2, 8), strict=True)
    }
    gone = names[:left]
    followed, loaded = View(), View()
    applied(followed, snapshot(1, *(service(name) for name in sorted(names)[:3])))
    for record in records.values():
        applied(followed, change(record))
    for number, name in enumerate(gone, start=8):
        applied(followed, change(service(name, number, [], status="deregistered")))
    applied(loaded, snapshot(8, *(record for name, record in records.items() if name not in gone)))
    assert followed.services == loaded.services


def test_why_there_is_nobody() -> None:
    view, random = View(), Random(1).random
    with pytest.raises(NoInstance, match="not been loaded yet"):
        view.choose("a", None, None, random)
    ill = service("ill", instances=[instance("x", status="unhealthy"), instance("y", status="draining")])
    applied(view, snapshot(1, service("a"), ill, service("empty", instances=[])))
    with pytest.raises(NoInstance, match="does not know a service of that name") as caught:
        view.choose("b", None, None, random)
    assert caught.value.service == "b"
    with pytest.raises(NoInstance, match=r"No instance of a \^2: there is 1\.4\.2\."):
        view.choose("a", "^2", None, random)
    with pytest.raises(NoInstance, match="can take work: draining, unhealthy"):
        view.choose("ill", None, None, random)
    with pytest.raises(NoInstance, match="can take work: all have left"):
        view.choose("empty", None, None, random)
    assert [view.can_choose(name, None) for name in ("a", "ill", "unknown")] == [True, False, False]
    assert not view.can_choose("a", "^2")


def test_what_is_under_way_survives_a_change_of_the_record() -> None:
    view, random = View(), Random(1).random
    applied(view, snapshot(1, service("a", 1, [instance("x"), instance("y")])))
    busy = [view.choose("a", None, None, random) for _ in range(50)]
    applied(view, change(service("a", 2, [instance("x"), instance("y"), instance("z")])))
    fresh = [view.choose("a", None, None, random) for _ in range(60)]
    assert len(busy) == 50
    assert sum(item.instance.instance_id == "z" for item in fresh) >= 30, (
        "it gets more than a third until it is as busy"
    )


def test_services_that_a_hub_forgot_are_chosen_until_they_are_back() -> None:
    view, random = View(), Random(1).random
    follower = Follower(view, Backoff(base=1, cap=1), random)

    def hear(now: float, stream: bytes) -> None:
        follower.begin(now)
        assert [record for changed in follower.heard(now, stream) for record in changed]

    hear(0, snapshot(7, service("a"), service("b"), service("c"), service("d")))
    hear(1, snapshot(1, service("d", instances=[])))
    assert [record.name for record in view.services] == ["d"]
    assert [view.can_choose(name, None) for name in "abcd"] == [True, True, True, False]
    assert view.choose("a", None, None, random, without=["a"]).instance.instance_id == "a"
    hear(2, change(service("a", 2, [instance("x")])))
    assert view.choose("a", None, None, random).instance.instance_id == "x"
    hear(3, change(service("a", 3, [], status="deregistered")))
    hear(4, snapshot(4, service("b", 4, [])))
    assert [view.can_choose(name, None) for name in "abcd"] == [False, False, True, False]
    follower.begin(89)
    list(follower.heard(89, b": keep-alive\n\n"))
    assert view.can_choose("c", None)
    list(follower.heard(91.5, b": keep-alive\n\n"))
    assert not view.can_choose("c", None)
    hear(200, snapshot(5, service("e")))
    hear(201, snapshot(6))  # that one left
    assert not view.can_choose("e", None)


def test_versions_made_up_at_run_time_do_not_fill_the_memory() -> None:
    view, random = View(), Random(1).random
    applied(view, snapshot(1, service("a")))
    for minor in range(1000):
        view.choose("a", f">=1.0.0 || ^9.{minor}", None, random)
    assert len(view._services["a"].questions) <= 256


def follower() -> Follower:
    return Follower(View(), Backoff(base=1, cap=8), lambda: 0.5)


def test_a_follower_resumes_after_what_it_knows() -> None:
    one = follower()
    assert one.begin(0) == {}
    list(one.heard(1, snapshot(7, service("a", 7))))
    assert one.begin(2) == {"Last-Event-ID": "7"}
    list(one.heard(3, change(service("b", 8))))
    assert one.begin(4) == {"Last-Event-ID": "8"}
    assert one.heard_at == 3


def test_a_follower_that_is_out_of_step_asks_for_everything() -> None:
    one = follower()
    list(one.heard(1, snapshot(7, service("a", 7))))
    told = one.heard(2, change(service("b", 8)) + b"event: change\nid: 9\ndata: {}\n\n")
    assert [record.name for record in next(told)] == ["b"], "what came before counts"
    with pytest.raises(OutOfStep):
        next(told)
    assert one.begin(3) == {}
    list(one.heard(4, snapshot(9)))
    assert one.begin(5) == {"Last-Event-ID": "9"}


def test_half_a_message_of_the_last_connection_is_forgotten() -> None:
    one = follower()
    list(one.heard(1, b"event: snapshot\nda"))
    one.begin(2)
    list(one.heard(3, snapshot(7)))
    assert one.begin(4) == {"Last-Event-ID": "7"}


def test_pauses_grow_until_a_connection_lasts() -> None:
    one, waited = follower(), []
    for _ in range(5):
        one.begin(0)
        list(one.heard(1, b": keep-alive\n\n"))
        waited.append(one.lost(1))
    assert waited == [0.5, 1, 2, 4, 4]
    one.begin(0)
    list(one.heard(15, b": keep-alive\n\n"))
    assert one.lost(15) == 0.5
    one.begin(16)
    assert one.lost(17, retry_after=3) == 4
