"""A stream entry and the arithmetic of its ids."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["BEGINNING", "Entry", "id_before", "id_key"]

BEGINNING = "0-0"


class Entry(NamedTuple):
    """One stream entry as it came."""

    stream: str
    entry_id: str
    fields: Mapping[bytes, bytes]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other entry."""
        return self.stream, self.entry_id


def id_key(entry_id: str) -> tuple[int, int]:
    """Return ``1700000000000-3`` as numbers that compare as Redis compares ids."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def id_before(entry_id: str) -> str:
    """Return the greatest id below ``entry_id``."""
    milliseconds, sequence = id_key(entry_id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else BEGINNING
