"""Whose rows the running code may see and change (contract, "Companies").

`context` holds the answer, `models` has the base of every model that belongs to companies, and the database backend
(`apps.core.postgres`) tells PostgreSQL, whose row-level security asks the same question again.
"""

from apps.core.tenancy.context import (
    Companies,
    NoCompanyContext,
    Scope,
    acting,
    company,
    current,
    every_company,
    global_rows,
    in_sight,
    scope_of,
    system,
    use,
)

__all__ = [
    "Companies",
    "NoCompanyContext",
    "Scope",
    "acting",
    "company",
    "current",
    "every_company",
    "global_rows",
    "in_sight",
    "scope_of",
    "system",
    "use",
]
