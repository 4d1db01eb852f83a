"""Row-level security: what PostgreSQL itself lets through, whatever statement asks (docs/decisions/0017).

The database backend tells each transaction its scope in two settings: ``xerpium.scope`` is ``everything``, ``global``
(reads and writes rows without a company), ``own`` (only reads them) or empty, which is nothing; ``xerpium.companies``
is an array of those whose rows are read and written. Every condition here is made of subqueries without a reference to
the row, which PostgreSQL answers once a statement and not once a row. They are written out, not put into functions: a
function in a policy costs each statement that is planned about 15 microseconds a table more.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

__all__ = ["ANYBODY", "COMPANIES", "EVERYTHING", "RowLevelSecurity", "reads", "reads_all_of", "writes"]

EVERYTHING = "(SELECT current_setting('xerpium.scope', true) = 'everything')"
"""Only the hub itself, and callers who act for all companies."""
ANYBODY = "(SELECT current_setting('xerpium.scope', true) <> '')"
"""Whoever has said who it is."""
_GLOBAL = "(SELECT current_setting('xerpium.scope', true) = 'global')"
COMPANIES = "(SELECT nullif(current_setting('xerpium.companies', true), '')::bigint[])::bigint[]"
"""Those whose rows are read and written, as an array."""


def reads(company: str = "company_id", *, shared: str = "") -> str:
    """Return the condition under which a row is in sight: it is global, or of a company of the scope.

    Args:
        company: the column with the row's company.
        shared: what else must hold of a row without a company, if anything.
    """
    everybodys = f"{company} IS NULL AND {ANYBODY}" + (f" AND {shared}" if shared else "")
    return f"{EVERYTHING} OR {company} = ANY ({COMPANIES}) OR ({everybodys})"


def writes(company: str = "company_id") -> str:
    """Return the condition under which a row may be written."""
    return f"{EVERYTHING} OR {company} = ANY ({COMPANIES}) OR ({company} IS NULL AND {_GLOBAL})"


def reads_all_of(companies: str = "companies", everybody: str = "all_companies") -> str:
    """Return the condition for rows about several companies: all of them are of the scope, and there is one."""
    return f"{EVERYTHING} OR (NOT {everybody} AND {companies} <> '{{}}' AND {companies} <@ {COMPANIES})"


class RowLevelSecurity(Operation):
    """Let through the rows of ``table`` for which a condition holds, and no others, not even to the table's owner.

    Args:
        table: its name in the database.
        read: the condition for SELECT; also for what UPDATE and DELETE find.
        write: the condition for UPDATE and DELETE, and for the row as it is afterwards.
        insert: the condition for INSERT; ``write`` where there is none of its own.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, table: str, *, read: str, write: str, insert: str | None = None) -> None:
        self.table, self.read, self.write, self.insert = table, read, write, insert

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Models know nothing of it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Close the table, then open it to the conditions."""
        insert = self.insert or self.write
        name = schema_editor.quote_name(self.table)
        for statement in (
            f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY company_read ON {name} FOR SELECT USING ({self.read})",
            f"CREATE POLICY company_insert ON {name} FOR INSERT WITH CHECK ({insert})",
            f"CREATE POLICY company_update ON {name} FOR UPDATE USING ({self.write}) WITH CHECK ({self.write})",
            f"CREATE POLICY company_delete ON {name} FOR DELETE USING ({self.write})",
        ):
            schema_editor.execute(statement, None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Open the table to everybody with rights to it."""
        name = schema_editor.quote_name(self.table)
        for command in ("read", "insert", "update", "delete"):
            schema_editor.execute(f"DROP POLICY company_{command} ON {name}", None)
        schema_editor.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY", None)

    def describe(self) -> str:
        """Return what a migration's listing says."""
        return f"Row-level security on {self.table}"
