"""Periodic work of the tools."""

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core import idempotency, sealing, verification


@shared_task(name="core.prune_idempotency_keys", throws=(OperationalError, InterfaceError))
def prune_idempotency_keys() -> int:
    """Forget the answers whose day is over; return how many."""
    return idempotency.prune(timezone.now())


@shared_task(name="core.seal_audit", throws=(OperationalError, InterfaceError))
def seal_audit() -> int:
    """Give each new entry of the audit its link of the hash chain; return how many there were."""
    return sealing.seal_all()


@shared_task(name="core.check_audit", throws=(OperationalError, InterfaceError))
def check_audit() -> str:
    """Recompute the next piece of the audit's hash chain; return what was found, if anything."""
    return verification.check_some(now=timezone.now()).fault
