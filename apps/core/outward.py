"""What the hub may fetch: URLs that strangers registered, or operators wrote down, must not become anybody's way in.

Pure: no I/O, no clock. ``parse_url`` judges the form of a URL, ``judge_address`` an address that a connection would go
to. Names are resolved elsewhere; what counts is the resolved address, never the text that named it.

Order of the rules: hard deny > operator's deny > operator's allow > default deny > public addresses, where allowed.
The lists are written out because ``is_private`` and ``is_global`` of Python 3.11 call multicast, 6to4, NAT64 and the
metadata address of Azure global.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, Self, cast

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Scheme = Literal["http", "https"]

MAX_LENGTH: Final = 2048
DEFAULT_PORTS: Final[dict[Scheme, int]] = {"http": 80, "https": 443}
LOWEST_FREE_PORT: Final = 1024
DENIED_PORTS: Final = frozenset({2375, 2376, 3306, 5432, 5672, 6379, 6443, 9200, 10250, 11211, 27017})


def _networks(*cidrs: str) -> tuple[Network, ...]:
    return tuple(ip_network(cidr) for cidr in cidrs)


HARD_DENY: Final = _networks(
    "0.0.0.0/8",
    "100.100.100.200/32",  # metadata: Alibaba
    "168.63.129.16/32",  # metadata: Azure
    "169.254.0.0/16",  # link-local; metadata: AWS, GCP, Azure, ECS, EKS
    "192.0.0.192/32",  # metadata: Oracle
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fd00:ec2::/32",  # metadata: AWS
    "fd20:ce::254/128",  # metadata: GCP
    "fe80::/10",
    "ff00::/8",
)
LOOPBACK: Final = _networks("127.0.0.0/8", "::1/128")
DEFAULT_DENY: Final = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",  # Teredo, ORCHID, ORCHIDv2, benchmarking
    "2001:db8::/32",
    "2002::/16",  # 6to4, deprecated by RFC 7526
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
)
# NAT64 is how an IPv6-only hub reaches public IPv4; the address inside is judged as well.
PUBLIC: Final = _networks("0.0.0.0/0", "2000::/3", "64:ff9b::/96")

# IPv6 forms that carry an IPv4 address: the prefix, how far right it has to be shifted, and what it is XORed with.
_CARRIERS: Final = (
    (IPv6Network("::/96"), 0, 0),  # IPv4-compatible
    (IPv6Network("::ffff:0:0/96"), 0, 0),  # IPv4-mapped
    (IPv6Network("::ffff:0:0:0/96"), 0, 0),  # IPv4-translated, RFC 2765
    (IPv6Network("64:ff9b::/96"), 0, 0),  # NAT64
    (IPv6Network("64:ff9b:1::/48"), 0, 0),  # local NAT64, RFC 8215, in its /96 layout
    (IPv6Network("2002::/16"), 80, 0),  # 6to4
    (IPv6Network("2001::/32"), 0, 0xFFFFFFFF),  # Teredo hides the client's address by inverting it
)
_ISATAP_MARKS: Final = (0x00005EFE, 0x02005EFE)


class OutwardRefused(ValueError):
    """Raised when a URL may not be fetched. The reason is for operators: whoever registered the URL gets no hint."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UrlRefused(OutwardRefused):
    """Raised when the text of a URL breaks a rule of form."""


class AddressRefused(OutwardRefused):
    """Raised when an address and port may not be connected to."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operators of this hub allow. Build it with ``from_strings``, which checks what it is given.

    allow_cidrs, deny_cidrs: networks that are opened, networks that stay closed whatever is opened.
    allow_public: global unicast addresses are allowed too.
    development: loopback is allowed, on ports from 1024.
    denied_ports: ports that no URL may name.
    denied_endpoints: (host, port) of the hub's own engines; hosts are IP addresses in canonical text, or names.
    """

    allow_cidrs: tuple[Network, ...] = ()
    deny_cidrs: tuple[Network, ...] = ()
    allow_public: bool = False
    development: bool = False
    denied_ports: frozenset[int] = DENIED_PORTS
    denied_endpoints: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def from_strings(
        cls,
        *,
        allow_cidrs: Iterable[str] = (),
        deny_cidrs: Iterable[str] = (),
        allow_public: bool = False,
        development: bool = False,
        denied_ports: Iterable[str | int] = DENIED_PORTS,
        denied_endpoints: Iterable[tuple[str, int]] = (),
    ) -> Self:
        """Return the policy for settings as text. Raises ValueError, naming the entry, for one that makes no sense.

        An endpoint host that is "localhost", loopback or unspecified stands for every loopback address.
        """
        closed = HARD_DENY if development else HARD_DENY + LOOPBACK
        return cls(
            allow_cidrs=tuple(_allowed_network(text, closed) for text in allow_cidrs),
            deny_cidrs=tuple(_network(text) for text in deny_cidrs),
            allow_public=allow_public,
            development=development,
            denied_ports=frozenset(_port(port) for port in denied_ports),
            denied_endpoints=frozenset((_endpoint_host(host), port) for host, port in denied_endpoints),
        )


@dataclass(frozen=True, slots=True)
class OutwardURL:
    """A URL in canonical form; ``host`` is a lower-case ASCII name or an IP address without brackets."""

    scheme: Scheme
    host: str
    port: int
    path_and_query: str
    url: str

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, so that there is nothing to resolve."""
        return ":" in self.host or _ENDS_IN_NUMBER.fullmatch(self.host) is not None


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network in CIDR notation: {error}") from None


def _allowed_network(text: str, closed: Iterable[Network]) -> Network:
    network = _network(text)
    for other in closed:
        if network.network_address in other and network.prefixlen >= other.prefixlen:
            raise ValueError(f"{text!r} cannot be opened for health checks: {other} is always closed")
    return network


def _port(value: str | int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def _endpoint_host(host: str) -> str:
    """Return the one text under which an engine's host is looked up."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return "127.0.0.1" if host.lower() == "localhost" else host.lower()
    return "127.0.0.1" if _within(address, LOOPBACK) or not int(address) else str(address)


# --- Addresses ------------------------------------------------------------------------------------------------------


def judge_addresses(addresses: Iterable[str | Address], port: int, policy: Policy) -> None:
    """Raise AddressRefused unless every address of a name may be connected to: one bad address spoils the name."""
    addresses = tuple(addresses)
    if not addresses:
        raise AddressRefused("no address")
    for address in addresses:
        judge_address(address, port, policy)


def judge_address(address: str | Address, port: int, policy: Policy) -> None:
    """Raise AddressRefused unless the hub may connect to this address and port.

    An IPv6 address that carries an IPv4 address is allowed only if both, taken by themselves, are.
    """
    outer = _parsed(address)
    for reading in (outer, *carried_addresses(outer)):
        _judge_reading(reading, port, policy)


def carried_addresses(address: Address) -> Iterator[IPv4Address]:
    """Yield every IPv4 address that a gateway or a tunnel may read out of this address."""
    bits = int(address)
    if address.version == 4 or bits <= 1:  # "::1" and "::" are no IPv4-compatible addresses: RFC 4291, 2.5.5.1
        return
    for prefix, shift, mask in _CARRIERS:
        if address in prefix:
            yield IPv4Address((bits >> shift & 0xFFFFFFFF) ^ mask)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP_MARKS:
        yield IPv4Address(bits & 0xFFFFFFFF)


def _parsed(address: str | Address) -> Address:
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            raise AddressRefused(f"{address!r} is not an IP address") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise AddressRefused(f"{address} has a zone id")
    return address


def _judge_reading(address: Address, port: int, policy: Policy) -> None:
    loopback = _within(address, LOOPBACK)
    if _within(address, HARD_DENY):
        raise AddressRefused(f"{address} is never polled")
    if loopback and not (policy.development and port >= LOWEST_FREE_PORT):
        raise AddressRefused(f"{address} port {port}: loopback is polled in development only, from port 1024")
    if ("127.0.0.1" if loopback else str(address), port) in policy.denied_endpoints:
        raise AddressRefused(f"{address} port {port} is one of the hub's own engines")
    if _within(address, policy.deny_cidrs):
        raise AddressRefused(f"{address} is in HEALTH_DENY_CIDRS")
    if loopback or _within(address, policy.allow_cidrs):
        return
    if _within(address, DEFAULT_DENY) or not (policy.allow_public and _within(address, PUBLIC)):
        raise AddressRefused(f"{address} is not in HEALTH_ALLOW_CIDRS")


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


# --- URLs -----------------------------------------------------------------------------------------------------------

_CHARACTER: Final = r"(?:[a-z0-9._~!$&'()*+,;=:@/-]|%(?![01]|7f)[0-9a-f]{2})"  # RFC 3986, no encoded control characters
_FORM: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<path>/{_CHARACTER}*)?(?P<query>\?(?:{_CHARACTER}|\?)*)?",
    re.ASCII | re.IGNORECASE,
)
_NAME: Final = re.compile(r"(?!.{254})[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_ENDS_IN_NUMBER: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")


def parse_url(text: str, policy: Policy) -> OutwardURL:
    """Return the parts of a URL. Raises UrlRefused for anything but a plain http or https URL.

    Refused are: user info, a fragment, white space, control characters, backslashes, hosts that are neither an ASCII
    name (international names in their ``xn--`` form) nor an IP address in its usual notation, ports the policy denies.
    """
    if len(text) > MAX_LENGTH:
        raise UrlRefused(f"longer than {MAX_LENGTH} characters")
    match = _FORM.fullmatch(text)
    if match is None:
        raise UrlRefused(_fault_of_form(text))
    scheme = cast("Scheme", match["scheme"].lower())
    host = _host(match["host"].lower())
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    _judge_port(host, port, policy)
    # An empty query is dropped, as those who fetch drop it.
    query = match["query"] or ""
    path_and_query = (match["path"] or "/") + ("" if query == "?" else query)
    return OutwardURL(
        scheme, host, port, path_and_query, f"{scheme}://{_authority(scheme, host, port)}{path_and_query}"
    )


def _fault_of_form(text: str) -> str:
    """Name the likeliest fault of a text that is no plain URL."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        return "the scheme is not http or https"
    if re.search(r"[\x00-\x20\x7f-\xa0\\]", text):
        return "white space, a control character or a backslash"
    if "#" in rest:
        return "a fragment"
    if "@" in re.split(r"[/?]", rest, maxsplit=1)[0]:
        return "user info"
    return "not a plain URL"


def _host(text: str) -> str:
    """Return a host in its canonical form; numbers that only some resolvers read as an address are refused."""
    if text.startswith("["):
        return str(_literal(text[1:-1], IPv6Address))
    if _ENDS_IN_NUMBER.fullmatch(text):
        return str(_literal(text, IPv4Address))
    if _NAME.fullmatch(text) is None:
        raise UrlRefused(f"{text!r} is not a host name")
    return text


def _literal(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> Address:
    try:
        return kind(text)
    except ValueError:
        raise UrlRefused(f"{text!r} is not an IP address in its usual notation") from None


def _judge_port(host: str, port: int, policy: Policy) -> None:
    if port not in DEFAULT_PORTS.values() and not LOWEST_FREE_PORT <= port < 65536:
        raise UrlRefused(f"port {port}: only 80, 443 and ports from 1024 are polled")
    if port in policy.denied_ports:
        raise UrlRefused(f"port {port} is in HEALTH_DENY_PORTS")
    if (host, port) in policy.denied_endpoints:
        raise UrlRefused(f"{host} port {port} is one of the hub's own engines")


def _authority(scheme: Scheme, host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port == DEFAULT_PORTS[scheme] else f"{bracketed}:{port}"
