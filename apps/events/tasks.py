"""Periodic work on events."""

from celery import shared_task
from django.utils import timezone

from apps.events import services


@shared_task(name="events.prune_outbox")
def prune_outbox() -> int:
    """Forget what was relayed long ago; return how many entries."""
    return services.outbox_prune(now=timezone.now())
