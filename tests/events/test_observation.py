"""What monitoring hears about the outbox and the relay."""

import pytest
from django.utils import timezone

from apps.core import health, metrics, redis
from apps.events import observation, services, tasks
from apps.events.models import OutboxEntry
from tests.events.conftest import make_event
from xerpium_sdk.wire.keys import RELAY_ALIVE

pytestmark = pytest.mark.django_db


def test_the_backlog_is_measured() -> None:
    services.publish_many([make_event(n) for n in range(3)])
    OutboxEntry.objects.filter(pk=OutboxEntry.objects.earliest("pk").pk).update(parked_at=timezone.now())
    text = metrics.exposition().decode()
    assert "xerpium_outbox_pending 2.0" in text
    assert "xerpium_outbox_parked 1.0" in text
    assert "xerpium_outbox_oldest_seconds" in text


def test_health_tells_of_a_backlog_and_of_the_relay() -> None:
    services.publish(make_event())
    assert observation.check_database().details["outbox_pending"] == 1
    assert observation.check_redis() == health.CheckResult(True, {"relay": "away"})
    redis.client().set(RELAY_ALIVE, 1, px=3000)
    assert observation.check_redis().details == {"relay": "running"}


def test_the_task_forgets_what_was_relayed_long_ago() -> None:
    services.publish(make_event())
    OutboxEntry.objects.update(relayed_as="1-0", relayed_at=timezone.now() - 2 * services.KEEP_RELAYED)
    assert tasks.prune_outbox() == 1
