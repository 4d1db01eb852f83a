"""The order of changes: `InOrder` lets none be skipped, `History` knows what has changed since when."""

from itertools import chain
from typing import NamedTuple

__all__ = ["CatalogGapError", "Changed", "History", "InOrder"]


class CatalogGapError(Exception):
    """Raised when a change is missing and so many later ones wait for it that the catalogue should be loaded again."""

    def __init__(self, missing: int, waiting: int) -> None:
        super().__init__(f"revision {missing} has not arrived, and {waiting} later changes wait for it")
        self.missing = missing


class Changed(NamedTuple):
    """The record of a service changed with this revision."""

    revision: int
    name: str
    company_id: int | None


class InOrder:
    """Takes changes as they come and lets them go in the order of their revisions, without holes."""

    def __init__(self, limit: int) -> None:
        self.last = 0
        """All changes up to this revision have been let go."""
        self._limit = limit
        self._waiting: dict[int, list[Changed]] = {}

    @property
    def waiting(self) -> int:
        """How many changes wait for an earlier one."""
        return len(self._waiting)

    def knows(self, revision: int) -> bool:
        """Whether the change of this revision has come already."""
        return revision <= self.last or revision in self._waiting

    def add(self, revision: int, changed: list[Changed]) -> list[Changed]:
        """Take one change and return what may go now.

        Raises:
            CatalogGapError: when more changes than the limit wait for one that is missing; nothing is lost by that.
        """
        self._waiting[revision] = changed
        released = self._release()
        if not released and len(self._waiting) > self._limit:
            raise CatalogGapError(self.last + 1, len(self._waiting))
        return released

    def jump(self, revision: int) -> tuple[list[Changed], list[Changed]]:
        """Take all changes up to ``revision`` for done; return those of them that waited, and what may go after."""
        waited = [self._waiting.pop(early) for early in sorted(self._waiting) if early <= revision]
        self.last = revision
        return list(chain.from_iterable(waited)), self._release()

    def forget(self) -> None:
        """Begin anew."""
        self.last = 0
        self._waiting = {}

    def _release(self) -> list[Changed]:
        released: list[Changed] = []
        while (changed := self._waiting.pop(self.last + 1, None)) is not None:
            self.last += 1
            released += changed
        return released


class History:
    """Remembers for each name when it last changed, in that order; which takes no more room than there are names."""

    def __init__(self, limit: int) -> None:
        self.base = 0
        """What changed up to this revision is not known."""
        self._limit = limit
        self._latest: dict[str, Changed] = {}

    def note(self, changed: Changed) -> None:
        """Remember a change; revisions must not fall."""
        self._latest.pop(changed.name, None)
        self._latest[changed.name] = changed
        if len(self._latest) > self._limit:
            oldest = next(iter(self._latest))
            self.base = self._latest.pop(oldest).revision

    def since(self, revision: int) -> list[Changed] | None:
        """Return the last change of each name that changed after ``revision``, oldest first; None when not known."""
        if revision < self.base:
            return None
        found = []
        for changed in reversed(self._latest.values()):
            if changed.revision <= revision:
                break
            found.append(changed)
        return found[::-1]

    def forget(self, base: int) -> None:
        """Begin anew at ``base``."""
        self.base = base
        self._latest = {}
