"""Trees as somebody sees them, and why an item is in one or not. Answered from memory (`apps.menus.live`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.access import Principal
from apps.core.errors import FieldError, NotAllowed, NotFound
from apps.core.ownership import company_for
from apps.core.tenancy import scope_of
from apps.menus.explaining import ARCHIVED, Reason
from apps.menus.kept import Rendered
from apps.menus.live import View, live
from apps.menus.models import ALL, ANY, MenuItem
from apps.menus.rules import granted_by
from apps.menus.selectors.items import NOTHING
from apps.serviceauth.selectors import permissions_of

__all__ = ["PREVIEW", "Applied", "Explanation", "explanation", "revision_for", "staleness", "tree", "view_of"]

PREVIEW = ("permissions", "as_user", "company_id")
"""Parameters with which operators ask what somebody else would see."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An overlay that counts for an item."""

    scope: str
    scope_id: int
    fields: Mapping[str, Any]
    actor: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody sees an item, or does not.

    Attributes:
        item: the item, as its service declares it.
        revision: of the tree.
        reasons: why it is not shown; none when it is.
        permission_mode: ``all`` or ``any`` of the permissions.
        permissions: what it requires, each with the pattern that grants it, if one does.
        overlays: what operators changed of it for this viewer, the least specific first.
    """

    item: MenuItem
    revision: int
    reasons: Sequence[Reason]
    permission_mode: str
    permissions: Sequence[tuple[str, str | None]]
    overlays: Sequence[Applied]


def view_of(
    caller: Principal | None,
    *,
    permissions: Sequence[str] | None = None,
    as_user: int | None = None,
    company_id: int | None = None,
) -> View:
    """Return who looks, and where, when ``caller`` (None: of an open hub) asks with the parameters of `PREVIEW`.

    A token looks with its own permissions, into its own company. Operators, and callers of an open hub, see everything
    unless they say as whom they look; into companies that are theirs.

    Raises:
        NotAllowed: the caller may not look as somebody else, or not into this company.
    """
    if caller is None:
        return View(None, ("*",))
    if caller.kind not in ("operator", "open"):
        _refuse_preview(permissions=permissions, as_user=as_user, company_id=company_id)
        return View(caller.company_id, caller.permissions, caller.user_id)
    company = company_for(caller, company_id)
    if company is not None and not scope_of(caller).reads(company):
        message = "You do not act for this company."
        raise NotAllowed(message, errors=[FieldError("?company_id", "not_your_company", message)])
    if permissions is not None:
        return View(company, tuple(permissions), as_user)
    if as_user is None:
        return View(company, ("*",))
    # People have permissions in companies only.
    return View(company, () if company is None else permissions_of(as_user, company), as_user)


def _refuse_preview(**asked: Any) -> None:
    message = "Only operators look as somebody else, or into another company."
    faults = [FieldError(f"?{name}", "operators_only", message) for name in PREVIEW if asked[name] is not None]
    if faults:
        raise NotAllowed(message, errors=faults, code="operators_only")


def tree(view: View, locale: str | None = None, *, packed: bool = False) -> Rendered:
    """Return the answer to ``GET menus/tree``, with its ``packed`` form where that is asked for; see `LiveMenus`.

    Raises:
        DatabaseError: PostgreSQL is away, and nothing is known of it yet.
        Unavailable: so is the catalogue of services.
    """
    return live.answer(view, locale, packed=packed)


def staleness() -> float | None:
    """Return for how many seconds nobody could confirm that trees are current; None while that is so."""
    return live.staleness()


def revision_for(company_id: int | None) -> int:
    """Return the revision of a company's tree, of the one without a company where it is None.

    Raises:
        DatabaseError: PostgreSQL is away, and was never asked.
    """
    live.revisions.refresh()
    return live.revisions.of(company_id)


def explanation(item_id: int, view: View) -> Explanation:
    """Return why ``view`` has an item in its tree, or has not; also of one that its service took back.

    Raises:
        NotFound: there is none, or it is another company's than the tree that is looked into.
    """
    row = MenuItem.objects.filter(pk=item_id).first()
    if row is None or row.company_id not in (None, view.company_id):
        raise NotFound(NOTHING)
    compiled = live.forest(view)
    forest = compiled.forest
    known = forest.structure.items.get(item_id)
    if known is None and row.archived_at is None:
        raise NotFound(NOTHING)  # it came this very moment
    said = ((layer, layer.changes[item_id]) for layer in forest.layers if item_id in layer.changes)
    return Explanation(
        item=row,
        revision=compiled.revision,
        reasons=[ARCHIVED] if known is None else forest.why(item_id, view.grants),
        permission_mode=ANY if row.permission_mode == ANY else ALL,
        permissions=[(name, granted_by(view.grants, name)) for name in row.required_permissions],
        overlays=[Applied(layer.scope, layer.scope_id, changes, layer.actors.get(item_id)) for layer, changes in said],
    )
