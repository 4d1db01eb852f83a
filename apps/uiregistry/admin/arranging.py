"""For whom a dashboard is looked at and arranged, and what then stands where."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, QueryDict

from apps.core.badges import BADGES, Badge
from apps.core.companies import company_names, every_company_name
from apps.core.tenancy import current, in_sight
from apps.menus.outline import Whom
from apps.menus.selectors.lives import lifetimes_of
from apps.serviceauth.selectors import KnownRole, permissions_of, roles_known, roles_of
from apps.uiregistry import links
from apps.uiregistry.admin.columns import badge_of
from apps.uiregistry.admin.tiles import Tile, tile_of
from apps.uiregistry.layouts import Placement, arranged, default_size
from apps.uiregistry.models import Dashboard, Layout, Widget
from apps.uiregistry.selectors.dashboards import layouts_of, shown_to
from apps.uiregistry.selectors.viewers import Viewer
from xerpium_sdk.wire.registry import Status

__all__ = ["MAY_ARRANGE", "Choice", "choice_of", "chosen", "page_of"]

MAY_ARRANGE = "uiregistry.change_dashboard"
MOST_WIDGETS = 500
SCOPES = (
    ("global", "everybody"),
    ("company", "everybody in a company"),
    ("role", "whoever has a role"),
    ("user", "one person"),
)
UNSEEN = Badge("not seen", "amber", BADGES[Status.DEGRADED].icon, "Their permissions do not give it.")


@dataclass(frozen=True, slots=True)
class Choice:
    """For whom, and what there is to choose from.

    Attributes:
        missing: what is still to be chosen, as a sentence; everybody is meant meanwhile.
        why_not: why the operator may not arrange it for them; empty: they may.
    """

    whom: Whom
    asked: Mapping[str, str]
    companies: Mapping[int, str]
    roles: tuple[KnownRole, ...]
    missing: str = ""
    why_not: str = ""

    @property
    def scopes(self) -> tuple[tuple[str, str], ...]:
        """The kinds of scope with their words."""
        return SCOPES

    @property
    def words(self) -> str:
        """For whom, to be put into a sentence."""
        return self.words_of(self.whom)

    def words_of(self, whom: Whom) -> str:
        """Return who somebody is, to be put into a sentence."""
        return whom.words(self.companies, {role.id: role.name for role in self.roles})


@dataclass(frozen=True, slots=True)
class Standing:
    """A widget in its place; ``badge`` says why it is not shown, or marked; ``tile`` is None where nothing is asked."""

    row: Widget
    place: Placement
    badge: Badge | None
    tile: Tile | None


def chosen(request: HttpRequest, of: Dashboard) -> Choice:
    """Return for whom the address asks; for a company's dashboard that company, unless it names a role or a person."""
    return choice_of(request, of, request.GET)


def choice_of(request: HttpRequest, of: Dashboard, asked: QueryDict | Mapping[str, Any]) -> Choice:
    """Return for whom ``asked`` asks, by ``scope``, ``company``, ``role`` and ``user``."""
    told = {name: str(asked.get(name) or "").strip() for name in ("scope", "company", "role", "user")}
    if of.company_id is not None:
        told["company"] = str(of.company_id)
        told["scope"] = told["scope"] if told["scope"] in ("role", "user") else "company"
    elif not told["scope"] and (own := _only_company()) is not None:
        told |= {"scope": "company", "company": str(own)}
    companies = _companies(_number(told["company"]), of)
    roles = tuple(role for role in roles_known() if of.company_id is None or role.company_id in (None, of.company_id))
    choice = Choice(Whom(), told, companies, roles)
    whom, missing = _whom(told, choice)
    return replace(choice, whom=whom, missing=missing, why_not=_why_not(request, whom))


def page_of(of: Dashboard, choice: Choice) -> dict[str, Any]:
    """Return what the page of a dashboard shows for whom it was chosen."""
    whom = choice.whom
    viewer = _viewer(choice)
    found = shown_to(of, replace(viewer, grants=("*",)))
    counts = found.layout
    places = [Placement.of(one) for one in counts.placements] if counts else [one.placement for one in found.places]
    rows = {row.pk: row for row in Widget.objects.filter(pk__in=[place.widget_id for place in places])}
    lives = lifetimes_of(row.service_name for row in rows.values())
    standing = [
        _standing(rows[place.widget_id], place, lives, viewer, whom)
        for place in arranged(places)
        if place.widget_id in rows
    ]
    own = counts is not None and _whom_of(counts) == whom
    return {
        "choice": choice,
        "standing": standing,
        "is_own": own,
        "inherited": None if own else choice.words_of(_whom_of(counts)) if counts else "",
        "layout": counts,
        "left_out": found.left_out,
        "others": [
            (choice.words_of(_whom_of(one)), _address(of, one)) for one in layouts_of(of) if _whom_of(one) != whom
        ],
        "available": _available(of, whom, {place.widget_id for place in places}),
    }


# --- for whom ---------------------------------------------------------------------------------------------------------


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 and int(text) > 0 else None


def _whom(asked: Mapping[str, str], choice: Choice) -> tuple[Whom, str]:
    company, scope = _number(asked["company"]), asked["scope"]
    if company is not None and company not in choice.companies:
        return Whom(), "There is no such company in your sight."
    if scope == "company":
        return (Whom("company", company, company), "") if company else (Whom(), "Choose a company.")
    if scope == "role":
        role = next((one for one in choice.roles if one.id == _number(asked["role"])), None)
        if role is None:
            return Whom(), "Choose a role."
        return Whom("role", role.id, company if company is not None else role.company_id), ""
    if scope == "user":
        user = _number(asked["user"])
        return (Whom(), "Say which person, by number.") if user is None else (Whom("user", user, company), "")
    return Whom(), ""


def _only_company() -> int | None:
    """Return the company of an operator of one: what counts in all of them is not theirs to arrange."""
    sight = in_sight()
    return next(iter(sight)) if sight != "*" and len(sight) == 1 else None


def _companies(asked: int | None, of: Dashboard) -> dict[int, str]:
    """Return the companies to choose from: those that are known, those that have something, or the operator's own."""
    sight = in_sight()
    known = dict(every_company_name())
    if sight == "*":
        having = {asked, of.company_id}
        having |= set(Widget.objects.order_by().values_list("company_id", flat=True).distinct()[:MOST_WIDGETS])
        having |= set(of.layouts.values_list("company_id", flat=True))
    else:
        having = set(sight)
        known = {number: name for number, name in known.items() if number in sight}
    unnamed = {number for number in having if number is not None and number not in known}
    known |= {number: f"Company {number}" for number in unnamed} | dict(company_names(unnamed))
    return dict(sorted(known.items(), key=lambda one: (one[1].casefold(), one[0])))


def _why_not(request: HttpRequest, whom: Whom) -> str:
    scope = current()
    if not request.user.has_perm(MAY_ARRANGE):
        return "Your account may look, and not arrange."
    if scope is None or not scope.writes(whom.company_id):
        return "What counts in all companies is arranged by operators of all companies. Choose your company."
    return ""


def _viewer(choice: Choice) -> Viewer:
    """Return the viewer whose layout and permissions those for whom it is arranged have."""
    whom = choice.whom
    if whom.scope == "role":
        role = next(one for one in choice.roles if one.id == whom.scope_id)
        return Viewer(role.permissions, whom.company_id, None, ((role.id, role.name),))
    if whom.scope == "user":
        if whom.company_id is None:
            return Viewer(("*",), None, whom.scope_id)
        roles = roles_of(whom.scope_id, whom.company_id)
        return Viewer(permissions_of(whom.scope_id, whom.company_id), whom.company_id, whom.scope_id, roles)
    return Viewer(("*",), whom.company_id)


def _whom_of(layout: Layout) -> Whom:
    return Whom(layout.scope, layout.scope_id, layout.company_id)


def _address(of: Dashboard, layout: Layout) -> str:
    asked: dict[str, Any] = {"scope": layout.scope, "company": layout.company_id}
    if layout.scope in ("role", "user"):
        asked[layout.scope] = layout.scope_id
    return links.dashboard_url(of.pk, **asked)


# --- what stands where ------------------------------------------------------------------------------------------------


def _standing(row: Widget, place: Placement, lives: Mapping[str, Any], viewer: Viewer, whom: Whom) -> Standing:
    life = lives[row.service_name]
    badge: Badge | None = badge_of(row, life)
    is_shown = row.archived_at is None and row.is_active and life.is_shown
    if is_shown and not viewer.may(row.permissions):
        badge = UNSEEN
    elif is_shown and not life.mark:
        badge = None
    company_id = whom.company_id if whom.company_id is not None else row.company_id
    return Standing(row, place, badge, tile_of(row, company_id=company_id) if is_shown else None)


def _available(of: Dashboard, whom: Whom, taken: set[int]) -> list[dict[str, Any]]:
    """Return the widgets that could be added, with the size that they would have."""
    company_id = whom.company_id if whom.company_id is not None else of.company_id
    own = {None, company_id}
    rows = Widget.objects.filter(archived_at=None, is_active=True).exclude(pk__in=taken)
    rows = rows.order_by("service_name", "position", "id")
    found = []
    for row in [row for row in rows if row.company_id in own][:MOST_WIDGETS]:
        width, height = default_size(row.size)
        found.append({"row": row, "w": width, "h": height, "tile": tile_of(row, company_id=company_id)})
    return found
