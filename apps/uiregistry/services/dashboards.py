"""Dashboards and their layouts: made, changed and taken away by operators; a person arranges their own."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.core import audit
from apps.core.errors import Conflict, FieldError, InvalidInput, NotFound
from apps.core.pointers import below
from apps.core.requestid import current_request_id
from apps.events.services import publish
from apps.uiregistry.layouts import Placement, faults
from apps.uiregistry.models import Dashboard, Layout, Widget
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.times import format_time

__all__ = [
    "dashboard_create",
    "dashboard_delete",
    "dashboard_update",
    "layout_put",
    "layout_reset",
]

HUB = "xerpium-hub"
NO_DASHBOARD = "There is no such dashboard."
NO_LAYOUT = "Nobody has arranged this dashboard here: the next less specific layout counts."


def dashboard_create(
    *, slug: str, title: str, company_id: int | None, placements: Sequence[Placement] | None = None, actor: str
) -> Dashboard:
    """Make a dashboard, with its default layout if ``placements`` are given.

    Raises:
        Conflict: there is one of this slug in this company, or for everybody.
        InvalidInput: the placements are none (pointers below ``/placements``).
    """
    try:
        with transaction.atomic():
            row = Dashboard.objects.create(slug=slug, title=title, company_id=company_id, actor=actor)
            audit.record("created", "dashboard", slug, company_id=company_id, after=_told(row))
            if placements is not None:
                _put(row, _default_scope(row), placements, actor)
            _announce(row, actor, {"change": "created"}, row.company_id)
    except IntegrityError as error:
        raise _taken(slug) from error
    return row


def dashboard_update(*, dashboard_id: int, changes: Mapping[str, Any], actor: str) -> Dashboard:
    """Change ``slug``, ``title`` or ``placements`` of a dashboard; what ``changes`` does not name stays.

    ``placements`` are those of its default layout; None takes that away.

    Raises:
        NotFound: there is none, or it may not be changed here.
        Conflict: another one has this slug.
        InvalidInput: the placements are none.
    """
    try:
        with transaction.atomic():
            row = _locked(dashboard_id)
            before = _told(row)
            changed = {
                name: changes[name] for name in ("slug", "title") if changes.get(name, before[name]) != before[name]
            }
            for name, value in changed.items():
                setattr(row, name, value)
            if changed:
                row.save(update_fields=list(changed))
                audit.record(
                    "changed", "dashboard", row.slug, company_id=row.company_id, before=before, after=_told(row)
                )
            arranged = "placements" in changes and _arrange(row, changes["placements"], actor)
            if changed or arranged:
                _announce(row, actor, {"change": "changed"}, row.company_id)
    except IntegrityError as error:
        raise _taken(str(changes.get("slug"))) from error
    return row


def dashboard_delete(*, dashboard_id: int, actor: str) -> None:
    """Take a dashboard away, with all its layouts.

    Raises:
        NotFound: there is none, or it may not be changed here.
    """
    with transaction.atomic():
        row = _locked(dashboard_id)
        audit.record("deleted", "dashboard", row.slug, company_id=row.company_id, before=_told(row))
        _announce(row, actor, {"change": "deleted"}, row.company_id)
        row.delete()


def layout_put(
    *,
    dashboard_id: int,
    scope: str,
    scope_id: int,
    company_id: int | None,
    placements: Sequence[Placement],
    actor: str,
) -> Layout:
    """Arrange a dashboard for one scope; the layout replaces the one that was there, as a whole.

    The same again changes nothing and tells nobody.

    Raises:
        NotFound: there is no such dashboard in sight.
        InvalidInput: the placements are none, or name widgets that this scope does not see.
    """
    with transaction.atomic():
        row = _seen(dashboard_id)
        layout, changed = _put(row, (scope, scope_id, company_id), placements, actor)
        if changed:
            _announce(row, actor, {"change": "arranged", "scope": scope, "scope_id": scope_id}, company_id)
    return layout


def layout_reset(*, dashboard_id: int, scope: str, scope_id: int, company_id: int | None, actor: str) -> None:
    """Take the layout of one scope away, so that the next less specific one counts.

    Raises:
        NotFound: there is no such dashboard in sight, or no such layout.
    """
    with transaction.atomic():
        row = _seen(dashboard_id)
        if not _take_away(row, (scope, scope_id, company_id)):
            raise NotFound(NO_LAYOUT)
        _announce(row, actor, {"change": "reset", "scope": scope, "scope_id": scope_id}, company_id)


# --- rows -------------------------------------------------------------------------------------------------------------

Where = tuple[str, int, int | None]
"""Scope, its number, and the company in which it holds."""


def _default_scope(row: Dashboard) -> Where:
    """Return the scope of the layout that everybody gets who may see the dashboard."""
    return ("global", 0, None) if row.company_id is None else ("company", row.company_id, row.company_id)


def _seen(dashboard_id: int) -> Dashboard:
    """Return a dashboard whose layouts nobody else writes until the transaction ends.

    Not by a lock of its row: who arranges everybody's dashboard for a company may not write that row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('uiregistry_dashboard'), %s)", [dashboard_id % 2**31])
    found = Dashboard.objects.filter(pk=dashboard_id).first()
    if found is None:
        raise NotFound(NO_DASHBOARD)
    return found


def _locked(dashboard_id: int) -> Dashboard:
    found = _seen(dashboard_id)
    found.require_writable()
    return found


def _arrange(row: Dashboard, placements: Sequence[Placement] | None, actor: str) -> bool:
    where = _default_scope(row)
    return _take_away(row, where) if placements is None else _put(row, where, placements, actor)[1]


def _put(row: Dashboard, where: Where, placements: Sequence[Placement], actor: str) -> tuple[Layout, bool]:
    _require_good(placements, where[2])
    scope, scope_id, company_id = where
    wanted = [place.as_json() for place in placements]
    layout = row.layouts.filter(scope=scope, scope_id=scope_id, company_id=company_id).first()
    if layout is not None and layout.placements == wanted:
        return layout, False
    before = layout and {"placements": layout.placements}
    layout = layout or Layout(dashboard=row, scope=scope, scope_id=scope_id, company_id=company_id)
    layout.placements, layout.actor, layout.updated_at = wanted, actor, timezone.now()
    layout.save()
    _record("arranged", row, where, before=before, after={"placements": wanted})
    return layout, True


def _take_away(row: Dashboard, where: Where) -> bool:
    scope, scope_id, company_id = where
    layout = row.layouts.filter(scope=scope, scope_id=scope_id, company_id=company_id).first()
    if layout is None:
        return False
    _record("reset", row, where, before={"placements": layout.placements}, after=None)
    layout.delete()
    return True


def _require_good(placements: Sequence[Placement], company_id: int | None) -> None:
    """Return for a good layout whose widgets are all there for ``company_id`` (None: for everybody).

    Raises:
        InvalidInput: with a pointer for every fault.
    """
    found = faults(placements)
    if not found:
        ids = {place.widget_id for place in placements}
        known = dict(Widget.objects.filter(pk__in=ids).values_list("pk", "company_id"))
        found = [
            FieldError(below(below("/placements", index), "widget_id"), "unknown_widget", message)
            for index, place in enumerate(placements)
            if (message := _missing(place.widget_id, known, company_id))
        ]
    if found:
        raise InvalidInput(errors=found)


def _missing(widget_id: int, known: Mapping[int, int | None], company_id: int | None) -> str:
    if widget_id not in known:
        return f"There is no widget {widget_id}."
    if known[widget_id] in (None, company_id):
        return ""
    return f"Widget {widget_id} is one company's, and this layout is not for that company."


# --- telling ----------------------------------------------------------------------------------------------------------


def _told(row: Dashboard) -> dict[str, Any]:
    return {"slug": row.slug, "title": row.title}


def _record(action: str, row: Dashboard, where: Where, **changes: Any) -> None:
    name = f"{row.slug} {where[0]} {where[1]}" if where[1] else f"{row.slug} {where[0]}"
    audit.record(action, "layout", name, company_id=where[2], **changes)


def _announce(row: Dashboard, actor: str, what: Mapping[str, Any], company_id: int | None) -> None:
    """Tell the hub's stream, in the transaction that changed the rows."""
    publish(
        Envelope(
            event_id=str(uuid.uuid4()),
            event_type="ui_changed",
            service_name=HUB,
            entity_type="dashboard",
            entity_id=row.pk,
            company_id=company_id,
            user_id=None,
            timestamp=format_time(timezone.now().astimezone(dt.UTC)),
            data={"slug": row.slug, "actor": actor, **what},
            correlation_id=current_request_id() or None,
        )
    )


def _taken(slug: str) -> Conflict:
    return Conflict(f"There is a dashboard “{slug}” already.", code="slug_taken")
