"""Events and dead letters as they are shown, and what of a journal has not been shown yet. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from xerpium_sdk.cli._ink import Inked, Piece
from xerpium_sdk.wire.data import dump_data
from xerpium_sdk.wire.times import format_time, parse_time

__all__ = ["DEAD_HEADER", "Shown", "dead_row", "event_pieces", "moment"]

DEAD_HEADER = ("ID", "STATE", "GROUP", "TYPE", "ABOUT", "SINCE", "TRIED", "WHY")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_LATE = 1000
_JUDGED_WELL = (None, "valid", "unverified")


def moment(text: str, now: datetime) -> str:
    """Return the time that ``text`` means, as the hub reads it: so long before ``now`` (``10m``), or itself.

    Raises:
        ValueError: it is neither.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return format_time(now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))}))
    try:
        named = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 30s, 10m, 2h, 7d, or a time such as 2026-05-04T12:00Z.") from None
    return format_time(named.astimezone(UTC))


class Shown:
    """What of the journal was shown.

    Pages come with the newest first. Entries are numbered as they are written, and some may be seen a little late, so
    a page is read until it ends in what was known before, and what has just been shown is remembered one by one.
    """

    def __init__(self, first: Iterable[Mapping[str, Any]]) -> None:
        self._known = {int(entry["id"]) for entry in first}
        self._highest = max(self._known, default=0)
        self._oldest = min(self._known, default=0)

    def is_news(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry has not been shown, and is not from before the first that was."""
        number = int(entry["id"])
        return number > max(self._oldest, self._highest - _LATE) and number not in self._known

    def reaches_back(self, page: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a page ends in what was known before."""
        return not page or int(page[-1]["id"]) <= self._highest

    def note(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Remember entries that are shown now."""
        self._known.update(int(entry["id"]) for entry in entries)
        self._highest = max(self._known, default=0)
        self._known = {number for number in self._known if number > self._highest - _LATE}


def event_pieces(entry: Mapping[str, Any]) -> list[Piece]:
    """Return an event as one line: when, what, about what, of whom, and what it says."""
    told: list[Piece] = [Inked(f"{_clock(entry.get('timestamp'))}  ", "dim"), Inked(str(entry["event_type"]), "bold")]
    told.append(f"  {_about(entry)}  {entry.get('service_name') or '–'}")
    if entry.get("company_id") is not None:
        told.append(f"  company {entry['company_id']}")
    if entry.get("data"):
        told.append(f"  {dump_data(entry['data'])}")
    if entry.get("verdict") not in _JUDGED_WELL:
        told.append(Inked(f"  ! {entry['verdict']}: {entry.get('fault') or 'no reason given'}", "yellow"))
    return told


def dead_row(letter: Mapping[str, Any]) -> list[Piece]:
    """Return the row of a dead letter."""
    state = str(letter["state"])
    return [
        str(letter["id"]),
        Inked(state, "yellow") if state == "waiting" else state,
        str(letter["group"]),
        str(letter.get("event_type") or ""),
        _about(letter),
        _clock(letter.get("dead_at"), with_date=True),
        str(letter.get("attempts") or ""),
        f"{letter.get('reason') or ''}: {_last_line(letter.get('error'))}".strip(": "),
    ]


def _about(entry: Mapping[str, Any]) -> str:
    kind, identity = entry.get("entity_type") or "", entry.get("entity_id")
    return f"{kind}:{identity}" if identity is not None else str(kind)


def _clock(text: Any, *, with_date: bool = False) -> str:
    """Return a time as this machine's clock shows it; as it came where it cannot be read."""
    try:
        found = parse_time(str(text)).astimezone()
    except ValueError:
        return str(text or "")
    return f"{found:%Y-%m-%d %H:%M:%S}" if with_date else f"{found:%H:%M:%S}.{found.microsecond // 1000:03}"


def _last_line(error: Any) -> str:
    """Return the line of a traceback that says what went wrong."""
    lines = str(error or "").strip().splitlines()
    return lines[-1].strip() if lines else ""
