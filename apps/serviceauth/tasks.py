"""Periodic work of service authentication."""

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.serviceauth import services

__all__ = ["disable_idle_keys"]


@shared_task(name="serviceauth.disable_idle_keys", throws=(OperationalError, InterfaceError))
def disable_idle_keys() -> int:
    """Disable keys that nobody used for long; return how many."""
    with use(system("disable keys that nobody uses")):
        return services.keys_disable_idle(now=timezone.now())
