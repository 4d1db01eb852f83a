"""For whom a page shows or arranges a menu: read from its address, and what there is to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest

from apps.core.companies import company_names, every_company_name
from apps.core.tenancy import current, in_sight
from apps.menus.models import COMPANY, GLOBAL, ROLE, USER, MenuItem, Overlay
from apps.menus.outline import Whom
from apps.serviceauth.selectors import KnownRole, people_with_roles, roles_known

__all__ = ["MAY_CHANGE", "MAY_LOOK", "Choice", "chosen", "number_of"]

MAY_LOOK = "menus.view_menuitem"
MAY_CHANGE = "menus.change_menuitem"
MOST_PEOPLE = 200
MOST_COMPANIES = 500
SCOPES = (
    (GLOBAL, "everybody"),
    (COMPANY, "everybody in a company"),
    (ROLE, "whoever has a role"),
    (USER, "one person"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """For whom, who may do what about it, and what else could be chosen.

    Attributes:
        missing: what is still to be chosen, as a sentence; the menu is everybody's meanwhile.
        may_change: whether this operator may change what counts for ``whom``.
        why_not: why not, as a sentence.
    """

    whom: Whom
    asked: Mapping[str, str]
    companies: Mapping[int, str]
    roles: tuple[KnownRole, ...]
    people: tuple[int, ...]
    missing: str
    may_change: bool
    why_not: str

    @property
    def words(self) -> str:
        """For whom, to be put into a sentence."""
        return self.whom.words(self.companies, self.names_of_roles)

    @property
    def names_of_roles(self) -> dict[int, str]:
        """The names of the roles by number."""
        return {role.id: role.name for role in self.roles}

    @property
    def query(self) -> str:
        """The choice as the query of an address."""
        return urlencode({name: value for name, value in self.asked.items() if value})

    @property
    def scopes(self) -> tuple[tuple[str, str], ...]:
        """The kinds of scope with their words."""
        return SCOPES


def chosen(request: HttpRequest) -> Choice:
    """Return for whom the address of ``request`` asks.

    Raises:
        Http404: it names a company or a role that is not in sight, in the same words as one that is not there.
    """
    asked = {name: request.GET.get(name, "").strip() for name in ("scope", "company", "role", "user")}
    companies = _companies(number_of(asked["company"]))
    roles = tuple(roles_known())
    whom, missing = _whom(asked, companies, roles)
    may, why_not = _may_change(request, whom)
    return Choice(
        whom=whom,
        asked=asked,
        companies=companies,
        roles=roles,
        people=tuple(people_with_roles(limit=MOST_PEOPLE)),
        missing=missing,
        may_change=may and not missing,
        why_not=why_not,
    )


def number_of(text: str) -> int | None:
    """Return the number that an address names; None for no text.

    Raises:
        Http404: it is no number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Http404("This is no number.")
    return int(text)


def _whom(asked: Mapping[str, str], companies: Mapping[int, str], roles: tuple[KnownRole, ...]) -> tuple[Whom, str]:
    """Return for whom, and what is missing to know that."""
    company = number_of(asked["company"])
    if company is not None and company not in companies:
        raise Http404("There is no such company.")
    scope = asked["scope"] or GLOBAL
    if scope == COMPANY:
        return (Whom(COMPANY, company, company), "") if company else (Whom(), "Choose a company.")
    if scope == ROLE:
        role = number_of(asked["role"])
        if role is None:
            return Whom(), "Choose a role."
        known = next((one for one in roles if one.id == role), None)
        if known is None:
            raise Http404("There is no such role.")
        return Whom(ROLE, role, company if company is not None else known.company_id), ""
    if scope == USER:
        user = number_of(asked["user"])
        return (Whom(), "Say which person, by number.") if user is None else (Whom(USER, user, company), "")
    if scope != GLOBAL:
        raise Http404("There is no such scope.")
    return Whom(), ""


def _companies(asked: int | None) -> dict[int, str]:
    """Return the companies that may be chosen, by number: those that are known, and those that have something."""
    sight = in_sight()
    found: dict[int, str] = dict(every_company_name())
    if sight == "*":
        having: Any = set(MenuItem.objects.values_list("company_id", flat=True).distinct()[:MOST_COMPANIES])
        having |= set(Overlay.objects.values_list("company_id", flat=True).distinct()[:MOST_COMPANIES])
        having |= {asked}
    else:
        having = set(sight)
        found = {number: name for number, name in found.items() if number in sight}
    unnamed = {number for number in having if number is not None and number not in found}
    found |= {number: f"Company {number}" for number in unnamed} | dict(company_names(unnamed))
    return dict(sorted(found.items(), key=lambda one: (one[1].casefold(), one[0])))


def _may_change(request: HttpRequest, whom: Whom) -> tuple[bool, str]:
    scope = current()
    if not request.user.has_perm(MAY_CHANGE):
        return False, "You may look at menus, not change them."
    if scope is None or not scope.writes(whom.company_id):
        return False, "What counts in all companies is changed by operators of all companies. Choose your company."
    return True, ""
