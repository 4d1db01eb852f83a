"""One log out of the output of many processes: whole lines, each behind the name of its part."""

from collections.abc import Mapping

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
LONGEST_LINE = 16 * 1024
"""Bytes. What goes on for longer is cut into lines, so that no part can fill the supervisor's memory."""


class LineSplitter:
    """Turns the pieces in which a pipe delivers text into whole lines."""

    def __init__(self) -> None:
        """Start with nothing pending."""
        self._pending = b""

    def feed(self, piece: bytes) -> list[str]:
        """Take the next piece and return the lines that are complete now, without their ends."""
        *lines, self._pending = (self._pending + piece).split(b"\n")
        if len(self._pending) > LONGEST_LINE:
            lines.append(self._pending)
            self._pending = b""
        return [_text(line) for line in lines]

    def rest(self) -> list[str]:
        """Return what a process wrote last without ending the line."""
        pending, self._pending = self._pending, b""
        return [_text(pending)] if pending else []


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def wants_colour(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Return whether to colour: only for people, and not for those who said no (https://no-color.org)."""
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def prefixed(name: str, text: str, *, width: int, colour: int | None = None) -> str:
    """Return ``text`` behind the ``name`` of the part that said it, padded to ``width`` and in an ANSI ``colour``."""
    prefix = f"{name:<{width}} |"
    return f"\x1b[{colour}m{prefix}\x1b[0m {text}" if colour else f"{prefix} {text}"
