"""Which component a path leads to, and which ones lead nowhere. Pure.

A route is known by its shape (`apps.menus.paths.route_key`): the case of its static segments and a trailing slash make
no difference, and neither does what a parameter is called. Where a static segment and a parameter both fit, the static
one wins, from left to right; if nothing below it fits, the parameter has its turn.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from apps.menus.paths import param_names, route_key

__all__ = ["Match", "Route", "RouteTable", "first_segment", "segments"]

Target = TypeVar("Target")

PARAMETER = ":"
MAX_PATH = 2000


@dataclass(frozen=True, slots=True)
class Route(Generic[Target]):
    """Where ``target`` is: at ``path``, in a company's application, or in everybody's (None)."""

    path: str
    company_id: int | None
    target: Target


@dataclass(frozen=True, slots=True)
class Match(Generic[Target]):
    """What a path leads to, and the values of the route's parameters as the path has them."""

    route: Route[Target]
    params: Mapping[str, str]


@dataclass(slots=True)
class _Node(Generic[Target]):
    static: "dict[str, _Node[Target]]" = field(default_factory=dict)
    parameter: "_Node[Target] | None" = None
    route: Route[Target] | None = None


class RouteTable(Generic[Target]):
    """The routes of one company: everybody's, and its own, which take the places of everybody's of the same shape.

    Args:
        routes: in any order; of two with one shape the company's counts, else the one that comes first.
    """

    def __init__(self, routes: Iterable[Route[Target]]) -> None:
        self._root: _Node[Target] = _Node()
        for route in sorted(routes, key=lambda route: route.company_id is None):
            self._add(route)

    def match(self, path: str) -> Match[Target] | None:
        """Return where ``path`` leads, None when it leads nowhere."""
        given = segments(path)
        found = None if given is None else _search(self._root, given, 0, ())
        if found is None:
            return None
        route, values = found
        return Match(route, dict(zip(param_names(route.path), values, strict=True)))

    def _add(self, route: Route[Target]) -> None:
        node = self._root
        for part in segments(route.path) or ():
            if part.startswith(PARAMETER):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.static.setdefault(_letters(part), _Node())
        node.route = node.route or route


def segments(path: str) -> tuple[str, ...] | None:
    """Return the parts between the slashes, none of ``/``; None when it is no path, or one of them is empty."""
    if not path.startswith("/") or len(path) > MAX_PATH:
        return None
    parts = () if path == "/" else tuple(path[1:].removesuffix("/").split("/"))
    return parts if all(parts) else None


def first_segment(path: str) -> str:
    """Return the first part of a path as shapes have it, "" where there is none: a route has it, or a parameter."""
    parts = segments(path)
    return _letters(parts[0]) if parts else ""


def _letters(part: str) -> str:
    """Return a segment as shapes have it. A colon at its beginning is no parameter when somebody visits it."""
    return route_key(f"/-{part}")[2:]


def _search(
    node: _Node[Target], parts: tuple[str, ...], at: int, values: tuple[str, ...]
) -> tuple[Route[Target], tuple[str, ...]] | None:
    """Return the first route in order of preference, with the values of its parameters.

    Every step goes down one segment, and no node is reached twice with one path: the work is bounded by the table.
    """
    if at == len(parts):
        return None if node.route is None else (node.route, values)
    part = parts[at]
    if (below := node.static.get(_letters(part))) is not None and (found := _search(below, parts, at + 1, values)):
        return found
    if node.parameter is None:
        return None
    return _search(node.parameter, parts, at + 1, (*values, unquote(part)))
