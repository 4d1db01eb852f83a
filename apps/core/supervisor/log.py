"""Writing the one log of all parts."""

from contextlib import suppress
from typing import TextIO

from apps.core.supervisor.lines import COLOURS, prefixed

OWN_NAME = "hub"


class Log:
    """Writes the lines of every part to one stream, each part in a colour of its own."""

    def __init__(self, stream: TextIO, *, width: int, colour: bool) -> None:
        """Write to ``stream``, names padded to ``width``, in colours if ``colour``."""
        self._stream, self._width, self._colour = stream, width, colour
        self._colours: dict[str, int] = {OWN_NAME: 1}

    def part(self, name: str, text: str) -> None:
        """Write a line that the part ``name`` said."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self.plain(prefixed(name, text, width=self._width, colour=colour if self._colour else None))

    def hub(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.part(OWN_NAME, text)

    def plain(self, text: str) -> None:
        """Write a line without a prefix."""
        # A terminal that was closed takes no more lines; the parts still have to be stopped in order.
        with suppress(OSError):
            print(text, file=self._stream, flush=True)
