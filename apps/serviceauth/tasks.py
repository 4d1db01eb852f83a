"""Periodic work of service authentication."""

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.serviceauth import services

__all__ = ["disable_idle_keys", "prune_revocations", "rotate_signing_keys"]


@shared_task(name="serviceauth.disable_idle_keys", throws=(OperationalError, InterfaceError))
def disable_idle_keys() -> int:
    """Disable keys that nobody used for long; return how many."""
    with use(system("disable keys that nobody uses")):
        return services.keys_disable_idle(now=timezone.now())


@shared_task(name="serviceauth.rotate_signing_keys", throws=(OperationalError, InterfaceError))
def rotate_signing_keys() -> list[str]:
    """Make the signing key that is needed next, and forget those whose tokens have ended; return what was made."""
    return services.signing_keys_rotate(now=timezone.now())


@shared_task(name="serviceauth.prune_revocations", throws=(OperationalError, InterfaceError))
def prune_revocations() -> int:
    """Forget revocations of which every token has ended; return how many."""
    return services.revocations_prune(now=timezone.now())
