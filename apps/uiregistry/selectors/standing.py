"""How the services behind pages and widgets live now, for a whole list of them at once."""

from collections.abc import Iterable, Mapping

from apps.menus.lifetimes import Lifetime, lifetime_of
from apps.registry import selectors as registry
from apps.registry.models import Service

__all__ = ["standings"]


def standings(names: Iterable[str]) -> Mapping[str, Lifetime]:
    """Return how each service of ``names`` lives; two queries, however many they are."""
    wanted = set(names)
    if not wanted:
        return {}
    states = registry.service_states(wanted)
    others = Service.objects.filter(name__in=wanted - states.keys())
    known = states.keys() | set(others.values_list("name", flat=True))
    return {
        name: lifetime_of(states[name].statuses if name in states else (), was_registered=name in known)
        for name in wanted
    }
