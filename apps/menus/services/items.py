"""Single items: declared, changed, taken back. Thin ways to the reconciler, which manifests use as well."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.core.errors import FieldError, InvalidInput, NotFound
from apps.core.tenancy import Companies
from apps.menus.declaring import item_faults, merged
from apps.menus.models import MenuItem
from apps.menus.selectors.items import NOTHING
from apps.menus.services.claiming import claiming
from apps.menus.services.matching import Declared
from apps.menus.services.reconciling import Outcome, menus_reconcile
from apps.menus.services.revisions import lock
from apps.menus.signals import items_declared

__all__ = ["item_archive", "item_declare", "item_update", "items_purge"]

BATCH = 5000

_FIXED = ("key", "company_id")


def item_declare(
    *,
    service_name: str,
    declared_in: int | None,
    values: Mapping[str, Any],
    companies: Companies,
    actor: str,
    now: dt.datetime,
) -> tuple[int, Outcome]:
    """Store what ``service_name`` says of one item; return its number, and what became of it.

    The same item (of the same service and company, with the same key) is changed, or comes back from the archive with
    its number and overlays; saying the same again changes nothing.

    Args:
        service_name: whose item it is.
        declared_in: the company from within which it is declared; the item's own unless it names another.
        values: what `apps.menus.serializers.MenuItemInManifestSerializer` read.
        companies: for which the caller acts.
        actor: who does it.
        now: when.

    Raises as `menus_reconcile` does.
    """
    with claiming(now):
        outcome = _reconcile(service_name, declared_in, [Declared("", values)], companies, actor, now)
        [number] = outcome.ids.values()
    return number, outcome


def item_update(
    *,
    id: int,
    changes: Mapping[str, Any],
    partial: bool,
    service_name: str | None = None,
    companies: Companies,
    actor: str,
    now: dt.datetime,
) -> Outcome:
    """Change what is declared of an item: all of it, or (``partial``) what ``changes`` name.

    Args:
        id: the item.
        changes: what `apps.menus.serializers.ChangedItemSerializer` read, without ``service_name``.
        partial: whether what they do not name stays.
        service_name: whose item it must be; None: anybody's.
        companies: for which the caller acts.
        actor: who does it.
        now: when.

    Raises:
        NotFound: it is not there, not in sight, or not of ``service_name``.
        InvalidInput: it would be another item, or cannot be.
    """
    with claiming(now):
        row = _live(id, service_name)
        _require_same(row, changes)
        fixed = {name: row.declared[name] for name in _FIXED if name in row.declared}
        told = {name: value for name, value in changes.items() if name not in _FIXED}
        values = {**(merged(row.declared, told) if partial else told), **fixed}
        if faults := item_faults(values):
            raise InvalidInput(errors=faults)
        return _reconcile(row.service_name, row.declared_in, [Declared("", values, row.pk)], companies, actor, now)


def item_archive(
    *, id: int, service_name: str | None = None, companies: Companies, actor: str, now: dt.datetime
) -> Outcome:
    """Take an item back: it is archived, what is below it waits for it, and it can return with its overlays.

    Raises:
        NotFound: it is not there, not in sight, or not of ``service_name``.
    """
    with claiming(now):
        row = _live(id, service_name)
        return _reconcile(row.service_name, row.declared_in, [], companies, actor, now, drop=row.pk)


def items_purge(*, before: dt.datetime) -> int:
    """Forget items that were archived before ``before``, and what operators changed of them; return how many."""
    total = 0
    while True:
        with transaction.atomic():
            lock()
            old = MenuItem.objects.filter(archived_at__lt=before).order_by("pk").values_list("pk", flat=True)
            keys = list(old[:BATCH])
            MenuItem.objects.filter(pk__in=keys).delete()
        total += len(keys)
        if len(keys) < BATCH:
            return total


def _reconcile(
    service_name: str,
    declared_in: int | None,
    items: Sequence[Declared],
    companies: Companies,
    actor: str,
    now: dt.datetime,
    drop: int | None = None,
) -> Outcome:
    outcome = menus_reconcile(
        service_name=service_name,
        declared_in=declared_in,
        items=items,
        prune=False,
        companies=companies,
        actor=actor,
        now=now,
        drop=() if drop is None else (drop,),
    )
    if outcome.changed:
        items_declared.send(sender=None, service=service_name, company_id=declared_in, actor=actor)
    return outcome


def _live(id: int, service_name: str | None) -> MenuItem:
    row = MenuItem.objects.filter(pk=id, archived_at=None).first()
    if row is None or service_name not in (None, row.service_name):
        raise NotFound(NOTHING)
    return row


def _require_same(row: MenuItem, changes: Mapping[str, Any]) -> None:
    """Let through what leaves an item its key and its company.

    Raises:
        InvalidInput: it would be another item.
    """
    faults = [
        FieldError(f"/{name}", "fixed", f"This is {getattr(row, name)!r} and stays so.")
        for name in _FIXED
        if name in changes and changes[name] != getattr(row, name)
    ]
    if faults:
        raise InvalidInput(errors=faults)
