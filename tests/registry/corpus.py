"""Ways to write an address, and ways to bring it past a parser of URLs."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from apps.core.outward import Address, Network


def corners(network: Network) -> Iterator[Address]:
    yield from dict.fromkeys((network[0], network[network.num_addresses // 2], network[-1]))


def spellings(address: IPv4Address) -> Iterator[str]:
    """Yield texts that the C library reads as this address."""
    a, b, c, d = address.packed
    number = int(address)
    yield from (f"{a}.{b}.{c}.{d}", str(number), hex(number), f"0X{number:X}", f"0{number:o}", f"0x{number:016x}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b}.0{c:o}.{d}")
    yield from (f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}", f"{a:#x}.{number & 0xFFFFFF:#x}")


def disguises(address: IPv4Address) -> Iterator[str]:
    """Yield texts that some software somewhere reads as this address."""
    a, b, c, d = address.packed
    yield from (f"{a}.{b}.{c}.{d}.", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}。{b}。{c}。{d}")
    yield "".join(chr(0xFF10 + int(digit)) if digit.isdigit() else digit for digit in str(address))
    yield f"{a}.{b}.{c}.{d}".replace(".", "%2e")


def carriers(address: IPv4Address) -> dict[str, IPv6Address]:
    number = int(address)
    return {
        "compatible": IPv6Address(number),
        "mapped": IPv6Address(0xFFFF << 32 | number),
        "translated": IPv6Address(0xFFFF << 48 | number),
        "NAT64": IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        "local NAT64": IPv6Address(int(IPv6Address("64:ff9b:1::")) | number),
        "6to4": IPv6Address(0x2002 << 112 | number << 80 | 1),
        "Teredo": IPv6Address(0x20010000 << 96 | 0x4136E378 << 64 | 0x8000F227 << 32 | number ^ 0xFFFFFFFF),
        "ISATAP": IPv6Address(0x2A00 << 112 | 0x5EFE << 32 | number),
        "ISATAP, universal": IPv6Address(0x2A00 << 112 | 0x02005EFE << 32 | number),
        "6to4 and ISATAP": IPv6Address(0x2002 << 112 | 0x08080808 << 80 | 0x5EFE << 32 | number),
    }


def bracketed_forms(address: IPv6Address) -> Iterator[str]:
    yield from (f"[{address}]", f"[{address.exploded.upper()}]", f"[{address}%25eth0]", f"[{address}%1]")
    yield f"[{address.exploded[:-9]}{IPv4Address(int(address) & 0xFFFFFFFF)}]"


def hosts(address: Address) -> Iterator[str]:
    if isinstance(address, IPv6Address):
        yield from bracketed_forms(address)
        return
    yield from spellings(address)
    yield from disguises(address)
    for carrier in carriers(address).values():
        yield from bracketed_forms(carrier)


def urls(host: str, port: int) -> Iterator[str]:
    """Yield ways to bring a host past a parser; each of them reaches the host or nothing."""
    yield from (f"http://{host}:{port}/health", f"HTTPS://{host.upper()}:{port}", f"http://{host}:{port}?x=/@8.8.8.8/")
    yield from (f"http://allowed.example@{host}:{port}/", f"http://u:p@{host}:{port}/", f"http://8.8.8.8#@{host}/")
    yield from (f"http://{host}\\@8.8.8.8/", f" http://{host}:{port}/", f"http://\t{host}:{port}/", f"http:\n//{host}/")
    yield from (f"http:{host}:{port}/", f"//{host}:{port}/", f"http:///{host}:{port}/", f"gopher://{host}:{port}/")
