"""Reading what trees are made of: the rows of everybody or of one company, as of one moment. Plain SQL, no instances.

Each part is read in the scope that it is of: row-level security lets no other company's rows into it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection, transaction

from apps.core.tenancy import company, global_rows, use
from apps.menus.models import ROLE, USER
from apps.menus.structure import Item, Layer
from apps.registry.selectors import services_ever_registered

__all__ = ["Part", "Revisions", "read_part", "read_revisions"]

_ITEMS = """
SELECT id, service_name, company_id, key, name, path, url, route_key, icon, parent_id,
       parent_id IS NULL AND parent_ref IS NOT NULL, order_number::float8, before, after, required_permissions,
       permission_mode = 'any', is_page, is_active, nullif(labels, '{}'), badge, displaced
FROM menus_menuitem WHERE archived_at IS NULL AND """
_OVERLAYS = 'SELECT item_id, scope, scope_id, "values", actor FROM menus_overlay WHERE '
_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is of one company, or of everybody (None).

    Attributes:
        company_id: whose it is.
        revision: of its last change.
        items: the items that are declared now.
        overlays: by scope and its number, what operators changed of any items in sight.
        services: whose items they are.
        registered: those of the services that were ever registered, as far as this company may see.
        roles: the roles for which there are overlays.
        users: the people for whom there are overlays.
    """

    company_id: int | None
    revision: int
    items: tuple[Item, ...]
    overlays: Mapping[tuple[str, int], Layer]
    services: frozenset[str]
    registered: frozenset[str]
    roles: frozenset[int]
    users: frozenset[int]


@dataclass(frozen=True, slots=True)
class Revisions:
    """What changed lately.

    Attributes:
        last: the highest revision of all.
        changed: by company (None: everybody), the revision of its last change; of those asked for.
    """

    last: int
    changed: Mapping[int | None, int]


def read_revisions(above: int) -> Revisions:
    """Return whose menus changed after the revision ``above``; all there are when the highest is below that."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT company_id, value, (SELECT coalesce(max(value), 0) FROM menus_menurevision)"
            " FROM (SELECT NULL::bigint AS company_id, 0::bigint AS value"
            "       UNION ALL SELECT company_id, value FROM menus_menurevision WHERE value > %s) changed",
            [above],
        )
        found = cursor.fetchall()
    return Revisions(found[0][2], {company_id: value for company_id, value, _ in found if value})


def read_part(company_id: int | None) -> Part:
    """Return everything of one company, or of everybody (None), as of one moment.

    Within a transaction it is what that one sees.
    """
    whose, params = ("company_id IS NULL", []) if company_id is None else ("company_id = %s", [company_id])
    with use(global_rows() if company_id is None else company(company_id)), _one_moment():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT value FROM menus_menurevision WHERE {whose}", params)
            revision = cursor.fetchone()
            cursor.execute(_ITEMS + whose, params)
            items = tuple(_item(row) for row in cursor.fetchall())
            cursor.execute(_OVERLAYS + whose, params)
            overlays = _layers(cursor.fetchall())
        services = frozenset(item.service_name for item in items)
        registered = frozenset(services_ever_registered(services)) if services else services
    return Part(
        company_id=company_id,
        revision=revision[0] if revision else 0,
        items=items,
        overlays=overlays,
        services=services,
        registered=registered,
        roles=frozenset(number for scope, number in overlays if scope == ROLE),
        users=frozenset(number for scope, number in overlays if scope == USER),
    )


@contextmanager
def _one_moment() -> Iterator[None]:
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _item(row: tuple[Any, ...]) -> Item:
    plain, (permissions, any_of, is_page, is_active, labels, badge, displaced) = row[:14], row[14:]
    parsed = (
        tuple(permissions),
        any_of,
        is_page,
        is_active,
        _NO_LABELS if labels is None else orjson.loads(labels),
        None if badge is None else orjson.loads(badge),
        displaced,
    )
    return Item(*(*plain, *parsed))


def _layers(rows: list[tuple[Any, ...]]) -> dict[tuple[str, int], Layer]:
    changes: dict[tuple[str, int], dict[int, Any]] = {}
    actors: dict[tuple[str, int], dict[int, str]] = {}
    for item_id, scope, scope_id, values, actor in rows:
        changes.setdefault((scope, scope_id), {})[item_id] = orjson.loads(values)
        actors.setdefault((scope, scope_id), {})[item_id] = actor
    return {where: Layer(*where, said, actors[where]) for where, said in changes.items()}
