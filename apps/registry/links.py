"""Addresses of the registry's pages in the admin. Services are linked by name, so a link needs no query and is read."""

from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse

__all__ = ["instance_url", "instances_url", "service_url", "services_url"]


def service_url(name: str) -> str:
    """Return the address of the page of a service."""
    return reverse("admin:registry_service_change", args=[quote(name)])


def instance_url(pk: int) -> str:
    """Return the address of the page of an instance."""
    return reverse("admin:registry_instance_change", args=[pk])


def services_url(**filters: str) -> str:
    """Return the address of the list of services, filtered."""
    return _list("admin:registry_service_changelist", filters)


def instances_url(**filters: str) -> str:
    """Return the address of the list of instances, filtered; ``service`` is one of the filters."""
    return _list("admin:registry_instance_changelist", filters)


def _list(view: str, filters: dict[str, str]) -> str:
    address = reverse(view)
    return f"{address}?{urlencode(filters)}" if filters else address
