"""UDP, TCP, SCTP and ICMP headers by columns."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from pcapleak.dissect.field_reads import take
from pcapleak.dissect.network import Network
from pcapleak.values.packets import Bytes, Int64, PacketFlag, UInt8, UInt16, UInt32
from pcapleak.values.registries import ICMP, ICMPV6, SCTP, TCP, UDP

_HEADER = np.zeros(256, np.uint8)
_HEADER[[TCP, UDP, SCTP]] = [20, 8, 12]
# Destination unreachable, source quench, redirect, time exceeded, parameter problem
# (RFC 792); for ICMPv6 types 1 to 4 (RFC 4443 section 2.1).
_QUOTES = np.zeros((2, 256), np.bool_)
_QUOTES[0, [3, 4, 5, 11, 12]] = True
_QUOTES[1, [1, 2, 3, 4]] = True


class Transport(Struct):
    """Columns over packets: what `Packets` says of the transport."""

    source_port: UInt16
    destination_port: UInt16
    payload_offset: Int64
    payload_length: Int64
    payload_declared: Int64
    tcp_flags: UInt8
    tcp_seq: UInt32


def parse_transport(data: Bytes, network: Network) -> Transport:
    """The transport headers of `network`'s packets; adds to its flags."""
    protocol, start, end = network.protocol, network.transport, network.end
    head = take(data, start, 16)
    words = head.view(">u2")
    there = end - start
    headed = there >= 4
    later = np.flatnonzero(network.flags & PacketFlag.FRAGMENT.value)
    later = later[network.fragment_offset[later] > 0]
    headed[later] = False
    tcp = (protocol == TCP) & headed
    udp = (protocol == UDP) & headed
    ported = tcp | udp | ((protocol == SCTP) & headed)
    source_port = words[:, 0] * ported
    destination_port = words[:, 1] * ported

    header = _HEADER.take(protocol)
    tcp_header = (head[:, 12] >> 4) << 2
    sized = tcp & (there >= 13)
    rows = np.flatnonzero(sized)
    header[rows] = tcp_header[rows]
    size = network.declared_end - start
    datagram = words[:, 2].astype(np.int64)
    # A length of zero is a jumbogram's (RFC 2675) or an offloaded datagram's.
    bounded = udp & (datagram != 0) & (there >= 6)
    wrong = bounded & ((datagram < 8) | (datagram > size))
    wrong |= sized & ((tcp_header < 20) | (tcp_header > size))
    if wrong.any():
        rows = np.flatnonzero(wrong)
        # The UDP length is the whole datagram's, so a fragment is always shorter.
        whole = network.flags[rows] & PacketFlag.FRAGMENT.value == 0
        network.flags[rows[whole]] |= PacketFlag.MALFORMED.value

    control = ((protocol == ICMP) | (protocol == ICMPV6)) & headed
    if control.any():
        rows = np.flatnonzero(control)
        kind = head[rows, 0]
        source_port[rows] = kind
        destination_port[rows] = head[rows, 1]
        errors = rows[_QUOTES[(protocol[rows] == ICMPV6).astype(np.intp), kind]]
        network.flags[errors] |= PacketFlag.ICMP_ERROR.value
        header[errors] = 8
    header[later] = 0
    offset = np.minimum(start + header, end)
    length = end - offset
    # Where UDP tells another length than IP, as nearly never
    odd = np.flatnonzero(bounded & (datagram != size))
    size[odd] = datagram[odd]
    length[odd] = np.maximum(np.minimum(end[odd], start[odd] + size[odd]) - offset[odd], 0)
    return Transport(
        source_port=source_port,
        destination_port=destination_port,
        payload_offset=offset,
        payload_length=length,
        payload_declared=np.maximum(size - header, 0),
        tcp_flags=head[:, 13] * (tcp & (there >= 14)),
        tcp_seq=head.view(">u4")[:, 1] * (tcp & (there >= 8)),
    )
