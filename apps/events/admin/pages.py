"""What stands on the page of an event and on that of a dead letter. Reads only; a handful of queries each."""

from dataclasses import dataclass
from typing import Any

from apps.events import links, wording
from apps.events.admin import columns
from apps.events.models import DeadLetter, EventTypeDeclaration, JournalEntry
from apps.events.wording import Wording
from xerpium_sdk.wire.envelope import FIELDS

__all__ = ["event_page", "letter_page"]

MOST_RELATED = 20
MOST_LETTERS = 20
MOST_REPLAYS = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One event of those that belong together; ``is_here`` is the one that the page shows."""

    entry: JournalEntry
    wording: Wording
    address: str
    is_here: bool


def event_page(entry: JournalEntry, *, may_see_letters: bool) -> dict[str, Any]:
    """Return everything that the page of an event shows."""
    declaration = EventTypeDeclaration.objects.filter(event_type=entry.event_type).first() if entry.event_type else None
    related, more = _related(entry)
    return {
        "entry": entry,
        "verdict": wording.verdict_of(entry.verdict),
        "company": columns.company(entry.company_id),
        "declaration": declaration,
        "type_address": links.type_url(entry.event_type) if entry.event_type else "",
        "stream_word": wording.stream_word(entry.stream),
        "related": related,
        "more_related": more,
        "letters": _letters(entry) if may_see_letters else [],
        "late_seconds": (entry.recorded_at - entry.occurred_at).total_seconds(),
    }


def letter_page(letter: DeadLetter) -> dict[str, Any]:
    """Return everything that the page of a dead letter shows."""
    reason = wording.reason_of(letter.reason, attempts=letter.attempts, handler=letter.handler)
    envelope = {name: value for name, value in letter.fields.items() if name in FIELDS and name != "data"}
    return {
        "letter": letter,
        "badge": wording.STATES[letter.state],
        "reason": reason,
        "last_line": wording.last_line(letter.error),
        "company": columns.company(letter.company_id),
        "data": letter.fields.get("data", ""),
        "envelope": envelope,
        "others": {name: value for name, value in letter.fields.items() if name not in FIELDS},
        "decided_by": wording.who(letter.decided_by),
        "entry": _journalled(letter),
        "replays": list(letter.replays.order_by("-id").defer("fields", "error")[:MOST_REPLAYS]),
        "stream_word": wording.stream_word(letter.stream),
    }


def _related(entry: JournalEntry) -> tuple[list[Step], bool]:
    """Return the events with the same correlation, oldest first, and whether there are more."""
    if not entry.correlation_id:
        return [], False
    same = JournalEntry.objects.filter(correlation_id=entry.correlation_id).defer("data", "extra")
    before = list(same.filter(pk__lt=entry.pk).order_by("-pk")[: MOST_RELATED // 2 + 1])
    after = list(same.filter(pk__gt=entry.pk).order_by("pk")[: MOST_RELATED // 2 + 1])
    more = max(len(before), len(after)) > MOST_RELATED // 2
    found = [*reversed(before[: MOST_RELATED // 2]), entry, *after[: MOST_RELATED // 2]]
    if len(found) == 1:
        return [], False
    steps = [Step(one, wording.verdict_of(one.verdict), links.event_url(one.pk), one.pk == entry.pk) for one in found]
    return steps, more


def _letters(entry: JournalEntry) -> list[DeadLetter]:
    if not entry.event_id:
        return []
    return list(DeadLetter.objects.filter(event_id=entry.event_id).order_by("-id").defer("fields")[:MOST_LETTERS])


def _journalled(letter: DeadLetter) -> JournalEntry | None:
    """Return the event in the journal; one that cannot be read is found by where it stood."""
    event_id = letter.event_id or f"{letter.stream}/{letter.stream_id}"
    return JournalEntry.objects.filter(event_id=event_id).only("pk", "recorded_at").order_by("-pk").first()
