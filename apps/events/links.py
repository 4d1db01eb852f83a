"""Addresses of the bus's pages in the admin. Groups and types are linked by name, so a link needs no query."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse

__all__ = [
    "dead_letter_url",
    "dead_letters_url",
    "decide_url",
    "event_url",
    "group_url",
    "groups_url",
    "journal_url",
    "service_url",
    "type_url",
    "types_url",
]


def groups_url() -> str:
    """Return the address of the list of consumer groups."""
    return reverse("bus:groups")


def group_url(group: str) -> str:
    """Return the address of the page of a consumer group; of the list where a dead letter names none."""
    return reverse("bus:group", args=[group]) if group else groups_url()


def types_url() -> str:
    """Return the address of the catalogue of event types."""
    return reverse("bus:types")


def type_url(event_type: str) -> str:
    """Return the address of the page of an event type."""
    return reverse("bus:type", args=[event_type]) if event_type else types_url()


def journal_url(**filters: Any) -> str:
    """Return the address of the list of events, filtered; a filter without a value is left out."""
    return _list("admin:events_journalentry_changelist", filters)


def event_url(pk: int) -> str:
    """Return the address of the page of one event."""
    return reverse("admin:events_journalentry_change", args=[pk])


def dead_letters_url(**filters: Any) -> str:
    """Return the address of the list of dead letters, filtered; a filter without a value is left out."""
    return _list("admin:events_deadletter_changelist", filters)


def dead_letter_url(pk: int) -> str:
    """Return the address of the page of one dead letter."""
    return reverse("admin:events_deadletter_change", args=[pk])


def decide_url(verb: str, **query: Any) -> str:
    """Return the address of the page that asks whether to ``replay`` or ``discard`` dead letters."""
    return f"{reverse('admin:events_deadletter_decide', args=[verb])}?{urlencode(query)}"


def service_url(name: str) -> str:
    """Return the address of a service's page in the registry."""
    return reverse("admin:registry_service_change", args=[quote(name)])


def _list(view: str, filters: dict[str, Any]) -> str:
    asked = {name: value for name, value in filters.items() if value not in (None, "")}
    address = reverse(view)
    return f"{address}?{urlencode(asked)}" if asked else address
