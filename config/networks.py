"""Addresses and networks of settings."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    source = ip_address(address)
    return any(source in ip_network(one, strict=False) for one in networks)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
