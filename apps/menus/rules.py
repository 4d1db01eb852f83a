"""What items require and what viewers are granted: each distinct requirement is judged once a tree. Pure."""

from collections.abc import Iterable, Sequence, Set
from hashlib import blake2b

from xerpium_sdk.wire.credentials import covers

__all__ = ["Grants", "Rules", "granted_by"]


class Grants:
    """Patterns of permissions, such as ``product.*``, made ready to be asked about thousands of permissions."""

    __slots__ = ("_exact", "_prefixes", "is_everything")

    def __init__(self, patterns: Iterable[str]) -> None:
        given = frozenset(patterns)
        self.is_everything = "*" in given
        self._exact = given
        self._prefixes = frozenset(pattern[:-1] for pattern in given if pattern.endswith(".*"))

    def give(self, permission: str) -> bool:
        """Whether one of the patterns covers ``permission`` (`xerpium_sdk.wire.credentials.covers`)."""
        if self.is_everything or permission in self._exact:
            return True
        return bool(self._prefixes) and self._is_below_one(permission)

    def given_of(self, permissions: Set[str]) -> Set[str]:
        """Return those of ``permissions`` that the patterns cover."""
        if self.is_everything:
            return permissions
        exact = permissions & self._exact
        if not self._prefixes:
            return exact
        return exact | {one for one in permissions - exact if self._is_below_one(one)}

    def _is_below_one(self, permission: str) -> bool:
        end = permission.find(".") + 1
        while end:
            if permission[:end] in self._prefixes:
                return True
            end = permission.find(".", end) + 1
        return False


class Rules:
    """The distinct requirements of a tree's items, by number; number 0 requires nothing."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[tuple[str, ...], bool], int] = {((), False): 0}
        self._permissions: set[str] = set()
        self._needed: list[frozenset[str]] = [frozenset()]
        self._any_of: list[int] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._needed)

    def number(self, permissions: Sequence[str], *, any_of: bool) -> int:
        """Return the number of a requirement: all of ``permissions``, or any of them; of none always 0."""
        given = tuple(permissions)
        found = self._numbers.get((given, any_of))
        return found if found is not None else self._intern(given, any_of)

    def _intern(self, given: tuple[str, ...], any_of: bool) -> int:
        distinct = tuple(sorted(set(given)))
        key = (distinct, any_of and len(distinct) > 1)
        number = self._numbers.get(key)
        if number is None:
            number = len(self._needed)
            self._needed.append(frozenset(distinct))
            self._permissions.update(distinct)
            if key[1]:
                self._any_of.append(number)
            self._numbers[key] = number
        self._numbers[given, any_of] = number
        return number

    def judge(self, grants: Iterable[str]) -> list[bool]:
        """Return, by number, which requirements ``grants`` satisfy; each permission is looked at once."""
        given = Grants(grants)
        if given.is_everything:
            return [True] * len(self._needed)
        has = frozenset(given.given_of(self._permissions))
        verdicts = list(map(has.issuperset, self._needed))
        for number in self._any_of:
            verdicts[number] = not has.isdisjoint(self._needed[number])
        return verdicts

    @staticmethod
    def fingerprint(grants: Iterable[str]) -> str:
        """Return what stands for ``grants`` in keys: the same for the same patterns, in whatever order."""
        joined = "\n".join(sorted(set(grants)))
        return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def granted_by(grants: Iterable[str], permission: str) -> str | None:
    """Return the pattern that gives ``permission``, the plainest one first; None when none does."""
    found = [pattern for pattern in grants if covers(pattern, permission)]
    return min(found, key=lambda pattern: (pattern != permission, -len(pattern), pattern), default=None)
