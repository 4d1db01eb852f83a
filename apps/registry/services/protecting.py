"""Protection: when too much fails at once, the hub doubts its own network first (`apps.registry.protection`)."""

import datetime as dt
import logging

from django.conf import settings
from django.db import connection, transaction

from apps.events import services as events
from apps.registry import changes, leases
from apps.registry.models import Protection
from apps.registry.protection import LeaseSweep, PollSweep, ProtectionState, Transition, decide

logger = logging.getLogger(__name__)

# The round of polls: the last answer of everyone within their own interval, its jitter and the longest fetch.
# Only instances that have answered before and are not down already say something about the hub's own network.
POLL_ROUND = """
    SELECT count(*) FILTER (WHERE NOT v.ok), count(*)
    FROM registry_vitals v JOIN registry_instance i ON i.id = v.instance_id
    WHERE i.polled_status IN ('healthy', 'degraded') AND i.status NOT IN ('stale', 'deregistered')
      AND v.checked_at >= %s - make_interval(secs => i.poll_interval_seconds * 1.2 + 4)
"""


def judge(lost: LeaseSweep, *, now: dt.datetime) -> bool:
    """Decide by this sweep whether protection is on, store and announce a change, and return whether it is on."""
    before = load()
    after, transition = decide(before, now.timestamp(), lost, _poll_round(now), settings.PROTECTION_MAX_SECONDS)
    if after != before:
        _store(after, transition, now)
    if after.since is not None:
        leases.announce_protection(dt.datetime.fromtimestamp(after.since, dt.UTC), after.reason)
    return after.active


def load() -> ProtectionState:
    """Return the stored state; off when nothing was stored yet."""
    stored = Protection.objects.filter(id=1).first() or Protection()
    return ProtectionState(
        since=stored.since.timestamp() if stored.since else None,
        reason=stored.reason,
        calm_since=stored.calm_since.timestamp() if stored.calm_since else None,
        losses_accepted=stored.losses_accepted,
    )


def _poll_round(now: dt.datetime) -> PollSweep:
    with connection.cursor() as cursor:
        cursor.execute(POLL_ROUND, [now])
        failed, total = cursor.fetchone()
    return PollSweep(failed=failed, total=total, seconds=settings.POLL_INTERVAL_SECONDS)


def _store(state: ProtectionState, transition: Transition | None, now: dt.datetime) -> None:
    with transaction.atomic():
        Protection.objects.update_or_create(
            id=1,
            defaults={
                "since": _moment(state.since),
                "reason": state.reason,
                "calm_since": _moment(state.calm_since),
                "losses_accepted": state.losses_accepted,
            },
        )
        if transition is None:
            return
        kind = "protection_entered" if transition.entered else "protection_left"
        events.publish(changes.hub_event(kind, now=now, data={"reason": transition.reason}))
    logger.warning("Protection %s: %s.", "is on" if transition.entered else "is over", transition.reason)


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
