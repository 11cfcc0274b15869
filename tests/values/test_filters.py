"""Capture filters that lose nothing which is judged, and those that may."""

from __future__ import annotations

import pytest

from pcapleak.values.filters import keeps_all


@pytest.mark.parametrize(
    "expression",
    [
        "ip or ip6",
        "(ip6) || ip || arp",
        "not arp",
        "!arp && !stp",
        "not arp and not ether proto 0x88cc",
        "ether proto \\ip or ether proto \\ip6",
    ],
)
def test_what_names_the_link_alone_loses_nothing(expression: str) -> None:
    assert keeps_all(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "ip",
        "ip6 or arp",
        "tcp or udp",
        "not port 22",
        "host 192.0.2.1",
        "not (arp or ip6)",
        "not arp or ip6 and ip",
        "ip or ip6 and port 53",
        "not ip6",
        "not vlan",
        "arp",
        "ether[12:2] != 0x86dd",
    ],
)
def test_of_any_other_something_may_be_lost(expression: str) -> None:
    assert not keeps_all(expression)
