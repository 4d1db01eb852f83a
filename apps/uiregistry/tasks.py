"""Periodic work of the UI registry; when each runs is said in ``xerpium.celery``."""

import datetime as dt
import logging

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.uiregistry.services import declaring, states

logger = logging.getLogger(__name__)

# An engine that is away is no fault of the task: the next run does the work.
ENGINE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError)


@shared_task(name="uiregistry.keep_states", throws=ENGINE_AWAY)
@use(system("keep what single items made of manifests"))
def keep_states() -> None:
    """Keep what single items made of manifests as states of theirs."""
    states.states_keep_pending(now=timezone.now())


@shared_task(name="uiregistry.thin_states", throws=ENGINE_AWAY)
@use(system("forget old states of manifests"))
def thin_states() -> None:
    """Forget the oldest states of manifests that have very many."""
    if forgotten := states.states_thin():
        logger.info("Forgot %d old states of manifests.", forgotten)


@shared_task(name="uiregistry.purge", throws=ENGINE_AWAY)
@use(system("forget pages and widgets that were taken back"))
def purge() -> None:
    """Forget pages, forms and widgets that their services took back ``UI_ARCHIVE_DAYS`` ago."""
    if count := declaring.items_purge(before=timezone.now() - dt.timedelta(days=settings.UI_ARCHIVE_DAYS)):
        logger.info("Forgot %d pages and widgets that were taken back.", count)
