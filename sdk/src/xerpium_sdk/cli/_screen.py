"""Where the command writes: results to one stream, what is said about them to the other."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from xerpium_sdk.cli._ink import ASCII, Piece, painted, plain
from xerpium_sdk.cli._tables import table

__all__ = ["Screen", "dumped"]

_RAW = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON may hold as it is, and a terminal should not be given."""


def dumped(document: Any, *, in_one_line: bool = False) -> str:
    """Return JSON that is safe to show: what a terminal might obey is escaped, which says the same."""
    text = json.dumps(document, ensure_ascii=False, indent=None if in_one_line else 2, default=str)
    return _RAW.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class Screen:
    """The two streams of one run.

    Colours and lines are for people: there are none where the stream is no terminal, where ``NO_COLOR`` is set, or
    ``TERM`` is ``dumb``.
    """

    def __init__(self, out: TextIO, err: TextIO, environment: Mapping[str, str], *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out, self._err = out, err
        self._may_colour = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    @property
    def width(self) -> int | None:
        """How many cells a line has; None where no terminal shows them."""
        return shutil.get_terminal_size().columns if self._out.isatty() else None

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return sys.stdin is not None and sys.stdin.isatty() and self._err.isatty()

    def line(self, *pieces: Piece) -> None:
        """Write a line of the result."""
        self._write(self._out, pieces)

    def note(self, *pieces: Piece) -> None:
        """Write a line about it, which nobody takes for the result."""
        self._write(self._err, pieces)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Piece]]) -> None:
        """Write a table."""
        for line in table(header, rows, width=self.width):
            self.line(*line)

    def document(self, document: Any, *, in_one_line: bool = False) -> None:
        """Write JSON; ``in_one_line`` for one of many, each of which is told at once."""
        self._put(self._out, dumped(document, in_one_line=in_one_line))

    def text(self, text: str) -> None:
        """Write text of several lines as it is; for what is our own."""
        self._put(self._out, text)

    def asked(self, question: str) -> bool:
        """Return whether somebody says yes."""
        self._err.write(f"{question} [y/N] ")
        self._err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _write(self, stream: TextIO, pieces: Iterable[Piece]) -> None:
        self._put(stream, painted(pieces) if self._may_colour and stream.isatty() else plain(pieces))

    @staticmethod
    def _put(stream: TextIO, text: str) -> None:
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.translate(ASCII).encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
