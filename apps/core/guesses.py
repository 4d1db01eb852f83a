"""Who fails to say a secret, and from where: counted for the console, per minute, and forgotten after eleven.

These counts refuse nobody (``apps.core.limits`` does that). Of what the caller sent only a name of a usual form is
kept: people paste secrets into the wrong field.
"""

import re
import time
from collections import Counter
from dataclasses import dataclass

import structlog
from redis.commands.core import Script

from apps.core.redis import RedisError, client
from xerpium_sdk.wire import keys

__all__ = ["MINUTES", "UNNAMED", "Guesses", "guesses", "note", "shown"]

MINUTES = 10
"""How far back the counts go."""
UNNAMED = "?"
"""Stands for names of another form, and for all others once very many names were tried in one minute."""
_MOST_FIELDS = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}", re.ASCII)
_SEPARATOR = " "

# One step, so that a flood of names cannot grow the hash beyond its bound.
_COUNT = """
local field = ARGV[1]
if redis.call('HEXISTS', KEYS[1], field) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
    field = ARGV[2]
end
redis.call('HINCRBY', KEYS[1], field, 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Guesses:
    """Failures of one kind (``key``, ``password``, …) for one name from one source, in the last ten minutes."""

    kind: str
    name: str
    source: str
    count: int


def note(kind: str, name: str, source: str, *, now: float | None = None) -> None:
    """Count one failure; ``now`` is in seconds since the epoch. Does nothing while Redis is away."""
    minute = int((time.time() if now is None else now) // 60)
    fields = [_SEPARATOR.join(parts) for parts in ((kind, shown(name), source), (kind, UNNAMED, UNNAMED))]
    try:
        Script(client(), _COUNT)(keys=[keys.limits_guesses(minute)], args=[*fields, (MINUTES + 1) * 60, _MOST_FIELDS])
    except RedisError as error:
        _log.warning("guess_not_counted", kind=kind, source=source, error=str(error))


def shown(name: str) -> str:
    """Return a name that a stranger gave as it may be kept and logged: `UNNAMED` where it could be anything."""
    return name if _NAME.fullmatch(name) else UNNAMED


def guesses(*, at_least: int = 1, now: float | None = None) -> list[Guesses]:
    """Return who failed ``at_least`` so often in the last ten minutes, the most busy first.

    Raises:
        RedisError: Redis is away.
    """
    minute = int((time.time() if now is None else now) // 60)
    pipeline = client().pipeline(transaction=False)
    for past in range(MINUTES):
        pipeline.hgetall(keys.limits_guesses(minute - past))
    total: Counter[str] = Counter()
    for counts in pipeline.execute():
        total.update({field: int(count) for field, count in counts.items()})
    found = []
    for field, count in total.items():
        kind, name, source = field.split(_SEPARATOR)
        if count >= at_least:
            found.append(Guesses(kind, name, source, count))
    return sorted(found, key=lambda guess: (-guess.count, guess.name, guess.source))
