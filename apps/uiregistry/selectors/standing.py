"""How the services behind pages and widgets are doing now, for a whole list of them at once."""

from collections.abc import Iterable, Mapping

from apps.registry import selectors as registry
from apps.registry.models import Service
from apps.uiregistry.standing import Standing, standing_of

__all__ = ["standings"]


def standings(names: Iterable[str]) -> Mapping[str, Standing]:
    """Return how each service of ``names`` stands; two queries, however many they are."""
    wanted = set(names)
    if not wanted:
        return {}
    states = registry.service_states(wanted)
    known = set(Service.objects.filter(name__in=wanted - states.keys()).values_list("name", flat=True))
    return {
        name: standing_of(states[name].statuses if name in states else None, known=name in states or name in known)
        for name in wanted
    }
