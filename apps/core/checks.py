"""System checks of the hub (`manage.py check --database default`; docs/operating.md lists their numbers)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseError
from django.db import connection

from apps.core.postgres.grants import grants_missing
from apps.core.postgres.roles import Unprepared, role_faults, role_of

__all__ = ["check_database_role"]


@register(Tags.database)
def check_database_role(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Look whether row-level security holds for the role of the hub, and whether it has the rights that it needs."""
    if "default" not in (databases or ()) or settings.AS_OWNER:
        return []
    try:
        with connection.cursor() as cursor:
            found: list[CheckMessage] = [
                Error(fault.message, hint=fault.hint, id=fault.id) for fault in role_faults(cursor)
            ]
            return found or _rights(cursor)
    except Unprepared as error:
        return [Error(str(error), id="core.E007")]
    except DatabaseError as error:
        cause = " ".join(str(error).split())
        return [
            Error(f"PostgreSQL cannot be used ({cause}).", hint="Start it, or change DATABASE_URL.", id="core.E008")
        ]


def _rights(cursor: Any) -> list[CheckMessage]:
    wrong = grants_missing(cursor, role=role_of(settings.DATABASE_URL))
    if not wrong:
        return []
    return [
        Warning(
            f"The role of DATABASE_URL has other rights than the hub needs on {len(wrong)} objects: {wrong[0]} …",
            hint="Run `manage.py preparehub`.",
            id="core.W001",
        )
    ]
