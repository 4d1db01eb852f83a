"""Where a request comes from, in a way that no header of a stranger can change.

The address is the peer's. Only when the peer is one of ``TRUSTED_PROXIES`` does ``X-Forwarded-For`` count, and of it
only what these proxies wrote: read from the right, the first address that is not theirs.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

__all__ = ["Network", "neighbourhood", "source_of"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOBODY = "unknown"
"""The source of a request over a Unix socket without a proxy that says more."""
_V6_PREFIX = 64


def source_of(request: HttpRequest | Request) -> str:
    """Return the address that ``request`` comes from, as text that ``ipaddress`` reads, or ``unknown``.

    An IPv4 address inside an IPv6 one is written as IPv4; a zone id is left out.
    """
    meta = request.META
    trusted: tuple[Network, ...] = tuple(settings.TRUSTED_PROXIES)
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")) if trusted else ""
    return _source(str(meta.get("REMOTE_ADDR", "")), forwarded[-2048:], trusted)


@lru_cache(maxsize=4096)
def neighbourhood(source: str) -> str:
    """Return what limits count together: an IPv4 address, or the /64 of an IPv6 address, which one customer has."""
    address = _parsed(source)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _V6_PREFIX), strict=False))
    return source


@lru_cache(maxsize=4096)
def _source(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    nearest = _parsed(peer)
    # A Unix socket has no address: whoever listens there has put a proxy in front, and it has to be the only one.
    hops = [part for part in forwarded.split(",") if part.strip()]
    while hops and (_is_trusted(nearest, trusted) if nearest else not peer):
        further = _parsed(hops.pop())
        if further is None:
            break  # what a proxy wrote and nobody can read: the proxy itself is the last that is known
        nearest = further
    return str(nearest) if nearest else NOBODY


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def _parsed(text: str) -> Address | None:
    """Return the address in ``text``, which may carry a port (``192.0.2.1:80``, ``[2001:db8::1]:80``)."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
