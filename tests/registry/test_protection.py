"""Protection mode: when it begins, that it ends, and that it does not begin again for the same losses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registry.protection import CALM_SECONDS, LeaseSweep, PollSweep, ProtectionState, Transition, decide

NO_LEASES = LeaseSweep(lost=0, total=20)
NO_POLLS = PollSweep(failed=0, total=20, seconds=30)
MANY_LEASES = LeaseSweep(lost=12, total=20)
MANY_POLLS = PollSweep(failed=6, total=8, seconds=30)
LIMIT = 300.0

lease_sweeps = st.builds(
    lambda total, lost: LeaseSweep(min(lost, total), total), st.integers(0, 50), st.integers(0, 50)
)
poll_sweeps = st.builds(
    lambda total, failed: PollSweep(min(failed, total), total, 30), st.integers(0, 50), st.integers(0, 50)
)


def run(
    state: ProtectionState, *sweeps: tuple[float, LeaseSweep, PollSweep]
) -> tuple[ProtectionState, list[tuple[float, Transition]]]:
    """Decide sweep by sweep, each at its time, and return what happened when."""
    happened = []
    for now, leases, polls in sweeps:
        state, transition = decide(state, now, leases, polls, LIMIT)
        if transition:
            happened.append((now, transition))
    return state, happened


class TestThresholds:
    @pytest.mark.parametrize(
        ("lost", "total", "fails"),
        [
            (4, 4, False),
            (5, 5, True),
            (5, 12, True),
            (5, 13, False),
            (4, 9, False),
            (8, 20, False),
            (9, 20, True),
            (0, 0, False),
        ],
    )
    def test_leases_more_than_forty_percent_and_at_least_five(self, lost: int, total: int, fails: bool) -> None:
        assert LeaseSweep(lost, total).fails is fails

    @pytest.mark.parametrize(
        ("failed", "total", "fails"),
        [(4, 4, False), (5, 5, True), (5, 9, True), (5, 10, False), (10, 20, False), (11, 20, True), (0, 0, False)],
    )
    def test_polls_more_than_half_and_at_least_five(self, failed: int, total: int, fails: bool) -> None:
        assert PollSweep(failed, total, 30).fails is fails


class TestEntering:
    def test_leases_that_run_out_together(self) -> None:
        state, transition = decide(ProtectionState(), 1000.0, MANY_LEASES, NO_POLLS, LIMIT)
        assert transition == Transition(entered=True, reason="12 of 20 leases ran out at once")
        assert (state.active, state.since, state.reason) == (True, 1000.0, "12 of 20 leases ran out at once")

    def test_polls_that_fail_together(self) -> None:
        _, transition = decide(ProtectionState(), 0.0, NO_LEASES, MANY_POLLS, LIMIT)
        assert transition == Transition(entered=True, reason="6 of 8 polls failed within 30 s")

    def test_both_reasons_are_told(self) -> None:
        _, transition = decide(ProtectionState(), 0.0, MANY_LEASES, MANY_POLLS, LIMIT)
        assert transition is not None
        assert transition.reason == "12 of 20 leases ran out at once; 6 of 8 polls failed within 30 s"

    @given(lease_sweeps, poll_sweeps)
    def test_it_begins_only_with_a_cause(self, leases: LeaseSweep, polls: PollSweep) -> None:
        state, transition = decide(ProtectionState(), 0.0, leases, polls, LIMIT)
        assert state.active == (transition is not None) == (leases.fails or polls.fails)


class TestEnding:
    begun = ProtectionState(since=0.0, reason="6 of 8 polls failed within 30 s")

    def test_it_ends_when_it_has_looked_well_for_a_while(self) -> None:
        state, happened = run(self.begun, *((float(now), NO_LEASES, NO_POLLS) for now in range(5, 30)))
        assert [now for now, _ in happened] == [5 + CALM_SECONDS]
        assert happened[0][1] == Transition(False, "for 10 s neither leases nor polls were lost together")
        assert state == ProtectionState()

    def test_one_bad_sweep_begins_the_wait_anew(self) -> None:
        quiet = [(float(now), NO_LEASES, NO_POLLS) for now in range(5, 40)]
        quiet[6] = (11.0, NO_LEASES, MANY_POLLS)
        _, happened = run(self.begun, *quiet)
        assert [now for now, _ in happened] == [12 + CALM_SECONDS]

    def test_it_does_not_flicker_at_the_threshold(self) -> None:
        _, happened = run(self.begun, *((float(n), NO_LEASES, MANY_POLLS if n % 2 else NO_POLLS) for n in range(200)))
        assert happened == []

    def test_after_its_longest_time_the_losses_are_real(self) -> None:
        state, happened = run(self.begun, *((float(now), NO_LEASES, MANY_POLLS) for now in range(1, 400)))
        assert [(now, transition.entered) for now, transition in happened] == [(LIMIT, False)]
        assert "it has lasted 300 s: the losses are taken as real" in happened[0][1].reason
        assert not state.active

    def test_new_losses_after_a_quiet_sweep_begin_it_again(self) -> None:
        state, _ = run(self.begun, (LIMIT, NO_LEASES, MANY_POLLS))
        _, happened = run(
            state, (301.0, NO_LEASES, MANY_POLLS), (340.0, NO_LEASES, NO_POLLS), (900.0, MANY_LEASES, NO_POLLS)
        )
        assert [(now, transition.entered) for now, transition in happened] == [(900.0, True)]

    @given(st.lists(st.tuples(lease_sweeps, poll_sweeps), max_size=400))
    def test_whatever_happens_it_never_lasts_longer_than_its_limit_and_the_wait(
        self, sweeps: list[tuple[LeaseSweep, PollSweep]]
    ) -> None:
        state = ProtectionState()
        for second, (leases, polls) in enumerate(sweeps):
            state, _ = decide(state, float(second), leases, polls, max_seconds=20)
            assert state.since is None or second - state.since <= 20 + CALM_SECONDS
