"""UDP, TCP, SCTP and ICMP headers by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcapleak.model import Bytes, Int64, PacketFlag, UInt8, UInt16, UInt32

from .gather import take
from .network import Network

ICMP = 1
TCP = 6
UDP = 17
ICMPV6 = 58
SCTP = 132

_PORTED = np.zeros(256, np.bool_)
_PORTED[[TCP, UDP, SCTP]] = True
_IS_ICMP = np.zeros(256, np.bool_)
_IS_ICMP[[ICMP, ICMPV6]] = True
_HEADER = np.zeros(256, np.int64)
_HEADER[[TCP, UDP, SCTP]] = [20, 8, 12]
# Destination unreachable, source quench, redirect, time exceeded, parameter problem
# (RFC 792); for ICMPv6 types 1 to 4 (RFC 4443 section 2.1).
_QUOTES = np.zeros((2, 256), np.bool_)
_QUOTES[0, [3, 4, 5, 11, 12]] = True
_QUOTES[1, [1, 2, 3, 4]] = True


@dataclass(slots=True)
class Transport:
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
    later = network.fragment_offset > 0
    headed &= ~later
    ported = _PORTED[protocol] & headed
    source_port = np.where(ported, words[:, 0], np.uint16(0))
    destination_port = np.where(ported, words[:, 1], np.uint16(0))
    tcp = ported & (protocol == TCP)
    udp = ported & (protocol == UDP)

    header = _HEADER[protocol]
    declared_end = network.declared_end
    datagram = words[:, 2].astype(np.int64)
    # A length of zero is a jumbogram's (RFC 2675) or an offloaded datagram's.
    bounded = udp & (datagram != 0) & (there >= 6)
    stated = np.where(bounded, start + datagram, declared_end)
    tcp_header = (head[:, 12] >> 4).astype(np.int64) << 2
    header = np.where(tcp & (there >= 13), tcp_header, header)
    wrong = (bounded & ((datagram < 8) | (stated > declared_end))) | (
        tcp & ((tcp_header < 20) | (start + tcp_header > declared_end)) & (there >= 13)
    )
    if wrong.any():
        # The UDP length is the whole datagram's, so a fragment is always shorter.
        whole = network.flags[wrong] & PacketFlag.FRAGMENT.value == 0
        network.flags[np.flatnonzero(wrong)[whole]] |= PacketFlag.MALFORMED.value
    tcp_flags = np.where(tcp & (there >= 14), head[:, 13], np.uint8(0))
    tcp_seq = np.where(tcp & (there >= 8), head.view(">u4")[:, 1], np.uint32(0))

    control = _IS_ICMP[protocol] & headed
    if control.any():
        rows = np.flatnonzero(control)
        kind = head[rows, 0]
        source_port[rows] = kind
        destination_port[rows] = head[rows, 1]
        errors = rows[_QUOTES[(protocol[rows] == ICMPV6).astype(np.intp), kind]]
        network.flags[errors] |= PacketFlag.ICMP_ERROR.value
        header[errors] = 8
    if later.any():
        header[later] = 0
    offset = np.minimum(start + header, end)
    return Transport(
        source_port=source_port,
        destination_port=destination_port,
        payload_offset=offset,
        payload_length=np.maximum(np.minimum(end, stated) - offset, 0),
        payload_declared=np.maximum(stated - start - header, 0),
        tcp_flags=tcp_flags,
        tcp_seq=tcp_seq,
    )
