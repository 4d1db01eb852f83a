"""Where dropped items go: the numbers that put them there, and how few others need new ones."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.menus.ordering import place


def test_between_two_numbers_there_is_room_for_a_fraction() -> None:
    assert place([(1, 1), (2, 2)], [9], 1) == {9: 1.5}


def test_in_front_and_behind_are_whole_numbers() -> None:
    siblings = [(1, 10), (2, 20)]
    assert place(siblings, [9], 0) == {9: 9}
    assert place(siblings, [8, 9], 2) == {8: 21, 9: 22}
    assert place([], [9], 0) == {9: 1}


def test_where_all_have_the_same_number_the_fewer_make_room() -> None:
    same = [(number, 100) for number in range(1, 8)]
    assert place(same, [9], 6) == {9: 101, 7: 102}
    assert place(same, [9], 1) == {9: 99, 1: 98}


@given(
    orders=st.lists(st.integers(-5, 5).map(float) | st.floats(-5, 5), max_size=8),
    count=st.integers(1, 3),
    data=st.data(),
)
def test_they_stand_where_they_were_dropped_and_the_others_keep_their_order(
    orders: list[float], count: int, data: st.DataObject
) -> None:
    siblings = list(enumerate(sorted(orders), start=1))
    moved = [100 + number for number in range(count)]
    index = data.draw(st.integers(0, len(siblings)))
    new = place(siblings, moved, index)
    wanted = [number for number, _ in siblings]
    wanted[index:index] = moved
    numbers = dict(siblings) | new
    # Those that shared a number before may still: their keys decide. What is new never shares one.
    for first, second in pairwise(wanted):
        strictly = first in new or second in new
        assert numbers[first] < numbers[second] if strictly else numbers[first] <= numbers[second]
