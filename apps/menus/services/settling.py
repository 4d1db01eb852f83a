"""Settling a drift: a service says something else than when an operator changed an item, and one of both holds."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from apps.core import audit
from apps.core.errors import NotFound
from apps.menus.models import Overlay
from apps.menus.outline import Whom
from apps.menus.overlays import has_drifted
from apps.menus.selectors.items import declared_values
from apps.menus.services.arranging import Wish, overlays_change
from apps.menus.services.overlays import NO_OVERLAY
from apps.menus.services.revisions import lock

__all__ = ["drift_keep", "drift_take"]


def drift_keep(*, overlay_id: int, fields: Sequence[str]) -> Overlay:
    """Let what operators said hold: what the service says now is seen, and no drift any more. Trees stay as they are.

    Args:
        overlay_id: which overlay.
        fields: those that are settled; what has not drifted is passed over.

    Raises:
        NotFound: there is none that the running code may write.
    """
    with transaction.atomic():
        lock()
        row = _row(overlay_id)
        now = declared_values(row.item)
        seen = {name: now[name] for name in fields if name in now and has_drifted(name, row.values, row.base, now)}
        if seen:
            before = {name: row.base[name] for name in seen}
            row.base = {**row.base, **seen}
            row.save(update_fields=["base"])
            where = {"scope": row.scope, "scope_id": row.scope_id}
            audit.record(
                "menu_drift_kept",
                "menu_item",
                row.item_id,
                company_id=row.company_id,
                before={**where, **before},
                after={**where, **seen},
            )
    return row


def drift_take(*, overlay_id: int, fields: Sequence[str], actor: str, now: dt.datetime) -> Overlay:
    """Let what the service says hold: what operators said of these fields is taken back.

    Raises:
        NotFound: there is no such overlay that the running code may write.
        InvalidInput: links of operators would then lead in a circle.
    """
    with transaction.atomic():
        lock()
        row = _row(overlay_id)
        whom = Whom(row.scope, row.scope_id, row.company_id)
        named = tuple(name for name in fields if name in row.values)
        overlays_change(whom=whom, wishes=[Wish(row.item_id, {}, named)], actor=actor, now=now)
    return row


def _row(overlay_id: int) -> Overlay:
    row = Overlay.objects.select_related("item").filter(pk=overlay_id, item__archived_at=None).first()
    if row is None or not row.is_writable:
        raise NotFound(NO_OVERLAY)
    return row
