"""Of which consumer groups somebody is told.

A group has no company, and its name is that of a service. So whoever does not see all companies is told of the hub's
own groups and of those of the service that it is: other names, what their consumers say of themselves and the errors of
their handlers may be another company's.
"""

from django.db.models import Q

from apps.core.tenancy import in_sight
from apps.core.tenancy.context import principal
from apps.events.subscriptions import OWN_PREFIX

__all__ = ["groups_of", "is_group_of", "is_in_sight", "q_in_sight"]


def groups_of(service: str) -> Q:
    """Return the condition of the groups that are ``service``'s: the SDK names them ``orders-group``."""
    return Q(group__in=[service, f"{service}-group"]) | Q(group__startswith=f"{service}-group-")


def is_group_of(service: str, group: str) -> bool:
    """Return whether a group is ``service``'s, as `groups_of` says."""
    return group in (service, f"{service}-group") or group.startswith(f"{service}-group-")


def is_in_sight(group: str) -> bool:
    """Return whether the running code is told of ``group``.

    Raises:
        NoCompanyContext: nobody said for whom it runs.
    """
    if in_sight() == "*" or group.startswith(OWN_PREFIX):
        return True
    service = _service()
    return bool(service) and is_group_of(service, group)


def q_in_sight() -> Q:
    """Return the condition of the groups that code is told of which does not act for all companies."""
    service = _service()
    hubs = Q(group__startswith=OWN_PREFIX)
    return hubs | groups_of(service) if service else hubs


def _service() -> str:
    who = principal()
    return (who.speaks_for if who is not None else None) or ""
