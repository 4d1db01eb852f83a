"""Which numbers put items where somebody dropped them, with as few of them as can be. Pure (decision 0025)."""

from collections.abc import Sequence

__all__ = ["place"]

LEAST_GAP = 1e-6
"""Numbers that are nearer than this are taken for the same: halving has an end."""


def place(siblings: Sequence[tuple[int, float]], moved: Sequence[int], index: int) -> dict[int, float]:
    """Return the new orders, by item, that put ``moved`` in front of the ``index``-th of ``siblings``.

    Between two different numbers there is room: nobody else gets a new one. Where the numbers beside the gap are the
    same, those on the side with fewer of them make room.

    Args:
        siblings: what stands there already, without what is moved, each with its order, in the order that people see.
        moved: in the order in which they are to stand.
        index: 0 is in front of all; the number of siblings is behind all.
    """
    before, after = siblings[:index], siblings[index:]
    low, high = before[-1][1] if before else None, after[0][1] if after else None
    if low is None or high is None or high - low > LEAST_GAP:
        return dict(zip(moved, _between(low, high, len(moved)), strict=True))
    return min(_pushed(before, moved, after), _pulled(before, moved, after), key=len)


def _between(low: float | None, high: float | None, count: int) -> list[float]:
    if high is None:
        return [(low or 0.0) + 1 + number for number in range(count)]
    if low is None:
        return [high - count + number for number in range(count)]
    step = (high - low) / (count + 1)
    return [low + step * (number + 1) for number in range(count)]


def _pushed(
    before: Sequence[tuple[int, float]], moved: Sequence[int], after: Sequence[tuple[int, float]]
) -> dict[int, float]:
    """Make room behind: each gets one more than what is in front of it, until there is room."""
    last = before[-1][1]
    found = {}
    for number in moved:
        last += 1
        found[number] = last
    for number, order in after:
        if order - last > LEAST_GAP:
            break
        last += 1
        found[number] = last
    return found


def _pulled(
    before: Sequence[tuple[int, float]], moved: Sequence[int], after: Sequence[tuple[int, float]]
) -> dict[int, float]:
    """Make room in front, the same way."""
    mirrored = _pushed(
        [(number, -order) for number, order in reversed(after)],
        list(reversed(moved)),
        [(number, -order) for number, order in reversed(before)],
    )
    return {number: -order for number, order in mirrored.items()}
