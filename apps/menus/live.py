"""The trees of this process: compiled when somebody asks after a change, finished answers kept (decision 0026).

Two ways lead in. `LiveMenus.answer` is for threads: it looks what is new, reads, compiles and renders as far as that is
needed. `LiveMenus.at_hand` is for event loops: it waits for nothing and returns what is finished and current, or None.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, connection

from apps.core.errors import Unavailable
from apps.menus.following import MenuRevisions, ServiceLives
from apps.menus.kept import Kept, Key, Rendered, Stamp, Whose
from apps.menus.models import COMPANY, GLOBAL, ROLE, USER
from apps.menus.rows import Part, read_part
from apps.menus.rules import Rules
from apps.menus.tree import Forest, Layer, compile
from apps.serviceauth.selectors import roles_of

__all__ = ["Compiled", "LiveMenus", "View", "live"]

MOST_BYTES = 64 * 2**20
MOST_ANSWERS = 20_000
MOST_PARTS = 1_000
MOST_COMPILED_ITEMS = 250_000
MOST_PEOPLE = 20_000
ROLES_SECONDS = 1.0
PATIENCE_SECONDS = 5.0

Roles = tuple[tuple[int, str], ...]
_AWAY = (DatabaseError, InterfaceError)


class View(NamedTuple):
    """Who looks, and where.

    Attributes:
        company_id: the company whose tree it is; None: the tree of what is everybody's.
        grants: patterns of permissions, such as ``product.*``.
        user_id: the person, whose own overlays and roles count; None: nobody in particular.
    """

    company_id: int | None
    grants: tuple[str, ...]
    user_id: int | None = None


class _Held(NamedTuple):
    """A part in memory, and what `MenuRevisions` said of it when it was read."""

    stamp: Stamp
    part: Part


class _Ground(NamedTuple):
    """What the tree of a view is made of: everybody's part and the company's own, and its roles that matter there."""

    whose: Whose
    stamp: Stamp
    parts: tuple[Part, ...]
    roles: Roles


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A forest, whose it is, as of when, and the revision that clients are told."""

    whose: Whose
    stamp: Stamp
    forest: Forest
    revision: int

    def key(self, view: View, locale: str | None) -> Key:
        """Return what stands for that which ``view`` sees of it in a language."""
        return Key(self.whose, self.stamp, fingerprint(view.grants), self.forest.chain(locale))

    def rendered(self, view: View, locale: str | None) -> Rendered:
        """Return the answer to ``GET menus/tree``."""
        return Rendered.of(b'{"revision":%d,"items":%b}' % (self.revision, self.forest.render(view.grants, locale)))


class LiveMenus:
    """What this process knows of menus."""

    def __init__(self) -> None:
        self.revisions = MenuRevisions()
        self.lives = ServiceLives()
        self._kept = Kept(MOST_BYTES, MOST_ANSWERS)
        self._parts: OrderedDict[int | None, _Held] = OrderedDict()
        self._compiled: OrderedDict[Whose, Compiled] = OrderedDict()
        self._roles: dict[tuple[int, int], tuple[float, Roles]] = {}
        self._building = threading.RLock()

    def answer(self, view: View, locale: str | None = None, *, packed: bool = False) -> Rendered:
        """Return the answer to ``GET menus/tree``, as of now; with its ``packed`` form where that is asked for.

        Raises:
            DatabaseError: PostgreSQL is away, and what it takes was never read.
            Unavailable: it hangs, or the catalogue of services was never loaded.
        """
        compiled = self.forest(view)
        if connection.in_atomic_block:
            found = compiled.rendered(view, locale)
            return found.with_packed() if packed else found
        key = compiled.key(view, locale)
        found = self._kept.get(key) or compiled.rendered(view, locale)
        if packed:
            found = found.with_packed()
        self._kept.put(key, found)
        return found

    def at_hand(self, view: View, locale: str | None = None, *, packed: bool = False) -> Rendered | None:
        """Return the same if it is finished and current; None leaves it to `answer`. Waits for nothing."""
        ground = self._ground_at_hand(view)
        compiled = None if ground is None else self._compiled.get(ground.whose)
        if ground is None or compiled is None or compiled.stamp != ground.stamp:
            return None
        found = self._kept.get(compiled.key(view, locale))
        return None if found is None or (packed and found.lacks_packed) else found

    def forest(self, view: View) -> Compiled:
        """Return the forest in which ``view`` looks, as of now; while PostgreSQL is away the last good one.

        Raises:
            DatabaseError: as `answer`.
            Unavailable: as `answer`.
        """
        self.lives.attach()
        if connection.in_atomic_block:
            # What is not committed is for its writer alone: it is read anew, and nothing of it is kept.
            parts = [read_part(company_id) for company_id in _companies_of(view)]
            roles = roles_of(view.user_id, view.company_id) if view.user_id and view.company_id else ()
            return self._made(_ground(view, parts, (), roles))
        self.revisions.refresh()
        if not self._building.acquire(timeout=PATIENCE_SECONDS):
            return self._last_good(view)
        try:
            return self._current(view)
        finally:
            self._building.release()

    def warm(self, company_id: int | None) -> None:
        """Have a company's forest at hand, and its services watched; while an engine is away it does nothing."""
        try:
            self.forest(View(company_id, ()))
        except (*_AWAY, Unavailable):
            return
        finally:
            connection.close()

    def staleness(self) -> float | None:
        """Return for how many seconds nobody could confirm that trees are current, while PostgreSQL is away."""
        return self.revisions.staleness()

    def forget(self) -> None:
        """Know nothing; for tests, whose database is another one each time."""
        with self._building:
            self.revisions.forget()
            self._parts.clear()
            self._compiled.clear()
            self._kept.clear()
            self._roles.clear()

    # --- compiling ----------------------------------------------------------------------------------------------------

    def _current(self, view: View) -> Compiled:
        ground = self._ground_now(view)
        known = self._compiled.get(ground.whose)
        if known is not None and known.stamp == ground.stamp:
            self._compiled.move_to_end(ground.whose)
            return known
        made = self._made(ground)
        self._compiled[ground.whose] = made
        self._compiled.move_to_end(ground.whose)
        weight = sum(len(one.forest.structure.items) for one in self._compiled.values())
        while weight > MOST_COMPILED_ITEMS and len(self._compiled) > 1:
            weight -= len(self._compiled.popitem(last=False)[1].forest.structure.items)
        return made

    def _last_good(self, view: View) -> Compiled:
        """Return what was compiled last, whatever it is as of: somebody waits for a database that hangs."""
        held = [self._parts.get(company_id) for company_id in _companies_of(view)]
        parts = [one.part for one in held if one is not None]
        roles = self._roles.get((view.user_id or 0, view.company_id or 0), (0.0, ()))[1]
        known = self._compiled.get(_ground(view, parts, (), roles).whose)
        if known is None:
            raise Unavailable("The menus are not read yet: PostgreSQL does not answer.")
        return known

    def _made(self, ground: _Ground) -> Compiled:
        company_id, parts = ground.whose.company_id, ground.parts
        items = [item for part in parts for item in part.items]
        services = {name for part in parts for name in part.services}
        registered = {name for part in parts for name in part.registered}
        lifetimes = self.lives.of(services, company_id, registered)
        forest = compile(items, _layers(ground), lifetimes)
        return Compiled(ground.whose, ground.stamp, forest, max(part.revision for part in parts))

    # --- what it is made of -------------------------------------------------------------------------------------------

    def _ground_now(self, view: View) -> _Ground:
        # These numbers first: what changes meanwhile makes them others, and what is made now is made again.
        lives = self.lives.stamp(view.company_id)
        held = [self._held_now(company_id) for company_id in _companies_of(view)]
        return _ground(view, [one.part for one in held], _stamp(held, lives), self._roles_now(view, held))

    def _ground_at_hand(self, view: View) -> _Ground | None:
        lives, held = self.lives.stamp(view.company_id), []
        for company_id in _companies_of(view):
            one = self._parts.get(company_id)
            if one is None or one.stamp != self.revisions.stamp(company_id):
                return None
            held.append(one)
        roles = self._roles_at_hand(view, held)
        return None if roles is None else _ground(view, [one.part for one in held], _stamp(held, lives), roles)

    def _held_now(self, company_id: int | None) -> _Held:
        held = self._parts.get(company_id)
        if held is not None and held.stamp == self.revisions.stamp(company_id):
            self._parts.move_to_end(company_id)
            return held
        if held is not None and self.revisions.is_away:
            return held
        try:
            part = read_part(company_id)
        except _AWAY:
            if held is None:
                raise
            return held
        self.revisions.note([company_id], part.revision)
        held = _Held((self.revisions.stamp(company_id)[0], part.revision), part)
        self._parts[company_id] = held
        self._parts.move_to_end(company_id)
        if len(self._parts) > MOST_PARTS:
            self._parts.popitem(last=False)
        return held

    def _roles_now(self, view: View, held: Sequence[_Held]) -> Roles:
        """Return the person's roles, asked for again after a second; none where no role has overlays."""
        roles = self._roles_at_hand(view, held)
        if roles is not None or view.user_id is None or view.company_id is None:
            return roles or ()
        who = (view.user_id, view.company_id)
        asked_at = time.monotonic()
        try:
            roles = roles_of(*who)
        except _AWAY:
            if who not in self._roles:
                raise
            return self._roles[who][1]
        if len(self._roles) >= MOST_PEOPLE:
            self._roles.clear()
        self._roles[who] = (asked_at, roles)
        return roles

    def _roles_at_hand(self, view: View, held: Sequence[_Held]) -> Roles | None:
        if view.user_id is None or view.company_id is None or not any(one.part.roles for one in held):
            return ()
        known = self._roles.get((view.user_id, view.company_id))
        return known[1] if known is not None and time.monotonic() - known[0] <= ROLES_SECONDS else None


@lru_cache(maxsize=4096)
def fingerprint(grants: tuple[str, ...]) -> str:
    """Return what stands for ``grants`` in keys; see `Rules.fingerprint`."""
    return Rules.fingerprint(grants)


def _companies_of(view: View) -> tuple[int | None, ...]:
    return (None,) if view.company_id is None else (None, view.company_id)


def _stamp(held: Sequence[_Held], lives: Stamp) -> Stamp:
    return (*(number for one in held for number in one.stamp), *lives)


def _ground(view: View, parts: Sequence[Part], stamp: Stamp, roles: Roles) -> _Ground:
    bearing = tuple(role for role in roles if any(role[0] in part.roles for part in parts))
    is_borne = view.user_id is not None and any(view.user_id in part.users for part in parts)
    whose = Whose(view.company_id, tuple(number for number, _ in bearing), view.user_id if is_borne else None)
    return _Ground(whose, stamp, tuple(parts), bearing)


def _layers(ground: _Ground) -> list[Layer]:
    """Return the overlays that count, the least specific first; of two roles the one whose name comes later wins."""
    scopes = [(GLOBAL, 0), (COMPANY, ground.whose.company_id), *((ROLE, number) for number, _ in ground.roles)]
    scopes.append((USER, ground.whose.user_id))
    found = (
        part.overlays.get((scope, number)) for scope, number in scopes if number is not None for part in ground.parts
    )
    return [layer for layer in found if layer is not None]


live = LiveMenus()
"""Those of this process."""
