"""Periodic work on events; when each runs is said in ``xerpium.celery``."""

import logging

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.redis import AWAY
from apps.core.tenancy import system, use
from apps.events import services
from apps.events.services import keeping, retention

logger = logging.getLogger(__name__)

# An engine that is away is no fault of the task: the next run does the work.
ENGINE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, *AWAY)


@shared_task(name="events.prune_outbox")
@use(system("forget what was relayed"))
def prune_outbox() -> int:
    """Forget what was relayed long ago; return how many entries."""
    return services.outbox_prune(now=timezone.now())


@shared_task(name="events.look", throws=ENGINE_AWAY)
@use(system("note how streams are doing"))
def look() -> None:
    """Note how streams and groups are doing."""
    keeping.streams_look(now=timezone.now())


@shared_task(name="events.trim", throws=ENGINE_AWAY)
@use(system("trim streams"))
def trim() -> None:
    """Cut off what nobody needs any more."""
    if removed := keeping.streams_trim(now=timezone.now()):
        logger.info("Cut %d entries off the streams.", removed)


@shared_task(name="events.prepare_journal", throws=ENGINE_AWAY)
@use(system("make days of the journal"))
def prepare_journal() -> None:
    """Make the journal's partitions of the days to come."""
    retention.journal_prepare(now=timezone.now())


@shared_task(name="events.prune", throws=ENGINE_AWAY)
@use(system("forget old events"))
def prune() -> None:
    """Forget old days of the journal, old decisions, old samples."""
    days = retention.journal_prune(now=timezone.now())
    done = retention.bus_prune(now=timezone.now())
    logger.info("Pruned %d days of the journal and %d dead letters.", days, done.dead_letters)
