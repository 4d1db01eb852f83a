"""`manage.py migrate`: Django's own, as the owner of the tables, and with rights on them for the role of the hub."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections, transaction

from apps.core.postgres.grants import grants_ensure
from apps.core.postgres.roles import MAKE_ROLE, role_of
from apps.core.tenancy import system, use


class Command(migrate.Command):
    """As Django's; `preparehub` calls it too."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring the database up to date.

        Raises:
            CommandError: the role of DATABASE_MIGRATION_URL may not make tables.
        """
        is_ours = options["database"] == "default"
        only_looks = options["plan"] or options["check_unapplied"]
        if is_ours and not only_looks:
            require_owner()
        # Also the owner sees no rows of companies without a scope, and migrations may have to move some.
        with use(system("manage.py migrate")):
            super().handle(*args, **options)
        if is_ours and not only_looks:
            self._grant()

    def _grant(self) -> None:
        role = role_of(settings.DATABASE_URL)
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role])
            me, exists = cursor.fetchone()
            if role == me or not exists:
                self.stderr.write(
                    f"DATABASE_URL connects as {role or me}, which is {'the owner' if exists else 'not there'}: the hub"
                    f" will not start. Run `{MAKE_ROLE}` as an administrator, set DATABASE_URL to that role, and run"
                    " `manage.py preparehub`."
                )
                return
            changed = grants_ensure(cursor, role=role)
        if self.verbosity and changed:
            self.stdout.write(f"  Rights of {role} set on {changed} tables, sequences and functions.")


def require_owner() -> None:
    """Return when the present role may make tables.

    Raises:
        CommandError: it may not.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_user, coalesce(current_schema(), ''),"
            " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
        )
        me, schema, may_create = cursor.fetchone()
    if not may_create:
        raise CommandError(
            f"The role {me} may make no tables in the schema {schema or 'of its search path'}: set"
            " DATABASE_MIGRATION_URL to the role that owns the hub's tables. `manage.py preparehub` and `manage.py"
            " migrate` use it; everything else works as the role of DATABASE_URL."
        )
