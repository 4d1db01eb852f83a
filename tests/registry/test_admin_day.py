"""The last 24 hours as a strip and as a chart."""

import datetime as dt
from itertools import pairwise

import pytest

from apps.core.chart import nice_ceiling
from apps.registry.chart import draw, spell_ms
from apps.registry.timeline import Cell, Change, PollBucket, first_quarter, strip
from tests.support.registry import NOW
from xerpium_sdk.wire.registry import Status

H, U = Status.HEALTHY, Status.UNHEALTHY
HOUR = dt.timedelta(hours=1)


def at(**back: float) -> dt.datetime:
    return NOW - dt.timedelta(**back)


def bucket(start: dt.datetime, length: dt.timedelta = HOUR, **changes: float) -> PollBucket:
    known = {"polls": 10, "failures": 0, "average_ms": 20.0, "slowest_ms": 40.0} | changes
    return PollBucket(start, start + length, **known)  # type: ignore[arg-type]  # ints where ints belong


def cell_at(cells: list[Cell], moment: dt.datetime) -> Cell:
    return next(cell for cell in cells if cell.start <= moment < cell.end)


def test_a_quiet_day_is_one_colour() -> None:
    cells = strip({"a": H}, [], [], now=NOW, single=True)
    assert len(cells) == 96
    assert {cell.status for cell in cells} == {H}
    assert cells[0].start == first_quarter(NOW)
    assert cells[-1].start <= NOW < cells[-1].end
    assert all(one.end == other.start for one, other in pairwise(cells))


def test_an_outage_colours_the_cells_that_it_touches() -> None:
    changes = [Change(at(hours=5), "a", U), Change(at(hours=5, minutes=20), "a", H)]
    cells = strip({"a": H}, changes, [], now=NOW, single=True)
    red = [cell for cell in cells if cell.status is U]
    assert (red[0].start, red[-1].end) == (at(hours=5, minutes=30), at(hours=5))


def test_before_its_first_registration_there_is_nothing() -> None:
    cells = strip(
        {"a": H}, [Change(at(hours=2), "a", Status.STARTING), Change(at(hours=3), "a", None)], [], now=NOW, single=True
    )
    assert cell_at(cells, at(hours=4)).status is None
    assert cell_at(cells, at(hours=2, minutes=30)).status is Status.STARTING
    assert cell_at(cells, at(hours=1)).status is H


def test_a_service_is_judged_by_all_its_instances() -> None:
    changes = [Change(at(hours=1), "a", H), Change(at(hours=6), "b", U)]
    cells = strip({"a": U, "b": H}, changes, [], now=NOW, single=False)
    assert cell_at(cells, NOW).status is Status.DEGRADED
    assert cell_at(cells, at(hours=3)).status is H
    assert cell_at(cells, at(hours=8)).status is Status.DEGRADED


def test_an_instance_that_has_left_counts_for_the_time_when_it_was_there() -> None:
    cells = strip({"a": H}, [Change(at(hours=1), "gone", U)], [], now=NOW, single=False)
    assert cell_at(cells, at(minutes=20)).status is H
    assert cell_at(cells, at(hours=2)).status is Status.DEGRADED


def test_a_change_older_than_the_day_does_not_matter() -> None:
    cells = strip({"a": H}, [Change(at(hours=25), "a", U)], [], now=NOW, single=True)
    assert {cell.status for cell in cells} == {H}


def test_cells_show_the_checks_that_they_overlap() -> None:
    polls = [bucket(at(hours=6), failures=2), bucket(at(minutes=10), dt.timedelta(minutes=5), polls=3)]
    cells = strip({"a": H}, [], polls, now=NOW, single=True)
    assert [cell.failures for cell in cells if cell.polls].count(2) == 4
    assert cell_at(cells, at(minutes=8)).polls == 3


def test_a_chart_needs_an_answer() -> None:
    assert draw([], now=NOW) is None
    assert draw([bucket(at(hours=1), failures=10, average_ms=None, slowest_ms=None)], now=NOW) is None  # type: ignore[arg-type]


def test_a_chart_says_its_finding_and_has_zero_at_its_foot() -> None:
    chart = draw([bucket(at(hours=3)), bucket(at(hours=2), failures=1, slowest_ms=90.0)], now=NOW)
    assert chart is not None
    assert chart.title == "Answers in 20 ms on average, 90 ms at worst; 1 of 20 checks failed"
    assert (chart.ceiling_ms, chart.half_ms) == (100, 50)
    assert chart.average == "M895.8 240.0 h0.5 L937.5 240.0"
    assert chart.slowest.endswith("L937.5 30.0")
    assert len(chart.failed) == 1
    assert [row.start for row in chart.rows] == [at(hours=2), at(hours=3)]


def test_a_gap_is_not_bridged() -> None:
    chart = draw([bucket(at(hours=9)), bucket(at(hours=2))], now=NOW)
    assert chart is not None
    assert chart.average.count("M") == 2
    assert "L" not in chart.average


@pytest.mark.parametrize(("value", "ceiling"), [(0, 1), (1, 1), (1.2, 2), (19, 20), (20, 20), (51, 100), (3001, 5000)])
def test_ceilings_are_round(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == ceiling


@pytest.mark.parametrize(("value", "told"), [(0.84, "0.8 ms"), (12.4, "12 ms"), (999, "999 ms"), (1440, "1.4 s")])
def test_response_times_have_units(value: float, told: str) -> None:
    assert spell_ms(value) == told
