"""What is amiss with a menu as everybody, or a company, has it: dead ends, unknown rights, names twice. Pure.

Nothing here is refused when it is declared: each may be right for somebody. Together they are what people stumble over.
What others know, such as the routes that have a page and the permissions that roles grant, comes as an argument; where
nobody said so (None), what depends on it is not judged.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

__all__ = ["Entry", "Finding", "Known", "Severity", "lint"]

MOST_CHILDREN = 7
MOST_LEVELS = 4
MOST_NAMES = 4


class Severity(StrEnum):
    """How much it hurts: people run into it, people are confused by it, or it could be nicer."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An item as it stands in the tree that is judged, hidden ones included.

    Attributes:
        parent: the item above it; None at the top.
        route: its path as `apps.menus.paths.route_key` has it; None for a link elsewhere.
        away: why nobody gets it, as half a sentence (``it is hidden``); empty when somebody does.
        gone: whether that is because its service is away, which mends itself.
    """

    id: int
    name: str
    service: str
    path: str
    parent: int | None = None
    route: str | None = None
    icon: str = ""
    permissions: tuple[str, ...] = ()
    any_of: bool = False
    is_page: bool = False
    away: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What others know.

    Attributes:
        routes: by service, the routes of its pages, as `route_key` has them.
        granted: the patterns of permissions that roles give.
        has_icon: whether an icon with a name is drawn.
    """

    routes: Mapping[str, Collection[str]] | None = None
    granted: Collection[str] | None = None
    has_icon: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is amiss, with the items that it is about, the first being the one to look at."""

    severity: Severity
    code: str
    items: tuple[int, ...]
    text: str
    mend: str


class _Tree:
    """The entries with their children, and what is known."""

    def __init__(self, entries: Sequence[Entry], known: Known, covers: Callable[[str, str], bool]) -> None:
        self.entries = {entry.id: entry for entry in entries}
        self.children: dict[int | None, list[Entry]] = defaultdict(list)
        for entry in entries:
            self.children[entry.parent].append(entry)
        self.known = known
        self.covers = covers

    def above(self, entry: Entry) -> Iterator[Entry]:
        """Yield the items above ``entry``, the nearest first; a circle ends where it closes."""
        met = {entry.id}
        while entry.parent is not None and entry.parent in self.entries and entry.parent not in met:
            entry = self.entries[entry.parent]
            met.add(entry.id)
            yield entry

    def shown(self, parent: int | None) -> list[Entry]:
        """Return the children of an item that somebody gets."""
        return [entry for entry in self.children[parent] if not entry.away]

    def is_folder(self, entry: Entry) -> bool:
        """Whether an item only holds others."""
        return bool(self.children[entry.id]) and not entry.is_page


def lint(entries: Sequence[Entry], known: Known, *, covers: Callable[[str, str], bool]) -> list[Finding]:
    """Return what is amiss, worst first, and in the order of the tree.

    Args:
        entries: all items of one tree in its order, each with a parent that is among them.
        known: what others know.
        covers: whether a granted pattern gives a permission.
    """
    tree = _Tree(entries, known, covers)
    place = {entry.id: number for number, entry in enumerate(entries)}
    found = [finding for check in _CHECKS for finding in check(tree)]
    order = list(Severity)
    return sorted(found, key=lambda one: (order.index(one.severity), place[one.items[0]], one.code))


# --- what people run into ---------------------------------------------------------------------------------------------


def _unreachable(tree: _Tree) -> Iterator[Finding]:
    """Yield what is declared to be seen and stands below something that nobody gets."""
    below: dict[int, list[Entry]] = defaultdict(list)
    for entry in tree.entries.values():
        if entry.away:
            continue
        barrier = next((one for one in tree.above(entry) if one.away), None)
        if barrier is not None and not barrier.gone:
            below[barrier.id].append(entry)
    for barrier_id, cut in below.items():
        barrier = tree.entries[barrier_id]
        names = _names(cut)
        yield Finding(
            severity=Severity.ERROR,
            code="unreachable",
            items=(cut[0].id, *(entry.id for entry in cut[1:]), barrier_id),
            text=f"Nobody can reach {names}: {_quoted(barrier.name)} above {_it(cut)} is shown to nobody, as"
            f" {barrier.away}.",
            mend=f"Move {_it(cut)} to another place, or show {_quoted(barrier.name)}.",
        )


def _dead_routes(tree: _Tree) -> Iterator[Finding]:
    """Yield paths at which no service has a page."""
    routes = tree.known.routes
    if routes is None:
        return
    matches = _matcher(route for some in routes.values() for route in some)
    for entry in tree.entries.values():
        if entry.away or entry.route is None or tree.is_folder(entry) or matches(entry.route):
            continue
        draws_itself = not routes.get(entry.service)
        yield Finding(
            severity=Severity.NOTE if draws_itself else Severity.ERROR,
            code="dead_route",
            items=(entry.id,),
            text=f"{_quoted(entry.name)} leads to {entry.path}, and no service has a page there."
            + (f" {entry.service} declares no pages at all: it may draw its own." if draws_itself else ""),
            mend=f"Let {entry.service} declare a component with this route, or correct the path.",
        )


def _matcher(routes: Iterable[str]) -> Callable[[str], bool]:
    """Return whether a route is one of these, where ``:`` stands for any one segment."""
    plain: set[str] = set()
    open_by_length: dict[int, list[list[str]]] = defaultdict(list)
    for route in routes:
        plain.add(route)
        parts = route.split("/")
        if ":" in parts:
            open_by_length[len(parts)].append(parts)

    def matches(route: str) -> bool:
        if route in plain:
            return True
        wanted = route.split("/")
        return any(
            all(part in (":", given) for part, given in zip(parts, wanted, strict=True))
            for parts in open_by_length[len(wanted)]
        )

    return matches


def _unknown_permissions(tree: _Tree) -> Iterator[Finding]:
    """Yield permissions that no role gives: nobody but who has everything sees the item."""
    granted = tree.known.granted
    if granted is None:
        return
    lacking: dict[str, list[Entry]] = defaultdict(list)
    given: dict[str, bool] = {}
    for entry in tree.entries.values():
        if entry.away:
            continue
        for name in entry.permissions:
            if name not in given:
                given[name] = any(tree.covers(pattern, name) for pattern in granted)
        missing = [name for name in entry.permissions if not given[name]]
        if missing and not (entry.any_of and len(missing) < len(entry.permissions)):
            for name in missing:
                lacking[name].append(entry)
    for name, entries in lacking.items():
        wants = "wants" if len(entries) == 1 else "want"
        yield Finding(
            severity=Severity.ERROR,
            code="unknown_permission",
            items=tuple(entry.id for entry in entries),
            text=f"No role gives {name}, which {_names(entries)} {wants}.",
            mend="Give it to a role, or let the service name a permission that there is.",
        )


# --- what confuses people ---------------------------------------------------------------------------------------------


def _names_twice(tree: _Tree) -> Iterator[Finding]:
    """Yield siblings with the same name."""
    for parent in list(tree.children):
        siblings = sorted(tree.shown(parent), key=lambda entry: _plain(entry.name))
        for _, some in groupby(siblings, key=lambda entry: _plain(entry.name)):
            same = list(some)
            if len(same) > 1:
                where = "at the top" if parent is None else f"below {_quoted(tree.entries[parent].name)}"
                services = sorted({entry.service for entry in same})
                yield Finding(
                    severity=Severity.WARNING,
                    code="duplicate_name",
                    items=tuple(entry.id for entry in same),
                    text=f"{len(same)} items {where} are called {_quoted(same[0].name)} (of {_list(services)}).",
                    mend="Rename all but one, or move them apart.",
                )


def _empty_folders(tree: _Tree) -> Iterator[Finding]:
    """Yield folders that vanish, since nobody gets anything in them."""
    for entry in tree.entries.values():
        inner = tree.children[entry.id]
        if entry.away or not tree.is_folder(entry) or tree.shown(entry.id):
            continue
        if any(child.gone for child in inner):
            continue
        yield Finding(
            severity=Severity.WARNING,
            code="empty_folder",
            items=(entry.id,),
            text=f"{_quoted(entry.name)} is shown to nobody: nothing in it is ({len(inner)} of {len(inner)} away).",
            mend="Show or move something into it, hide it, or let its service say is_page, so that it stands alone.",
        )


# --- what could be nicer ----------------------------------------------------------------------------------------------


def _too_deep(tree: _Tree) -> Iterator[Finding]:
    """Yield items below the fourth level, once for each of their parents."""
    for parent, inner in tree.children.items():
        if parent is None:
            continue
        above = tree.entries[parent]
        level = 2 + sum(1 for _ in tree.above(above))
        deep = [entry for entry in inner if not entry.away]
        if level > MOST_LEVELS and deep:
            yield Finding(
                severity=Severity.NOTE,
                code="too_deep",
                items=tuple(entry.id for entry in deep),
                text=f"{_names(deep)} {'stands' if len(deep) == 1 else 'stand'} on level {level}, below"
                f" {_quoted(above.name)}: few people open more than {MOST_LEVELS}.",
                mend="Move the branch up.",
            )


def _too_many(tree: _Tree) -> Iterator[Finding]:
    """Yield items with more children than people take in at a glance; the top level may be longer by nature."""
    for parent in list(tree.children):
        count = len(tree.shown(parent))
        if parent is not None and count > MOST_CHILDREN and not tree.entries[parent].away:
            yield Finding(
                severity=Severity.NOTE,
                code="too_many",
                items=(parent,),
                text=f"{_quoted(tree.entries[parent].name)} has {count} items: more than {MOST_CHILDREN} are searched,"
                " not seen.",
                mend="Put those that belong together into folders.",
            )


def _icons(tree: _Tree) -> Iterator[Finding]:
    """Yield items without an icon where others beside them have one, and names that draw nothing."""
    for parent in list(tree.children):
        siblings = tree.shown(parent)
        bare = [entry for entry in siblings if not entry.icon]
        if bare and (parent is None or len(bare) < len(siblings)):
            where = "at the top" if parent is None else f"below {_quoted(tree.entries[parent].name)}"
            yield Finding(
                severity=Severity.NOTE,
                code="no_icon",
                items=tuple(entry.id for entry in bare),
                text=f"{_names(bare)} {where} {'has' if len(bare) == 1 else 'have'} no icon, unlike what is beside"
                f" {_it(bare)}."
                if len(bare) < len(siblings)
                else f"{_names(bare)} {where} {'has' if len(bare) == 1 else 'have'} no icon.",
                mend="Choose one in the menu tree.",
            )
    has_icon = tree.known.has_icon
    if has_icon is None:
        return
    unknown = [one for one in tree.entries.values() if one.icon and not one.away and not has_icon(one.icon)]
    for name, count in Counter(entry.icon for entry in unknown).items():
        users = [entry for entry in unknown if entry.icon == name]
        yield Finding(
            severity=Severity.NOTE,
            code="unknown_icon",
            items=tuple(entry.id for entry in users),
            text=f"There is no icon called {name}: {_names(users)} {'shows' if count == 1 else 'show'} a plain one.",
            mend="Choose another in the menu tree.",
        )


_CHECKS: tuple[Callable[[_Tree], Iterator[Finding]], ...] = (
    _unreachable, _dead_routes, _unknown_permissions, _names_twice, _empty_folders, _too_deep, _too_many, _icons,
)  # fmt: skip


# --- words ------------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _quoted(name: str) -> str:
    return f"“{name}”"


def _it(entries: Sequence[Entry]) -> str:
    return "it" if len(entries) == 1 else "them"


def _names(entries: Sequence[Entry]) -> str:
    return _list([_quoted(entry.name) for entry in entries])


def _list(words: Sequence[str]) -> str:
    shown = list(words[:MOST_NAMES])
    if len(words) > MOST_NAMES:
        return f"{', '.join(shown)} and {len(words) - MOST_NAMES} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
