"""The pool of connections after PostgreSQL threw everybody out."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
from django.db import connection

from apps.core.postgres import base
from tests.support.database import database_url, transactional_db

__all__ = ["transactional_db"]

POOLED = 6


def ask() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        (one,) = cursor.fetchone()
    connection.close()
    return one


def test_one_broken_connection_is_enough_to_replace_them_all(transactional_db, django_db_blocker):
    together = Barrier(POOLED)

    def open_together() -> None:
        with django_db_blocker.unblock():
            connection.ensure_connection()
            together.wait(10)
            connection.close()

    with ThreadPoolExecutor(POOLED) as threads:
        for done in [threads.submit(open_together) for _ in range(POOLED)]:
            done.result()
    connection.close()
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    base._checked.clear()
    began = time.monotonic()
    assert ask() == 1
    # Each of the others would have cost the pool a pause: none, one second, two, and then it gives up.
    assert time.monotonic() - began < 1
