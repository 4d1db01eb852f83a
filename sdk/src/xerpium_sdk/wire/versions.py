"""Versions of Semantic Versioning 2.0.0, and the ranges that npm writes: ``^1.2``, ``~1.2.3``, ``>=1 <3 || 4.x``.

Ranges mean what node-semver 7 makes of them; only signs written twice (``==1``) are refused. A prerelease counts only
where the same set of comparators names a prerelease of the same major.minor.patch. `semantic_version.NpmSpec` is not
used: it differs there (``1.2.3-beta`` admits 1.2.3, ``~1.2.0-beta`` refuses 1.2.5) and refuses ``>= 1.2``.
"""

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

__all__ = ["MAX_LENGTH", "Version", "VersionError", "VersionRangeError", "is_version", "parse_version", "satisfies"]

MAX_LENGTH = 256
"""Characters that a version or a range may have; node-semver's own limit."""


class VersionError(ValueError):
    """Raised when a text is no version of SemVer 2.0.0."""


class VersionRangeError(ValueError):
    """Raised when a text is no version range; the message says at which piece."""


class Version(NamedTuple):
    """A version without its build metadata; its fields stand in order of precedence (SemVer §11), so tuples compare."""

    major: int
    minor: int
    patch: int
    is_release: bool
    """A release comes after all of its prereleases."""
    prerelease: tuple[tuple[int, int, str], ...]
    """Identifiers: (0, number, "") or (1, 0, text), since numbers come before texts."""


class _Comparator(NamedTuple):
    test: Callable[[Version, Version], bool]
    bound: Version

    def admits_prereleases_of(self, version: Version) -> bool:
        return not self.bound.is_release and self.bound[:3] == version[:3]


_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SUFFIX = rf"(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
_PART = rf"{_NUMBER}|[xX*]"
_VERSION = re.compile(rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER}){_SUFFIX}")
_PARTIAL = rf"v?(?P<major>{_PART})(?:\.(?P<minor>{_PART})(?:\.(?P<patch>{_PART}){_SUFFIX})?)?"
_HYPHEN_END = re.compile(_PARTIAL)
_COMPARATOR = re.compile(rf"(?P<operator>\^|~>?|[<>]=?|=|)\s*{_PARTIAL}(?:\s+|$)")
_HYPHEN = re.compile(r"\s+-\s+")
_BEFORE_ALL_PRERELEASES = ((0, 0, ""),)
_NOTHING = _Comparator(operator.lt, Version(0, 0, 0, False, _BEFORE_ALL_PRERELEASES))


def is_version(text: str) -> bool:
    """Whether ``text`` is a version of SemVer 2.0.0."""
    return len(text) <= MAX_LENGTH and _VERSION.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version:
    """Return ``text`` as a version that compares as SemVer says.

    Raises:
        VersionError: when it is none.
    """
    match = _VERSION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise VersionError(f"{text[:MAX_LENGTH]!r} is no version of SemVer 2.0.0 (such as 1.4.2 or 2.0.0-rc.1)")
    return _version([int(part) for part in match.group("major", "minor", "patch")], match["prerelease"])


def satisfies(version: str, wanted: str) -> bool:
    """Whether ``version`` is in the range ``wanted``; what is no version is in none.

    Raises:
        VersionRangeError: when ``wanted`` is no range.
    """
    sets = _parse_range(wanted)
    try:
        parsed = parse_version(version)
    except VersionError:
        return False
    return any(_admits(comparators, parsed) for comparators in sets)


def _admits(comparators: tuple[_Comparator, ...], version: Version) -> bool:
    if not all(comparator.test(version, comparator.bound) for comparator in comparators):
        return False
    return version.is_release or any(comparator.admits_prereleases_of(version) for comparator in comparators)


@lru_cache(maxsize=1024)
def _parse_range(text: str) -> tuple[tuple[_Comparator, ...], ...]:
    """Return the alternatives of a range, each a set of comparators that must all hold."""
    if len(text) > MAX_LENGTH:
        raise VersionRangeError(f"a version range has at most {MAX_LENGTH} characters, this one {len(text)}")
    return tuple(tuple(_parse_set(alternative.strip())) for alternative in text.split("||"))


def _parse_set(text: str) -> list[_Comparator]:
    ends = _HYPHEN.split(text)
    if len(ends) > 1:
        return _parse_hyphen(text, ends)
    comparators: list[_Comparator] = []
    position = 0
    while position < len(text):
        match = _COMPARATOR.match(text, position)
        if match is None:
            raise VersionRangeError(f"{text[position:]!r} is no part of a version range (such as ^1.2 or >=1.4.0 <3)")
        comparators += _expand(match["operator"], match)
        position = match.end()
    return comparators


def _parse_hyphen(text: str, ends: list[str]) -> list[_Comparator]:
    low, high = (_HYPHEN_END.fullmatch(end) for end in ends) if len(ends) == 2 else (None, None)
    if low is None or high is None:
        raise VersionRangeError(f"{text!r} is no range of the form 1.2.0 - 2.3")
    return _expand(">=", low) + _expand("<=", high)


def _expand(sign: str, partial: re.Match[str]) -> list[_Comparator]:
    """Turn one sign and a version, parts of which may be missing or ``x``, into comparators with whole versions."""
    known: list[int] = []
    for part in partial.group("major", "minor", "patch"):
        if part is None or part in "xX*":
            break
        known.append(int(part))
    if not known:
        return [_NOTHING] if sign in ("<", ">") else []
    whole = len(known) == 3
    floor = _version([*known, 0, 0], partial["prerelease"] if whole else None)
    if sign in ("<", "<=", ">", ">="):
        return [_bound(sign, known, floor, whole=whole)]
    if whole and sign in ("", "="):
        return [_Comparator(operator.eq, floor)]
    return [_Comparator(operator.ge, floor), _Comparator(operator.lt, _next(known, _fixed(sign, known), first=True))]


def _bound(sign: str, known: list[int], floor: Version, *, whole: bool) -> _Comparator:
    """``<1.2`` ends before the prereleases of 1.2.0; ``>1.2`` begins with 1.3.0, and ``<=1.2`` ends before it."""
    last = len(known) - 1
    if whole or sign == ">=":
        return _Comparator(_SIGNS[sign], floor)
    if sign == "<":
        return _Comparator(operator.lt, floor._replace(is_release=False, prerelease=_BEFORE_ALL_PRERELEASES))
    if sign == ">":
        return _Comparator(operator.ge, _next(known, last, first=False))
    return _Comparator(operator.lt, _next(known, last, first=True))


def _fixed(sign: str, known: list[int]) -> int:
    """Return the index of the last part that a caret, a tilde or a bare ``1.2`` holds fast."""
    if sign == "^":
        return next((index for index, part in enumerate(known) if part), len(known) - 1)
    return min(len(known), 2) - 1


def _next(known: list[int], index: int, *, first: bool) -> Version:
    """Return the version after all that share the parts up to ``index``: its first prerelease, or the release."""
    parts = [*known[:index], known[index] + 1, 0, 0]
    return Version(parts[0], parts[1], parts[2], not first, _BEFORE_ALL_PRERELEASES if first else ())


def _version(parts: list[int], prerelease: str | None) -> Version:
    identifiers = prerelease.split(".") if prerelease else ()
    keys = tuple((0, int(item), "") if item.isdigit() else (1, 0, item) for item in identifiers)
    return Version(parts[0], parts[1], parts[2], not keys, keys)


_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
