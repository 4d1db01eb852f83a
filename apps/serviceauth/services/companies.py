"""What the hub learns about companies."""

import datetime as dt

from django.db import connection

from apps.core.tenancy import company, use

__all__ = ["company_learn"]


def company_learn(*, company_id: int, name: str, at: dt.datetime, only_new: bool = False) -> bool:
    """Store a company's name as of ``at`` (aware); return whether it is news.

    What is known from a later event stays; with ``only_new`` whatever is known stays. A time in the future counts as
    now: it must not outlast all that follows.
    """
    with use(company(company_id)), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO serviceauth_company (id, name, updated_at, last_event_at)
            VALUES (%s, %s, now(), least(%s, now()))
            ON CONFLICT (id) DO UPDATE
                SET name = excluded.name, updated_at = excluded.updated_at, last_event_at = excluded.last_event_at
                WHERE serviceauth_company.last_event_at <= excluded.last_event_at AND NOT %s
            """,
            [company_id, name, at, only_new],
        )
        return bool(cursor.rowcount)
