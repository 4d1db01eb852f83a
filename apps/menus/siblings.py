"""The order of items with the same parent. Pure.

By number, then by key; after that an item that names a sibling in ``before`` or ``after`` goes there, unless an
operator gave it a number.
"""

from collections.abc import Callable, Iterable, Sequence

from apps.menus.structure import Item

__all__ = ["arranged"]


def arranged(items: Sequence[Item], order: Callable[[Item], float], is_held: Callable[[Item], bool]) -> list[Item]:
    """Return ``items``, which are siblings, in their order.

    Args:
        items: in any order.
        order: what an item is ordered by.
        is_held: whether an operator gave it that number, so that its ``before`` and ``after`` do not count.
    """
    ordered = sorted(items, key=lambda item: (order(item), item.key, item.id))
    asking = [item for item in ordered if (item.before or item.after) and not is_held(item)]
    return _placed(ordered, asking) if asking else ordered


def _placed(ordered: list[Item], asking: Iterable[Item]) -> list[Item]:
    anchors = _anchors(ordered, asking)
    beside: dict[int, tuple[list[Item], list[Item]]] = {}
    for item in ordered:
        if item.id in anchors:
            anchor, is_after = anchors[item.id]
            beside.setdefault(anchor, ([], []))[is_after].append(item)
    found: list[Item] = []
    # The last of the stack comes next; what stands beside an item is put around it when it is met first.
    stack = [(item, False) for item in reversed(ordered) if item.id not in anchors]
    while stack:
        item, is_met = stack.pop()
        if is_met or item.id not in beside:
            found.append(item)
            continue
        before, after = beside[item.id]
        stack += [(one, False) for one in reversed(after)]
        stack.append((item, True))
        stack += [(one, False) for one in reversed(before)]
    return found


def _anchors(ordered: Iterable[Item], asking: Iterable[Item]) -> dict[int, tuple[int, bool]]:
    """Return by item the sibling that it stands beside, and whether after it; where that goes round, not at all."""
    keys: dict[str, int] = {}
    for item in ordered:
        keys.setdefault(item.key, item.id)
        keys.setdefault(f"{item.service_name}:{item.key}", item.id)
    anchors: dict[int, tuple[int, bool]] = {}
    for item in asking:
        for named, is_after in ((item.before, False), (item.after, True)):
            if named and (anchor := _named(keys, named, item)) is not None:
                anchors[item.id] = (anchor, is_after)
                break
    for number in _in_circles(anchors):
        del anchors[number]
    return anchors


def _named(keys: dict[str, int], named: str, item: Item) -> int | None:
    found = keys.get(f"{item.service_name}:{named}", keys.get(named))
    return None if found == item.id else found


def _in_circles(anchors: dict[int, tuple[int, bool]]) -> set[int]:
    found: set[int] = set()
    done: set[int] = set()
    for start in anchors:
        path: dict[int, None] = {}
        at = start
        while at in anchors and at not in done and at not in path:
            path[at] = None
            at = anchors[at][0]
        if at in path:
            steps = list(path)
            found.update(steps[steps.index(at) :])
        done.update(path)
    return found
