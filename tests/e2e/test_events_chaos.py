"""A short storm over the event bus, judged as the long one of `make chaos-events` is."""

from pathlib import Path

import pytest

from tests.chaos_events.__main__ import run
from tests.chaos_events.judge import judge
from tests.chaos_events.storm import Weather

ROLES = ("journal", "relay", "ordered", "shared", "many", "outbox", "junk")
# Beside other tests a process may be so slow that it is taken for dead: the calm, in which that would be a finding, is
# left to the command, which has the machine to itself.
WEATHER = Weather(seed=20, kills=8, events=2000, mean_pause=0.8, calm=0.1)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.thorough
def test_nothing_is_lost_in_a_storm(tmp_path: Path) -> None:
    evidence, storm = run(tmp_path / "storm", WEATHER, ROLES)
    verdict = judge(evidence)
    assert verdict.findings == [], storm.log.lines
    assert storm.log.kills.total() >= WEATHER.kills
    assert len(evidence.acknowledged) >= WEATHER.events
    assert set(verdict.buried) == {"ordered", "shared"}
