"""The arithmetic of the measurements: what is printed as a ratio has to be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.events.figures import Round, cpu_ratio, disorder, percentile, ratio_of, row_of, slope_per_hour
from benchmarks.events.payload import TYPE, fields_of
from benchmarks.report import Ratio
from xerpium_sdk.wire.envelope import Envelope


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine was half as fast in the second round, for both.
    fast, slow = (
        [Round(100, 1, 1), Round(100, 2, 2), Round(90, 1, 1)],
        [Round(50, 1, 1), Round(50, 2, 2), Round(50, 1, 1)],
    )
    found = ratio_of("fast ÷ slow", fast, slow, 1.5, 2)
    assert (found.value, found.spread) == (2, (1.8, 2))
    assert found.verdict == "reached, and the stretch"


def test_a_ratio_by_processor_time_does_not_look_at_the_clock() -> None:
    found = cpu_ratio("a ÷ b", [Round(100, 9, 1)], [Round(100, 1, 2)])
    assert found.value == 2


def test_a_row_tells_rate_spread_and_costs() -> None:
    row = row_of("thing", [Round(1000, 1, 0.01, 0.005), Round(1000, 2, 0.02, 0.005), Round(1000, 4, 0.03, 0.005)])
    assert (row.value, row.spread) == (500, (250, 1000))
    assert "cpu   20.0 µs, Redis   5.0 µs each" in row.note


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [(0.5, False, "reached"), (0.9, False, "reached, and the stretch"), (0.4, False, "not reached")],
)
def test_a_verdict_knows_target_and_stretch(value: float, at_most: bool, verdict: str) -> None:
    assert Ratio("it", value, 0.5, at_most, stretch=0.8).verdict == verdict


def test_what_shall_be_small_is_judged_the_other_way_round() -> None:
    ratios = [Ratio("it", value, 2, at_most=True, stretch=1.2) for value in (1.1, 1.9, 2.1)]
    assert [ratio.verdict for ratio in ratios] == ["reached, and the stretch", "reached", "not reached"]


def test_percentiles_are_values_that_were_measured() -> None:
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7], 0.99) == 7


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3))
def test_the_slope_of_a_line_is_its_slope(start: float, per_second: float) -> None:
    samples = [(float(second), start + per_second * second) for second in range(0, 600, 10)]
    assert slope_per_hour(samples) == pytest.approx(per_second * 3600, abs=1e-3)


def test_one_moment_has_no_slope() -> None:
    assert slope_per_hour([]) == slope_per_hour([(1.0, 5.0)]) == slope_per_hour([(1.0, 5.0), (1.0, 9.0)]) == 0


def test_disorder_counts_within_an_entity_only() -> None:
    assert disorder({"a": [1, 3, 5], "b": [2, 4]}) == 0
    assert disorder({"a": [1, 5, 3], "b": [4, 2, 6, 1]}) == 3


def test_the_message_is_an_envelope_with_some_200_bytes_of_data() -> None:
    fields = fields_of(12)
    assert 180 <= len(fields["data"]) <= 240
    assert Envelope.decode(fields).event_type == TYPE
