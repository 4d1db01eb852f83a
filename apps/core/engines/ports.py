"""Choosing a loopback port for an engine."""

import random
import socket

from apps.core.engines.base import LOOPBACK, StartError

# Below the range from which systems take the ports of outgoing connections (Linux: from 32768). Inside it, a client
# that knocks on the port of a server that is just down can be given that very port as its own, connects to itself, and
# the server cannot come back.
CANDIDATES = range(20000, 32768)
ATTEMPTS = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on ``port`` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(preferred: int = 0) -> int:
    """Return a loopback port that nothing listens on, ``preferred`` if that is free.

    Raises:
        StartError: none was found.
    """
    for port in [preferred] * bool(preferred) + random.sample(CANDIDATES, ATTEMPTS):
        if is_free(port):
            return port
    raise StartError(
        f"No free port for the engines between {CANDIDATES.start} and {CANDIDATES.stop - 1}: set DATABASE_URL and "
        "REDIS_URL to servers of your own."
    )
