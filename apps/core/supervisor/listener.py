"""The hub's listening socket, and the question whether the web server behind it answers."""

import errno
import socket

from apps.core.engines import StartError

PROBE_SECONDS = 1.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
REASONS = {
    errno.EADDRINUSE: "another program listens there: stop it, or set HUB_PORT to a free port",
    errno.EACCES: "ports below 1024 are for root: set HUB_PORT to 1024 or above",
    errno.EADDRNOTAVAIL: "this machine does not have that address: set HUB_BIND to one it has, such as 127.0.0.1",
}


def listen(bind: str, port: int) -> socket.socket:
    """Return a socket that listens on ``bind``:``port``.

    Raises:
        StartError: the port is taken, or not ours to take, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    both = bind == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((bind, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, f"{error.strerror or error}: set HUB_BIND and HUB_PORT to others")
        raise StartError(f"HUB_BIND={bind} HUB_PORT={port}: {reason}.") from error


def reachable(bind: str) -> str:
    """Return the address under which programs on this machine reach a server that listens on ``bind``."""
    return WILDCARDS.get(bind, bind)


def base_url(bind: str, port: int) -> str:
    """Return the hub's URL for programs on this machine."""
    host = reachable(bind)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answers(bind: str, port: int, path: str) -> bool:
    """Return whether a GET of ``path`` is answered with 200; blocks for ``PROBE_SECONDS`` at most."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((reachable(bind), port), timeout=PROBE_SECONDS) as connection:
            connection.sendall(request.encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False
