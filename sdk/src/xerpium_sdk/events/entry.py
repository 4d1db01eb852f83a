"""The arithmetic of stream ids, and the fields of an entry as they came."""

from collections.abc import Sequence

__all__ = ["BEGINNING", "fields_of", "id_before", "id_key"]

BEGINNING = "0-0"


def id_key(entry_id: str | bytes) -> tuple[int, int]:
    """Return ``1700000000000-3`` as numbers that compare as Redis compares ids."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def id_before(entry_id: str | bytes) -> str:
    """Return the greatest id below ``entry_id``."""
    milliseconds, sequence = id_key(entry_id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else BEGINNING


def fields_of(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return ``[name, value, name, value…]``, as Redis sends an entry, by name; of a name that repeats the last."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
