"""What surrounds handlers that use Django's database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, close_old_connections, reset_queries

__all__ = ["django_worker", "is_database_outage"]


@contextmanager
def django_worker() -> Iterator[None]:
    """Surround a stretch of work in a thread of handlers, as a request is surrounded: for ``EventConsumer(around=…)``.

    Connections that are broken or older than ``CONN_MAX_AGE`` are closed before it and after it.
    """
    reset_queries()
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


def is_database_outage(error: Exception) -> bool:
    """Return whether a handler failed since the database is away: for ``EventConsumer(is_outage=…)``.

    Deadlocks and full disks count too; they are `OperationalError`, and trying again is right for them as well.
    """
    return isinstance(error, OperationalError | InterfaceError)
