"""Only public addresses are allowed, in every notation of an address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.http.addresses import AddressPolicy

PUBLIC = AddressPolicy()
PRIVATE_TOO = AddressPolicy.from_setting(allow_private_sources=True)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "172.32.0.1", "2606:2800:220:1::1", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert PUBLIC.refusal_reason(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("169.254.170.23", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - it is refused, not bound
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("100.64.0.1", "shared address space"),
        ("192.0.2.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("192.0.0.192", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2001::1", "reserved"),
        ("fec0::1", "reserved"),
        ("64:ff9b:1::1", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("localhost", "not an address"),
        ("127.1", "not an address"),
    ],
)
def test_an_address_that_is_not_public_is_blocked_with_a_reason(address: str, reason: str) -> None:
    assert PUBLIC.refusal_reason(address) == reason


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:a9fe:a9fe", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "metadata"),
    ],
)
def test_an_ipv4_address_inside_an_ipv6_address_is_checked(address: str, reason: str) -> None:
    assert PUBLIC.refusal_reason(address) == reason


@given(st.ip_addresses())
def test_no_address_that_is_private_to_python_is_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    carried = isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.sixtofour or address in ipaddress.ip_network("64:ff9b::/96")
    )
    if not address.is_global and not carried:
        assert PUBLIC.refusal_reason(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_gets_the_same_result_in_every_ipv6_notation(address: ipaddress.IPv4Address) -> None:
    plain = PUBLIC.refusal_reason(str(address))
    number = int(address)
    for embedded in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert PUBLIC.refusal_reason(str(ipaddress.IPv6Address(embedded))) == plain


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fd12::1", "::ffff:127.0.0.1"])
def test_the_setting_allows_private_and_loopback_addresses(address: str) -> None:
    assert PRIVATE_TOO.refusal_reason(address) is None


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "169.254.9.9", "224.0.0.1", "::", "240.0.0.1"])
def test_metadata_link_local_multicast_and_reserved_addresses_cannot_be_allowed(address: str) -> None:
    assert PRIVATE_TOO.refusal_reason(address) is not None
    assert AddressPolicy(allowed=("0.0.0.0/0", "::/0")).refusal_reason(address) is not None


def test_without_the_setting_only_public_addresses_are_allowed() -> None:
    assert AddressPolicy.from_setting(allow_private_sources=False) == PUBLIC


def test_a_single_network_can_be_allowed() -> None:
    policy = AddressPolicy(allowed=("127.0.0.1/32",))
    assert policy.refusal_reason("127.0.0.1") is None
    assert policy.refusal_reason("127.0.0.2") == "loopback"


def test_only_ports_of_web_servers_are_allowed_by_default() -> None:
    assert [port for port in (22, 25, 80, 443, 3306, 6379, 8080, 8443, 9200) if PUBLIC.allows_port(port)] == [
        80,
        443,
        8080,
        8443,
    ]
    assert PRIVATE_TOO.allows_port(34567)


@pytest.mark.parametrize(
    ("endpoint", "address", "port", "refused"),
    [
        ("127.0.0.1:9001", "127.0.0.1", 9001, True),
        ("127.0.0.1:9001", "127.0.0.2", 9001, True),
        ("127.0.0.1:9001", "::1", 9001, True),
        ("127.0.0.1:9001", "::ffff:127.0.0.1", 9001, True),
        ("[::1]:9001", "127.0.0.1", 9001, True),
        ("127.0.0.1:9001", "127.0.0.1", 9002, False),
        ("127.0.0.1:9001", "10.0.0.1", 9001, False),
        ("10.0.0.1:9001", "10.0.0.1", 9001, True),
        ("10.0.0.1:9001", "127.0.0.1", 9001, False),
        ("localhost:9001", "127.0.0.1", 9001, True),
        ("localhost:9001", "8.8.8.8", 9001, False),
        ("127.0.0.1", "127.0.0.1", 9001, False),
    ],
)
def test_an_endpoint_of_the_runtime_is_never_allowed(endpoint: str, address: str, port: int, *, refused: bool) -> None:
    policy = AddressPolicy.from_setting(allow_private_sources=True, blocked=(endpoint,))
    assert policy.refusal_reason(address, port) == ("an endpoint of the runtime" if refused else None)


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "::ffff:169.254.169.254"])
def test_metadata_addresses_are_never_allowed(address: str) -> None:
    assert PRIVATE_TOO.refusal_reason(address, 80) == "metadata"


def test_what_is_public() -> None:
    assert PRIVATE_TOO.is_public("8.8.8.8")
    assert not PRIVATE_TOO.is_public("127.0.0.1")
    assert not PRIVATE_TOO.is_public("no address")
