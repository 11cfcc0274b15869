"""Tunnels' headers written anew: the shortest of each kind, which names nobody."""

from __future__ import annotations

import struct

from pcapleak.dissect.header_steps import Layer
from pcapleak.dissect.link import IPV6
from pcapleak.dissect.tunnels import PORT_LAYERS
from pcapleak.redact.draft import Draft, blank

_TEREDO_PREFIX = b"\x20\x01\0\0"


def carried_layer(data: bytes, ports: tuple[int, int], *, over_ipv4: bool) -> Layer | None:
    """What a datagram may carry a packet in."""
    for port in ports[::-1]:
        if port in PORT_LAYERS:
            return PORT_LAYERS[port]
    # Teredo's peers talk on any port (RFC 4380 section 5.2.3).
    if over_ipv4 and len(data) >= 40 and data[0] >> 4 == 6:
        peers = _TEREDO_PREFIX in (data[8:12], data[24:28])
        return "teredo" if peers and int.from_bytes(data[4:6], "big") + 40 == len(data) else None
    return None


def tunnelled(layer: Layer, kind: int, inner: Draft) -> Draft:
    """An IP packet of an EtherType behind a header of the tunnel's `layer`."""
    six = kind == IPV6
    ethertype = kind.to_bytes(2, "big")
    ethernet = bytes(12) + ethertype
    headers: dict[Layer, bytes] = {
        "gre": b"\0\0" + ethertype,
        "etherip": b"\x30\0" + ethernet,
        "ethernet": ethernet,
        "mpls": b"\0\0\1\x40",
        "l2tp": b"\0\2\0\0\0\0\xff\3\0" + (b"\x57" if six else b"\x21"),
        "gtp-u": b"\x30\xff" + struct.pack("!HI", len(inner.out) & 0xFFFF, 0),
        "teredo": b"",
        "vxlan": b"\x08" + bytes(7) + ethernet,
        "vxlan-gpe": b"\x0c\0\0" + (b"\2" if six else b"\1") + bytes(4),
        "capwap": b"\0\x10" + bytes(6) + ethernet,
        "geneve": b"\0\0" + ethertype + bytes(4),
        "tzsp": b"\1\0\0\1\1" + ethernet,
    }
    draft = blank()
    draft.append(headers[layer])
    draft.extend(inner)
    return draft
