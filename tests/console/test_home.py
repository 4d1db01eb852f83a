"""What the home page says of the hub itself."""

import datetime as dt
from dataclasses import replace

import pytest

from apps.console.home import HubFacts, hub_troubles

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
QUIET = HubFacts(
    failed={},
    relay_away=False,
    backlog_seconds=0.2,
    parked=0,
    stale_seconds=None,
    group_lag={"hub-core": 0.4, "hub-journal": 9.9},
    stream_alarms={},
    dead_letters=0,
    duties={"poll": NOW, "sweep": NOW},
)


def test_a_hub_in_good_health_is_quiet() -> None:
    assert hub_troubles(QUIET, NOW) == []


@pytest.mark.parametrize(
    ("facts", "part", "told"),
    [
        (replace(QUIET, failed={"redis": "ConnectionError"}), "redis", "heartbeats are not counted"),
        (replace(QUIET, failed={"disk_space": ""}), "disk space", "nearly full"),
        (replace(QUIET, failed={"strange": ""}), "strange", "check strange fails"),
        (replace(QUIET, relay_away=True), "relay", "ask PostgreSQL"),
        (replace(QUIET, backlog_seconds=31.0), "outbox", "wait for 31 s"),
        (replace(QUIET, parked=1200), "outbox", "1,200 events"),
        (replace(QUIET, stale_seconds=12.3), "catalogue", "12 s"),
        (replace(QUIET, duties={"poll": NOW, "sweep": NOW - dt.timedelta(minutes=4)}), "expiry", "for 4 min"),
        (
            replace(QUIET, group_lag={"hub-core": 31.0, "hub-dead": 0.0}),
            "consumer",
            "for 31 s to be handled by hub-core;",
        ),
        (replace(QUIET, stream_alarms={"xerpium:events": "nearly full."}), "streams", "xerpium:events: nearly full."),
        (replace(QUIET, dead_letters=1200), "dead letters", "1,200 events"),
        (replace(QUIET, duties={"sweep": NOW}), "health checks", "since the hub was set up"),
    ],
)
def test_each_part_that_is_away_is_told_with_what_to_do(facts: HubFacts, part: str, told: str) -> None:
    (trouble,) = hub_troubles(facts, NOW)
    assert trouble.part == part
    assert told in trouble.text
    assert trouble.mend


def test_one_cause_is_told_once_and_the_worst_comes_first() -> None:
    troubles = hub_troubles(replace(QUIET, failed={"redis": ""}, relay_away=True, parked=2, backlog_seconds=60), NOW)
    assert [trouble.part for trouble in troubles] == ["redis", "outbox"]


def test_a_poller_that_is_busy_for_some_seconds_is_not_away() -> None:
    assert hub_troubles(replace(QUIET, duties={"poll": NOW - dt.timedelta(seconds=15), "sweep": NOW}), NOW) == []
