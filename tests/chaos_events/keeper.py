"""`python -m tests.chaos_events.keeper`: looks after the streams as the hub's worker does, only far more often."""

import logging
import signal
import sys
from datetime import UTC, datetime

import django

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5


def main() -> None:
    """Note how streams do, and cut them, until told to stop."""
    django.setup()
    from django.db import close_old_connections

    from apps.core.loop import OUTAGES, StopFlag
    from apps.core.tenancy import system, use
    from apps.events.services.keeping import streams_look, streams_trim

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    stopping = StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping.set)
    total = 0
    while not stopping.wait(PAUSE_SECONDS):
        try:
            with use(system("look after the streams")):
                streams_look(now=datetime.now(UTC))
                total += streams_trim(now=datetime.now(UTC))
        except OUTAGES as error:
            logger.info("%s: %s", type(error).__name__, " ".join(str(error).split())[:200])
        finally:
            close_old_connections()
    logger.info("%d entries were cut off", total)


if __name__ == "__main__":
    main()
