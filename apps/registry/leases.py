"""Leases in Redis: until when each instance may go without a word, and when it was last heard of.

Two sorted sets by instance key: `REGISTRY_LEASES` scored with the end of the lease and `REGISTRY_SEEN` with the last
sign of life, both in unix milliseconds. A heartbeat writes here and nowhere else. Redis may lose both at any time: the
sweep rebuilds them from PostgreSQL with a whole new lease for everyone.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson
from django.db import transaction

from apps.core.redis import RedisError, client
from apps.registry.documents import utc_text
from xerpium_sdk.wire import keys

logger = logging.getLogger(__name__)

PAGE = 5000
PROTECTION_SECONDS = 5


def unix_ms(moment: dt.datetime) -> int:
    """Return an aware time as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def renew(leases: Iterable[tuple[int, int]], now: dt.datetime, *, only_later: bool = False) -> None:
    """Give each ``(instance key, lease in seconds)`` a whole lease from ``now`` and note that it was seen.

    With ``only_later`` no lease ends sooner than before. Whoever wrote to PostgreSQL first may have waited there for
    long: its ``now`` would bring back a lease that is over, after the sweep gave everybody a new one.

    Raises:
        redis.RedisError: Redis did not take it.
    """
    ms = unix_ms(now)
    pairs = list(leases)
    if not pairs:
        return
    with client().pipeline(transaction=False) as pipe:
        pipe.zadd(keys.REGISTRY_LEASES, {str(pk): ms + seconds * 1000 for pk, seconds in pairs}, gt=only_later)
        pipe.zadd(keys.REGISTRY_SEEN, {str(pk): ms for pk, _ in pairs}, gt=only_later)
        pipe.execute()


def renew_after_commit(leases: Sequence[tuple[int, int]], now: dt.datetime, *, only_later: bool) -> None:
    """Renew once the running transaction is committed; a Redis that is away is left to the sweep's rebuild."""

    def attempt() -> None:
        try:
            renew(leases, now, only_later=only_later)
        except RedisError as error:
            logger.warning("Leases not written, the sweep will restore them: %s", error)

    transaction.on_commit(attempt)


def grant_missing(leases: Iterable[tuple[int, int]], now: dt.datetime) -> int:
    """Give a whole lease to those that have none and return how many did not."""
    pairs, granted = list(leases), 0
    ms = unix_ms(now)
    for start in range(0, len(pairs), PAGE):
        mapping: Mapping[str, Any] = {str(pk): ms + s * 1000 for pk, s in pairs[start : start + PAGE]}
        granted += cast(int, client().zadd(keys.REGISTRY_LEASES, mapping, nx=True))
    return granted


def extend(leases: Iterable[tuple[int, int]], now: dt.datetime) -> None:
    """Let every lease run at least a whole term from ``now``: nobody pays for the time in which nobody could renew."""
    pairs = list(leases)
    ms = unix_ms(now)
    for start in range(0, len(pairs), PAGE):
        mapping: Mapping[str, Any] = {str(pk): ms + s * 1000 for pk, s in pairs[start : start + PAGE]}
        client().zadd(keys.REGISTRY_LEASES, mapping, gt=True)


def expired(now: dt.datetime) -> list[int]:
    """Return the keys of instances whose lease has run out."""
    found = cast(list[str], client().zrangebyscore(keys.REGISTRY_LEASES, "-inf", unix_ms(now)))
    return [int(pk) for pk in found]


def count() -> int:
    """Return how many leases there are; 0 also when Redis was emptied."""
    return int(client().zcard(keys.REGISTRY_LEASES))


def drop_expired(now: dt.datetime) -> None:
    """Forget leases that had run out at ``now``; one renewed since then stays."""
    client().zremrangebyscore(keys.REGISTRY_LEASES, "-inf", unix_ms(now))


def drop(instances: Sequence[int]) -> None:
    """Forget instances altogether (they left)."""
    if not instances:
        return
    members = [str(pk) for pk in instances]
    with client().pipeline(transaction=False) as pipe:
        pipe.zrem(keys.REGISTRY_LEASES, *members)
        pipe.zrem(keys.REGISTRY_SEEN, *members)
        pipe.delete(*(keys.registry_report(pk) for pk in instances))
        pipe.execute()


def drop_after_commit(instances: Sequence[int]) -> None:
    """Forget instances once the running transaction is committed; leftovers in a Redis that is away do no harm."""

    def attempt() -> None:
        try:
            drop(instances)
        except RedisError as error:
            logger.warning("Leases of departed instances not removed: %s", error)

    transaction.on_commit(attempt)


def alive(instances: Sequence[int], now: dt.datetime) -> list[int]:
    """Return those of ``instances`` that hold a lease which has not run out."""
    if not instances:
        return []
    scores = client().zmscore(keys.REGISTRY_LEASES, [str(pk) for pk in instances])
    ms = unix_ms(now)
    return [pk for pk, score in zip(instances, scores, strict=True) if score is not None and score > ms]


def seen_since(ms: int) -> dict[int, int]:
    """Return ``{instance key: unix ms}`` of those heard of at or after ``ms``."""
    pairs = client().zrangebyscore(keys.REGISTRY_SEEN, ms, "+inf", withscores=True)
    found = cast(list[tuple[str, float]], pairs)
    return {int(pk): int(score) for pk, score in found}


def last_seen(instances: Sequence[int]) -> dict[int, dt.datetime]:
    """Return when each of ``instances`` was last heard of; those that Redis does not know are absent."""
    if not instances:
        return {}
    scores = client().zmscore(keys.REGISTRY_SEEN, [str(pk) for pk in instances])
    return {
        pk: dt.datetime.fromtimestamp(score / 1000, dt.UTC)
        for pk, score in zip(instances, scores, strict=True)
        if score is not None
    }


def announce_protection(since: dt.datetime, reason: str) -> None:
    """Let every process know that protection is on, for as long as somebody repeats it."""
    text = orjson.dumps({"since": utc_text(since), "reason": reason})
    client().set(keys.REGISTRY_PROTECTION, text, ex=PROTECTION_SECONDS)


def keep_details(instance: int, details: Mapping[str, Any], lease_seconds: int) -> None:
    """Keep what a report said about itself for two leases; after that it would mislead. Worth no failure."""
    try:
        client().set(keys.registry_report(instance), orjson.dumps(details), ex=2 * lease_seconds)
    except RedisError as error:
        logger.warning("Details of a report not kept: %s", error)


def details_of(instances: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the details of the last report of each of ``instances`` that has any."""
    if not instances:
        return {}
    found = client().mget([keys.registry_report(pk) for pk in instances])
    return {pk: orjson.loads(text) for pk, text in zip(instances, found, strict=True) if text}
