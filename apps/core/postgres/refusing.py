"""The hub's processes do not work as a role for which row-level security does not hold.

Each asks once, when it starts. Where PostgreSQL is away then, the process starts nevertheless, since much goes on
without it; until the question is answered every new connection asks it first, and so does a thread each second, which
ends the process when the answer is no.
"""

import os
import signal
import sys
import threading
import time
from contextlib import closing
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.signals import connection_created

from apps.core.postgres.roles import Fault, Unprepared, role_faults

__all__ = ["UnfitRole", "refuse_unfit_role"]

CONNECT_SECONDS = 3
PAUSE_SECONDS = 1.0

_log = structlog.get_logger(__name__)
_fit = threading.Event()


class UnfitRole(ImproperlyConfigured):
    """Raised when the hub may not work as its role; the text names the setting to change and the SQL to run."""

    def __init__(self, faults: list[Fault]) -> None:
        lines = [f"{fault.message} ({fault.id})\n    {fault.hint}" for fault in faults]
        super().__init__("\n  ".join(["The hub does not start:", *lines]))


def refuse_unfit_role() -> None:
    """Return when the hub may work as its role, or when PostgreSQL cannot say so yet and will be asked again.

    Raises:
        SystemExit: it may not.
    """
    try:
        _ask()
    except UnfitRole as error:
        _say(error)
        sys.exit(1)
    except (psycopg.Error, Unprepared) as error:
        _log.warning("database_role_unknown", error=" ".join(str(error).split()))
        connection_created.connect(_ask_first, dispatch_uid=__name__)
        threading.Thread(target=_ask_until_answered, name="database-role", daemon=True).start()


def _ask() -> None:
    """Judge the role of each address that this process connects to.

    Raises:
        UnfitRole: it may not be worked with.
        Unprepared: there are no tables yet.
        psycopg.Error: PostgreSQL is away.
    """
    for url in dict.fromkeys([settings.DATABASE_URL, settings.DATABASE_DIRECT_URL]):
        with closing(psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)) as connection:
            _judge(connection.cursor())
    _fit.set()


def _say(error: UnfitRole) -> None:
    # Celery's beat hands `sys.stderr` to its log, which is closed before the last words of a process come through.
    print(error, file=sys.__stderr__, flush=True)


def _judge(cursor: Any) -> None:
    if faults := role_faults(cursor):
        raise UnfitRole(faults)


def _ask_first(connection: Any, **_: Any) -> None:
    """Judge a new connection of Django's before anything else is done with it (a receiver of its signal).

    Raises:
        OperationalError: the role may not be worked with, or cannot be judged.
    """
    if _fit.is_set() or connection.alias != "default":
        return
    try:
        with connection.cursor() as cursor:
            _judge(cursor)
    except (UnfitRole, Unprepared) as error:
        connection.close()
        raise OperationalError(str(error)) from error
    except Exception:
        connection.close()
        raise


def _ask_until_answered() -> None:
    while not _fit.is_set():
        time.sleep(PAUSE_SECONDS)
        try:
            _ask()
        except UnfitRole as error:
            _say(error)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except (psycopg.Error, Unprepared):
            continue
    connection_created.disconnect(dispatch_uid=__name__)
