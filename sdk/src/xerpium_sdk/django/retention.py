"""Forgetting what nobody needs any more."""

from datetime import datetime

from django.db import models, router

from xerpium_sdk.django.models import HandledEvent, OutboxEvent

__all__ = ["handled_prune", "outbox_prune"]

BATCH = 5000
"""Rows deleted with one statement, so that none holds others up for long."""


def outbox_prune(*, sent_before: datetime, using: str | None = None) -> int:
    """Delete outbox events that were sent before then; return how many."""
    return _delete_in_batches(OutboxEvent, using, sent_at__lt=sent_before)


def handled_prune(*, handled_before: datetime, using: str | None = None) -> int:
    """Forget that events were handled before then; return how many. One that came again would be handled again."""
    return _delete_in_batches(HandledEvent, using, handled_at__lt=handled_before)


def _delete_in_batches(model: type[models.Model], using: str | None, **condition: datetime) -> int:
    alias = using or router.db_for_write(model)
    rows = model._default_manager.using(alias)
    total = 0
    while ids := list(rows.filter(**condition).values_list("pk", flat=True)[:BATCH]):
        count, _ = rows.filter(pk__in=ids).delete()
        total += count
    return total
