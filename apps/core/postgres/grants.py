"""What the hub's role may do with each table, sequence and function of the tables' owner, and no more.

The catalogue of the database is asked what there is, so what a later migration adds gets its rights with it. Partitions
are reached by their table only, whose row-level security would not hold for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

__all__ = ["Right", "grants_ensure", "grants_missing"]

READ_AND_WRITE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
ONLY_ADD = frozenset({"SELECT", "INSERT"})
ONLY_READ = frozenset({"SELECT"})

TABLES: Mapping[str, frozenset[str]] = {
    "core_auditentry": ONLY_ADD,
    "core_auditseal": ONLY_ADD,
    "django_migrations": ONLY_READ,
}
"""Tables with fewer rights than `READ_AND_WRITE`: what was done stays as it was written."""

# Everything in the hub's schema that the asked-for owner has, with the rights that the role and PUBLIC hold on it.
_FOUND = """
WITH objects AS (
    SELECT c.oid, c.relkind::text AS kind, c.relispartition AS is_partition, c.relname::text AS name,
           quote_ident(c.relname) AS reference,
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))
               AS acl
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND pg_get_userbyid(c.relowner) = %(owner)s
    UNION ALL
    SELECT p.oid, 'function', false, p.proname::text,
           quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
           coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
      AND pg_get_userbyid(p.proowner) = %(owner)s
)
SELECT o.kind, o.is_partition, o.name, o.reference,
       ARRAY(SELECT a.privilege_type FROM aclexplode(o.acl) a WHERE a.grantee = r.oid),
       EXISTS (SELECT FROM aclexplode(o.acl) a WHERE a.grantee = 0)
FROM objects o, pg_roles r WHERE r.rolname = %(role)s ORDER BY o.name, o.reference
"""
_WORDS = {"S": "SEQUENCE", "function": "FUNCTION"}


@dataclass(frozen=True, slots=True)
class Right:
    """What a role should have on one object, and has."""

    kind: str
    """TABLE, SEQUENCE or FUNCTION."""
    reference: str
    """As it is written in SQL."""
    wanted: frozenset[str]
    had: frozenset[str]
    is_public: bool
    """Whether everybody has rights on it, too."""

    @property
    def is_right(self) -> bool:
        """Whether nothing has to be done."""
        return self.wanted == self.had and not self.is_public

    def statements(self, role: str) -> list[sql.Composed]:
        """Return what makes it right for ``role``."""
        kind, name = sql.SQL(self.kind), sql.SQL(self.reference)
        to = sql.Identifier(role)
        done = [sql.SQL("REVOKE ALL ON {} {} FROM PUBLIC, {}").format(kind, name, to)]
        if self.wanted:
            rights = sql.SQL(", ".join(sorted(self.wanted)))
            done.append(sql.SQL("GRANT {} ON {} {} TO {}").format(rights, kind, name, to))
        return done


def grants_ensure(cursor: Any, *, role: str) -> int:
    """Give ``role`` what it needs on everything that the present role owns, and take the rest from it and from PUBLIC.

    Returns on how many objects something was changed; run it in a transaction. Objects of other owners stay as they
    are. The right to make temporary objects goes as well, where the present role may take it: a temporary table stands
    before others in the search path.
    """
    owner = _one(cursor, "SELECT current_user")
    wrong = [right for right in _rights(cursor, role, owner) if not right.is_right]
    for statement in _on_the_house(cursor, role):
        cursor.execute(statement)
    for right in wrong:
        for statement in right.statements(role):
            cursor.execute(statement)
    return len(wrong)


def grants_missing(cursor: Any, *, role: str) -> list[str]:
    """Return the tables and functions on which ``role`` has other rights than it needs, whoever asks."""
    owner = _one(cursor, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('django_migrations')")
    return [right.reference for right in _rights(cursor, role, owner) if not right.is_right]


def _rights(cursor: Any, role: str, owner: str | None) -> list[Right]:
    cursor.execute(_FOUND, {"owner": owner, "role": role})
    return [
        Right(_WORDS.get(kind, "TABLE"), reference, _wanted(kind, is_partition, name), frozenset(had), is_public)
        for kind, is_partition, name, reference, had, is_public in cursor.fetchall()
    ]


def _wanted(kind: str, is_partition: bool, name: str) -> frozenset[str]:
    if is_partition:
        return frozenset()
    if kind == "S":
        return frozenset({"SELECT", "USAGE"})  # how far one has come is a metric
    if kind == "function":
        return frozenset({"EXECUTE"})
    return ONLY_READ if kind in ("v", "m") else TABLES.get(name, READ_AND_WRITE)


def _on_the_house(cursor: Any, role: str) -> list[sql.Composed]:
    """Return the statements about the schema and the database, as far as the present role may give and take."""
    cursor.execute(
        "SELECT current_schema(), current_database(), pg_has_role(n.nspowner, 'USAGE'), pg_has_role(d.datdba, 'USAGE')"
        " FROM pg_namespace n, pg_database d WHERE n.nspname = current_schema() AND d.datname = current_database()"
    )
    schema, database, of_schema, of_database = cursor.fetchone()
    names = {"schema": sql.Identifier(schema), "database": sql.Identifier(database), "role": sql.Identifier(role)}
    texts = []
    if of_schema:
        texts += ["REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role}", "GRANT USAGE ON SCHEMA {schema} TO {role}"]
    if of_database:
        texts += ["REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC, {role}"]
        texts += ["GRANT CONNECT ON DATABASE {database} TO {role}"]
    return [sql.SQL(text).format(**names) for text in texts]


def _one(cursor: Any, question: str) -> Any:
    cursor.execute(question)
    found = cursor.fetchone()
    return found[0] if found else None
