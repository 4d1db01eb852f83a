"""`python -m tests.chaos_events.producer`: publishes events of its own entities until SIGTERM, and writes down which.

What it tries is written down before, what it was told is safe afterwards. It tries each batch until that is
acknowledged before it goes on, as a program must that cares for the order.
"""

import argparse
import logging
import random
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.chaos_events.events import Source
from tests.chaos_events.ledger import Ledger, name_of_process, now
from tests.chaos_events.ways import WAYS, Way

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
LAST_TRY_SECONDS = 60.0
BURST_SECONDS = 2.0
LOOK_SECONDS = 0.1


class Producer:
    """Sends batches at a pace.

    Args:
        rate: events a second; after an outage it catches up on the last two seconds.
        most: the size of the largest batch.
    """

    def __init__(self, directory: Path, way: Way, name: str, *, rate: float, most: int, rng: random.Random) -> None:
        process = f"{name}-{name_of_process()}"
        self._attempts = Ledger(directory / f"attempts-{process}")
        self._acknowledged = Ledger(directory / f"acknowledged-{process}")
        self._way, self._rate, self._most, self._rng = way, rate, most, rng
        self._source = Source(time.time_ns() // 1_000_000 % 10**9, rng)
        self._stopped_at = float("inf")

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End after the batch that is on its way; a handler of signals."""
        self._stopped_at = min(self._stopped_at, time.monotonic())

    def run(self) -> None:
        """Publish until told to stop."""
        due = time.monotonic()
        while self._goes_on():
            size = self._rng.randint(1, self._most)
            self._publish(size)
            due = max(due + size / self._rate, time.monotonic() - BURST_SECONDS)
            while (pause := due - time.monotonic()) > 0 and self._goes_on():
                time.sleep(min(pause, LOOK_SECONDS))

    def _goes_on(self) -> bool:
        return time.monotonic() < self._stopped_at

    def _publish(self, size: int) -> None:
        batch = [self._way.make(self._source, self._rng) for _ in range(size)]
        self._attempts.write(attempt for attempt, _ in batch)
        while time.monotonic() < self._stopped_at + LAST_TRY_SECONDS:
            try:
                self._way.send([payload for _, payload in batch])
            except self._way.outages as error:
                logger.info("%s: %s", type(error).__name__, " ".join(str(error).split())[:200])
                time.sleep(PAUSE_SECONDS * self._rng.uniform(1, 3))
            else:
                at = now()
                self._acknowledged.write((at, attempt.event_id) for attempt, _ in batch)
                return


def main() -> None:
    """Publish until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_events.producer", description=__doc__)
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("--directory", type=Path, required=True, help="where the ledger is")
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    parser.add_argument("--most", type=int, default=1, help="events of the largest batch")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    way = WAYS[options.way]()
    producer = Producer(options.directory, way, options.way, rate=options.rate, most=options.most, rng=random.Random())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, producer.stop)
    producer.run()
    way.close()


if __name__ == "__main__":
    main()
