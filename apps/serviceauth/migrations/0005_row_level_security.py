"""Row-level security on accounts and keys (for who acts for all their companies), on roles and on companies' names."""

from django.db import migrations

from apps.core.tenancy.rls import EVERYTHING, RowLevelSecurity, reads, reads_all_of, writes


def of_account(table: str) -> RowLevelSecurity:
    """Return what protects rows of accounts: a subquery sees the accounts that their policies let through."""
    condition = f"{EVERYTHING} OR EXISTS (SELECT FROM serviceauth_serviceaccount a WHERE a.id = {table}.account_id)"
    return RowLevelSecurity(table, read=condition, write=condition)


class Migration(migrations.Migration):
    dependencies = [("serviceauth", "0004_successors_of_keys")]

    operations = [
        RowLevelSecurity("serviceauth_company", read=reads("id"), write=writes("id")),
        RowLevelSecurity("serviceauth_serviceaccount", read=reads_all_of(), write=reads_all_of()),
        of_account("serviceauth_servicekey"),
        of_account("serviceauth_enrolmenttoken"),
        RowLevelSecurity("serviceauth_role", read=reads(), write=writes()),
        RowLevelSecurity("serviceauth_roleassignment", read=reads(), write=writes()),
    ]
