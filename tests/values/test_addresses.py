"""Classes of addresses, one by one and over columns."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.values.addresses import (
    classify,
    column_inside,
    column_kind,
    column_of,
    column_public,
    far_network,
    is_public,
    unmapped,
)
from pcapleak.values.endpoints import words_of


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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.0.0.0/8", "private IPv4"),
        ("172.16.0.0/12", "private IPv4"),
        ("192.168.0.0/16", "private IPv4"),
        ("192.0.0.0/24", "reserved"),
        ("198.18.0.0/15", "private IPv4"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "multicast"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("100::/63", "reserved"),
        ("fc00::/7", "unique local IPv6"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "reserved"),
        ("ff00::/8", "multicast"),
    ],
)
def test_a_class_ends_where_its_range_does(text: str, kind: str) -> None:
    network = ip_network(text)
    ends = [network[0], network[-1]]
    around = [
        type(end)(value)
        for end, value in zip(ends, (int(ends[0]) - 1, int(ends[1]) + 1), strict=True)
        if 0 <= value < 1 << network.max_prefixlen
    ]
    assert [classify(end) for end in ends] == [kind, kind]
    assert kind not in map(classify, around)
    addresses = [*ends, *around]
    version = np.full(len(addresses), network.version, np.uint8)
    hi, lo = (np.array(words, np.uint64) for words in zip(*map(words_of, addresses), strict=True))
    kinds = column_kind(version, hi, lo)
    assert column_of(kinds, kind).tolist() == [classify(one) == kind for one in addresses]  # type: ignore[arg-type]
    assert (kinds == 0).tolist() == [is_public(one) for one in addresses]


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
