"""Who a service is and where it is: what was given, completed by the environment."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import urlsplit

from xerpium_sdk._answers import address
from xerpium_sdk.auth import _environment
from xerpium_sdk.auth._environment import required, value
from xerpium_sdk.wire.registry import Registration

__all__ = ["About", "Settings"]

VERSION = "XERPIUM_SERVICE_VERSION"
HOST = "XERPIUM_HOST"
PORT = "XERPIUM_PORT"
API_BASE_URL = "XERPIUM_API_BASE_URL"
ZONE = "XERPIUM_ZONE"
REDIS_URL = "XERPIUM_REDIS_URL"
JOIN = "XERPIUM_JOIN"
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - where servers listen, which is no address for others
PORTS = {"http": 80, "https": 443}


class About(TypedDict, total=False):
    """What else a service may say of itself to the hub: the fields of `Registration` of these names."""

    api_docs_url: str
    health_check_url: str
    tags: Sequence[str]
    capabilities: Sequence[str]
    dependencies: Sequence[str]
    instance_id: str
    weight: int
    metadata: Mapping[str, Any]
    lease_seconds: int
    deregister_after_seconds: int
    poll_interval_seconds: int
    company_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was given; the environment is asked when something is needed, so a module may be imported without it."""

    given_name: str | None
    given_version: str | None
    given_hub_url: str | None
    host: str | None
    port: int | None
    api_base_url: str | None
    given_redis_url: str | None
    given_zone: str | None
    join: bool | None
    about: About

    @property
    def name(self) -> str:
        """The service's name. Raises ValueError when it is not known; so do the properties below."""
        return required(self.given_name, _environment.NAME, "The service's name")

    @property
    def version(self) -> str:
        """Its version."""
        return required(self.given_version, VERSION, "The service's version")

    @property
    def hub_url(self) -> str:
        """Where the hub is."""
        return address(required(self.given_hub_url, _environment.HUB_URL, "The hub's address"))

    @property
    def redis_url(self) -> str | None:
        """Where the event bus is; None: where ``REDIS_URL`` says, or on this host."""
        return self.given_redis_url or value(REDIS_URL) or None

    @property
    def zone(self) -> str | None:
        """Where the service runs."""
        return self.given_zone or value(ZONE) or None

    @property
    def company_id(self) -> int | None:
        """The company that the service is for; None: all."""
        return self.about.get("company_id")

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The services without which this one does less."""
        return tuple(self.about.get("dependencies", ()))

    @property
    def joins(self) -> bool:
        """Whether it registers with the hub."""
        return value(JOIN) != "0" if self.join is None else self.join

    def registration(self) -> Registration:
        """Return what the service says of this instance; asks the system for this machine's address, if need be.

        Raises:
            ValueError: something that has no default is not known.
        """
        base = self.api_base_url or value(API_BASE_URL)
        named = urlsplit(base if "://" in base else "")
        port = self.port or _number(PORT) or named.port or PORTS.get(named.scheme)
        if not port:
            raise ValueError(
                f"The service's port is not known: set {PORT}, or pass it; join=False is for services without HTTP."
            )
        host = self.host or value(HOST)
        if host in EVERYWHERE:
            host = named.hostname or _own_address(self.hub_url)
        here = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        about = dict(self.about)
        for name in ("api_docs_url", "health_check_url"):
            if str(about.get(name, "")).startswith("/"):
                about[name] = f"{here}{about[name]}"
        base = f"{here}{base}" if base.startswith("/") else base
        fixed = {"name": self.name, "version": self.version, "host": host, "port": port, "zone": self.zone}
        return Registration(**fixed, api_base_url=base, **about)  # type: ignore[arg-type]


def _number(name: str) -> int | None:
    text = value(name)
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} is no port: {text!r}")
    return int(text)


def _own_address(hub_url: str) -> str:
    """Return the address under which this machine is seen from the hub's side: where packets to it leave from."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(urlsplit(hub_url).hostname, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
