"""What stands on the pages of the bus, its groups and its types. Reads only, through the selectors."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from apps.events import conditions, links, selectors
from apps.events.admin.figures import day_charts, group_chart
from apps.events.conditions import Condition, GroupFigures, Level, StreamFigures
from apps.events.models import DeadLetter
from apps.events.selectors import ConsumerView, GroupView, StreamView
from xerpium_sdk.wire.keys import stream_of_replays

__all__ = ["GroupLine", "group_page", "groups_page", "overview_page"]

MOST_LETTERS = 10
MOST_GROUPS = 8
LEVELS = (conditions.STUCK, conditions.BEHIND, conditions.EMPTY, conditions.FINE)


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group on one stream, with how it is doing."""

    view: GroupView
    condition: Condition
    dead: int

    @property
    def is_replay(self) -> bool:
        """Whether the stream is the one on which its dead letters come back."""
        return self.view.stream.startswith(stream_of_replays(""))


@dataclass(frozen=True, slots=True)
class StreamLine:
    """A stream, with how it is doing."""

    view: StreamView
    condition: Condition

    @property
    def percent(self) -> float:
        """How much of its hard cap is used."""
        return min(self.view.share * 100, 100.0)

    @property
    def target_percent(self) -> float:
        """Where on the way to the hard cap it is trimmed."""
        return self.view.target / self.view.hard_max * 100


def overview_page(*, now: dt.datetime, may_see_letters: bool) -> dict[str, Any]:
    """Return everything that the landing page shows."""
    lines = _group_lines(selectors.groups(), now)
    streams = [StreamLine(view, _stream_condition(view)) for view in selectors.streams()]
    throughput, backlog = day_charts(now=now)
    wrong = [line for line in lines if line.condition.is_wrong]
    views: list[GroupView | StreamView] = [*(line.view for line in lines), *(line.view for line in streams)]
    return {
        "is_live": all(view.is_live for view in views),
        "as_of": min((view.seen_at for view in views), default=now),
        "streams": streams,
        "bad_streams": [line for line in streams if line.condition.is_wrong],
        "bad_groups": wrong[:MOST_GROUPS],
        "more_groups": len(wrong) - MOST_GROUPS,
        "letters": _waiting_by_group() if may_see_letters else [],
        "outbox": selectors.outbox_state(),
        "levels": _levels(lines),
        "group_count": len({line.view.group for line in lines}),
        "throughput": throughput,
        "backlog": backlog,
        "now": now,
    }


def groups_page(*, now: dt.datetime, level: str = "") -> dict[str, Any]:
    """Return the list of groups, what is wrong first; of one level where that is asked for."""
    lines = _group_lines(selectors.groups(), now)
    wanted = {line.view.group for line in lines if line.condition.level.badge.word == level}
    return {
        "lines": [line for line in lines if not level or line.view.group in wanted],
        "total": len({line.view.group for line in lines}),
        "levels": _levels(lines),
        "level": level,
        "is_live": all(line.view.is_live for line in lines),
        "as_of": min((line.view.seen_at for line in lines), default=now),
    }


def group_page(name: str, *, now: dt.datetime, may_see_letters: bool) -> dict[str, Any] | None:
    """Return everything that the page of a group shows; None when nobody knows such a group."""
    lines = [line for line in _group_lines(selectors.groups(), now, quiet=True) if line.view.group == name]
    letters = DeadLetter.objects.filter(group=name).order_by("-id").defer("fields")
    shown = list(letters[:MOST_LETTERS]) if may_see_letters else []
    if not lines and not shown:
        return None
    consumers = _consumers([line.view.stream for line in lines], name, now)
    return {
        "name": name,
        "lines": lines,
        "condition": lines[0].condition if lines else None,
        "wrong": [line.condition for line in lines if line.condition.is_wrong],
        "is_own": any(line.view.is_own for line in lines),
        "is_live": all(line.view.is_live for line in lines),
        "as_of": min((line.view.seen_at for line in lines), default=now),
        "consumers": consumers,
        "handlers": _handlers(consumers),
        "chart": group_chart([line.view.stream for line in lines], name, now=now),
        "letters": shown,
        "waiting": _waiting_of(name) if may_see_letters else 0,
        "may_see_letters": may_see_letters,
        "journal": links.journal_url(),
    }


# --- groups -----------------------------------------------------------------------------------------------------------


def _group_lines(views: Iterable[GroupView], now: dt.datetime, *, quiet: bool = False) -> list[GroupLine]:
    """Return the groups, what is wrong first; replays that nobody waits for are left out unless they are wanted."""
    dead = dict(_waiting_by_group())
    lines = [GroupLine(view, _group_condition(view, now), dead.get(view.group, 0)) for view in views]
    shown = [line for line in lines if quiet or not line.is_replay or line.condition.is_wrong or line.view.lag]
    return sorted(shown, key=lambda line: (line.condition.level.rank, -line.view.lag_seconds, line.view.group))


def _group_condition(view: GroupView, now: dt.datetime) -> Condition:
    facts = GroupFigures(
        group=view.group,
        lag=view.lag,
        pending=view.pending,
        lag_seconds=view.lag_seconds,
        consumers=view.consumers,
        alive=view.alive,
        still_seconds=(now - view.active_at).total_seconds() if view.active_at else None,
    )
    found = conditions.group_condition(facts)
    if found.level is conditions.EMPTY and view.stream.startswith(stream_of_replays("")):
        return Condition(conditions.QUIET, found.text)
    return found


def _levels(lines: Sequence[GroupLine]) -> list[tuple[Level, int]]:
    """Return how many groups are doing how; a group counts once, as it does on its worst stream."""
    worst: dict[str, Level] = {}
    for line in lines:
        known = worst.setdefault(line.view.group, line.condition.level)
        worst[line.view.group] = min(known, line.condition.level, key=lambda level: level.rank)
    counts = Counter(worst.values())
    return [(level, counts[level]) for level in LEVELS]


def _stream_condition(view: StreamView) -> Condition:
    return conditions.stream_condition(
        StreamFigures(
            stream=view.stream,
            length=view.length,
            target=view.target,
            hard_max=view.hard_max,
            held_by=tuple(view.held_by),
            alarm=view.alarm,
        )
    )


def _waiting_by_group() -> list[tuple[str, int]]:
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING).order_by()
    counted = waiting.values_list("group").annotate(count=Count("pk"))
    return sorted(counted, key=lambda found: (-found[1], found[0]))


def _waiting_of(group: str) -> int:
    return DeadLetter.objects.filter(group=group, state=DeadLetter.State.WAITING).count()


# --- consumers --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ConsumerLine:
    """A consumer of a group, over all its streams."""

    view: ConsumerView
    pending: int
    idle_seconds: float
    since: dt.datetime | None
    handled_per_second: float | None
    failed_per_second: float | None

    @property
    def role(self) -> tuple[str, str, str]:
        """What it does: the tone of its badge, its word, and what that means."""
        if self.view.is_alive is None:
            return "grey", "says nothing", "It does not run on the SDK's engine: only Redis knows of it."
        if not self.view.is_alive:
            return "red" if self.pending else "faint", "gone", "It has not beaten for some seconds."
        if self.view.is_active:
            return "green", "active", "It reads and handles events."
        return "blue", "standby", "It takes over when the active one stops."


def _consumers(streams: Sequence[str], group: str, now: dt.datetime) -> list[ConsumerLine]:
    found: dict[str, ConsumerLine] = {}
    for stream in streams:
        for view in selectors.group_consumers(stream, group):
            line = found.get(view.name)
            if line is None:
                found[view.name] = _consumer(view, now)
            else:
                line.pending += view.pending
                line.idle_seconds = min(line.idle_seconds, view.idle_seconds)
    order = {"active": 0, "standby": 1, "says nothing": 2, "gone": 3}
    return sorted(found.values(), key=lambda line: (order[line.role[1]], line.view.name))


def _consumer(view: ConsumerView, now: dt.datetime) -> ConsumerLine:
    since = _moment(view.since)
    seconds = max((now - since).total_seconds(), 1.0) if since else None
    return ConsumerLine(
        view=view,
        pending=view.pending,
        idle_seconds=view.idle_seconds,
        since=since,
        handled_per_second=view.handled / seconds if seconds else None,
        failed_per_second=view.failed / seconds if seconds else None,
    )


def _moment(text: str) -> dt.datetime | None:
    """Return when a consumer says that it started: Unix milliseconds, or a time as text."""
    try:
        if text.replace(".", "", 1).isdecimal():
            return dt.datetime.fromtimestamp(float(text) / 1000, dt.UTC)
        found = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


@dataclass(slots=True)
class HandlerLine:
    """A handler, over all consumers that live. Times are seconds: the slowest consumer's."""

    name: str
    handled: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    seconds_p50: float = 0.0
    seconds_p99: float = 0.0
    seconds_total: float = 0.0


def _handlers(consumers: Iterable[ConsumerLine]) -> list[HandlerLine]:
    found: dict[str, HandlerLine] = {}
    for line in consumers:
        if not line.view.is_alive:
            continue
        for name, told in line.view.handlers.items():
            _add(found.setdefault(name, HandlerLine(name)), told)
    return sorted(found.values(), key=lambda handler: (-handler.dead, -handler.failed, -handler.seconds_total))


def _add(handler: HandlerLine, told: Mapping[str, float]) -> None:
    for name in ("handled", "failed", "retried", "dead", "seconds_total"):
        setattr(handler, name, getattr(handler, name) + told.get(name, 0))
    for name in ("seconds_p50", "seconds_p99"):
        setattr(handler, name, max(getattr(handler, name), told.get(name, 0.0)))
