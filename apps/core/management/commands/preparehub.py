"""`manage.py preparehub`: bring the database up to date and make sure that somebody can sign in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection as db_connection

from apps.core import redis
from apps.core.postgres.refusing import UnfitRole
from apps.core.postgres.roles import role_faults, role_of
from apps.core.supervisor.operator import CREATED, OPERATOR
from apps.core.tenancy import system, use

LOCK = 0x5845525049554D  # "XERPIUM"


class Command(BaseCommand):
    """May run on several machines at once: the second waits for the first and then finds nothing to do."""

    help = "Check that PostgreSQL and Redis answer, migrate, and create the first operator (HUB_ADMIN_PASSWORD)."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare the database.

        Raises:
            CommandError: PostgreSQL or Redis cannot be reached, the hub may not work as the role of DATABASE_URL, or
                the first operator has no password.
        """
        require_redis()
        with sole_preparation():
            call_command("migrate", interactive=False, verbosity=min(options["verbosity"], 1), stdout=self.stdout)
            require_fit_role()
            with use(system("prepare the hub")):
                is_new = operator_ensure(password=settings.HUB_ADMIN_PASSWORD)
            if is_new:
                self.stdout.write(CREATED)


def require_redis() -> None:
    """Return when Redis answers.

    Raises:
        CommandError: it does not.
    """
    try:
        redis.client().ping()
    except redis.RedisError as error:
        raise CommandError(f"Redis does not answer ({error}): start it, or change REDIS_URL.") from error


@contextmanager
def sole_preparation() -> Iterator[None]:
    """Hold a lock in the database that only one preparation can hold; a killed one loses it with its connection.

    Raises:
        CommandError: PostgreSQL does not answer.
    """
    try:
        connection = psycopg.connect(settings.DATABASE_MIGRATION_URL, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        cause = " ".join(str(error).split())
        raise CommandError(
            f"PostgreSQL cannot be used ({cause}): start it, or change DATABASE_MIGRATION_URL."
        ) from error
    with connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield


def require_fit_role() -> None:
    """Return when the hub may work as the role of DATABASE_URL.

    Raises:
        CommandError: its processes would refuse to start; with what they would say.
    """
    with db_connection.cursor() as cursor:
        if faults := role_faults(cursor, role=role_of(settings.DATABASE_URL)):
            raise CommandError(str(UnfitRole(faults)))


def operator_ensure(*, password: str) -> bool:
    """Create the operator `admin` unless there is a superuser; return whether one was created.

    Raises:
        CommandError: one is needed and ``password`` is empty.
    """
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return False
    if not password:
        raise CommandError(
            "There is no operator yet: set HUB_ADMIN_PASSWORD to the password that the first shall have."
        )
    users.create_superuser(username=OPERATOR, password=password)
    return True
