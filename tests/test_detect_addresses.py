"""Classes of addresses, one by one and over columns."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.detect.addresses import (
    classify,
    column_inside,
    column_public,
    far_network,
    is_public,
    unmapped,
)
from pcapleak.model import words_of


@pytest.mark.parametrize(
    "text", ["203.0.113.7", "198.51.100.10", "192.0.2.1", "2001:db8::1", "8.8.8.8", "2606:4700::1"]
)
def test_documentation_ranges_count_as_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.1.2.3", "private IPv4"),
        ("192.168.50.42", "private IPv4"),
        ("100.64.0.1", "shared (CGNAT)"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fd00::1", "unique local IPv6"),
        ("::1", "loopback"),
        ("127.0.0.53", "loopback"),
        ("224.0.0.251", "multicast"),
        ("255.255.255.255", "multicast"),
        ("ff02::fb", "multicast"),
        ("::ffff:203.0.113.7", "IPv4-mapped"),
        ("0.0.0.0", "reserved"),
        ("::", "reserved"),
        ("240.0.0.1", "reserved"),
    ],
)
def test_special_addresses(text: str, kind: str) -> None:
    assert classify(ip_address(text)) == kind
    assert not is_public(ip_address(text))


def test_mapped_addresses_hold_ipv4_ones() -> None:
    assert unmapped(ip_address("::ffff:203.0.113.7")) == ip_address("203.0.113.7")
    assert unmapped(ip_address("2001:db8::1")) == ip_address("2001:db8::1")


def test_far_networks() -> None:
    assert far_network(ip_address("198.51.100.77")) == ip_network("198.51.100.0/24")
    assert far_network(ip_address("2001:db8:ffff:1::9")) == ip_network("2001:db8:ffff::/48")


ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(0, 2**32 - 1).map(lambda value: IPv6Address(0xFFFF_0000_0000 | value)),
    st.sampled_from(["10.0.0.0", "fe80::1", "2001:db8::1", "192.168.255.255"]).map(ip_address),
)


@given(
    st.lists(ADDRESSES, min_size=1, max_size=20),
    st.lists(st.tuples(ADDRESSES, st.integers(0, 128)), max_size=4),
)
def test_columns_say_what_each_address_says(
    addresses: list[IPv4Address | IPv6Address],
    ranges: list[tuple[IPv4Address | IPv6Address, int]],
) -> None:
    networks = [
        ip_network((address, min(width, address.max_prefixlen)), strict=False)
        for address, width in ranges
    ]
    version = np.array([address.version for address in addresses], np.uint8)
    words = [words_of(address) for address in addresses]
    hi = np.array([word[0] for word in words], np.uint64)
    lo = np.array([word[1] for word in words], np.uint64)
    assert column_public(version, hi, lo).tolist() == [is_public(one) for one in addresses]
    assert column_inside(version, hi, lo, networks).tolist() == [
        any(one in network for network in networks) for one in addresses
    ]
