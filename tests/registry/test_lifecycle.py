"""The states of instances and services, sentence by sentence of the contract; poll thresholds as a state machine."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apps.registry.lifecycle import (
    FAILURES_UNTIL_DOWN,
    RULES,
    Cause,
    IllegalMoveError,
    PollState,
    Vitals,
    after_poll,
    discoverable,
    instance_status,
    move,
    preference,
    registered_again,
    resumed,
    service_status,
    worst,
)
from xerpium_sdk.wire.registry import Status

HEALTHY, DEGRADED, STARTING = Status.HEALTHY, Status.DEGRADED, Status.STARTING
UNHEALTHY, DRAINING = Status.UNHEALTHY, Status.DRAINING
STALE, DEREGISTERED = Status.STALE, Status.DEREGISTERED

words = st.none() | st.sampled_from(sorted(Status.reportable()))
vitals = st.builds(
    Vitals, reported=words, polled=words, draining=st.booleans(), lease_over=st.booleans(), deregistered=st.booleans()
)


def poll(state: PollState, outcomes: str, *, hold: bool = False) -> PollState:
    """Feed polls: ``+`` a good one, ``d`` a good one that says degraded, ``-`` a failed one."""
    for outcome in outcomes:
        state = after_poll(state, outcome != "-", DEGRADED if outcome == "d" else HEALTHY, hold=hold)
    return state


class TestInstanceStatus:
    def test_nothing_known_is_starting(self) -> None:
        assert instance_status(Vitals()) is STARTING

    @pytest.mark.parametrize(("reported", "polled"), list(product([HEALTHY, DEGRADED, STARTING, UNHEALTHY], repeat=2)))
    def test_it_is_the_worse_of_report_and_poll(self, reported: Status, polled: Status) -> None:
        assert instance_status(Vitals(reported=reported, polled=polled)) is worst(reported, polled)

    @pytest.mark.parametrize("reported", sorted(Status.reportable()))
    def test_never_polled_counts_by_its_report(self, reported: Status) -> None:
        assert instance_status(Vitals(reported=reported)) is reported

    def test_never_reported_counts_by_its_poll(self) -> None:
        assert instance_status(Vitals(polled=HEALTHY)) is HEALTHY

    def test_an_operators_drain_outweighs_a_healthy_report_and_a_failing_poll(self) -> None:
        assert instance_status(Vitals(reported=HEALTHY, polled=UNHEALTHY, draining=True)) is DRAINING

    def test_a_lease_that_is_over_outweighs_a_drain(self) -> None:
        assert instance_status(Vitals(reported=HEALTHY, draining=True, lease_over=True)) is STALE

    def test_deregistered_outweighs_everything(self) -> None:
        assert instance_status(Vitals(draining=True, lease_over=True, deregistered=True)) is DEREGISTERED

    @given(vitals)
    def test_no_fact_makes_it_better(self, known: Vitals) -> None:
        severity = instance_status(known).severity
        assert severity >= max((word.severity for word in (known.reported, known.polled) if word), default=0)
        assert not known.draining or severity >= DRAINING.severity
        assert not known.lease_over or severity >= STALE.severity
        assert known.deregistered == (instance_status(known) is DEREGISTERED)


class TestDrain:
    @given(vitals, words)
    def test_no_report_lifts_it(self, known: Vitals, reported: Status | None) -> None:
        drained = Vitals(reported=reported, polled=known.polled, draining=True)
        assert instance_status(drained) is DRAINING

    @given(vitals)
    def test_no_registration_lifts_it(self, known: Vitals) -> None:
        assert registered_again(known).draining is known.draining

    @given(vitals)
    def test_resume_lifts_it_and_brings_nobody_back_to_life(self, known: Vitals) -> None:
        after = resumed(known)
        assert instance_status(after) is not DRAINING
        assert (after.lease_over, after.deregistered) == (known.lease_over, known.deregistered)

    def test_a_drain_that_the_service_reported_ends_with_its_next_report_or_registration(self) -> None:
        leaving = Vitals(reported=DRAINING, polled=HEALTHY)
        assert instance_status(leaving) is DRAINING
        assert instance_status(registered_again(leaving)) is HEALTHY


class TestRegisteredAgain:
    @given(vitals)
    def test_it_is_there_again(self, known: Vitals) -> None:
        assert instance_status(registered_again(known)) not in (STALE, DEREGISTERED)

    def test_a_restart_keeps_what_polls_and_reports_have_shown(self) -> None:
        known = Vitals(reported=DEGRADED, polled=HEALTHY)
        assert registered_again(known) == known

    @pytest.mark.parametrize("gone", [Vitals(polled=UNHEALTHY, lease_over=True), Vitals(deregistered=True)])
    def test_one_that_was_gone_begins_anew(self, gone: Vitals) -> None:
        assert registered_again(gone) == Vitals()


class TestPollThresholds:
    @pytest.mark.parametrize(
        ("outcomes", "polled"),
        [
            ("", None),
            ("+", HEALTHY),  # the first good one counts at once
            ("d", DEGRADED),
            ("-", None),
            ("--", None),
            ("---", UNHEALTHY),
            ("--+", HEALTHY),
            ("+--", HEALTHY),
            ("+---", UNHEALTHY),
            ("+--+--", HEALTHY),  # three in a row, not three
            ("---+", UNHEALTHY),
            ("---++", HEALTHY),
            ("---+d", DEGRADED),
            ("---+-+", UNHEALTHY),  # two in a row, not two
            ("---+-++", HEALTHY),
            ("+d+", HEALTHY),
            ("+d", DEGRADED),
        ],
    )
    def test_down_after_three_failed_up_after_two_good(self, outcomes: str, polled: Status | None) -> None:
        assert poll(PollState(), outcomes).polled is polled

    def test_protection_takes_nothing_down(self) -> None:
        assert poll(poll(PollState(), "+"), "-" * 20, hold=True).polled is HEALTHY

    def test_failures_during_protection_count_when_it_is_over(self) -> None:
        held = poll(poll(PollState(), "+"), "---", hold=True)
        assert poll(held, "-").polled is UNHEALTHY
        assert poll(held, "+-").polled is HEALTHY

    def test_protection_does_not_keep_anything_down(self) -> None:
        assert poll(poll(PollState(), "---"), "++", hold=True).polled is HEALTHY

    def test_an_answer_that_says_unhealthy_is_a_failed_poll(self) -> None:
        state = PollState(polled=HEALTHY, failures=FAILURES_UNTIL_DOWN - 1)
        assert after_poll(state, True, UNHEALTHY, hold=False) == PollState(
            polled=UNHEALTHY, failures=FAILURES_UNTIL_DOWN
        )


class PollMachine(RuleBasedStateMachine):
    """The whole history of one instance's polls, against rules that look at all of it each time."""

    def __init__(self) -> None:
        super().__init__()
        self.state = PollState()
        self.outcomes: list[tuple[bool, bool]] = []
        self.before: Status | None = None

    @rule(ok=st.booleans(), hold=st.booleans(), word=st.sampled_from([HEALTHY, DEGRADED]))
    def poll(self, ok: bool, hold: bool, word: Status) -> None:
        self.before = self.state.polled
        self.state = after_poll(self.state, ok, word, hold=hold)
        self.outcomes.append((ok, hold))

    @invariant()
    def it_changes_only_for_the_reasons_given(self) -> None:
        if not self.outcomes:
            assert self.state == PollState()
            return
        ok, hold = self.outcomes[-1]
        last = [ok for ok, _ in self.outcomes]
        if ok and self.before is not UNHEALTHY:
            assert self.state.polled in (HEALTHY, DEGRADED)
        elif ok:
            assert (self.state.polled is not UNHEALTHY) == (last[-2:] == [True, True])
        elif not hold and last[-FAILURES_UNTIL_DOWN:] == [False] * FAILURES_UNTIL_DOWN:
            assert self.state.polled is UNHEALTHY
        else:
            assert self.state.polled is self.before

    @invariant()
    def the_count_of_failures_is_that_of_the_last_in_a_row(self) -> None:
        in_a_row = 0
        for ok, _ in self.outcomes:
            in_a_row = 0 if ok else in_a_row + 1
        assert self.state.failures == in_a_row


TestPollMachine = PollMachine.TestCase


class TestServiceStatus:
    @pytest.mark.parametrize(
        ("instances", "status"),
        [
            ([HEALTHY], HEALTHY),
            ([HEALTHY, HEALTHY], HEALTHY),
            ([HEALTHY, UNHEALTHY], DEGRADED),
            ([HEALTHY, STARTING], DEGRADED),
            ([HEALTHY, DEGRADED], DEGRADED),
            ([STARTING], STARTING),
            ([STARTING, UNHEALTHY], STARTING),
            ([UNHEALTHY], UNHEALTHY),
            ([UNHEALTHY, UNHEALTHY], UNHEALTHY),
        ],
    )
    def test_all_some_starting_none(self, instances: list[Status], status: Status) -> None:
        assert service_status(instances) is status

    @pytest.mark.parametrize(
        "instances", [[DEGRADED], [DEGRADED, DEGRADED], [DEGRADED, STARTING], [DEGRADED, UNHEALTHY]]
    )
    def test_a_degraded_instance_does_its_work(self, instances: list[Status]) -> None:
        assert service_status(instances) is DEGRADED

    def test_stale_instances_are_not_live(self) -> None:
        assert service_status([HEALTHY, STALE]) is HEALTHY
        assert service_status([STALE, STALE]) is UNHEALTHY

    @pytest.mark.parametrize("others", [[HEALTHY], [STARTING], [UNHEALTHY], [HEALTHY, UNHEALTHY]])
    def test_draining_ones_do_not_count_while_others_are_live(self, others: list[Status]) -> None:
        assert service_status([*others, DRAINING]) is service_status(others)

    def test_a_service_that_only_drains_is_unhealthy(self) -> None:
        assert service_status([DRAINING]) is UNHEALTHY
        assert service_status([DRAINING, STALE]) is UNHEALTHY

    def test_without_instances_it_has_left(self) -> None:
        assert service_status([]) is DEREGISTERED
        assert service_status([DEREGISTERED]) is DEREGISTERED

    @given(st.lists(st.sampled_from(Status), min_size=1))
    def test_deregistered_instances_never_count(self, instances: list[Status]) -> None:
        assert service_status([*instances, DEREGISTERED]) is service_status(instances)


class TestDiscovery:
    def test_it_prefers_healthy_then_degraded_then_starting(self) -> None:
        order = [HEALTHY, DEGRADED, STARTING, UNHEALTHY, DRAINING, STALE, DEREGISTERED]
        assert sorted(Status, key=preference) == order

    def test_what_is_stale_or_gone_is_out_of_it(self) -> None:
        assert {status for status in Status if not discoverable(status)} == {STALE, DEREGISTERED}


class TestMoves:
    @pytest.mark.parametrize(
        ("before", "after", "cause", "facts", "reason"),
        [
            (None, STARTING, Cause.REGISTERED, {"version": "1.4.2"}, "registered version 1.4.2"),
            (STARTING, HEALTHY, Cause.REPORTED, {"word": HEALTHY}, "reported healthy"),
            (
                HEALTHY,
                UNHEALTHY,
                Cause.POLL_FAILED,
                {"failures": 3, "error": "connection refused"},
                "3 polls in a row failed: connection refused",
            ),
            (UNHEALTHY, HEALTHY, Cause.POLL_ANSWERED, {"word": HEALTHY}, "answered its health check: healthy"),
            (
                HEALTHY,
                STALE,
                Cause.LEASE_OVER,
                {"silent": 95.3, "lease": 90},
                "has not reported for 95 s (lease 90 s)",
            ),
            (HEALTHY, DRAINING, Cause.DRAINED, {"why": "kernel update"}, "drained: kernel update"),
            (DRAINING, HEALTHY, Cause.RESUMED, {"why": "done"}, "resumed: done"),
            (UNHEALTHY, DEREGISTERED, Cause.WITHDRAWN, {"why": "moved"}, "deregistered: moved"),
            (STALE, DEREGISTERED, Cause.EXPIRED, {"silent": 690, "limit": 600}, "stale for 690 s (leaves after 600 s)"),
        ],
    )
    def test_each_cause_has_its_words(
        self, before: Status | None, after: Status, cause: Cause, facts: dict[str, object], reason: str
    ) -> None:
        moved = move(before, after, cause, **facts)
        assert moved is not None
        assert (moved.before, moved.after, moved.cause, moved.reason) == (before, after, cause, reason)

    @pytest.mark.parametrize("cause", list(Cause))
    def test_the_same_status_is_no_move(self, cause: Cause) -> None:
        assert move(HEALTHY, HEALTHY, cause) is None

    @pytest.mark.parametrize(
        ("before", "after", "cause"),
        [
            (DEREGISTERED, HEALTHY, Cause.REPORTED),  # 404: it has to register again
            (DEREGISTERED, HEALTHY, Cause.POLL_ANSWERED),
            (DRAINING, HEALTHY, Cause.LEASE_OVER),
            (HEALTHY, DEGRADED, Cause.POLL_FAILED),
            (STALE, DRAINING, Cause.DRAINED),
            (HEALTHY, DEREGISTERED, Cause.EXPIRED),  # only what has been stale expires
            (DEREGISTERED, STALE, Cause.LEASE_OVER),
        ],
    )
    def test_a_move_that_cannot_be_is_refused(self, before: Status, after: Status, cause: Cause) -> None:
        with pytest.raises(IllegalMoveError, match=f"{cause} cannot turn {before} into {after}"):
            move(before, after, cause)

    def test_only_a_registration_leads_back_from_deregistered(self) -> None:
        assert [cause for cause, rule in RULES.items() if DEREGISTERED in rule.before] == [Cause.REGISTERED]

    @given(vitals, words)
    def test_whatever_a_report_does_to_a_listed_instance_is_allowed(
        self, known: Vitals, reported: Status | None
    ) -> None:
        if known.deregistered:
            return
        after = Vitals(reported=reported, polled=known.polled, draining=known.draining)
        move(instance_status(known), instance_status(after), Cause.REPORTED, word=reported)

    @given(vitals)
    def test_whatever_a_registration_or_a_resume_does_is_allowed(self, known: Vitals) -> None:
        move(instance_status(known), instance_status(registered_again(known)), Cause.REGISTERED, version="1.0.0")
        move(instance_status(known), instance_status(resumed(known)), Cause.RESUMED, why="done")
