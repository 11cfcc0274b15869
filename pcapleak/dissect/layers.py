"""The way from a frame's start or a tunnel's payload to an IP packet, one packet at a time.

For what is too rare or too irregular for columns. Nothing is copied: the packet found is an
offset into the caller's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from pcapleak.dissect.header_steps import Layer, Step, by_version
from pcapleak.dissect.link import IPV4, IPV6
from pcapleak.dissect.link_headers import (
    backbone,
    chdlc,
    cisco_metadata,
    cooked,
    e_tag,
    ethernet,
    fddi,
    frame_relay,
    ieee80211,
    ipnet,
    llc,
    loopback,
    mpls,
    nflog,
    per_packet,
    pktap,
    ppp,
    pppoe,
    radiotap,
    slip,
    tag,
    vn_tag,
)
from pcapleak.dissect.tunnel_headers import (
    capwap,
    erspan3,
    geneve,
    gre,
    gtp,
    l2tp,
    nsh,
    teredo,
    tzsp,
    vxlan,
    vxlan_gpe,
)

_STEPS_LIMIT: Final = 24
"""Headers walked before giving up; real stacks have fewer than ten, MPLS counts as one."""

_STEPS: dict[Layer, Callable[[bytes, int], Step]] = {
    0x8100: tag,
    0x88A8: tag,
    0x9100: tag,
    0x9200: tag,
    0x9300: tag,
    0x8926: vn_tag,
    0x893F: e_tag,
    0x88E7: backbone,
    0x8909: cisco_metadata,
    0x8847: mpls,
    0x8848: mpls,
    0x8864: pppoe,
    0x880B: ppp,
    0x6558: ethernet,
    0x22EB: erspan3,
    0x894F: nsh,
    "802.11": ieee80211,
    "bare": by_version,
    "capwap": capwap,
    "chdlc": chdlc,
    "cooked": cooked,
    "ethernet": ethernet,
    "etherip": lambda _, at: ("ethernet", at + 2),
    "fddi": fddi,
    "frame relay": frame_relay,
    "geneve": geneve,
    "gre": gre,
    "gtp-u": gtp,
    "ipnet": ipnet,
    "l2tp": l2tp,
    "llc": llc,
    "loopback": loopback,
    "mpls": mpls,
    "nflog": nflog,
    "pktap": pktap,
    "ppi": per_packet,
    "ppp": ppp,
    "pppoe": pppoe,
    "radiotap": radiotap,
    "slip": slip,
    "teredo": teredo,
    "tzsp": tzsp,
    "vxlan": vxlan,
    "vxlan-gpe": vxlan_gpe,
}

WALKED_TYPES = tuple(layer for layer in _STEPS if isinstance(layer, int))
"""EtherTypes that have another header inside."""


def find_ip(octets: bytes, layer: Layer, at: int) -> tuple[int, int] | None:
    """Walk from `layer` at `at` to an IP header: its EtherType and offset, None without one."""
    try:
        for _ in range(_STEPS_LIMIT):
            if layer in (IPV4, IPV6):
                return int(layer), at
            step = _STEPS.get(layer)
            if step is None:
                return None
            layer, at = step(octets, at)
    except (struct.error, IndexError):  # the headers go on past the captured bytes
        return None
    return None
