"""Each thing that may go wrong is found in a ledger in which it went wrong, and nothing in one in which nothing did."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.chaos_events.judge import Evidence, Group, Rule, Troubles, judge
from tests.chaos_events.ledger import JUNK, PLAIN, POISON, Attempt, Handling

A1, A2, A3, B1, P1, J1 = "a1", "a2", "a3", "b1", "p1", "j1"
ATTEMPTS = {
    A1: Attempt(10, A1, "a", 1, PLAIN),
    A2: Attempt(20, A2, "a", 2, PLAIN),
    A3: Attempt(30, A3, "a", 3, PLAIN),
    B1: Attempt(40, B1, "b", 1, PLAIN),
    P1: Attempt(50, P1, "p", 1, POISON),
    J1: Attempt(60, J1, "j", 1, JUNK),
}


def handled(*event_ids: str, start: int = 100, process: str = "one") -> list[Handling]:
    """Return handlings of events, ten apart."""
    return [
        Handling(start + 10 * index, one, ATTEMPTS[one].entity, ATTEMPTS[one].sequence, process)
        for index, one in enumerate(event_ids)
    ]


def group(
    *event_ids: str, extra: Sequence[Handling] = (), dead: Sequence[str] = (P1, J1), ordered: bool = True
) -> Group:
    """Return a group that handled ``event_ids`` one after the other."""
    return Group("g", ordered, [*handled(*event_ids), *extra], dict.fromkeys(dead, 1))


GOOD = Evidence(
    attempts=ATTEMPTS,
    acknowledged={one: attempt.at + 5 for one, attempt in ATTEMPTS.items()},
    groups=(group(A1, B1, A2, A3),),
    faults=(),
    effects=dict.fromkeys((A1, A2, A3, B1), 1),
    effects_of="g",
    journal=dict.fromkeys(ATTEMPTS, 1),
)


def rules(evidence: Evidence) -> set[Rule]:
    """Return which rules were broken."""
    return {finding.rule for finding in judge(evidence).findings}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    verdict = judge(GOOD)
    assert verdict.findings == []
    assert (verdict.repeated, verdict.buried) == ({"g": 0}, {"g": 2})


INVENTED = Handling(150, "x", "x", 1, "one")
OTHERWISE = Handling(105, A1, "a", 2, "one")
WRONG: dict[str, tuple[Rule, Callable[[Evidence], Evidence]]] = {
    "an acknowledged event is lost": (
        Rule.NOTHING_LOST,
        lambda good: replace(good, groups=(group(A1, A2, A3),), effects={A1: 1, A2: 1, A3: 1, B1: 1}),
    ),
    "one group of two loses an event": (
        Rule.NOTHING_LOST,
        lambda good: replace(good, groups=(good.groups[0], replace(group(A1, A2, A3), name="h"))),
    ),
    "an event that cannot be decoded vanishes": (
        Rule.NOTHING_LOST,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, dead=(P1,)),)),
    ),
    "an event comes from nowhere": (
        Rule.NOTHING_INVENTED,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, extra=[INVENTED]),)),
    ),
    "an event is handled as another": (
        Rule.NOTHING_INVENTED,
        lambda good: replace(good, groups=(group(A2, A3, B1, extra=[OTHERWISE]),)),
    ),
    "a dead letter comes from nowhere": (
        Rule.NOTHING_INVENTED,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, dead=(P1, J1, "x")),)),
    ),
    "an entity's events change places": (
        Rule.ORDER,
        lambda good: replace(good, groups=(group(A1, A3, A2, B1),)),
    ),
    "they change places after a fault": (
        Rule.ORDER,
        lambda good: replace(good, groups=(group(A1, A3, A2, B1),), faults=((1, 200),)),
    ),
    "they change places in one process of a shared group": (
        Rule.ORDER,
        lambda good: replace(good, groups=(group(A1, A3, A2, B1, ordered=False),)),
    ),
    "an event is handled twice in peace": (
        Rule.DUPLICATES,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, A3),)),
    ),
    "an event is handled twice long after a fault": (
        Rule.DUPLICATES,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, A3),), faults=((1, 29),)),
    ),
    "an event is given up that could be handled": (
        Rule.INNOCENT,
        lambda good: replace(good, groups=(group(A1, A2, A3, dead=(P1, J1, B1)),)),
    ),
    "an event is handled of which every handling failed": (
        Rule.GUILTY,
        lambda good: replace(good, groups=(group(A1, A2, A3, B1, P1),)),
    ),
    "an effect happens twice": (
        Rule.EFFECTS,
        lambda good: replace(good, effects={**good.effects, A1: 2}, faults=((1, 500),)),
    ),
    "an effect does not happen": (
        Rule.EFFECTS,
        lambda good: replace(good, effects={A1: 1, A2: 1, A3: 1}),
    ),
    "an effect happens of an event that nobody published": (
        Rule.EFFECTS,
        lambda good: replace(good, effects={**good.effects, "x": 1}),
    ),
    "an event has its effect and is a dead letter as well": (
        Rule.EFFECTS,
        lambda good: replace(good, effects={**good.effects, P1: 1}),
    ),
    "the journal lacks an event": (
        Rule.JOURNAL,
        lambda good: replace(good, journal={one: 1 for one in ATTEMPTS if one != J1}),
    ),
    "the journal lacks an event that was handled and never acknowledged": (
        Rule.JOURNAL,
        lambda good: replace(
            good,
            acknowledged={one: at for one, at in good.acknowledged.items() if one != A3},
            journal={one: 1 for one in ATTEMPTS if one != A3},
        ),
    ),
    "the journal holds an event twice": (
        Rule.JOURNAL,
        lambda good: replace(good, journal={**dict.fromkeys(ATTEMPTS, 1), A1: 2}),
    ),
    "the journal holds an event that nobody published": (
        Rule.JOURNAL,
        lambda good: replace(good, journal={**dict.fromkeys(ATTEMPTS, 1), "x": 1}),
    ),
    "something is still pending": (Rule.DRAINED, lambda good: replace(good, waiting=("3 pending in g",))),
    "a consumer is left over": (Rule.NO_LEAKS, lambda good: replace(good, leaks=("consumer c of g",))),
    "a process gave up": (Rule.ALIVE, lambda good: replace(good, deaths=("consumer: exit status 1",))),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_goes_wrong_is_found(what: str) -> None:
    rule, spoil = WRONG[what]
    assert rule in rules(spoil(GOOD))


def test_what_was_never_acknowledged_may_be_lost_or_handled() -> None:
    told = {one: at for one, at in GOOD.acknowledged.items() if one != A3}
    handled_all = replace(GOOD, acknowledged=told)
    handled_some = replace(
        handled_all,
        groups=(group(A1, B1, A2),),
        effects=dict.fromkeys((A1, A2, B1), 1),
        journal={one: 1 for one in ATTEMPTS if one != A3},
    )
    assert rules(handled_all) == rules(handled_some) == set()


def test_an_event_may_come_twice_after_a_fault_and_is_counted() -> None:
    verdict = judge(replace(GOOD, groups=(group(A1, A2, A3, B1, A2, A3),), faults=((25, 31),)))
    assert verdict.findings == []
    assert verdict.repeated == {"g": 2}


def test_what_is_repeated_says_nothing_about_order() -> None:
    taken_over = handled(A2, A3, start=300, process="two")
    verdict = judge(replace(GOOD, groups=(group(A1, A2, A3, B1, extra=taken_over),), faults=((5, 290),)))
    assert verdict.findings == []


def test_order_in_a_group_holds_over_processes_and_in_a_shared_one_within_each() -> None:
    late = handled(A2, start=300, process="two")
    assert rules(replace(GOOD, groups=(group(A1, A3, B1, extra=late),))) == {Rule.ORDER}
    assert rules(replace(GOOD, groups=(group(A1, A3, B1, extra=late, ordered=False),))) == set()


def test_in_a_shared_group_a_fault_excuses_what_is_taken_over_late() -> None:
    assert rules(replace(GOOD, groups=(group(A1, A3, A2, B1, ordered=False),), faults=((25, 26),))) == set()


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(0, 9, False), (0, 10, True), (15, 16, True), (20, 25, True), (21, 29, False), (21, 30, True), (36, 99, False)],
)
def test_a_fault_explains_what_happens_while_it_lasts(begin: int, end: int, expected: bool) -> None:
    assert Troubles([(30, 31), (10, 20), (30, 35)]).between(begin, end) is expected


def test_a_long_fault_that_began_first_is_remembered() -> None:
    assert Troubles([(10, 90), (20, 30)]).between(50, 60)


def test_a_finding_names_examples_and_counts_all() -> None:
    (finding,) = judge(replace(GOOD, leaks=("a", "b", "c", "d"))).findings
    assert (finding.times, list(finding.examples)) == (4, ["a", "b", "c"])
    assert str(finding) == "NO_LEAKS: Redis: 4, such as a; b; c"
