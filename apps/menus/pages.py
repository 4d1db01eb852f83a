"""Which routes have a page: told by the app that keeps pages, which stands above the one that keeps menus."""

from collections.abc import Callable, Collection, Mapping

__all__ = ["Routes", "pages_of", "provide"]

Routes = Mapping[str, Collection[str]]
"""By service, the routes of its pages, as `apps.menus.paths.route_key` has them."""
_found: list[Callable[[int | None], Routes]] = []


def provide(routes: Callable[[int | None], Routes]) -> None:
    """Say how the pages are found that a company (None: everybody) has. Called once, when the apps are ready."""
    _found[:] = [routes]


def pages_of(company_id: int | None) -> Routes | None:
    """Return the routes that have a page in a company, those of everybody included; None when nobody keeps pages."""
    return _found[0](company_id) if _found else None
