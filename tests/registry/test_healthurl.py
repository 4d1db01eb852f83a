"""The policy for health URLs: the corpus of ways to write an address, against every range that is closed."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import cast
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.core.outward import (
    DEFAULT_DENY,
    HARD_DENY,
    LOOPBACK,
    Address,
    AddressRefused,
    Network,
    OutwardRefused,
    Policy,
    UrlRefused,
    carried_addresses,
    judge_address,
    judge_addresses,
    parse_url,
)
from tests.registry.corpus import carriers, corners, hosts, spellings, urls

PRODUCTION = Policy.from_strings()
PUBLIC = Policy.from_strings(allow_public=True)
DEVELOPMENT = Policy.from_strings(development=True)
WIDE_OPEN = Policy.from_strings(allow_cidrs=("0.0.0.0/0", "::/0"), allow_public=True)
WIDE_OPEN_DEVELOPMENT = Policy.from_strings(allow_cidrs=("0.0.0.0/0", "::/0"), allow_public=True, development=True)
ALL = (PRODUCTION, PUBLIC, DEVELOPMENT, WIDE_OPEN, WIDE_OPEN_DEVELOPMENT)
PORT = 8443  # refused by no rule for ports, so that only the address decides


def allowed(address: str | Address, policy: Policy, port: int = PORT) -> bool:
    try:
        judge_address(address, port, policy)
    except AddressRefused:
        return False
    return True


def reachable(text: str, policy: Policy) -> bool:
    """Whether a URL would be connected to, with a resolver that understands every number the C library does."""
    try:
        url = parse_url(text, policy)
        judge_addresses([url.host] if url.is_address else numeric_addresses(url.host), url.port, policy)
    except OutwardRefused:
        return False
    return True


def numeric_addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


# --- The corpus -----------------------------------------------------------------------------------------------------

CORPUS_HARD = [url for net in HARD_DENY for ip in corners(net) for host in hosts(ip) for url in urls(host, PORT)]
CORPUS_DEFAULT = [url for net in DEFAULT_DENY for ip in corners(net) for host in hosts(ip) for url in urls(host, PORT)]
CORPUS_LOOPBACK = [url for net in LOOPBACK for ip in corners(net) for host in hosts(ip) for url in urls(host, PORT)]


def test_no_form_of_a_hard_denied_address_is_reachable_whatever_is_opened() -> None:
    assert len(CORPUS_HARD) > 10_000
    assert [(url, policy) for policy in ALL for url in CORPUS_HARD if reachable(url, policy)] == []


def test_no_form_of_a_default_denied_address_is_reachable_unless_opened() -> None:
    assert len(CORPUS_DEFAULT) > 10_000
    policies = (PRODUCTION, PUBLIC, DEVELOPMENT)
    assert [(url, policy) for policy in policies for url in CORPUS_DEFAULT if reachable(url, policy)] == []


def test_no_form_of_loopback_is_reachable_in_production() -> None:
    policies = (PRODUCTION, PUBLIC, WIDE_OPEN)
    assert [(url, policy) for policy in policies for url in CORPUS_LOOPBACK if reachable(url, policy)] == []


def test_development_reaches_loopback_by_its_usual_notation_only() -> None:
    reached = [urlsplit(url) for url in CORPUS_LOOPBACK if reachable(url, DEVELOPMENT)]

    assert {ip_address(url.hostname or "") for url in reached} == {ip for net in LOOPBACK for ip in corners(net)}
    assert not any(url.username for url in reached)


@pytest.mark.parametrize("network", HARD_DENY + DEFAULT_DENY + LOOPBACK, ids=str)
def test_what_the_resolver_makes_of_a_number_is_judged_like_the_address(network: Network) -> None:
    """Even a text that slipped through the rules of form would be refused by its address."""
    if isinstance(network, IPv6Network):
        resolved = {str(address) for address in corners(network)}
    else:
        corner_spellings = (form for ip in corners(network) for form in spellings(cast("IPv4Address", ip)))
        resolved = {found for form in corner_spellings for found in numeric_addresses(form)}
    assert len(resolved) >= len(set(corners(network)))
    assert [address for address in resolved if allowed(address, PUBLIC)] == []


# --- The lists, by hand ---------------------------------------------------------------------------------------------

NEVER = """
    0.0.0.0 0.255.255.255 100.100.100.200 168.63.129.16 169.254.0.0 169.254.169.254 169.254.170.2 169.254.170.23
    169.254.255.255 192.0.0.192 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255 :: fd00:ec2:: fd00:ec2::23
    fd00:ec2::254 fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff fd20:ce::254 fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
    ff00:: ff02::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::ffff:169.254.169.254 ::169.254.169.254
    ::ffff:0:169.254.169.254 64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 2002:a9fe:a9fe::1
    2001:0:4136:e378:8000:63bf:5601:5601 2a00::5efe:169.254.169.254 fd12::200:5efe:169.254.169.254 ::2
"""
CLOSED_BY_DEFAULT = """
    10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.0
    192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0
    198.19.255.255 198.51.100.1 203.0.113.1 64:ff9b:1::808:808 100:: 100:0:0:1::1
    2001:0:4136:e378:8000:63bf:f7f7:f7f7 2001:2::1 2001:10::1
    2001:20::1 2001:1ff:ffff::1 2001:db8::1 2002:808:808::1 2620:4f:8000::1 3fff::1 5f00::1 fc00:: fdff:ffff::1
    fec0:: feff::1
"""


@pytest.mark.parametrize("address", NEVER.split())
def test_these_are_never_reachable(address: str) -> None:
    assert [policy for policy in ALL if allowed(address, policy)] == []


@pytest.mark.parametrize("address", CLOSED_BY_DEFAULT.split())
def test_these_are_reachable_only_where_opened(address: str) -> None:
    assert [policy for policy in (PRODUCTION, PUBLIC, DEVELOPMENT) if allowed(address, policy)] == []
    assert allowed(address, WIDE_OPEN)


@pytest.mark.parametrize("address", ["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"])
def test_loopback_is_reachable_only_in_development(address: str) -> None:
    assert [policy for policy in (PRODUCTION, PUBLIC, WIDE_OPEN) if allowed(address, policy)] == []
    assert allowed(address, DEVELOPMENT)


# --- The order of the rules -----------------------------------------------------------------------------------------


PUBLIC_ADDRESSES = """
    1.0.0.0 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255
    198.20.0.0 223.255.255.255 2001:200:: 2001:db7:ffff:: 2001:db9:: 2600:: 2a00:1450:4001::1 3ffe:: 64:ff9b::8.8.8.8
"""


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES.split())
def test_public_addresses_are_allowed_where_public_is(address: str) -> None:
    assert allowed(address, PUBLIC)
    assert not allowed(address, PRODUCTION)
    assert not allowed(address, DEVELOPMENT)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "::8.8.8.8", "2002:808:808::1", "4000::1", "::2", "fec0::1"])
def test_carriers_and_what_is_not_global_unicast_stay_closed_where_public_is_open(address: str) -> None:
    assert not allowed(address, PUBLIC)


def test_a_carrier_needs_both_addresses_opened() -> None:
    def opened(*cidrs: str) -> bool:
        return allowed("64:ff9b::10.20.0.1", Policy.from_strings(allow_cidrs=cidrs))

    assert not opened("10.20.0.0/16")
    assert not opened("64:ff9b::/96")
    assert opened("10.20.0.0/16", "64:ff9b::/96")


def test_operators_deny_beats_their_allow_and_the_development_profile() -> None:
    policy = Policy.from_strings(
        allow_cidrs=["10.0.0.0/8"], deny_cidrs=["10.1.0.0/16", "127.0.0.9/32"], development=True, allow_public=True
    )

    assert allowed("10.2.0.1", policy)
    assert not allowed("10.1.0.1", policy)
    assert allowed("127.0.0.8", policy)
    assert not allowed("127.0.0.9", policy)


@pytest.mark.parametrize(("port", "expected"), [(80, False), (443, False), (1023, False), (1024, True), (65535, True)])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("policy", [DEVELOPMENT, WIDE_OPEN_DEVELOPMENT], ids=["as it is", "wide open"])
def test_development_polls_loopback_from_port_1024(policy: Policy, host: str, port: int, expected: bool) -> None:
    assert allowed(host, policy, port) is expected


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1", "localhost", "LocalHost", "::1", "[::1]", "0.0.0.0", "::", "127.0.0.5"]
)
def test_engines_on_loopback_are_closed_under_every_loopback_address(endpoint: str) -> None:
    policy = Policy.from_strings(development=True, denied_endpoints=[(endpoint, 15432)])

    assert not any(allowed(host, policy, 15432) for host in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"))
    assert allowed("127.0.0.1", policy, 15433)


def test_engines_elsewhere_are_closed_by_address_and_by_name() -> None:
    policy = Policy.from_strings(
        allow_cidrs=["10.0.0.0/8", "fd00::/16", "64:ff9b::/96"],
        denied_endpoints=[("10.0.0.5", 7000), ("FD00:0::5", 7000), ("DB.internal", 7000)],
    )

    assert not allowed("10.0.0.5", policy, 7000)
    assert not allowed("64:ff9b::10.0.0.5", policy, 7000)
    assert not allowed("fd00::5", policy, 7000)
    assert allowed("10.0.0.5", policy, 7001)
    assert allowed("10.0.0.6", policy, 7000)
    with pytest.raises(UrlRefused, match="own engines"):
        parse_url("http://db.INTERNAL:7000/health", policy)


def test_one_bad_address_spoils_the_name_and_so_does_none() -> None:
    policy = Policy.from_strings(allow_cidrs=["10.20.0.0/16"])

    judge_addresses(["10.20.0.1", IPv4Address("10.20.0.2")], PORT, policy)
    with pytest.raises(AddressRefused, match=r"10\.30\.0\.1"):
        judge_addresses(["10.20.0.1", "10.30.0.1"], PORT, policy)
    with pytest.raises(AddressRefused, match="no address"):
        judge_addresses([], PORT, policy)


@pytest.mark.parametrize(
    "text", ["", "localhost", "10.20.0.1 ", "10.20.0.01", "2886729729", "10.20.0.1/32", "fd00::1%eth0"]
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    assert not allowed(text, WIDE_OPEN)


def test_a_zone_id_is_refused_in_an_address_that_is_opened() -> None:
    policy = Policy.from_strings(allow_cidrs=["fd00::/16"])

    assert allowed("fd00::1", policy)
    with pytest.raises(AddressRefused, match="zone id"):
        judge_address(IPv6Address("fd00::1%eth0"), PORT, policy)


# --- Properties -----------------------------------------------------------------------------------------------------

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@st.composite
def networks_with_an_address(draw: st.DrawFn) -> tuple[Network, Address]:
    address = draw(addresses)
    prefix_length = draw(st.integers(0, address.max_prefixlen))
    return ip_network((address, prefix_length), strict=False), address


def closed(address: Address) -> bool:
    return any(address in network for network in HARD_DENY + LOOPBACK)


@given(networks_with_an_address(), st.booleans())
def test_an_opened_network_is_never_falsely_closed(drawn: tuple[Network, Address], development: bool) -> None:
    network, address = drawn
    assume(not closed(address) and not any(carried_addresses(address)))
    policy = Policy.from_strings(allow_cidrs=[str(network)], development=development)

    judge_address(address, PORT, policy)
    judge_address(str(address), 80, policy)


@given(networks_with_an_address())
def test_nothing_outside_of_an_opened_network_is_reachable(drawn: tuple[Network, Address]) -> None:
    network, address = drawn
    assume(network.prefixlen > 0 and not any(closed(corner) for corner in (network[0], network[-1])))
    policy = Policy.from_strings(allow_cidrs=[str(network)])
    outside = ip_address(
        (int(address) ^ 1 << (address.max_prefixlen - network.prefixlen)).to_bytes(len(address.packed))
    )

    assert not allowed(outside, policy)


@st.composite
def hard_denied_addresses(draw: st.DrawFn) -> Address:
    network = draw(st.sampled_from(HARD_DENY))
    address = network[draw(st.integers(0, network.num_addresses - 1))]
    if isinstance(address, IPv4Address) and draw(st.booleans()):
        return draw(st.sampled_from(list(carriers(address).values())))
    return address


@given(hard_denied_addresses(), st.lists(networks_with_an_address(), max_size=3), st.booleans())
def test_no_allow_beats_the_hard_deny(
    address: Address, drawn: list[tuple[Network, Address]], development: bool
) -> None:
    ranges = [
        str(network) for network, _ in drawn if not any(_covers(other, network) for other in HARD_DENY + LOOPBACK)
    ]
    cidrs = ["0.0.0.0/0", "::/0", *ranges]

    assert not allowed(address, Policy.from_strings(allow_cidrs=cidrs, allow_public=True, development=development))


def _covers(wider: Network, network: Network) -> bool:
    return network.network_address in wider and network.prefixlen >= wider.prefixlen


@given(st.ip_addresses(v=4))
def test_every_carrier_gives_its_address_away(address: IPv4Address) -> None:
    assume(int(address) > 1)
    assert {
        name for name, carrier in carriers(address).items() if address not in set(carried_addresses(carrier))
    } == set()


def test_loopback_and_unspecified_are_no_ipv4_compatible_addresses() -> None:
    assert list(carried_addresses(IPv6Address("::1"))) == list(carried_addresses(IPv6Address("::"))) == []
