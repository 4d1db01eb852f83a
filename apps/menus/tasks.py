"""Periodic work on menus; when each runs is said in ``xerpium.celery``."""

import datetime as dt
import logging

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.menus.services.items import items_purge

logger = logging.getLogger(__name__)


# PostgreSQL being away is no fault of the task: the next run does the work.
@shared_task(name="menus.purge", throws=(OperationalError, InterfaceError))
@use(system("forget menu items that were taken back long ago"))
def purge() -> int:
    """Forget items that were taken back ``UI_ARCHIVE_DAYS`` ago, with what operators changed of them."""
    if count := items_purge(before=timezone.now() - dt.timedelta(days=settings.UI_ARCHIVE_DAYS)):
        logger.info("Forgot %d archived menu items.", count)
    return count
