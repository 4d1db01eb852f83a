"""The order of changes of menus: one lock that writers take first, one counter that says what changed for whom."""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import Max, Q

from apps.menus.models import MenuRevision
from apps.menus.signals import trees_changed

__all__ = ["lock", "revision_of", "touch"]

_LOCK = 0x5845525049554D10  # "XERPIUM" and a number: which of the project's advisory locks this is

_TOUCH = """
WITH following AS (SELECT coalesce(max(value), 0) + 1 AS value FROM menus_menurevision)
INSERT INTO menus_menurevision (company_id, value)
SELECT company_id, value FROM unnest(%s::bigint[]) AS r(company_id), following
ON CONFLICT (company_id) DO UPDATE SET value = excluded.value
RETURNING value
"""


def lock() -> None:
    """Let the running transaction be the only one that changes menus or manifests, until it ends.

    It is the first lock that such a transaction takes (only that of an Idempotency-Key may come before, which nobody
    waits for), so writers wait for each other in one line and can never wait in a circle.

    Raises:
        TransactionManagementError: no transaction is running.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Menus are changed in a transaction: use transaction.atomic().")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def touch(companies: Iterable[int | None]) -> int:
    """Note that what belongs to ``companies`` (None: to everybody) has changed; return the new revision.

    Only under `lock`: the next number is the highest one and one more. Readers of this process hear of it when the
    transaction commits (`apps.menus.signals.trees_changed`), those of others by the row.

    Raises:
        ValueError: no company is named.
    """
    named = sorted(set(companies), key=lambda company: (company is not None, company or 0))
    if not named:
        raise ValueError("A revision is somebody's: name a company, or None for everybody.")
    with connection.cursor() as cursor:
        cursor.execute(_TOUCH, [named])
        revision: int = cursor.fetchall()[0][0]
    transaction.on_commit(lambda: trees_changed.send(sender=None, companies=tuple(named), revision=revision))
    return revision


def revision_of(company_id: int | None) -> int:
    """Return the revision of the tree that a company has (None: that everybody has)."""
    of = MenuRevision.objects.filter(Q(company_id=None) | Q(company_id=company_id))
    found: int | None = of.aggregate(last=Max("value"))["last"]
    return found or 0
