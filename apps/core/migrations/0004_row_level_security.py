"""Row-level security on the audit: entries of a company for who acts for it; those of none for who acts for all."""

from django.db import migrations

from apps.core.tenancy.rls import ANYBODY, COMPANIES, EVERYTHING, RowLevelSecurity, writes


class Migration(migrations.Migration):
    dependencies = [("core", "0003_audit_chain")]

    operations = [
        # Nobody who may do something can be kept from leaving a trace of it; nothing of it is ever changed.
        RowLevelSecurity(
            "core_auditentry",
            read=f"{EVERYTHING} OR company_id = ANY ({COMPANIES})",
            write=EVERYTHING,
            insert=f"{writes()} OR (company_id IS NULL AND {ANYBODY})",
        ),
    ]
