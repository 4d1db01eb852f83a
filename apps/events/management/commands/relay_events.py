"""``manage.py relay_events``: brings what the outbox holds to the streams."""

from typing import Any

from django.conf import settings

from apps.core import redis
from apps.core.loop import RunForever
from apps.core.tenancy import system, use
from apps.events.relay import Relay


class Command(RunForever):
    """Runs the relay. Several may run: one writes, the others stand by."""

    help = "Move events from the outbox to Redis. Run one; a second stands by and takes over within a second."
    name = "relay_events"
    idle_seconds = 0.0

    def begin(self, **options: Any) -> None:
        """Make the relay; it connects with its first step."""
        self.relay = Relay(settings.DATABASE_DIRECT_URL, redis.client())

    def step(self) -> bool:
        """Send one batch, or wait for one."""
        with use(system("relay the outbox")):
            return self.relay.step()

    def end(self) -> str:
        """Give up the lock, so that a standby need not wait."""
        self.relay.close()
        return f"{self.relay.relayed} entries relayed."
