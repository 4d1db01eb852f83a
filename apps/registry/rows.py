"""Plain-SQL reading of the registry's rows, for paths where building model instances would be most of the cost."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
from django.db.backends.utils import CursorWrapper

from apps.registry import lifecycle
from apps.registry.documents import INSTANCE_COLUMNS, INSTANCE_SELECT, Row
from xerpium_sdk.wire.registry import Status


def fetch_rows(cursor: CursorWrapper) -> list[Row]:
    """Return what the cursor holds as dicts by column name, ``metadata`` decoded."""
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        if isinstance(row.get("metadata"), str):
            row["metadata"] = orjson.loads(row["metadata"])
    return rows


def select_rows(cursor: CursorWrapper, where: str, params: Sequence[Any], *, lock: bool = False) -> list[Row]:
    """Return instances by a WHERE clause, in the order of their keys.

    With ``lock`` the instance rows stay locked until the transaction ends. Everyone who locks several does so in this
    one order, and before taking the catalogue's revision: that is what keeps writers from waiting for each other in a
    circle.
    """
    select_into(cursor, where, params, lock=lock)
    return fetch_instances(cursor)


def fetch_instances(cursor: CursorWrapper) -> list[Row]:
    """Return what `select_into` asked for, by names that we know: asking the cursor for them costs more."""
    rows = [dict(zip(INSTANCE_COLUMNS, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        row["metadata"] = orjson.loads(row["metadata"])
    return rows


def select_into(cursor: CursorWrapper, where: str, params: Sequence[Any], *, lock: bool = False) -> None:
    """Send what `select_rows` sends, for `fetch_instances` to read later: in a pipeline nothing waits in between."""
    tail = " ORDER BY i.id" + (" FOR UPDATE OF i" if lock else "")
    cursor.execute(f"{INSTANCE_SELECT} WHERE {where}{tail}", params)


def vitals_of(row: Row) -> lifecycle.Vitals:
    """Return what the status of a stored row was made of."""
    status = row["status"]
    return lifecycle.Vitals(
        reported=Status(row["reported_status"]) if row["reported_status"] else None,
        polled=Status(row["polled_status"]) if row["polled_status"] else None,
        draining=row["draining"],
        lease_over=status == Status.STALE,
        deregistered=status == Status.DEREGISTERED,
    )


def judge(row: Row, vitals: lifecycle.Vitals, cause: lifecycle.Cause, *, now: dt.datetime, **facts: object) -> str:
    """Write ``vitals`` and the status that follows from them into ``row``; return the reason in plain words.

    Raises:
        lifecycle.IllegalMoveError: ``cause`` cannot have led there.
    """
    before = Status(row["status"]) if row.get("status") else None
    after = lifecycle.instance_status(vitals)
    if lifecycle.move(before, after, cause, **facts) is not None:
        row |= {"status": after.value, "status_since": now}
    row |= {
        "reported_status": vitals.reported.value if vitals.reported else None,
        "polled_status": vitals.polled.value if vitals.polled else None,
        "draining": vitals.draining,
    }
    return lifecycle.RULES[cause].reason.format(**facts)
