"""HUB_DATA_DIR: a private directory of one running hub, with its secrets and what its engines keep."""

import fcntl
import os
import secrets
from pathlib import Path

from apps.core.engines import StartError

LOCK = "hub.lock"


class DataDirectory:
    """An existing data directory that no other hub uses."""

    def __init__(self, path: Path) -> None:
        """Create the directory if need be, and hold its lock for as long as this process lives.

        Raises:
            StartError: another hub uses it, it holds something else, or it cannot be written.
        """
        self.path = path
        try:
            self._make_private()
            self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            self._take_lock()
        except OSError as error:
            raise unusable(path, error) from error

    def secret(self, name: str) -> str:
        """Return the secret of that name, made up at the first call and kept."""
        file = self.path / name
        if not file.exists():
            self.write(name, secrets.token_urlsafe(32))
        return file.read_text(encoding="utf-8").strip()

    def read(self, name: str) -> str:
        """Return the content of the file ``name``; empty when there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def write(self, name: str, content: str) -> None:
        """Write the file ``name`` for its owner alone; a reader sees the old content or the new, never a part."""
        making = self.path / f"{name}.new"
        making.unlink(missing_ok=True)
        with open(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        making.replace(self.path / name)

    def remove(self, name: str) -> None:
        """Remove the file ``name`` if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def _make_private(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.path / LOCK).exists() and any(self.path.iterdir()):
            # Its mode is about to change: that must not happen to /tmp or somebody's home.
            raise StartError(f"HUB_DATA_DIR={self.path} holds other files: set it to a directory of the hub's own.")
        self.path.chmod(0o700)

    def _take_lock(self) -> None:
        # The kernel drops this lock with the process, so a killed hub leaves none behind.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode().strip() or "not known"
            raise StartError(
                f"HUB_DATA_DIR={self.path} is in use by a hub that is running (process id {holder}): stop that one, or "
                "set HUB_DATA_DIR to another directory."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)


def unusable(path: Path, error: OSError) -> StartError:
    """Return what to tell the operator when something in the data directory fails."""
    return StartError(
        f"HUB_DATA_DIR={path} cannot be used ({error.strerror or error}): make room or mend its permissions, or set "
        "HUB_DATA_DIR to another directory."
    )
