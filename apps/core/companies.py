"""Names of companies for every app: the app that keeps companies stands above most of those that show them."""

from collections.abc import Callable, Iterable, Mapping

__all__ = ["company_names", "every_company_name", "provide"]

Names = Mapping[int, str]
_found: list[tuple[Callable[[Iterable[int]], Names], Callable[[], Names]]] = []


def provide(some: Callable[[Iterable[int]], Names], every: Callable[[], Names]) -> None:
    """Say how names are found, of some companies and of all. Called once, when the apps are ready."""
    _found[:] = [(some, every)]


def company_names(ids: Iterable[int]) -> Names:
    """Return the names of those companies among ``ids`` that are known."""
    return _found[0][0](ids) if _found else {}


def every_company_name() -> Names:
    """Return the names of all companies that are known, ordered by name."""
    return _found[0][1]() if _found else {}
