"""What a key is checked against: names of services and of their accounts, and networks. Pure."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from apps.core.names import is_service_name

__all__ = ["WILDCARD", "is_account_name", "is_in_networks", "is_name_of", "is_service_name"]

WILDCARD = "*"
_PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]{1,97}[._-]\*", re.ASCII)


def is_account_name(text: str) -> bool:
    """Return whether ``text`` may name an account: a service's name, or a beginning such as ``acme-*``."""
    return is_service_name(text) or _PREFIX.fullmatch(text) is not None


def is_name_of(service_name: str, account: str) -> bool:
    """Return whether the account of that name may speak for the service."""
    if not is_service_name(service_name):
        return False
    if account.endswith(WILDCARD):
        prefix = account.removesuffix(WILDCARD)
        return service_name.startswith(prefix) and service_name != prefix
    return service_name == account


def is_in_networks(source: str, networks: Iterable[str]) -> bool:
    """Return whether the address ``source`` is in one of ``networks`` (CIDRs); without networks it may be any."""
    wanted = [ip_network(network) for network in networks]
    if not wanted:
        return True
    try:
        address = ip_address(source)
    except ValueError:
        return False
    return any(address in network for network in wanted)
