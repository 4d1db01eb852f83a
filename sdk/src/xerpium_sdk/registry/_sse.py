"""Server-sent events, from bytes (WHATWG HTML, 9.2.6). Pure: what is not complete at the end was never sent."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Parser", "ServerEvent"]


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; ``last_id`` is the last id that the stream named, with this event or before it."""

    name: str
    data: str
    last_id: str = ""


class Parser:
    """Takes the body of a stream in any pieces. Lines may end in LF or CRLF; a bare CR, which nobody sends, is text."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[str] = []
        self._name = ""
        self._last_id = ""

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that are complete now."""
        first, *others = piece.split(b"\n")
        self._pieces.append(first)
        for other in others:
            line = b"".join(self._pieces)
            self._pieces = [other]
            if (event := self._line(line.removesuffix(b"\r").decode(errors="replace"))) is not None:
                yield event

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._last_id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ServerEvent(name, "\n".join(data), self._last_id) if data else None
