"""Addresses and networks of settings."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network


def plain(address: str) -> str:
    """An address as everybody writes it: of IPv4 where it came inside IPv6 (RFC 4291 2.5.5.2), without a zone."""
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]


def is_address(text: str) -> bool:
    """Whether it is an address of IPv4 or IPv6, and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """What one client has to itself: an IPv4 address, or the /64 of an IPv6 one; another text as it is."""
    try:
        source = ip_address(plain(address))
    except ValueError:
        return address[:64]
    return str(source) if source.version == 4 else str(ip_network(f"{source}/64", strict=False))


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    source = ip_address(address)
    return any(source in ip_network(one, strict=False) for one in networks)


def overlap(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether any address is in networks of both."""
    theirs = [ip_network(one, strict=False) for one in others]
    return any(mine.version == one.version and mine.overlaps(one)
               for mine in (ip_network(each, strict=False) for each in some) for one in theirs)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
