"""What an account, a key or a form asks to be granted, and what is wrong with it. Pure: nothing is looked up here."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from apps.core.access import AllScopes
from apps.core.errors import FieldError
from apps.core.scopes import SCOPES, unknown
from apps.core.tenancy import Companies, Scope

__all__ = [
    "Giver",
    "companies_faults",
    "is_within",
    "network_faults",
    "normal_networks",
    "scope_faults",
    "spell_companies",
]

MOST_NETWORKS = 50
_MOST_COMPANY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Giver:
    """What somebody may hand on: no more than he has himself."""

    scope: Scope
    scopes: frozenset[str] | AllScopes

    @property
    def is_everyone(self) -> bool:
        """Whether he acts for all companies."""
        return self.scope.is_everything


def is_within(asked: Companies, granted: Companies) -> bool:
    """Return whether ``asked`` names no company that ``granted`` does not."""
    if granted == "*":
        return True
    return asked != "*" and asked <= granted


def companies_faults(pointer: str, asked: Companies, giver: Giver, *, may_be_none: bool = True) -> list[FieldError]:
    """Return what is wrong with companies that an account is to act for.

    Whoever acts for some companies only can hand on these, and has to name at least one: an account without any is
    about rows that belong to everybody.
    """
    if asked == "*":
        if giver.is_everyone:
            return []
        return [FieldError(pointer, "not_yours", "Only operators of all companies may grant all companies.")]
    bad = sorted(number for number in asked if not 1 <= number <= _MOST_COMPANY)
    if bad:
        return [FieldError(pointer, "invalid", f"A company is a whole number from 1; {bad[0]} is none.")]
    if giver.scope.companies != "*":
        beyond = sorted(asked - giver.scope.companies)
        if beyond:
            return [FieldError(pointer, "not_yours", f"You do not act for company {beyond[0]}.")]
        if not asked and not may_be_none:
            return [FieldError(pointer, "required", "Name at least one of your companies.")]
    return []


def scope_faults(pointer: str, asked: Collection[str], giver: Giver) -> list[FieldError]:
    """Return what is wrong with scopes that are to be granted."""
    nonsense = unknown(set(asked))
    if nonsense:
        known = ", ".join(sorted(SCOPES))
        return [FieldError(pointer, "unknown_scope", f"There is no scope “{nonsense[0][:100]}”; there are {known}.")]
    if giver.scopes != "*":
        beyond = sorted(set(asked) - giver.scopes)
        if beyond:
            return [FieldError(pointer, "not_yours", f"You may not hand on the scope {beyond[0]}.")]
    return []


def network_faults(pointer: str, asked: Iterable[str]) -> list[FieldError]:
    """Return what is wrong with the networks that a key is to work from."""
    texts = list(asked)
    if len(texts) > MOST_NETWORKS:
        return [FieldError(pointer, "too_many", f"A key has at most {MOST_NETWORKS} networks.")]
    return [
        FieldError(pointer, "invalid", f"“{text[:60]}” is no network such as 10.20.0.0/16 or 2001:db8::/48.")
        for text in texts
        if _normal(text) is None
    ]


def normal_networks(asked: Iterable[str]) -> list[str]:
    """Return networks as they are stored: addresses as networks, no bits behind the prefix, each once."""
    return list(dict.fromkeys(normal for text in asked if (normal := _normal(text)) is not None))


def spell_companies(companies: Companies) -> str:
    """Return companies for people: ``all companies``, ``no company``, ``company 7``, ``companies 1, 2``."""
    if companies == "*":
        return "all companies"
    if not companies:
        return "no company"
    word = "company" if len(companies) == 1 else "companies"
    return f"{word} {', '.join(str(number) for number in sorted(companies))}"


def _normal(text: str) -> str | None:
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        return None
