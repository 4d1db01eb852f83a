"""``xerpium services``."""

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from xerpium_sdk.cli._codes import Wrong
from xerpium_sdk.cli._hub import client_of
from xerpium_sdk.cli._ink import Inked, of_status
from xerpium_sdk.cli._rows import INSTANCE_HEADER, SERVICE_HEADER, details_of, instance_row, needed_by, service_row
from xerpium_sdk.cli._screen import Screen
from xerpium_sdk.errors import HubError
from xerpium_sdk.registry import HubClient

__all__ = ["services"]


def services(asked: Namespace, screen: Screen) -> int:
    """Show all services, or one with its instances."""
    filters = {"tag": asked.tag, "capability": asked.capability, "status": asked.status, "q": asked.q}
    filters |= {"dependency": asked.dependency, "company_id": asked.company}
    is_filtered = any(value is not None for value in filters.values())
    if asked.name and is_filtered:
        raise Wrong("Filters are for the list: with NAME, leave them out.")
    if asked.range and not asked.name:
        raise Wrong("--range is for one service: give its NAME.")
    with client_of(asked) as hub:
        return _one(asked, screen, hub) if asked.name else _all(screen, hub, filters, is_filtered=is_filtered)


def _all(screen: Screen, hub: HubClient, filters: dict[str, Any], *, is_filtered: bool) -> int:
    found = hub.list_services(**filters)
    if screen.as_json:
        screen.document([record.to_json() for record in found])
        return 0
    dependents = _dependents(hub)
    if found:
        screen.table(SERVICE_HEADER, [service_row(record, dependents.get(record.name, [])) for record in found])
    else:
        screen.note("No service is like that." if is_filtered else "No service has registered yet.")
    return 0


def _one(asked: Namespace, screen: Screen, hub: HubClient) -> int:
    record = hub.get_service(asked.name, version=asked.range)
    if screen.as_json:
        screen.document(record.to_json())
        return 0
    screen.line(Inked(record.name, "bold"), "  ", of_status(record.status))
    for name, text in details_of(record, _dependents(hub).get(record.name, [])):
        screen.line(Inked(f"  {name:<10}", "dim"), text)
    if record.instances:
        screen.line()
        now = datetime.now(UTC)
        screen.table(INSTANCE_HEADER, [instance_row(one, now) for one in record.instances])
    return 0


def _dependents(hub: HubClient) -> dict[str, list[str]]:
    """Return who depends on whom; a hub that does not tell is no reason to show nothing."""
    try:
        return needed_by(hub.graph())
    except HubError:
        return {}
