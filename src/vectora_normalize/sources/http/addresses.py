"""Addresses: which ones the fetcher may connect to.

The tables are those of IANA's special-purpose registries (RFC 6890 and its successors, read in November 2026), not
``ipaddress.is_global``, whose results changed between the Python versions that Lambda supports. For IPv6 the check is
inverse: only 2000::/3 is public, and the special networks inside it are excluded.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
"""Ports of web servers. A URL with another port could make the fetcher send HTTP to a mail or database server."""

_PRIVATE: Final = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
_BLOCKED: Final = {
    # The services from which a machine gets its credentials: AWS (EC2, ECS, EKS, IPv6), Alibaba, Azure's wire server.
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
# IPv6 networks whose addresses contain an IPv4 address, which is the one to check, and the shift to its bits.
_EMBEDDED_IPV4: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64: IPv4 from an IPv6-only network
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)


class AddressPolicy(msgspec.Struct, frozen=True):
    """The addresses and ports that the fetcher may connect to.

    Args:
        allowed: Private or loopback networks that are allowed, in CIDR notation. Metadata, link-local, multicast and
            reserved addresses cannot be allowed.
        ports: The allowed ports; None for any.
        blocked: Endpoints that are never allowed, as ``host:port``, such as Lambda's runtime API, which serves the
            events of the function. A loopback endpoint is blocked on every loopback address.
    """

    allowed: tuple[str, ...] = ()
    ports: frozenset[int] | None = WEB_PORTS
    blocked: tuple[str, ...] = ()

    @classmethod
    def from_setting(cls, *, allow_private_sources: bool, blocked: Iterable[str] = ()) -> AddressPolicy:
        """Return the policy of the setting: the public internet, or also private and loopback networks on any port.

        Args:
            allow_private_sources: The setting.
            blocked: Endpoints that are never allowed, as ``host:port``.
        """
        if not allow_private_sources:
            return cls()
        private = tuple(network for networks in _PRIVATE.values() for network in networks)
        return cls(allowed=private, ports=None, blocked=tuple(blocked))

    def is_public(self, address: str) -> bool:
        """Return whether an address is one of the public internet."""
        return AddressPolicy(ports=None).refusal_reason(address) is None

    def refusal_reason(self, address: str, port: int | None = None) -> str | None:
        """Return why an address is blocked, in one to three words; None if it is allowed.

        Args:
            address: A numeric IPv4 or IPv6 address, as a resolver returns it.
            port: The port to connect to; None: any.
        """
        try:
            numeric = _effective_address(ipaddress.ip_address(address))
        except ValueError:
            return "not an address"
        if (category := _category_in(numeric, _BLOCKED)) is not None:
            return category
        if any(_is_endpoint(numeric, port, endpoint) for endpoint in self.blocked):
            return "an endpoint of the runtime"
        if any(numeric in network for network in _networks(self.allowed)):
            return None
        if (category := _category_in(numeric, _PRIVATE)) is not None:
            return category
        return "reserved" if numeric.version == 6 and numeric not in _PUBLIC_V6 else None  # noqa: PLR2004 - IPv6

    def allows_port(self, port: int) -> bool:
        """Return whether a port is allowed."""
        return self.ports is None or port in self.ports


def _is_endpoint(address: Address, port: int | None, endpoint: str) -> bool:
    """Return whether an address and port reach an endpoint such as ``127.0.0.1:9001`` or ``[::1]:9001``."""
    host, _, number = endpoint.rpartition(":")
    if port is None or number != str(port):
        return False
    try:
        other = _effective_address(ipaddress.ip_address(host.strip("[]")))
    except ValueError:  # a name such as localhost: what it resolves to is not known here
        return not address.is_global
    return address == other or (address.is_loopback and other.is_loopback)


def _effective_address(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 address, or the address itself."""
    for network, shift in _EMBEDDED_IPV4:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def _category_in(address: Address, table: dict[str, tuple[str, ...]]) -> str | None:
    for category, networks in table.items():
        if any(address in network for network in _networks(networks)):
            return category
    return None


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
