"""A whole hub with services on it, through the faults that need no new process (`test_runhub` kills the others).

`make chaos` does many more, with a fleet of fifty.
"""

import asyncio
import random

import pytest

from tests.chaos.faults import ENGINES, Fault, empty_redis, freeze, kill, restart_fleet
from tests.chaos.fleet import Fleet, members_of
from tests.chaos.trial import Result, Stage
from tests.support.running_hub import RunningHub

FREEZE_SECONDS = 4.0
FAULTS = (
    Fault("FLUSHALL", empty_redis),
    Fault("all instances restart at once", restart_fleet),
    Fault("both engines frozen", freeze(FREEZE_SECONDS, *ENGINES), marks_reads=True),
    Fault("kill -9 both engines", kill(*ENGINES), restarts=ENGINES),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def lived_through(hub: RunningHub) -> list[Result]:
    """Do every fault and return what came of each."""
    fleet = Fleet(hub.url, members_of(12, random.Random(7)))
    stage = Stage(hub, fleet)
    try:
        await fleet.start()
        await stage.open()
        return [await stage.try_fault(fault, calm_seconds=0.3) for fault in FAULTS]
    finally:
        await stage.close()
        await fleet.stop()


def is_weather(finding: str) -> bool:
    """Whether it may come of a machine so busy that the fleet itself does not answer a poll in 3 s.

    Beside other tests that happens; `make chaos` has the machine to itself and counts it.
    """
    return "was told to be" in finding


@pytest.mark.thorough
def test_nobody_is_lost_and_every_read_is_answered(running_hub: RunningHub) -> None:
    results = asyncio.run(lived_through(running_hub))
    lost = {result.fault: [one for one in result.findings if not is_weather(one)] for result in results}
    assert lost == {fault.name: [] for fault in FAULTS}
    assert all(result.reads > 50 and not result.failed for result in results)
