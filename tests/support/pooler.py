"""PgBouncer in transaction mode in front of the tests' PostgreSQL."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from apps.core.engines import free_port
from apps.core.engines.base import as_stand_in, bound_to_parent, own_directory
from tests.support.wait import wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
PREPARES_SINCE = (1, 21)
CONFIGURATION = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
"""


def can_prepare() -> bool:
    """Return whether this PgBouncer knows prepared statements in transaction mode."""
    said = subprocess.run([str(PROGRAM), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= PREPARES_SINCE


@contextmanager
def pooled(url: str, directory: Path, *, connections: int = 1) -> Iterator[str]:
    """Run a PgBouncer with ``connections`` to the server of ``url``; yields the URL through it."""
    server, port = urlsplit(url), free_port()
    own_directory(directory)
    text = CONFIGURATION.format(
        host=server.hostname, server_port=server.port, port=port, directory=directory, connections=connections
    )
    if can_prepare():
        text += "max_prepared_statements = 100\n"
    (directory / "pgbouncer.ini").write_text(text)
    (directory / "users").write_text(f'"{server.username}" "{server.password}"\n')
    # It refuses to run as root.
    command = as_stand_in([str(PROGRAM), "-q", str(directory / "pgbouncer.ini")])
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(bound_to_parent(command), cwd=directory, stdout=log, stderr=log, env=os.environ)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, 10, "PgBouncer to listen")
        assert process.poll() is None, (directory / "log").read_text()
        netloc = f"{server.username}:{server.password}@127.0.0.1:{port}"
        yield urlunsplit(server._replace(netloc=netloc))
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    """Return whether somebody takes connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
