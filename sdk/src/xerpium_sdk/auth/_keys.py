"""Where a service's key comes from: an argument, the environment, or a file that may be replaced at any time."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from xerpium_sdk.errors import HubError

__all__ = ["Enrol", "KeyFile", "KeyText", "NoKey"]

Enrol = Callable[[], str]
"""Fetches the first key from the hub."""
LONGEST = 1024
OWNER_ONLY = 0o600


class NoKey(HubError):
    """Raised when there is no service key to fetch tokens with; the message says where it was looked for."""


class KeyText:
    """A key that was given as it is."""

    def __init__(self, text: str) -> None:
        self._text = _checked(text, "The service key")

    def __repr__(self) -> str:
        """Return nothing of the key."""
        return "KeyText()"

    def read(self) -> str:
        """Return the key."""
        return self._text

    def changed(self) -> bool:
        """Return whether `read` would return another key than last time."""
        return False


class KeyFile:
    """A key in a file, read again whenever it is needed, so that keys can be replaced while the service runs.

    Args:
        path: where it is.
        enrol: fetches the key when there is no file yet; it is then stored there, for its owner alone.
    """

    def __init__(self, path: str | Path, enrol: Enrol | None = None) -> None:
        self.path = Path(path)
        self._enrol = enrol
        self._seen: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        """Return where the key is, and nothing of it."""
        return f"KeyFile({str(self.path)!r})"

    def read(self) -> str:
        """Return the key.

        Raises:
            NoKey: there is none, or the file cannot be read.
            HubError: it was to be fetched from the hub, which failed.
        """
        self._seen = self._signature()
        if self._seen is None and self._enrol is not None:
            self._fetch(self._enrol)
            self._seen = self._signature()
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoKey(f"The service key in {self.path} cannot be read: {_reason(error)}.") from None
        return _checked(text, f"What {self.path} holds")

    def changed(self) -> bool:
        """Return whether there is another file than the one that was last read."""
        present = self._signature()
        return present is not None and present != self._seen

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size) if found.st_size else None

    def _fetch(self, enrol: Enrol) -> None:
        """Fetch the first key and store it, once: of several processes the first does, and the others find the file.

        The place for it is made before the key is fetched. An enrolment token is good for one key: one that could not
        be stored would be lost.
        """
        try:
            with _alone_in(self.path.parent):
                if self._signature() is not None:
                    return
                descriptor, place = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
                try:
                    self._store(descriptor, place, enrol)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(place)
                    raise
        except OSError as error:
            raise NoKey(f"The service key cannot be stored in {self.path}: {_reason(error)}.") from None

    def _store(self, descriptor: int, place: str, enrol: Enrol) -> None:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.chmod(place, OWNER_ONLY)  # as `mkstemp` makes it; said again, since everything depends on it
            file.write(_checked(enrol(), "What the hub sent") + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(place, self.path)


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other processes of this service out of ``directory`` meanwhile, where the system knows such locks."""
    try:
        import fcntl
    except ImportError:  # Windows: there, start one process first
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _checked(text: str, what: str) -> str:
    key = text.strip()
    if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise NoKey(f"{what} is no service key.")
    return key


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Return what went wrong without any of what was read."""
    return (error.strerror or "unknown") if isinstance(error, OSError) else "it is no text"
