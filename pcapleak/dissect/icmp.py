"""The packet an ICMP error quotes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pcapleak.dissect.network import parse_network
from pcapleak.dissect.transport import parse_transport
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint, PacketFlag, address_of

_PAD = 128


class IcmpQuote(NamedTuple):
    """A packet somebody sent and somebody on the path refused."""

    version: int
    protocol: int
    source: Endpoint
    destination: Endpoint
    payload: bytes
    """What the error holds of the transport payload; RFC 792 promises none for UDP."""


def decode_icmp_quote(data: bytes) -> IcmpQuote:
    """Read the quoted packet from the payload of an `ICMP_ERROR` row.

    Raises DecodeError where no IP header stands there. A quote is nearly always cut, which
    is no error: RFC 792 asks for 8 bytes after the header.
    """
    version = data[0] >> 4 if data else 0
    if version not in (4, 6):
        raise DecodeError("icmp", "quoted packet", 0, "is neither IPv4 nor IPv6")
    buffer = np.frombuffer(data + bytes(_PAD), np.uint8)
    end = np.array([len(data)])
    network, readable = parse_network(
        buffer, np.zeros(1, np.int64), end, end + 65535, np.array([version == 6])
    )
    if not readable[0]:
        raise DecodeError("icmp", "quoted packet", 0, "its IP header is cut or malformed")
    transport = parse_transport(buffer, network)
    start = int(transport.payload_offset[0])
    if network.flags[0] & PacketFlag.ICMP_ERROR.value:
        start -= 8
    return IcmpQuote(
        version,
        int(network.protocol[0]),
        Endpoint(
            address_of(version, int(network.source_hi[0]), int(network.source_lo[0])),
            int(transport.source_port[0]),
        ),
        Endpoint(
            address_of(version, int(network.destination_hi[0]), int(network.destination_lo[0])),
            int(transport.destination_port[0]),
        ),
        data[start : start + int(transport.payload_length[0])],
    )
