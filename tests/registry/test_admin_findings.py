"""What is wrong, why and what to do, in words; and what is hidden from the console."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest

from apps.core.secrecy import HIDDEN, masked
from apps.registry.findings import (
    InstanceFacts,
    cycle_finding,
    how_to_mend,
    impaired_findings,
    status_finding,
    why,
)
from apps.registry.graph import build_graph
from apps.registry.lifecycle import service_status
from apps.registry.troubles import ServiceState, troubles
from tests.support.registry import NOW
from xerpium_sdk.wire.registry import Status

H, D, U, S = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.STARTING
FACTS = InstanceFacts(
    status=H,
    since=NOW - dt.timedelta(minutes=2),
    last_seen=NOW - dt.timedelta(seconds=242),
    lease_seconds=90,
    deregister_after_seconds=600,
    health_check_url="http://10.0.0.1:8000/health",
)


@pytest.mark.parametrize(
    ("facts", "told", "mend"),
    [
        (
            replace(FACTS, status=Status.STALE),
            "has not been heard of for 4 min (its lease is 90 s)",
            "leaves the list in 8 min",
        ),
        (
            replace(FACTS, status=Status.STALE, since=NOW - dt.timedelta(hours=1)),
            "has not been heard of for 4 min (its lease is 90 s)",
            "leaves the list any moment",
        ),
        (
            replace(FACTS, status=Status.DRAINING, draining=True),
            "was taken out of rotation by an operator",
            "Resume it",
        ),
        (replace(FACTS, status=Status.DRAINING), "reported that it is draining", ""),
        (replace(FACTS, status=S), "has registered, but was not checked yet", ""),
        (replace(FACTS, status=S, reported=S), "reported starting", ""),
        (replace(FACTS, status=U, reported=U), "reported unhealthy", "own log"),
        (replace(FACTS, status=D, reported=D), "reported degraded", "details of its last report"),
        (replace(FACTS, status=D, reported=H), "answers its health check with degraded", "details"),
        (
            replace(FACTS, status=U, reported=H, failures=3, check_failed=True, reason="connection refused"),
            "failed its last 3 checks: connection refused",
            "http://10.0.0.1:8000/health",
        ),
        (replace(FACTS, failures=1, check_failed=True, reason="timeout"), "failed its last check: timeout", ""),
        (replace(FACTS, status=Status.DEREGISTERED), "has left the registry", ""),
        (FACTS, "", ""),
    ],
)
def test_a_status_is_explained(facts: InstanceFacts, told: str, mend: str) -> None:
    assert why(facts, NOW) == told
    assert mend in how_to_mend(facts, NOW)
    assert bool(mend) == bool(how_to_mend(facts, NOW))


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({H: 3}, None),
        ({H: 1, Status.DRAINING: 2}, None),
        ({H: 1, Status.STALE: 1}, "1 of 2 instances is stale."),
        ({H: 1200, U: 2, D: 1}, "3 of 1,203 instances are not well: 2 unhealthy, 1 degraded."),
        ({D: 1}, "The only instance is not well: 1 degraded."),
        ({D: 2, U: 1}, "All 3 instances are not well: 1 unhealthy, 2 degraded."),
        ({U: 2, Status.DRAINING: 1}, "No instance works: 2 unhealthy, 1 draining."),
        ({Status.STALE: 1}, "No instance works: 1 stale."),
        ({Status.DRAINING: 1}, "The only instance is out of rotation: nobody gets an answer."),
        ({Status.DRAINING: 2}, "All 2 instances are out of rotation: nobody gets an answer."),
        ({S: 2, U: 1}, "No instance is ready yet: 1 unhealthy, 2 starting."),
        ({Status.DEREGISTERED: 4}, "All its instances have left."),
    ],
)
def test_a_service_is_summed_up(counts: dict[Status, int], told: str | None) -> None:
    finding = status_finding(counts, service_status(counts))
    assert (finding and finding.text) == told


def test_dependencies_that_are_away_are_told_apart() -> None:
    missing, down = impaired_findings([("ledger", None), ("mail", U)])
    assert "ledger, which is not registered" in missing.text
    assert "mail, which is unhealthy" in down.text


def test_a_circle_is_spelt_out() -> None:
    assert "a → b → a" in cycle_finding(("a", "b", "a")).text


def state(name: str, since: dt.datetime = NOW, **counts: int) -> ServiceState:
    statuses = Counter({Status(word): count for word, count in counts.items()})
    return ServiceState(name, None, statuses, dict.fromkeys(statuses, since))


def found(states: list[ServiceState], needs: dict[str, set[str]]) -> dict[str, tuple[Status, tuple[str, ...]]]:
    by_name = {entry.name: entry for entry in states}
    graph = build_graph(needs, {name: entry.status for name, entry in by_name.items()})
    return {trouble.name: (trouble.status, trouble.suffers) for trouble in troubles(by_name, graph, NOW)}


def test_a_quiet_hub_has_no_troubles() -> None:
    assert found([state("a", healthy=2), state("b", healthy=1)], {"a": {"b"}}) == {}


def test_a_trouble_is_told_once_at_its_root_with_who_suffers() -> None:
    states = [state("shop", healthy=1), state("orders", healthy=1), state("payment", unhealthy=1)]
    assert found(states, {"shop": {"orders"}, "orders": {"payment"}}) == {"payment": (U, ("orders", "shop"))}


def test_what_is_missing_is_a_trouble_of_its_own() -> None:
    assert found([state("a", healthy=1)], {"a": {"gone"}}) == {"gone": (Status.DEREGISTERED, ("a",))}


def test_the_worst_comes_first_and_among_equals_what_most_suffer_from() -> None:
    states = [state(name, unhealthy=1) for name in "ab"] + [state("c", healthy=1, unhealthy=1), state("d", healthy=1)]
    assert list(found(states, {"d": {"b", "gone"}})) == ["b", "a", "gone", "c"]


def test_a_circle_is_told_once() -> None:
    assert list(found([state("a", healthy=1), state("b", healthy=1)], {"a": {"b"}, "b": {"a"}})) == ["a"]


def test_a_drain_is_a_trouble_only_when_it_was_forgotten() -> None:
    assert found([state("a", healthy=1, draining=1)], {}) == {}
    assert list(found([state("a", NOW - dt.timedelta(hours=3), healthy=1, draining=1)], {})) == ["a"]


def test_secrets_in_metadata_are_hidden_however_deep() -> None:
    shown = masked({"team": "shop", "DB_PASSWORD": "x", "auth": [{"apiKey": "y", "user": "z"}], "token": {"a": 1}})
    assert shown == {"team": "shop", "DB_PASSWORD": HIDDEN, "auth": [{"apiKey": HIDDEN, "user": "z"}], "token": HIDDEN}
