"""Any rows whatever make a forest; it shows what the rules say, in order, and says why it does not show the rest."""

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from apps.menus.lifetimes import Lifetime
from apps.menus.tree import Forest, Item, Layer, compile
from tests.menus.forests import item, layer
from xerpium_sdk.wire.credentials import covers

NUMBERS = st.integers(1, 8)
PERMISSIONS = st.sampled_from(["a.x", "a.y", "b.x", "b"])
GRANTS = st.lists(st.sampled_from(["a.*", "a.x", "b", "b.*", "*"]), max_size=3)


@st.composite
def rows(draw: st.DrawFn) -> list[Item]:
    """Draw up to eight items whose links go anywhere."""
    found = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        parent = draw(st.none() | st.integers(1, 9))
        found.append(
            item(
                number,
                parent_id=parent,
                pending=draw(st.booleans()) and parent is None and draw(st.booleans()),
                company_id=draw(st.sampled_from([None, None, 7])),
                path=f"/{draw(st.integers(1, 6))}",
                key=f"k{draw(st.integers(1, 5))}",
                order_number=float(draw(st.integers(0, 2))),
                before=draw(st.none() | st.sampled_from(["k1", "k2", "k9"])),
                after=draw(st.none() | st.sampled_from(["k1", "k3"])),
                permissions=tuple(draw(st.lists(PERMISSIONS, max_size=2))),
                any_of=draw(st.booleans()),
                is_page=draw(st.booleans()),
                is_active=draw(st.sampled_from([True, True, True, False])),
                displaced=draw(st.sampled_from([False, False, False, True])),
                service_name=draw(st.sampled_from(["orders", "billing", "gone"])),
                labels=draw(st.sampled_from([{}, {"pl": "Pozycja"}])),
            )
        )
    return found


@st.composite
def overlays(draw: st.DrawFn) -> list[Layer]:
    """Draw overlays of two scopes."""
    values = st.fixed_dictionaries(
        {},
        optional={
            "parent_id": st.integers(0, 9),
            "order_number": st.floats(0, 3, allow_nan=False),
            "hidden": st.booleans(),
            "name": st.sampled_from(["Ours", "Mine"]),
        },
    )
    changes = st.dictionaries(NUMBERS, values, max_size=3)
    return [layer(draw(changes)), layer(draw(changes), "user", 5)]


LIFETIMES = st.sampled_from([{}, {"gone": Lifetime.LEFT}, {"gone": Lifetime.STALE, "billing": Lifetime.UNHEALTHY}])


def walked(nodes: Sequence[Any], parent: int | None = None) -> list[tuple[int, int | None]]:
    """Return every node with what is above it, in pre-order."""
    found: list[tuple[int, int | None]] = []
    for node in nodes:
        found += [(node["id"], parent), *walked(node["children"], node["id"])]
    return found


def expected(made: Forest, grants: Sequence[str], parent: int | None = None) -> list[tuple[int, int | None]]:
    """Return what the contract says that somebody sees, of the places that the items have: slowly and plainly."""
    found: list[tuple[int, int | None]] = []
    for one in made.children.get(parent, ()):
        gone = made.lifetimes.get(one.service_name, Lifetime.WELL) in (Lifetime.LEFT, Lifetime.STALE)
        hidden = any(lay.changes.get(one.id, {}).get("hidden") for lay in made.layers[-1:]) or (
            "hidden" not in made.layers[-1].changes.get(one.id, {})
            and bool(made.layers[0].changes.get(one.id, {}).get("hidden"))
        )
        has = [any(covers(pattern, permission) for pattern in grants) for permission in one.permissions]
        may = not has or (any(has) if one.any_of else all(has))
        if gone or hidden or not may or not one.is_active:
            continue
        below = expected(made, grants, one.id)
        if below or one.is_page or not made.children.get(one.id):
            found += [(one.id, parent), *below]
    return found


@given(rows(), overlays(), LIFETIMES, GRANTS, st.sampled_from([None, "pl", "pl-PL", "xx"]))
def test_a_forest_shows_what_the_rules_say(
    items: list[Item], layers: list[Layer], lifetimes: dict[str, Lifetime], grants: list[str], locale: str | None
) -> None:
    made = compile(items, layers, lifetimes)
    nodes = walked(orjson.loads(made.render(grants, locale)))
    assert nodes == expected(made, grants)
    numbers = [number for number, _ in nodes]
    assert len(numbers) == len(set(numbers))
    assert made.shown(grants) == set(numbers)
    for number in (one.id for one in items):
        assert (made.why(number, grants) == []) == (number in numbers), number


@given(rows(), overlays(), LIFETIMES)
def test_every_item_has_one_place_or_a_reason_to_have_none(
    items: list[Item], layers: list[Layer], lifetimes: dict[str, Lifetime]
) -> None:
    settled = compile(items, layers, lifetimes).structure
    for one in items:
        places = [
            one.id in settled.parents,
            one.id in settled.waiting,
            one.id in settled.replaced and not one.displaced,
            one.displaced,
        ]
        assert sum(places) == 1
        seen, at = set(), settled.parents.get(one.id)
        while at is not None:
            assert at not in seen, "links go round"
            seen.add(at)
            at = settled.parents.get(at)


@given(rows(), overlays())
def test_an_operators_move_holds(items: list[Item], layers: list[Layer]) -> None:
    """It is kept wherever its place is there, unless operators' moves alone go round."""
    settled = compile(items, layers, {}).structure
    for one in items:
        said = {**layers[0].changes.get(one.id, {}), **layers[1].changes.get(one.id, {})}
        if "parent_id" not in said or one.id not in settled.links:
            continue
        wanted = settled.replaced.get(said["parent_id"], said["parent_id"])
        place = settled.items.get(wanted)
        if wanted == 0 or (place is not None and not place.displaced and wanted != one.id):
            assert settled.links[one.id] == (wanted or None)
            if one.id in settled.waiting:
                at, circle = one.id, []
                while at not in circle:
                    circle.append(at)
                    at = settled.links[at] or 0
                moved = [{**layers[0].changes.get(n, {}), **layers[1].changes.get(n, {})} for n in circle]
                assert all("parent_id" in changes for changes in moved)


@given(rows(), overlays(), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(items: list[Item], layers: list[Layer], random: Any) -> None:
    shuffled = random.sample(items, len(items))
    assert compile(items, layers, {}).render(("*",)) == compile(shuffled, layers, {}).render(("*",))
