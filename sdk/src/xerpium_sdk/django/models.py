"""What a service stores of events: those that it has to tell, and those that it has handled."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

__all__ = ["HandledEvent", "OutboxEvent", "RelayLease"]


class OutboxEvent(models.Model):
    """One event, written in the transaction that it tells of.

    It is *pending* until the relay has appended it to its stream, then *sent*, and deleted some time later. One that
    Redis cannot take is *parked* with its error, so that it holds nobody up.
    """

    id = models.BigAutoField(primary_key=True)
    stream = models.CharField(max_length=100)
    event_id = models.CharField(max_length=255, db_index=True)
    event_type = models.CharField(max_length=100)
    fields = models.JSONField(help_text="The eleven text fields of the stream entry.")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, editable=False)
    parked_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, default="", editable=False, help_text="Why it is parked.")

    class Meta:
        app_label = "xerpium_sdk"
        verbose_name = "outbox event"
        permissions = [("send_outboxevent_again", "Can send outbox events again")]
        indexes = [
            # What the relay asks for all the time; where the database has partial indexes, nearly always empty.
            models.Index(fields=["id"], condition=Q(sent_at=None, parked_at=None), name="xerpium_outbox_pending"),
            models.Index(fields=["sent_at"], name="xerpium_outbox_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class HandledEvent(models.Model):
    """One event that one handler of one group is done with; written in the handler's own transaction."""

    id = models.BigAutoField(primary_key=True)
    group = models.CharField(max_length=255)
    handler = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    handled_at = models.DateTimeField(default=timezone.now, db_index=True)
    token = models.UUIDField(editable=False, help_text="Of the run that handled it.")

    class Meta:
        app_label = "xerpium_sdk"
        verbose_name = "handled event"
        constraints = [
            # 765 characters: the most that MySQL can index.
            models.UniqueConstraint(fields=["event_id", "handler", "group"], name="xerpium_handled_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} by {self.handler}"


class RelayLease(models.Model):
    """Who may relay, where the database has no advisory locks: one row, and whoever holds it renews it."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    owner = models.UUIDField(null=True)
    until = models.DateTimeField(null=True)

    class Meta:
        app_label = "xerpium_sdk"
        verbose_name = "relay lease"

    def __str__(self) -> str:
        return f"{self.owner} until {self.until}"
