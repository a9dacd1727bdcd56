"""Addresses: which ones a source may live on.

The tables are those of IANA's special-purpose registries (RFC 6890 and its successors, read in November 2026) and not
`ipaddress.is_global`, whose answers changed between the Python versions that Lambda runs. For IPv6 the test is the
other way round: only 2000::/3 is public at all, and what is special inside it is taken out.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import Final, TypeAlias

import msgspec

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

USUAL_PORTS: Final = frozenset({80, 443, 8080, 8443})
"""Ports of web servers. A URL with another port could make this function speak HTTP to a mail or database server."""

_PRIVATE: Final = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
_REFUSED: Final = {
    # The services that give a machine its credentials: AWS (EC2, ECS, EKS, IPv6), Alibaba, Azure's wire server.
    "metadata": (
        "169.254.169.254/32",
        "169.254.170.2/32",
        "169.254.170.23/32",
        "fd00:ec2::/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
    ),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "unspecified": ("0.0.0.0/8", "::/128"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "shared address space": ("100.64.0.0/10",),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    "benchmarking": ("198.18.0.0/15",),
    "reserved": ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23"),
}
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
# Addresses that carry an IPv4 address, which is what counts: the network, and how far right the IPv4 bits stand.
_CARRIERS: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64: how an IPv6-only network reaches IPv4
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)


class AddressPolicy(msgspec.Struct, frozen=True):
    """Which addresses and ports may be connected to.

    Args:
        allowed: Networks that are allowed although they are private or loopback, in CIDR notation. Nothing can allow
            metadata, link-local, multicast or reserved addresses.
        ports: Ports that are allowed; None for any.
    """

    allowed: tuple[str, ...] = ()
    ports: frozenset[int] | None = USUAL_PORTS

    @classmethod
    def from_setting(cls, *, allow_private_sources: bool) -> AddressPolicy:
        """The policy behind the setting: the public internet, or private and loopback networks as well, on any port."""
        if not allow_private_sources:
            return cls()
        return cls(allowed=tuple(network for networks in _PRIVATE.values() for network in networks), ports=None)

    def refusal_reason(self, address: str) -> str | None:
        """Why this address may not be connected to, in one or two words; None if it may.

        Args:
            address: A numeric IPv4 or IPv6 address, as a resolver returns it.
        """
        try:
            numeric = _unwrap(ipaddress.ip_address(address))
        except ValueError:
            return "not an address"
        if (why := _kind_in(numeric, _REFUSED)) is not None:
            return why
        if any(numeric in network for network in _networks(self.allowed)):
            return None
        if (why := _kind_in(numeric, _PRIVATE)) is not None:
            return why
        return "reserved" if numeric.version == 6 and numeric not in _PUBLIC_V6 else None  # noqa: PLR2004 - IPv6

    def accepts_port(self, port: int) -> bool:
        """Whether this port may be connected to."""
        return self.ports is None or port in self.ports


def _unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, or the address itself."""
    for network, shift in _CARRIERS:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def _kind_in(address: Address, table: dict[str, tuple[str, ...]]) -> str | None:
    kinds = (kind for kind, networks in table.items() if any(address in network for network in _networks(networks)))
    return next(kinds, None)


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
