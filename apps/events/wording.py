"""What the bus's own words mean, for people: streams, verdicts, reasons of dead letters. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.badges import Badge
from apps.core.secrecy import masked
from xerpium_sdk.wire.keys import (
    STREAM_EVENTS,
    STREAM_EVENTS_CUSTOM,
    STREAM_EVENTS_DEAD,
    STREAM_HUB,
    stream_of_replays,
)

__all__ = [
    "STATES",
    "VERDICTS",
    "Reason",
    "Wording",
    "last_line",
    "preview",
    "reason_of",
    "stream_word",
    "verdict_of",
    "who",
]

OK = "M3 8.6 6.4 12 13 4.4"
MARK = "M8 2.8v6.4M8 13h.01"
CROSS = "M3.8 3.8l8.4 8.4M12.2 3.8 3.8 12.2"
BACK = "M3 8a5 5 0 1 0 1.6-3.7M3 3.2v2.6h2.6"
DASH = "M3.4 8h9.2"
RING = "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6"

PREVIEW_LENGTH = 160

_STREAMS = {
    STREAM_EVENTS: "standard types",
    STREAM_EVENTS_CUSTOM: "declared types",
    STREAM_HUB: "the hub's own",
    STREAM_EVENTS_DEAD: "dead letters, not stored yet",
}


def stream_word(stream: str) -> str:
    """Return what travels on a stream: ``standard types``; ``""`` for a stream of others."""
    if stream.startswith(stream_of_replays("")):
        return "replays"
    return _STREAMS.get(stream, "")


@dataclass(frozen=True, slots=True)
class Wording:
    """A word with its look, what it means and what to do about it."""

    badge: Badge
    text: str
    mend: str = ""
    is_wrong: bool = False


VERDICTS: dict[str, Wording] = {
    "valid": Wording(
        Badge("valid", "green", OK, "Its data fits the declared schema."),
        "Its type is declared, and its data fits the schema.",
    ),
    "unverified": Wording(
        Badge("unverified", "faint", RING, "Its type has no schema: its data was not checked."),
        "Its type is known, but has no schema: its data was not checked.",
        "Declare a schema, and every event of this type is checked from then on.",
    ),
    "undeclared": Wording(
        Badge("undeclared", "amber", MARK, "Nobody has declared its type."),
        "Nobody has declared its type. It was delivered all the same.",
        "Let the service that publishes it declare it, so that others know what it means and what stands in it.",
        is_wrong=True,
    ),
    "mismatch": Wording(
        Badge("does not fit its schema", "red", MARK, "Its data is not what its declared schema asks for."),
        "Its data does not fit the schema that was declared for its type. It was delivered all the same: only "
        "publishing over REST refuses such an event.",
        "Mend the service that publishes it; or its schema, if the data is right.",
        is_wrong=True,
    ),
    "undecodable": Wording(
        Badge("cannot be read", "red", CROSS, "It is no event that anybody could read."),
        "It is no event: no consumer can read it. Groups give it up at once, and go on.",
        "Find out who writes to this stream; the fields below say what came. The SDK's publisher cannot write this.",
        is_wrong=True,
    ),
}  # fmt: skip
_UNKNOWN = Badge("unknown", "grey", RING, "This hub does not know the word.")


def verdict_of(verdict: str) -> Wording:
    """Return the look and the meaning of a verdict."""
    return VERDICTS.get(verdict) or Wording(_UNKNOWN, f"The hub found: {verdict}.")


STATES: dict[str, Badge] = {
    "waiting": Badge("waiting", "red", MARK, "Somebody has to decide: replay it or discard it."),
    "replayed": Badge("replayed", "blue", BACK, "It was sent again to the group that gave it up."),
    "discarded": Badge("discarded", "faint", DASH, "Somebody decided to let it be."),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a group gave a message up: in a few words for lists, in a sentence, and what to do."""

    word: str
    text: str
    mend: str


def reason_of(reason: str, *, attempts: int = 0, handler: str = "") -> Reason:
    """Return a dead letter's reason in plain words; one that this version does not know is shown as it came."""
    who_failed = handler or "its handler"
    if reason == "undecodable":
        return Reason(
            "cannot be read",
            "It could not be read as an event, so it was given up at once.",
            "Mend whoever wrote it. Replaying it fails again unless the group's SDK has learnt to read it: discard it.",
        )
    if reason == "max_attempts":
        times = "once" if attempts == 1 else f"{attempts:,} times"
        return Reason(
            f"failed {times}",
            f"{who_failed} failed on it {times}.",
            "Read the error below, mend the handler or what it needs, and replay it.",
        )
    return Reason(reason.replace("_", " ") or "not told", f"The group said: {reason or 'nothing'}.", "")


def last_line(error: str) -> str:
    """Return what matters most of a traceback: its last line."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def preview(data: Any) -> str:
    """Return data in one line, secrets hidden, for a row of a list."""
    if data in (None, {}, []):
        return ""
    shown = masked(data)
    if isinstance(shown, Mapping):
        text = ", ".join(f"{name}: {_short(value)}" for name, value in shown.items())
    else:
        text = _short(shown)
    return text if len(text) <= PREVIEW_LENGTH else f"{text[: PREVIEW_LENGTH - 1]}…"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_ACTOR = re.compile(r"(operator|service):(.+)")


def who(actor: str) -> str:
    """Return who did something, as people say it: ``anna`` for ``operator:anna``."""
    found = _ACTOR.fullmatch(actor)
    return found[2] if found else actor
