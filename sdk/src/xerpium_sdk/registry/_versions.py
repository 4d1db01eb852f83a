"""npm-style version ranges (``^1.4``, ``>=1.2 <2``, ``1.x || 2.x``), read once each."""

from functools import lru_cache

from semantic_version import NpmSpec, Version

__all__ = ["satisfies"]


def satisfies(version: str, wanted: str | None) -> bool:
    """Return whether ``version`` lies in the range ``wanted``; any version does when it is None.

    Raises:
        ValueError: when ``wanted`` is no range. A version that is not SemVer lies in none.
    """
    if wanted is None:
        return True
    spec, parsed = _range(wanted), _version(version)
    return parsed is not None and spec.match(parsed)


@lru_cache(maxsize=1024)
def _range(text: str) -> NpmSpec:
    try:
        return NpmSpec(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a version range such as ^1.4 or >=1.2 <2.") from error


@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:
        return None
