"""Where widgets stand on the grid of a dashboard."""

import random

import pytest

from apps.uiregistry.layouts import (
    COLUMNS,
    MOST_PLACEMENTS,
    MOST_ROWS,
    TALLEST,
    Placement,
    arranged,
    default_size,
    faults,
    placed,
)


def codes(*places: tuple[int, int, int, int, int]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults([Placement(*place) for place in places])]


def test_places_beside_and_below_each_other_are_good() -> None:
    assert codes((1, 0, 0, 6, 4), (2, 6, 0, 6, 4), (3, 0, 4, 12, 1)) == []
    assert faults([]) == []


@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        ((1, -1, 0, 3, 2), "/placements/0/x"),
        ((1, COLUMNS, 0, 1, 1), "/placements/0/x"),
        ((1, 0, -1, 3, 2), "/placements/0/y"),
        ((1, 0, MOST_ROWS, 3, 2), "/placements/0/y"),
        ((1, 0, 0, 0, 2), "/placements/0/w"),
        ((1, 0, 0, 13, 2), "/placements/0/w"),
        ((1, 10, 0, 3, 2), "/placements/0/w"),
        ((1, 0, 0, 3, 0), "/placements/0/h"),
        ((1, 0, 0, 3, TALLEST + 1), "/placements/0/h"),
    ],
    ids=["left", "right", "above", "below", "thin", "wide", "over-the-edge", "flat", "tall"],
)
def test_what_leaves_the_grid_is_named(place: tuple[int, int, int, int, int], pointer: str) -> None:
    assert codes(place) == [(pointer, "out_of_bounds")]


def test_every_fault_is_told_at_once() -> None:
    assert codes((1, 0, 0, 6, 4), (2, 5, 3, 3, 2), (1, 0, 9, 3, 2), (4, 11, 20, 5, 0)) == [
        ("/placements/1", "overlap"),
        ("/placements/2/widget_id", "repeated"),
        ("/placements/3/h", "out_of_bounds"),
        ("/placements/3/w", "out_of_bounds"),
    ]


def test_the_words_of_an_overlap_name_both_widgets() -> None:
    (fault,) = faults([Placement(7, 0, 0, 6, 4), Placement(9, 5, 3, 3, 2)])
    assert fault.message == "Widget 9 lies over widget 7 (/placements/0)."


def test_a_layout_is_bounded() -> None:
    many = [Placement(number, 0, number, 1, 1) for number in range(MOST_PLACEMENTS + 1)]
    assert faults(many[:-1]) == []
    assert [fault.code for fault in faults(many)] == ["max_length"]


def test_sizes_are_a_quarter_a_half_and_the_whole_width() -> None:
    assert [default_size(size)[0] for size in ("small", "medium", "large")] == [3, 6, 12]


def test_widgets_are_placed_row_by_row_where_there_is_room() -> None:
    found = placed([(1, "small"), (2, "small"), (3, "medium"), (4, "small"), (5, "large")])
    assert [(place.x, place.y) for place in found] == [(0, 0), (3, 0), (6, 0), (0, 2), (0, 4)]
    assert faults(found) == []


def test_newcomers_leave_others_where_they_are() -> None:
    here = [Placement(1, 3, 0, 6, 4)]
    found = placed([(2, "medium"), (3, "small")], beside=here)
    assert found == [Placement(2, 0, 4, 6, 4), Placement(3, 0, 0, 3, 2)]


def test_any_hundred_widgets_are_placed_without_a_fault() -> None:
    choose = random.Random(7)
    sizes = [(number, choose.choice(["small", "medium", "large"])) for number in range(MOST_PLACEMENTS)]
    assert faults(placed(sizes)) == []


def test_a_layout_is_read_from_top_to_bottom() -> None:
    places = [Placement(1, 0, 4, 3, 2), Placement(2, 6, 0, 3, 2), Placement(3, 0, 0, 3, 2)]
    assert [place.widget_id for place in arranged(places)] == [3, 2, 1]


def test_a_placement_survives_its_json() -> None:
    place = Placement(1, 2, 3, 4, 5)
    assert Placement.of(place.as_json()) == place
    assert place.as_json() == {"widget_id": 1, "x": 2, "y": 3, "w": 4, "h": 5}
