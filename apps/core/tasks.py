"""Periodic work of the tools."""

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core import idempotency


@shared_task(name="core.prune_idempotency_keys", throws=(OperationalError, InterfaceError))
def prune_idempotency_keys() -> int:
    """Forget the answers whose day is over; return how many."""
    return idempotency.prune(timezone.now())
