"""What PostgreSQL and Redis have in common as children of the hub."""

import os
import shutil
import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

LOOPBACK = "127.0.0.1"
PROBE_SECONDS = 1.0
PREDECESSOR_SECONDS = 10.0
# PostgreSQL refuses to run as root, so under root the engines run as this user, which every Linux system has. It keeps
# one privilege of root, to pass directories that are closed to others: a clone below /root or a temporary directory
# works as it is, and nobody's permissions are changed. SQL cannot reach that privilege, the hub's role being an
# ordinary one.
STAND_IN_UID = STAND_IN_GID = 65534


class StartError(Exception):
    """Raised when the hub cannot start: one sentence that says why and which setting to change."""


class Engine(Protocol):
    """A server that the hub can start from a wheel and that answers on a loopback port."""

    @property
    def name(self) -> str:
        """The word for it in the log."""

    @property
    def directory(self) -> Path:
        """Where it keeps its data and runs."""

    @property
    def url(self) -> str:
        """How to connect, password included: the value of DATABASE_URL or REDIS_URL."""

    @property
    def stop_signal(self) -> signal.Signals:
        """What makes it close its files and end without waiting for its clients."""

    def prepare(self) -> None:
        """Create what it needs on disk, and clear what a killed predecessor left.

        Raises:
            StartError: the wheel is missing, or the directory cannot be used.
        """

    def command(self) -> list[str]:
        """Return the command line that runs it in the foreground."""

    def answers(self) -> bool:
        """Return whether it takes a client's connection now; blocks for ``PROBE_SECONDS`` at most."""


def wheel_directory(package: str, wheel: str, setting: str) -> Path:
    """Return where ``package`` is installed, without importing it.

    Raises:
        StartError: the wheel is not installed.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise StartError(
            f"The Python package {wheel} is not installed: run `pip install -r requirements.txt`, or set {setting} "
            "to a server of your own."
        )
    return Path(found.submodule_search_locations[0])


def bound_to_parent(command: list[str], last_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return ``command`` so that the kernel sends it ``last_signal`` when its parent dies, however that happens.

    Needs Linux and `setpriv` (util-linux, part of every distribution); elsewhere the command comes back as it was.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", last_signal.name.removeprefix("SIG"), "--", *command] if setpriv else command


def as_stand_in(command: list[str]) -> list[str]:
    """Return ``command`` so that it can be started by root and runs as ``STAND_IN_UID``; unchanged for other users.

    Raises:
        StartError: this is root and there is no `setpriv`.
    """
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StartError(
            "PostgreSQL refuses to run as root and `setpriv` (package util-linux) is not installed: run the hub as an "
            "ordinary user, or set DATABASE_URL and REDIS_URL."
        )
    user = [f"--reuid={STAND_IN_UID}", f"--regid={STAND_IN_GID}", "--clear-groups"]
    # Without the last, access(2) asks what the user could do without the privilege, and PostgreSQL asks access(2).
    privilege = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return [setpriv, *user, *privilege, "--", *command]


def own_directory(path: Path) -> None:
    """Create ``path`` for the engines' user alone, if it is not there."""
    path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, STAND_IN_UID, STAND_IN_GID)


def end_predecessor(directory: Path, pid_file: str, stop_signal: signal.Signals) -> None:
    """End the server that a killed hub may have left on ``directory``, and remove the file with its number.

    Raises:
        StartError: it does not end.
    """
    path = directory / pid_file
    if not path.exists():
        return
    import psutil  # seldom needed, and the supervisor should stay small

    try:
        server = psutil.Process(int(path.read_text().split()[0]))
        # The number may be another process's by now; a server works in its directory.
        if os.path.samefile(server.cwd(), directory):
            server.send_signal(stop_signal)
            server.wait(PREDECESSOR_SECONDS)
    except psutil.TimeoutExpired as error:
        raise StartError(
            f"{directory} is in use by process {error.pid}, which does not end: end it (kill -9 {error.pid}), or set "
            "HUB_DATA_DIR to another directory."
        ) from error
    except (psutil.Error, OSError, ValueError, IndexError):
        pass  # gone, or somebody else's
    path.unlink(missing_ok=True)


def exchange(port: int, question: bytes) -> bytes:
    """Return the beginning of what the server at a loopback ``port`` answers to ``question``; empty if it does not."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS) as connection:
            connection.sendall(question)
            return connection.recv(64)
    except OSError:
        return b""
