"""What services declare of their pages, forms and widgets: one by one, or all at once by a manifest."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from apps.core.errors import Conflict, NotFound
from apps.menus import services as menus
from apps.menus.services import Declared, Outcome
from apps.menus.signals import items_declared
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.services.reconciling import (
    COMPONENT,
    WIDGET,
    Kind,
    components_reconcile,
    is_change,
    row_archive,
    row_declare,
    widgets_reconcile,
)

__all__ = [
    "component_archive",
    "component_declare",
    "component_update",
    "components_reconcile",
    "items_purge",
    "widget_archive",
    "widget_declare",
    "widget_update",
    "widgets_reconcile",
]

BATCH = 5000

Values = Mapping[str, Any]
Change = Callable[[Values], Values]
"""Makes new values of those that are declared: the serializer's, so that the result is checked as a whole."""
Done = tuple[int, list[dict[str, Any]]]
"""The id of an item, and the warnings about it."""


def component_declare(
    *,
    service_name: str,
    declared_in: int | None,
    values: Values,
    actor: str,
    now: dt.datetime,
) -> Done:
    """Store a component, or change the one of this name; return its id and the warnings about it.

    Args:
        service_name: whose it is.
        declared_in: for which company; None: for all.
        values: what `ComponentItemSerializer` read.
        actor: who does it.
        now: the present.

    Raises:
        InvalidInput: another component of the service has this route.
        Conflict: another service has it.
    """
    return _declare(COMPONENT, service_name, declared_in, values, actor, now)


def widget_declare(
    *,
    service_name: str,
    declared_in: int | None,
    values: Values,
    actor: str,
    now: dt.datetime,
) -> Done:
    """Store a widget, or change the one of this name; see `component_declare`, but nothing has a route."""
    return _declare(WIDGET, service_name, declared_in, values, actor, now)


def component_update(*, component_id: int, change: Change, actor: str, now: dt.datetime) -> Done:
    """Change a component, its name as well; return its id and the warnings about it.

    Args:
        component_id: which.
        change: makes its new values of those that are declared.
        actor: who does it.
        now: the present.

    Raises:
        NotFound: there is none, or it may not be changed here.
        InvalidInput, Conflict: what ``change`` raises, and as `component_declare`; ``name_taken`` where the service
            has another one of the new name, be it archived.
    """
    return _update(COMPONENT, component_id, change, actor, now)


def widget_update(*, widget_id: int, change: Change, actor: str, now: dt.datetime) -> Done:
    """Change a widget; see `component_update`."""
    return _update(WIDGET, widget_id, change, actor, now)


def component_archive(*, component_id: int, actor: str, now: dt.datetime) -> None:
    """Take a component back; declared again it has its id again.

    Raises:
        NotFound: there is none, or it may not be changed here.
    """
    _archive(COMPONENT, component_id, actor, now)


def widget_archive(*, widget_id: int, actor: str, now: dt.datetime) -> None:
    """Take a widget back; declared again it has its id again, and its place on dashboards.

    Raises:
        NotFound: there is none, or it may not be changed here.
    """
    _archive(WIDGET, widget_id, actor, now)


def items_purge(*, before: dt.datetime) -> int:
    """Forget components and widgets that were taken back before ``before``; return how many."""
    return _purge(COMPONENT, before) + _purge(WIDGET, before)


def _purge(kind: Kind, before: dt.datetime) -> int:
    total, count = 0, BATCH
    while count == BATCH:
        with transaction.atomic():
            menus.lock()
            old = kind.model.objects.filter(archived_at__lt=before).order_by("pk").values_list("pk", flat=True)
            count, _ = kind.model.objects.filter(pk__in=list(old[:BATCH])).delete()
        total += count
    return total


def _declare(
    kind: Kind,
    service_name: str,
    declared_in: int | None,
    values: Values,
    actor: str,
    now: dt.datetime,
) -> Done:
    with menus.claiming(now):
        outcome = row_declare(kind, service_name, declared_in, Declared("", values), actor=actor, now=now)
        _tell(outcome, service_name, declared_in, actor)
    return outcome.ids[values["name"]], outcome.warnings


def _update(kind: Kind, pk: int, change: Change, actor: str, now: dt.datetime) -> Done:
    with menus.claiming(now):
        row = _changeable(kind, pk)
        values = change(row.declared)
        if values["name"] != row.name:
            _rename(kind, row, values["name"])
        outcome = row_declare(kind, row.service_name, row.company_id, Declared("", values), actor=actor, now=now)
        _tell(outcome, row.service_name, row.company_id, actor)
    return pk, outcome.warnings


def _archive(kind: Kind, pk: int, actor: str, now: dt.datetime) -> None:
    with menus.claiming(now):
        row = _changeable(kind, pk)
        _tell(row_archive(kind, row, actor=actor, now=now), row.service_name, row.company_id, actor)


def _changeable(kind: Kind, pk: int) -> Component | Widget:
    row = kind.model.objects.filter(pk=pk, archived_at=None).first()
    if row is None:
        raise NotFound(f"There is no such {kind.name}.")
    row.require_writable()
    return row


def _rename(kind: Kind, row: Component | Widget, name: str) -> None:
    """Let a row have another name, which is what it is known by from then on."""
    others = kind.model.objects.filter(service_name=row.service_name, company_id=row.company_id, name=name)
    if others.exists():
        raise Conflict(f"{row.service_name} has another {kind.name} of the name “{name}”.", code="name_taken")
    row.name = name
    row.save(update_fields=["name"])


def _tell(outcome: Outcome, service_name: str, declared_in: int | None, actor: str) -> None:
    if is_change(outcome):
        items_declared.send(sender=None, service=service_name, company_id=declared_in, actor=actor)
