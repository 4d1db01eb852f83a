"""Periodic work of the registry; when each runs is said in ``xerpium.celery``."""

import datetime as dt
import logging
import threading
from typing import cast

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.core.redis import AWAY
from apps.core.tenancy import system, use
from apps.registry.policy import health_policy
from apps.registry.prober import Prober
from apps.registry.services import expiry, polling, retention

logger = logging.getLogger(__name__)

# An engine that is away is no fault of the task: the next run, a second later, does the work.
ENGINE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, *AWAY)


# A prober belongs to one event loop at a time, and rounds overlap when somebody is slow: one for each worker thread.
_of_this_thread = threading.local()


def _prober() -> Prober:
    if not hasattr(_of_this_thread, "prober"):
        _of_this_thread.prober = Prober(
            health_policy(), concurrency=4 * settings.POLL_CONCURRENCY, slow_concurrency=settings.POLL_CONCURRENCY
        )
    return cast(Prober, _of_this_thread.prober)


@shared_task(name="registry.poll", throws=ENGINE_AWAY)
@use(system("do due health polls"))
def poll() -> None:
    """Do the health polls that are due."""
    done = polling.poll_due(prober=_prober(), clock=timezone.now)
    if done and done.moves:
        logger.info("Polled %d instances: %d failed, %d changed status.", done.polls, done.failures, done.moves)


@shared_task(name="registry.sweep", throws=ENGINE_AWAY)
@use(system("sweep leases"))
def sweep() -> None:
    """Let go stale who is not heard of any more, deregister who stays away."""
    done = expiry.sweep(now=timezone.now())
    if done and (done.stale or done.deregistered or done.returned):
        logger.info("Sweep: %d stale, %d deregistered, %d back.", done.stale, done.deregistered, done.returned)


@shared_task(name="registry.flush_last_seen", throws=ENGINE_AWAY)
@use(system("copy last signs of life"))
def flush_last_seen() -> None:
    """Copy last signs of life to PostgreSQL; the window is twice the period, so that a lost run loses nothing."""
    expiry.last_seen_flush(now=timezone.now(), within=dt.timedelta(seconds=40))


@shared_task(name="registry.roll_up_polls", throws=ENGINE_AWAY)
@use(system("roll polls up by the hour"))
def roll_up_polls() -> None:
    """Roll finished hours up, make tomorrow's partition and drop what is older than a day."""
    retention.polls_roll_up(now=timezone.now())


@shared_task(name="registry.prune", throws=ENGINE_AWAY)
@use(system("forget old history"))
def prune() -> None:
    """Forget old history and instances that left long ago."""
    done = retention.registry_prune(now=timezone.now())
    logger.info("Pruned %d history entries and %d departed instances.", done.history, done.instances)
