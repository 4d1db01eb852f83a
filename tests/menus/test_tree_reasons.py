"""What requirements mean, how services live, and why an item is not shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.menus.lifetimes import Lifetime, lifetime_of
from apps.menus.rules import Grants, Rules, granted_by
from tests.menus.forests import forest, item, layer
from xerpium_sdk.wire.credentials import covers
from xerpium_sdk.wire.registry import Status

NAMES = st.text(alphabet="ab.", min_size=1, max_size=6)
PATTERNS = st.lists(NAMES | NAMES.map(lambda name: f"{name}.*") | st.sampled_from(["*", ".*"]), max_size=5)


@given(PATTERNS, st.lists(st.tuples(st.lists(NAMES, max_size=3), st.booleans()), max_size=6))
def test_requirements_are_judged_as_grants_cover_permissions(patterns: list[str], wanted: Any) -> None:
    rules = Rules()
    numbers = [rules.number(permissions, any_of=any_of) for permissions, any_of in wanted]
    verdicts = rules.judge(patterns)
    for number, (permissions, any_of) in zip(numbers, wanted, strict=True):
        has = [any(covers(pattern, one) for pattern in patterns) for one in permissions]
        assert verdicts[number] == (not has or (any(has) if any_of else all(has)))
        assert [Grants(patterns).give(one) for one in permissions] == has
        assert [granted_by(patterns, one) is not None for one in permissions] == has
    assert verdicts[0] is True


def test_equal_requirements_are_one() -> None:
    rules = Rules()
    assert rules.number(("a", "b"), any_of=False) == rules.number(["b", "a", "b"], any_of=False)
    assert rules.number(("a",), any_of=True) == rules.number(("a",), any_of=False)
    assert rules.number((), any_of=True) == rules.number((), any_of=False) == 0
    assert rules.number(("a", "b"), any_of=True) != rules.number(("a", "b"), any_of=False)
    assert len(rules) == 4


def test_the_plainest_grant_is_named() -> None:
    assert granted_by(["*", "a.*", "a.b"], "a.b") == "a.b"
    assert granted_by(["*", "a.*", "a.b.*"], "a.b.c") == "a.b.*"
    assert granted_by(["*"], "a") == "*"
    assert granted_by(["b"], "a") is None


def test_a_fingerprint_is_of_the_set_of_grants() -> None:
    assert Rules.fingerprint(["a", "b"]) == Rules.fingerprint(["b", "a", "a"])
    assert len({Rules.fingerprint(grants) for grants in ([], ["a"], ["a", "b"], ["ab"], ["*"])}) == 5


H, G, U, S, D, T, L = (
    Status.HEALTHY,
    Status.DEGRADED,
    Status.UNHEALTHY,
    Status.STALE,
    Status.DRAINING,
    Status.STARTING,
    Status.DEREGISTERED,
)


@pytest.mark.parametrize(
    ("statuses", "lifetime"),
    [
        ([], Lifetime.LEFT),
        ([L], Lifetime.LEFT),
        ([S, S], Lifetime.STALE),
        ([S, L], Lifetime.STALE),
        ([H], Lifetime.WELL),
        ([T], Lifetime.WELL),
        ([H, D], Lifetime.WELL),
        ([H, S], Lifetime.WELL),
        ([H, U], Lifetime.DEGRADED),
        ([G], Lifetime.DEGRADED),
        ([U, S], Lifetime.UNHEALTHY),
        ([D], Lifetime.UNHEALTHY),
    ],
    ids=str,
)
def test_how_a_service_lives(statuses: list[Status], lifetime: Lifetime) -> None:
    assert lifetime_of(statuses, was_registered=True) is lifetime
    assert (lifetime_of(statuses, was_registered=False) is lifetime) == bool(set(statuses) - {L})


def test_what_was_never_registered_is_shown_without_a_mark() -> None:
    assert lifetime_of([], was_registered=False) is Lifetime.UNREGISTERED
    assert {one: (one.is_shown, one.mark) for one in Lifetime} == {
        Lifetime.UNREGISTERED: (True, None),
        Lifetime.WELL: (True, None),
        Lifetime.DEGRADED: (True, "degraded"),
        Lifetime.UNHEALTHY: (True, "unhealthy"),
        Lifetime.STALE: (False, None),
        Lifetime.LEFT: (False, None),
    }


ROWS = (
    item(1, name="Top", is_active=False, service_name="gone"),
    item(2, parent_id=1),
    item(3, parent_id=2, permissions=("a", "b")),
    item(4, pending=True),
    item(5, parent_id=6),
    item(6, parent_id=5),
    item(7, displaced=True),
    item(8, path="/x"),
    item(9, path="/x", company_id=7, name="Own"),
    item(10, permissions=("a", "b"), any_of=True),
    item(11),
    item(12, parent_id=11, permissions=("c",)),
    item(13),
)
LAYERS = [layer({13: {"hidden": True}}), layer({13: {"hidden": True}, 2: {"hidden": False}}, "company", 7)]
CODES = {
    1: ["inactive", "service_gone"],
    2: ["ancestor"],
    3: ["permission_missing", "ancestor"],
    4: ["pending_parent"],
    5: ["ancestor"],
    6: ["cycle"],
    7: ["displaced"],
    8: ["replaced"],
    9: [],
    10: [],
    11: ["no_visible_children"],
    12: ["permission_missing"],
    13: ["hidden"],
}


@pytest.mark.parametrize("number", CODES)
def test_every_reason_is_named(number: int) -> None:
    made = forest(*ROWS, layers=LAYERS, lifetimes={"gone": Lifetime.LEFT})
    assert [reason.code for reason in made.why(number, ("a",))] == CODES[number]


def test_reasons_say_what_is_meant() -> None:
    made = forest(*ROWS, layers=LAYERS, lifetimes={"gone": Lifetime.STALE})
    missing, above = made.why(3, ("a",))
    assert (missing.permissions, missing.message) == (("b",), "It takes the permission b.")
    assert (above.item_id, [one.code for one in above.reasons]) == (1, ["inactive", "service_gone"])
    assert "leases" in above.reasons[1].message
    (hidden,) = made.why(13, ("*",))
    assert (hidden.scope, hidden.scope_id, hidden.actor) == ("company", 7, "operator:ann")
    assert hidden.message == "An operator hid it for company 7."
    (replaced,) = made.why(8, ())
    assert (replaced.item_id, replaced.message) == (9, "The company's own “Own” stands in its place.")
    (cycle,) = made.why(6, ())
    assert "“Item 6” → “Item 5” → “Item 6”" in cycle.message
    (any_of,) = made.why(10, ())
    assert (any_of.permissions, any_of.message) == (("a", "b"), "It takes any of a, b.")
    with pytest.raises(KeyError):
        made.why(99, ())
