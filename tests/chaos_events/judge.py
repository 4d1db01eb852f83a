"""What must hold after the storm. Pure: it is given what was written down, and finds what is wrong."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from tests.chaos_events.ledger import JUNK, PLAIN, POISON, Attempt, Handling

MOST_EXAMPLES = 3


class Rule(StrEnum):
    """What must hold, in the words of the table that is printed."""

    NOTHING_LOST = "every acknowledged event is handled or a dead letter"
    NOTHING_INVENTED = "nothing is handled that nobody published"
    ORDER = "order is kept per entity"
    DUPLICATES = "nothing is handled twice without a fault"
    INNOCENT = "no event that could be handled is a dead letter"
    GUILTY = "no event that cannot be handled is handled"
    EFFECTS = "effects happen once through the idempotency store"
    JOURNAL = "the journal holds every event once"
    DRAINED = "nothing is pending, nothing waits"
    NO_LEAKS = "no consumer and no key is left over"
    ALIVE = "no process ended by itself"


class Finding(NamedTuple):
    """Something that is wrong: which rule, where, how often, and a few examples."""

    rule: Rule
    where: str
    times: int
    examples: Sequence[str]

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.where}: {self.times}, such as {'; '.join(self.examples)}"


@dataclass(frozen=True)
class Group:
    """What came of the events in one group.

    Attributes:
        ordered: whether order per entity holds in the whole group; else within each process, faults aside.
        handled: what its consumers wrote down, in the order of time.
        dead: dead letters of this group, by event id.
    """

    name: str
    ordered: bool
    handled: Sequence[Handling]
    dead: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """Everything that was written down.

    Attributes:
        acknowledged: event id -> when its producer was told that it is safe.
        effects: how often each event had its effect, by event id, and ``effects_of`` is the group that has them.
        journal: how often the journal holds each event id.
        waiting: what is still pending or undelivered, in words.
        leaks: consumers and keys that should not be there, in words.
        deaths: processes that ended although nobody killed them, in words.
        faults: beginnings and ends of everything that was done to the bus.
    """

    attempts: Mapping[str, Attempt]
    acknowledged: Mapping[str, int]
    groups: Sequence[Group]
    faults: Sequence[tuple[int, int]]
    effects: Mapping[str, int] = field(default_factory=dict)
    effects_of: str = ""
    journal: Mapping[str, int] | None = None
    waiting: Sequence[str] = ()
    leaks: Sequence[str] = ()
    deaths: Sequence[str] = ()


@dataclass
class Verdict:
    """What was found, and what may happen and is worth telling."""

    findings: list[Finding]
    repeated: dict[str, int]
    """Events handled more than once, by group."""
    buried: dict[str, int]
    """Dead letters, by group."""


def judge(evidence: Evidence) -> Verdict:
    """Compare what was handled with what was published."""
    troubles = Troubles(evidence.faults)
    findings: list[Finding] = []
    for group in evidence.groups:
        findings += _found(Rule.NOTHING_LOST, group.name, _lost(evidence, group))
        findings += _found(Rule.NOTHING_INVENTED, group.name, _invented(evidence, group))
        findings += _found(Rule.ORDER, group.name, _disordered(evidence, group, troubles))
        findings += _found(Rule.DUPLICATES, group.name, _repeated_in_peace(evidence, group, troubles))
        findings += _found(Rule.INNOCENT, group.name, _buried_alive(evidence, group))
        findings += _found(Rule.GUILTY, group.name, _impossible(evidence, group))
        if group.name == evidence.effects_of:
            findings += _found(Rule.EFFECTS, group.name, _wrong_effects(evidence, group))
    if evidence.journal is not None:
        findings += _found(Rule.JOURNAL, "journal", _wrong_journal(evidence, evidence.journal))
    findings += _found(Rule.DRAINED, "Redis", evidence.waiting)
    findings += _found(Rule.NO_LEAKS, "Redis", evidence.leaks)
    findings += _found(Rule.ALIVE, "processes", evidence.deaths)
    repeated = {group.name: sum(count > 1 for count in _counts(group).values()) for group in evidence.groups}
    return Verdict(findings, repeated, {group.name: sum(group.dead.values()) for group in evidence.groups})


class Troubles:
    """When something was done to the bus, and whether it may explain something else."""

    def __init__(self, faults: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(faults)
        self._begins = [begin for begin, _ in ordered]
        self._last_ends = list(accumulate((end for _, end in ordered), max))

    def between(self, begin: int, end: int) -> bool:
        """Return whether a fault was going on at some time from ``begin`` to ``end``."""
        before = bisect_right(self._begins, end)
        return before > 0 and self._last_ends[before - 1] >= begin


def _found(rule: Rule, where: str, examples: Iterable[str]) -> list[Finding]:
    listed = list(examples)
    return [Finding(rule, where, len(listed), listed[:MOST_EXAMPLES])] if listed else []


def _counts(group: Group) -> Counter[str]:
    return Counter(one.event_id for one in group.handled)


def _lost(evidence: Evidence, group: Group) -> Iterator[str]:
    done = {one.event_id for one in group.handled}.union(group.dead)
    for event_id in evidence.acknowledged:
        if event_id not in done:
            yield _name(evidence, event_id)


def _invented(evidence: Evidence, group: Group) -> Iterator[str]:
    for one in group.handled:
        attempt = evidence.attempts.get(one.event_id)
        if attempt is None:
            yield f"{one.event_id} was handled by {one.process} and published by nobody"
        elif (attempt.entity, attempt.sequence) != (one.entity, one.sequence):
            yield f"{_name(evidence, one.event_id)} was handled as {one.entity} #{one.sequence}"
    for event_id in group.dead:
        if event_id not in evidence.attempts:
            yield f"{event_id} is a dead letter and was published by nobody"


def _disordered(evidence: Evidence, group: Group, troubles: Troubles) -> Iterator[str]:
    """Yield first handlings that came after one of a later event of the same entity."""
    seen: defaultdict[str, set[str]] = defaultdict(set)
    highest: dict[tuple[str, str], Handling] = {}
    for one in group.handled:
        where = "" if group.ordered else one.process
        if one.event_id in seen[where]:
            continue
        seen[where].add(one.event_id)
        latest = highest.get((where, one.entity))
        if latest is None or one.sequence > latest.sequence:
            highest[where, one.entity] = one
        elif group.ordered or not troubles.between(_born(evidence, one.event_id), one.at):
            yield f"{one.entity} #{one.sequence} after #{latest.sequence} ({one.process}, {latest.process})"


def _repeated_in_peace(evidence: Evidence, group: Group, troubles: Troubles) -> Iterator[str]:
    before: set[str] = set()
    for one in group.handled:
        if one.event_id in before and not troubles.between(_born(evidence, one.event_id), one.at):
            yield f"{_name(evidence, one.event_id)} again by {one.process}"
        before.add(one.event_id)


def _buried_alive(evidence: Evidence, group: Group) -> Iterator[str]:
    return (_name(evidence, event_id) for event_id in group.dead if _kind(evidence, event_id) == PLAIN)


def _impossible(evidence: Evidence, group: Group) -> Iterator[str]:
    for one in group.handled:
        if _kind(evidence, one.event_id) in (POISON, JUNK):
            yield f"{_name(evidence, one.event_id)} was handled by {one.process}"


def _wrong_effects(evidence: Evidence, group: Group) -> Iterator[str]:
    for event_id, count in evidence.effects.items():
        if count != 1:
            yield f"{_name(evidence, event_id)} had its effect {count} times"
        if event_id not in evidence.attempts:
            yield f"{event_id} had an effect and was published by nobody"
        if event_id in group.dead:
            yield f"{_name(evidence, event_id)} had its effect and is a dead letter"
    for event_id in {*evidence.acknowledged, *(one.event_id for one in group.handled)}:
        if event_id not in evidence.effects and event_id not in group.dead:
            yield f"{_name(evidence, event_id)} had no effect"


def _wrong_journal(evidence: Evidence, journal: Mapping[str, int]) -> Iterator[str]:
    must: Collection[str] = {
        *evidence.acknowledged,
        *(one.event_id for group in evidence.groups for one in group.handled),
    }
    for event_id in must:
        if event_id not in journal:
            yield f"{_name(evidence, event_id)} is not in it"
    for event_id, count in journal.items():
        if event_id not in evidence.attempts:
            yield f"{event_id} is in it and was published by nobody"
        elif count != 1 and _kind(evidence, event_id) != JUNK:  # that is stored by its place, not by an id
            yield f"{_name(evidence, event_id)} is in it {count} times"


def _born(evidence: Evidence, event_id: str) -> int:
    attempt = evidence.attempts.get(event_id)
    return attempt.at if attempt else 0


def _kind(evidence: Evidence, event_id: str) -> str:
    attempt = evidence.attempts.get(event_id)
    return attempt.kind if attempt else PLAIN


def _name(evidence: Evidence, event_id: str) -> str:
    attempt = evidence.attempts.get(event_id)
    return f"{event_id} ({attempt.entity} #{attempt.sequence}, {attempt.kind})" if attempt else event_id
