"""``python -m xerpium.serve``: the hub's web server, which is uvicorn with a way out for the hottest route.

One process on one port serves everything. For more, run several behind an ingress, and route the slow paths to
``granian --interface wsgi xerpium.wsgi:application`` (docs/operating.md, "More than one process").
"""

import argparse
from typing import Any

import uvicorn

from apps.core.quick import protocol_with


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m xerpium.serve", description="Serve the hub.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="serve an open socket that the parent process handed over instead")
    parser.add_argument("--drain-seconds", type=int, default=3, help="how long a stop waits for open requests")
    options = parser.parse_args()
    uvicorn.run(**server_options(options))


def server_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what uvicorn is run with."""
    from xerpium.asgi import application

    listening = {"fd": options.fd} if options.fd is not None else {"host": options.host, "port": options.port}
    return {
        "app": application,
        "http": protocol_with(application.quick) if application.quick else "httptools",
        "loop": "uvloop",
        "lifespan": "on",
        "access_log": False,
        # The address of the caller is the peer's; a forwarding header closes the open hub instead of changing it.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": options.drain_seconds,
        **listening,
    }


if __name__ == "__main__":
    main()
