"""Text for terminals: what it may hold, how wide it is, its colours. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from unicodedata import combining, east_asian_width

from xerpium_sdk.wire.registry import Status

__all__ = ["ASCII", "Inked", "Piece", "clean", "cut", "of_status", "painted", "plain", "wide"]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SPACE = re.compile(r"[\t\r\n\x0b\x0c]+")
ASCII = str.maketrans(
    {"●": "*", "◐": "~", "○": "o", "◇": ">", "✕": "x", "✓": "+", "–": "-", "→": "->", "…": "..", "·": "-", "─": "-"}
)
"""What stands for our signs where a terminal cannot show them."""
_OF_STATUS = {
    Status.HEALTHY: ("●", "green"),
    Status.STARTING: ("○", "cyan"),
    Status.DEGRADED: ("◐", "yellow"),
    Status.UNHEALTHY: ("✕", "red"),
    Status.DRAINING: ("◇", "blue"),
    Status.STALE: ("!", "red"),
    Status.DEREGISTERED: ("–", "dim"),
}


@dataclass(frozen=True, slots=True)
class Inked:
    """Text of one colour; where there are no colours, the text says as much."""

    text: str
    ink: str


Piece = str | Inked


def of_status(status: Status) -> Inked:
    """Return a status as a sign, a word and a colour: whoever does not see one sees the others."""
    sign, ink = _OF_STATUS[status]
    return Inked(f"{sign} {status}", ink)


def clean(text: str) -> str:
    """Return text of anybody's as one line that does nothing to a terminal: no escapes, no change of direction."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", _SPACE.sub(" ", text))


def wide(text: str) -> int:
    """Return how many cells a cleaned text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def cut(piece: Piece, cells: int) -> Piece:
    """Return a cleaned piece that takes at most so many cells, with "…" where something is missing."""
    text = piece if isinstance(piece, str) else piece.text
    if wide(text) <= cells:
        return piece
    while text and wide(text) >= cells:
        text = text[:-1]
    return f"{text}…" if isinstance(piece, str) else replace(piece, text=f"{text}…")


def plain(pieces: Iterable[Piece]) -> str:
    """Return pieces as one line without colours."""
    return "".join(clean(piece if isinstance(piece, str) else piece.text) for piece in pieces)


def painted(pieces: Iterable[Piece]) -> str:
    """Return pieces as one line with colours, as ECMA-48 terminals understand them."""
    return "".join(
        clean(piece) if isinstance(piece, str) else f"\x1b[{_CODES[piece.ink]}m{clean(piece.text)}\x1b[0m"
        for piece in pieces
    )
