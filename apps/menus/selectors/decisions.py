"""What operators decided and have to decide: overlays, what drifted away from them, conflicts, handed over paths."""

from typing import Any

from django.db.models import BigIntegerField, F, FloatField, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from apps.core.errors import NotFound
from apps.menus.models import Conflict, Handover, Overlay
from apps.menus.paths import route_key

__all__ = ["conflict", "conflicts", "drifted", "handover", "handovers", "overlay", "overlays"]


def overlays(
    *,
    scope: str | None = None,
    scope_id: int | None = None,
    company_id: int | None = None,
    item_id: int | None = None,
    service_name: str | None = None,
) -> "QuerySet[Overlay]":
    """Return the overlays in sight, of items that are there, for which all that is given holds."""
    asked = {
        "scope": scope,
        "scope_id": scope_id,
        "company_id": company_id,
        "item_id": item_id,
        "item__service_name": service_name,
    }
    rows = Overlay.objects.filter(item__archived_at=None).select_related("item")
    return rows.filter(**{name: value for name, value in asked.items() if value is not None})


def overlay(*, item_id: int, scope: str, scope_id: int, company_id: int | None) -> Overlay:
    """Return what is changed of an item in one scope.

    Raises:
        NotFound: nothing is, or there is no such item in sight.
    """
    rows = overlays().filter(item_id=item_id, scope=scope, scope_id=scope_id, company_id=company_id)
    row = rows.first()
    if row is None:
        raise NotFound("Nothing of this item is changed in this scope.")
    return row


def drifted(
    *, service_name: str | None = None, company_id: int | None = None, scope: str | None = None
) -> "QuerySet[Overlay]":
    """Return the overlays whose service says something else by now than when the operator decided.

    Not those of which it says what the operator wants anyway (`apps.menus.overlays.has_drifted`).
    """
    rows = overlays(service_name=service_name, company_id=company_id, scope=scope)
    drift = Q()
    for name, now, kind in (
        ("name", F("item__name"), None),
        ("icon", F("item__icon"), None),
        ("order_number", Cast(F("item__order_number"), FloatField()), FloatField()),
        ("parent_id", Coalesce(F("item__parent_id"), Value(0), output_field=BigIntegerField()), BigIntegerField()),
    ):
        base: Any = KT(f"base__{name}")
        value: Any = KT(f"values__{name}")
        rows = rows.alias(
            **{
                f"{name}_now": now,
                f"{name}_base": Cast(base, kind) if kind else base,
                f"{name}_value": Cast(value, kind) if kind else value,
            }
        )
        differs = ~Q(**{f"{name}_now": F(f"{name}_base")}) & ~Q(**{f"{name}_now": F(f"{name}_value")})
        drift |= Q(values__has_key=name, base__has_key=name) & differs
    return rows.filter(drift)


def conflicts(
    *,
    kind: str | None = None,
    company_id: int | None = None,
    service_name: str | None = None,
    path: str | None = None,
) -> "QuerySet[Conflict]":
    """Return who wanted what somebody else has, as far as it is in sight; ``service_name`` is one of the two."""
    rows = Conflict.objects.filter(**_asked(kind, company_id, path))
    return rows if service_name is None else rows.filter(Q(owner=service_name) | Q(claimant=service_name))


def conflict(id: int) -> Conflict:
    """Return one conflict.

    Raises:
        NotFound: there is none, or it is not in sight.
    """
    row = Conflict.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such conflict.")
    return row


def handovers(
    *,
    kind: str | None = None,
    company_id: int | None = None,
    service_name: str | None = None,
    path: str | None = None,
) -> "QuerySet[Handover]":
    """Return which paths operators gave to whom, as far as it is in sight."""
    asked = _asked(kind, company_id, path)
    return Handover.objects.filter(**asked | ({} if service_name is None else {"service_name": service_name}))


def handover(id: int) -> Handover:
    """Return one.

    Raises:
        NotFound: there is none, or it is not in sight.
    """
    row = Handover.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("Nobody handed this over.")
    return row


def _asked(kind: str | None, company_id: int | None, path: str | None) -> dict[str, Any]:
    asked = {"kind": kind, "company_id": company_id, "route_key": None if path is None else route_key(path)}
    return {name: value for name, value in asked.items() if value is not None}
