"""The outbox: what has happened and still has to reach a stream."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

__all__ = ["OutboxEntry"]


class OutboxEntry(models.Model):
    """One stream entry, written in the transaction that it tells of (see ``services``).

    It is *pending* until the relay has appended it. An entry of a stream that nothing else could restore is then kept
    for a while as *relayed*, to be sent again should Redis lose it. One that cannot be sent is *parked* with its error.
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.TextField()
    entry_id = models.TextField(null=True, help_text="The id that the entry must have; without one Redis chooses.")  # noqa: DJ001 - null is what Redis chooses for
    fields = models.JSONField(help_text="Text by field name.")
    created_at = models.DateTimeField(db_default=TransactionNow())
    relayed_as = models.TextField(null=True, editable=False, help_text="The id under which Redis took it.")  # noqa: DJ001 - null is not relayed
    relayed_at = models.DateTimeField(null=True, editable=False)
    parked_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, db_default="", editable=False, help_text="Why it is parked.")

    class Meta:
        verbose_name = "outbox entry"
        verbose_name_plural = "outbox"
        indexes = [
            # What the relay asks for many times a second; nearly always empty, whatever is kept or parked.
            models.Index(fields=["id"], condition=Q(relayed_as=None, parked_at=None), name="outbox_pending"),
            models.Index(fields=["id"], condition=Q(parked_at__isnull=False), name="outbox_parked"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} #{self.pk}"
