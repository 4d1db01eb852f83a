"""Which of several processes at one address speaks to the hub for all of them.

Workers of a web server share a port, and so are one instance to the hub. If each of them joined, the first one that
ended would take the instance out for all.
"""

import os
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a Unix: there, servers have no such workers
    fcntl = None  # type: ignore[assignment]  # a module, or none on Windows

__all__ = ["Seat"]


class Seat:
    """Held by one process of this user on this machine at a time; the system takes it back when that ends.

    ``identity`` is what makes processes one instance. A child that was forked does not hold what its parent holds.
    """

    def __init__(self, *identity: str) -> None:
        mark = blake2b("\0".join(identity).encode(), digest_size=16).hexdigest()
        user = os.getuid() if hasattr(os, "getuid") else 0
        self._path = Path(tempfile.gettempdir()) / f"xerpium-{user}-{mark}.lock"
        self._file: int | None = None

    def take(self) -> bool:
        """Take it, if nobody else has it; where it cannot be kept, it is everybody's."""
        if fcntl is None or self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return True
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Let others have it."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)
