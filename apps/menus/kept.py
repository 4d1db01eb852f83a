"""Finished trees, kept by what somebody may see and bounded by their bytes. Pure.

The key names everything that makes one tree another. Each part of it is there so that nobody gets what is not meant for
him; a test takes each away and sees that it is missed.
"""

import gzip
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import NamedTuple, Self

__all__ = ["Kept", "Key", "Rendered", "Stamp", "Whose", "accepts_gzip"]

SMALLEST_PACKED = 1024
"""Below this many bytes, packing is not worth its header."""
_LEVEL = 6


Stamp = tuple[int, ...]
"""As of when a forest is: revisions, and how services live, in numbers that are others whenever it may be another."""


class Whose(NamedTuple):
    """Which forest it is.

    Attributes:
        company_id: the company; None is the tree of what is everybody's.
        roles: those of the viewer's roles that have overlays here.
        user_id: the viewer, if there are overlays for that person here.
    """

    company_id: int | None
    roles: tuple[int, ...]
    user_id: int | None


class Key(NamedTuple):
    """What somebody sees: a forest as of one moment, the fingerprint of the grants, the languages that matter."""

    whose: Whose
    stamp: Stamp
    grants: str
    locales: tuple[str, ...]


class Rendered(NamedTuple):
    """A finished answer, plain and perhaps packed; its tags are strong: equal bytes, equal tag."""

    body: bytes
    mark: str
    packed: bytes | None = None

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Return an answer with this body."""
        return cls(body, blake2b(body, digest_size=16).hexdigest())

    @property
    def lacks_packed(self) -> bool:
        """Whether it has no packed form, though that is worth the while."""
        return self.packed is None and len(self.body) >= SMALLEST_PACKED

    def with_packed(self) -> Self:
        """Return it with its packed form, which is made now unless it is there."""
        if not self.lacks_packed:
            return self
        # Without a time: the same body is packed the same everywhere, and has one tag.
        return self._replace(packed=gzip.compress(self.body, _LEVEL, mtime=0))

    def etag(self, *, packed: bool) -> str:
        """Return the tag of a form (RFC 9110, 8.8.3: another coding is another representation)."""
        return f'"{self.mark}-gzip"' if packed else f'"{self.mark}"'

    @property
    def size(self) -> int:
        """How many bytes it keeps."""
        return len(self.body) + (len(self.packed) if self.packed else 0)


class Kept:
    """The latest answers; the one that was not asked for longest goes first."""

    def __init__(self, most_bytes: int, most: int) -> None:
        self._most_bytes, self._most = most_bytes, most
        self._entries: OrderedDict[Key, Rendered] = OrderedDict()
        self._lock = Lock()
        self.size = 0

    def __len__(self) -> int:
        """Return how many answers there are."""
        return len(self._entries)

    def get(self, key: Key) -> Rendered | None:
        """Return the answer of ``key``."""
        found = self._entries.get(key)
        if found is not None:
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
        return found

    def put(self, key: Key, rendered: Rendered) -> None:
        """Keep an answer, instead of what is there; one that is larger than all may be is not kept."""
        with self._lock:
            known = self._entries.pop(key, None)
            self.size -= known.size if known else 0
            if rendered.size > self._most_bytes:
                return
            self._entries[key] = rendered
            self.size += rendered.size
            while self.size > self._most_bytes or len(self._entries) > self._most:
                self.size -= self._entries.popitem(last=False)[1].size

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.size = 0


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether somebody who sent this ``Accept-Encoding`` takes gzip (RFC 9110, 12.5.3)."""
    qualities: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, rest = part.partition(";")
        name, _, quality = rest.strip().partition("=")
        qualities[coding.strip()] = name.strip() != "q" or quality.strip().strip("0.") != ""
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", False)))
