"""Measurements for the charts: a day of samples in a few hundred points, read at most every half minute."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.cache import cache
from django.db import connection

from apps.core.tenancy import in_sight
from apps.events import charts, selectors
from apps.events.charts import MOST_LINES, Chart, Series, Value
from apps.events.groups import is_in_sight
from apps.events.streams import WATCHED_STREAMS
from xerpium_sdk.wire.keys import stream_of_replays

__all__ = ["DAY", "day_charts", "group_chart"]

DAY = dt.timedelta(hours=24)
POINTS = 144
KEEP_SECONDS = 30
CACHE_KEY = "events:day-charts"

_WORST = """
SELECT "group" FROM events_streamsample WHERE at >= %s AND "group" <> ''
GROUP BY "group" ORDER BY max(lag_seconds) DESC, "group"
"""
_PUBLISHED = """
SELECT stream, date_bin(make_interval(secs => %s), at, %s) AS bucket, sum(published) FROM events_streamsample
WHERE at >= %s AND "group" = '' GROUP BY stream, bucket ORDER BY stream, bucket
"""
_WAITED = """
SELECT "group", date_bin(make_interval(secs => %s), at, %s) AS bucket, max(lag_seconds) FROM events_streamsample
WHERE at >= %s AND "group" = ANY(%s) GROUP BY "group", bucket ORDER BY "group", bucket
"""


def day_charts(*, now: dt.datetime) -> tuple[Chart | None, Chart | None]:
    """Return the charts of the last 24 hours: events a minute by stream, and how long groups let events wait."""
    # Who does not see all companies is told of fewer groups.
    key = f"{CACHE_KEY}:{'all' if in_sight() == '*' else 'own'}"
    found: tuple[Chart | None, Chart | None] | None = cache.get(key)
    if found is None:
        found = _throughput(now), _backlog(now)
        cache.set(key, found, KEEP_SECONDS)
    return found


def group_chart(streams: Sequence[str], group: str, *, now: dt.datetime) -> Chart | None:
    """Return how long the oldest entry waited for one group on each of its streams in the last 24 hours."""
    series = []
    for stream in sorted(streams, key=colour_of):
        points = selectors.samples(stream=stream, group=group, since=now - DAY, points=POINTS)
        values = [Value(point.at, point.lag_seconds) for point in points]
        series.append(Series(stream, colour_of(stream), values))
    return charts.backlog(series, since=now - DAY, now=now)


def colour_of(stream: str) -> int:
    """Return the number of a stream's colour, the same wherever it is drawn."""
    if stream.startswith(stream_of_replays("")):
        return MOST_LINES
    return WATCHED_STREAMS.index(stream) + 1 if stream in WATCHED_STREAMS else MOST_LINES


def _throughput(now: dt.datetime) -> Chart | None:
    since = now - DAY
    seconds = DAY.total_seconds() / POINTS
    rows = _rows(_PUBLISHED, [seconds, since, since])
    values = _by_name(rows, lambda count: float(count) * 60 / seconds)
    series = [Series(name, colour_of(name), values[name]) for name in sorted(values, key=colour_of)]
    return charts.throughput(series, since=since, now=now)


def _backlog(now: dt.datetime) -> Chart | None:
    since = now - DAY
    told = [name for (name,) in _rows(_WORST, [since]) if is_in_sight(name)]
    worst = sorted(told[:MOST_LINES])
    rows = _rows(_WAITED, [DAY.total_seconds() / POINTS, since, since, worst])
    values = _by_name(rows, float)
    series = [Series(name, number, values[name]) for number, name in enumerate(worst, start=1) if name in values]
    return charts.backlog(series, since=since, now=now)


def _rows(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _by_name(rows: list[tuple[Any, ...]], convert: Any) -> Mapping[str, list[Value]]:
    found: defaultdict[str, list[Value]] = defaultdict(list)
    for name, at, value in rows:
        found[name].append(Value(at, None if value is None else convert(value)))
    return found
