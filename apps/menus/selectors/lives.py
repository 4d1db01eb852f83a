"""How the services of menu items live now, for a whole list of them at once."""

from collections.abc import Iterable, Mapping

from apps.menus.lifetimes import Lifetime, lifetime_of
from apps.registry import selectors as registry

__all__ = ["lifetimes_of"]


def lifetimes_of(names: Iterable[str]) -> Mapping[str, Lifetime]:
    """Return how each service of ``names`` lives; two queries, however many they are."""
    wanted = set(names)
    states = registry.service_states(wanted) if wanted else {}
    known = registry.services_ever_registered(wanted) if wanted else set()
    return {
        name: lifetime_of(states[name].statuses if name in states else (), was_registered=name in known)
        for name in wanted
    }
