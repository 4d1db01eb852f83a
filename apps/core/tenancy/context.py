"""The company context: unset, one company, global rows, or the hub itself with a reason. Pure but for one contextvar.

Nothing is visible while it is unset; whoever needs rows says so, and code that runs for nobody in particular says why.
Threads begin unset, as they should.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from apps.core.access import Principal

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
    "principal",
    "scope_of",
    "system",
    "use",
]

Companies = Literal["*"] | frozenset[int]
"""The companies that somebody acts for; ``"*"`` is all of them."""


class NoCompanyContext(RuntimeError):
    """Raised when rows of companies are asked for and nobody said whose. A defect of the hub, never of a request."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be seen and changed.

    Attributes:
        companies: whose rows may be read, besides global ones, and written; ``"*"`` is everybody's.
        writes_global: whether rows without a company may be written.
        reason: why, in a few words: for the log and for who reads a stack at night.
    """

    companies: Companies
    writes_global: bool
    reason: str

    @property
    def is_everything(self) -> bool:
        """Whether nothing is hidden."""
        return self.companies == "*"

    def reads(self, company_id: int | None) -> bool:
        """Whether a row of ``company_id`` (None: global) is in sight."""
        return self.companies == "*" or company_id is None or company_id in self.companies

    def writes(self, company_id: int | None) -> bool:
        """Whether a row of ``company_id`` (None: global) may be written."""
        if company_id is None:
            return self.writes_global
        return self.companies == "*" or company_id in self.companies


_scope: ContextVar[Scope | None] = ContextVar("company_scope", default=None)
_principal: ContextVar[Principal | None] = ContextVar("principal", default=None)


def company(company_id: int) -> Scope:
    """Return the scope of somebody in a company: reads global rows and its own, writes its own."""
    return Scope(frozenset({company_id}), writes_global=False, reason=f"company {company_id}")


def global_rows(companies: Iterable[int] = ()) -> Scope:
    """Return the scope of somebody without a company: reads and writes global rows, and those of ``companies``."""
    return Scope(frozenset(companies), writes_global=True, reason="global")


def every_company(reason: str) -> Scope:
    """Return the scope of a caller who acts for all companies."""
    return Scope("*", writes_global=True, reason=reason)


def system(reason: str) -> Scope:
    """Return the scope of the hub itself, which sees everything.

    Raises:
        ValueError: no reason is given.
    """
    if not reason.strip():
        raise ValueError("The hub acts for all companies only for a reason: name it.")
    return Scope("*", writes_global=True, reason=f"system: {reason}")


def scope_of(principal: Principal) -> Scope:
    """Return what ``principal`` may see and change.

    An operator of some companies changes their rows only: what is global is everybody's.
    """
    if principal.company_id is not None:
        return company(principal.company_id)
    if principal.companies == "*":
        return every_company(principal.scope)
    if principal.kind == "operator":
        return Scope(principal.companies, writes_global=False, reason=principal.scope)
    return global_rows(principal.companies)


def current() -> Scope | None:
    """Return the scope of the running code; None is unset: nothing may be seen."""
    return _scope.get()


def in_sight() -> Companies:
    """Return the companies whose rows the running code may see, besides global ones; for what is kept in memory.

    Raises:
        NoCompanyContext: nobody said whose are wanted.
    """
    scope = _scope.get()
    if scope is None:
        raise NoCompanyContext("Nobody said whose rows are wanted: run this within apps.core.tenancy.use(...).")
    return scope.companies


def principal() -> Principal | None:
    """Return who the running code acts for; None for the hub itself."""
    return _principal.get()


@contextmanager
def use(scope: Scope | None) -> Iterator[None]:
    """Run the block in ``scope``; None hides everything. Also a decorator."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def acting(who: Principal) -> Iterator[None]:
    """Run the block for ``who``: in its scope, and with its name in the audit."""
    token = _principal.set(who)
    try:
        with use(scope_of(who)):
            yield
    finally:
        _principal.reset(token)
