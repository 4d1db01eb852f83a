"""Making the stored components or widgets of a service what it declares: one of them, or all at once.

The number of statements does not depend on how many there are. What is wrong is found before anything is written, and
all of it is told at once.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core import audit
from apps.core.errors import FieldError, InvalidInput
from apps.core.requestid import current_request_id
from apps.core.tenancy import Companies
from apps.events.services import publish
from apps.menus.paths import route_key
from apps.menus.services import Declared, Outcome, Wanted
from apps.uiregistry import rules
from apps.uiregistry.manifest import is_same
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.services import claims
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.times import format_time

__all__ = [
    "COMPONENT",
    "WIDGET",
    "Kind",
    "components_reconcile",
    "is_change",
    "row_archive",
    "row_declare",
    "widgets_reconcile",
]

HUB = "xerpium-hub"
MOST_NAMED = 100
"""Names that an announcement has of each kind of change; how many there were it says in any case."""

Row = Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells components from widgets.

    Attributes:
        name: what one is called in answers, announcements and the audit.
        model: its table.
        columns: what the fields that were sent mean, by column.
        warnings: what a good one may have meant otherwise.
    """

    name: str
    model: type[Component] | type[Widget]
    columns: Callable[[Mapping[str, Any]], dict[str, Any]]
    warnings: Callable[[Mapping[str, Any]], list[FieldError]]


def _component_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "api_endpoint": values["api_endpoint"],
        "permissions": values.get("permissions", []),
        "is_active": values.get("is_active", True),
        "component_type": values["component_type"],
        "route_path": values["route_path"],
        "route_key": route_key(values["route_path"]),
        "props": values.get("props", {}),
        "metadata": values.get("metadata", {}),
    }


def _widget_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "api_endpoint": values["api_endpoint"],
        "permissions": values.get("permissions", []),
        "is_active": values.get("is_active", True),
        "widget_type": values["widget_type"],
        "refresh_interval": values.get("refresh_interval", 30),
        "size": values.get("size", "medium"),
        "config": values.get("config", {}),
    }


COMPONENT = Kind("component", Component, _component_columns, rules.component_warnings)
WIDGET = Kind("widget", Widget, _widget_columns, rules.widget_warnings)


@dataclass(slots=True)
class _Plan:
    """What is to become of the rows of one service and company, before anything is written.

    ``known`` are all its rows by name, archived ones included; ``items`` what it declares, by name; ``displaced`` the
    names whose route an operator has given to another service; ``removed`` the rows that it no longer declares.
    """

    kind: Kind
    service_name: str
    company_id: int | None
    known: Mapping[str, Row]
    items: Mapping[str, Declared]
    removed: Sequence[Row]
    displaced: frozenset[str] = frozenset()
    warnings: list[dict[str, Any]] = field(default_factory=list)


def components_reconcile(
    *,
    service_name: str,
    declared_in: int | None,
    items: Sequence[Declared],
    prune: bool,
    companies: Companies,
    actor: str,
    now: dt.datetime,
) -> Outcome:
    """Make the components of a service what ``items`` say; in the caller's transaction, after `menus.lock`.

    Nothing is written, recorded or announced where nothing changes.

    Args:
        service_name: who declares them.
        declared_in: for which company (None: for all); theirs are no concern of this.
        items: what it declares; ``values`` are what `ComponentItemSerializer` read.
        prune: archive what ``items`` do not name.
        companies: the companies in the caller's sight.
        actor: who does it.
        now: the present.

    Raises:
        InvalidInput: a name stands twice, or the service would have one route twice.
        Conflict: another service has a route (``route_taken``). Both name every fault; the attempt is noted for
            operators when the refused transaction is over.
    """
    return _reconcile(COMPONENT, service_name, declared_in, items, prune, actor, now)


def widgets_reconcile(
    *,
    service_name: str,
    declared_in: int | None,
    items: Sequence[Declared],
    prune: bool,
    companies: Companies,
    actor: str,
    now: dt.datetime,
) -> Outcome:
    """Make the widgets of a service what ``items`` say; see `components_reconcile`, but nothing has a route.

    Raises:
        InvalidInput: a name stands twice.
    """
    return _reconcile(WIDGET, service_name, declared_in, items, prune, actor, now)


def row_declare(
    kind: Kind,
    service_name: str,
    declared_in: int | None,
    item: Declared,
    *,
    actor: str,
    now: dt.datetime,
) -> Outcome:
    """Store one item and leave the others as they are; see `components_reconcile`."""
    return _reconcile(kind, service_name, declared_in, [item], False, actor, now)


def row_archive(kind: Kind, row: Row, *, actor: str, now: dt.datetime) -> Outcome:
    """Take one item back."""
    plan = _Plan(kind, row.service_name, row.company_id, {row.name: row}, {}, [row])
    return _carried_out(plan, positions={}, actor=actor, now=now)


def is_change(outcome: Outcome) -> bool:
    """Return whether anything is other than it was; components and widgets have no revision to tell by."""
    return bool(outcome.created or outcome.updated or outcome.removed)


def _reconcile(
    kind: Kind,
    service_name: str,
    declared_in: int | None,
    items: Sequence[Declared],
    prune: bool,
    actor: str,
    now: dt.datetime,
) -> Outcome:
    rows = kind.model.objects.filter(service_name=service_name, company_id=declared_in)
    known: dict[str, Row] = {row.name: row for row in rows}
    faults = _repeated_names(kind, items)
    named = {item.values["name"]: item for item in reversed(items)}
    plan = _Plan(
        kind,
        service_name,
        declared_in,
        known,
        {name: named[name] for name in dict.fromkeys(item.values["name"] for item in items)},
        [row for row in known.values() if prune and row.archived_at is None and row.name not in named],
    )
    if kind is COMPONENT:
        _claim_routes(plan, faults)
    elif faults:
        raise InvalidInput(errors=faults)
    return _carried_out(plan, positions=_positions(plan, prune=prune), actor=actor, now=now)


def _repeated_names(kind: Kind, items: Sequence[Declared]) -> list[FieldError]:
    seen: set[str] = set()
    faults = []
    for item in items:
        if item.values["name"] in seen:
            message = f"Another {kind.name} of this list has the same name."
            faults.append(FieldError(f"{item.pointer}/name", "repeated", message))
        seen.add(item.values["name"])
    return faults


def _positions(plan: _Plan, *, prune: bool) -> dict[str, int]:
    """Return where each item stands: as it is listed, or, where only some are declared, where it was or at the end."""
    if prune:
        return {name: place for place, name in enumerate(plan.items)}
    live = {name: row.position for name, row in plan.known.items() if row.archived_at is None}
    end = max(live.values(), default=-1) + 1
    new = (name for name in plan.items if name not in live)
    return {name: live[name] for name in plan.items if name in live} | {n: end + at for at, n in enumerate(new)}


# --- Routes -----------------------------------------------------------------------------------------------------------


def _claim_routes(plan: _Plan, faults: list[FieldError]) -> None:
    """Find out which routes the service gets; note those that an operator has given to another one.

    Raises:
        InvalidInput: the service would have one route twice, or ``faults`` are there already.
        Conflict: another service has one.
    """
    keys = {name: route_key(item.values["route_path"]) for name, item in plan.items.items()}
    faults += _repeated_routes(plan, keys)
    if faults:
        raise InvalidInput(errors=faults)
    wanted = [
        Wanted(f"{item.pointer}/route_path", item.values["route_path"], (keys[name], plan.company_id))
        for name, item in plan.items.items()
    ]
    judged = claims.routes_judge(plan.service_name, wanted)
    if judged.faults:
        raise claims.RouteTaken(judged)
    plan.displaced = frozenset(name for name, key in keys.items() if (key, plan.company_id) in judged.displaced)
    for name in plan.displaced:
        message = "An operator gave this route to another service: the component is kept and not shown."
        plan.warnings.append(_warning(plan.items[name], "/route_path", "handed_over", message))


def _repeated_routes(plan: _Plan, keys: Mapping[str, str]) -> list[FieldError]:
    gone = {row.name for row in plan.removed}
    stays = [row for row in plan.known.values() if row.archived_at is None and row.name not in gone | keys.keys()]
    has: dict[str, str] = {row.route_key: row.name for row in stays if not row.displaced}
    faults = []
    for name, key in keys.items():
        if (other := has.setdefault(key, name)) != name:
            message = (
                f"“{other}” of this service has this route already; what a parameter is called makes no difference."
            )
            faults.append(FieldError(f"{plan.items[name].pointer}/route_path", "route_repeated", message))
    return faults


def _settle_routes(plan: _Plan, now: dt.datetime) -> None:
    """Let others have the routes that the service has left, and forget what there is nothing to decide about."""
    has = {(route_key(item.values["route_path"]), plan.company_id) for item in plan.items.values()}
    touched = [plan.known[name] for name in plan.items if name in plan.known]
    had = {(row.route_key, plan.company_id) for row in [*touched, *plan.removed] if row.archived_at is None}
    claims.routes_settle(service_name=plan.service_name, has=has, left=had - has, now=now)


# --- Writing ----------------------------------------------------------------------------------------------------------


def _carried_out(plan: _Plan, *, positions: Mapping[str, int], actor: str, now: dt.datetime) -> Outcome:
    """Write what the plan says, with what the audit and the stream tell of it."""
    outcome = Outcome(
        total_before=sum(row.archived_at is None for row in plan.known.values()),
        warnings=plan.warnings + [told for item in plan.items.values() for told in _warnings(plan.kind, item)],
    )
    writing: list[Row] = []
    entries: list[dict[str, Any]] = []
    fates: list[tuple[str, list[str] | None]] = []
    for name, item in plan.items.items():
        old, new = plan.known.get(name), _row(plan, item, positions[name], now)
        changed = None if old is None or old.archived_at is not None else _differences(old, new)
        if changed != [] or old is None or old.position != new.position:
            writing.append(new)
        if changed != []:
            fates.append((name, changed))
            entries.append(_entry(plan, "created" if changed is None else "changed", old if changed else None, new))
    entries += [_entry(plan, "archived", row, None) for row in plan.removed]
    _write(plan, writing, now)
    outcome.ids = {name: row.pk for name, row in plan.known.items() if name in plan.items}
    outcome.ids |= {row.name: row.pk for row in writing}
    for name, changed in fates:
        told: dict[str, Any] = {"kind": plan.kind.name, "key": name, "id": outcome.ids[name]}
        if changed is None:
            outcome.created.append(told)
        else:
            outcome.updated.append({**told, "fields": changed})
    outcome.removed = [{"kind": plan.kind.name, "key": row.name, "id": row.pk} for row in plan.removed]
    if is_change(outcome):
        if plan.kind is COMPONENT:
            _settle_routes(plan, now)
        audit.record_all(entries)
        _announce(plan, outcome, actor, now)
    return outcome


def _row(plan: _Plan, item: Declared, position: int, now: dt.datetime) -> Row:
    """Return the row that an item is, as it is to be stored."""
    values = dict(item.values)
    columns = plan.kind.columns(values)
    if plan.kind is COMPONENT:
        columns["displaced"] = values["name"] in plan.displaced
    return plan.kind.model(
        service_name=plan.service_name,
        company_id=plan.company_id,
        name=values["name"],
        declared_in=plan.company_id,
        declared=values,
        position=position,
        archived_at=None,
        updated_at=now,
        **columns,
    )


def _differences(old: Row, new: Row) -> list[str]:
    """Return the fields of which the service says something else than before, and whether its route comes or goes."""
    names = sorted(old.declared.keys() | new.declared.keys())
    found = [name for name in names if not _same(old.declared, new.declared, name)]
    if getattr(old, "displaced", False) != getattr(new, "displaced", False):
        found.append("displaced")
    return found


def _same(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    return (name in old) == (name in new) and is_same(old.get(name), new.get(name))


def _write(plan: _Plan, writing: Sequence[Row], now: dt.datetime) -> None:
    """Store rows: what gives up its route first, so that two of one service may change theirs for each other's."""
    model = plan.kind.model
    giving_up = [row.pk for row in plan.removed]
    if plan.kind is COMPONENT:
        for row in writing:
            old = plan.known.get(row.name)
            if old is not None and old.archived_at is None and old.route_key != row.route_key:
                giving_up.append(old.pk)
    if giving_up:
        model.objects.filter(pk__in=giving_up).update(archived_at=now, updated_at=now)
    if writing:
        kept = {"id", "service_name", "company_id", "name", "created_at"}
        model.objects.bulk_create(
            writing,
            update_conflicts=True,
            unique_fields=["service_name", "company_id", "name"],
            update_fields=[column.name for column in model._meta.concrete_fields if column.name not in kept],
        )


# --- What is told -----------------------------------------------------------------------------------------------------


def _warnings(kind: Kind, item: Declared) -> list[dict[str, Any]]:
    return [_warning(item, found.pointer, found.code, found.message) for found in kind.warnings(item.values)]


def _warning(item: Declared, pointer: str, code: str, message: str) -> dict[str, Any]:
    return {"pointer": item.pointer + pointer, "code": code, "message": message}


def _entry(plan: _Plan, action: str, before: Row | None, after: Row | None) -> dict[str, Any]:
    row: Row = after or before
    return audit.entry(
        action,
        plan.kind.name,
        f"{plan.service_name}/{row.name}",
        company_id=plan.company_id,
        before=None if before is None else before.declared,
        after=None if after is None else after.declared,
    )


def _announce(plan: _Plan, outcome: Outcome, actor: str, now: dt.datetime) -> None:
    """Tell the hub's stream, in the transaction that changes the rows."""
    changes = {"created": outcome.created, "updated": outcome.updated, "removed": outcome.removed}
    publish(
        Envelope(
            event_id=str(uuid.uuid4()),
            event_type="ui_changed",
            service_name=HUB,
            entity_type=plan.kind.name,
            entity_id=plan.service_name[:64],
            company_id=plan.company_id,
            user_id=None,
            timestamp=format_time(now.astimezone(dt.UTC)),
            data={
                "service_name": plan.service_name,
                "actor": actor,
                "counts": {what: len(told) for what, told in changes.items()},
                **{what: [one["key"] for one in told[:MOST_NAMED]] for what, told in changes.items()},
            },
            correlation_id=current_request_id() or None,
        )
    )
