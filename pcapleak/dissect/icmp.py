"""The packet an ICMP error quotes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pcapleak.dissect.network import parse_network
from pcapleak.dissect.transport import parse_transport
from pcapleak.errors import DecodeError
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Endpoint, PacketFlag

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
    (found,) = decode_icmp_quotes([data])
    if isinstance(found, DecodeError):
        raise found
    return found


def decode_icmp_quotes(payloads: Sequence[bytes]) -> list[IcmpQuote | DecodeError]:
    """The same for many, which takes hardly longer than for one."""
    if not payloads:
        return []
    lengths = np.array([len(data) for data in payloads])
    start = np.cumsum(lengths) - lengths
    buffer = np.frombuffer(b"".join((*payloads, bytes(_PAD))), np.uint8)
    version = np.where(lengths > 0, buffer[start] >> 4, 0)
    end = start + lengths
    network, readable = parse_network(buffer, start, end, end + 65535, version == 6)
    transport = parse_transport(buffer, network)
    # What a quoted error quotes stands behind its header, which is the payload here.
    inner = transport.payload_offset - np.where(network.flags & PacketFlag.ICMP_ERROR.value, 8, 0)
    columns = (
        version, readable, network.protocol, network.source_hi, network.source_lo,
        network.destination_hi, network.destination_lo, transport.source_port,
        transport.destination_port, inner - start, transport.payload_length,
    )  # fmt: skip
    return [
        _quote(data, *row)
        for data, *row in zip(payloads, *(column.tolist() for column in columns), strict=True)
    ]


def _quote(
    data: bytes,
    version: int,
    readable: bool,
    protocol: int,
    source_hi: int,
    source_lo: int,
    destination_hi: int,
    destination_lo: int,
    source_port: int,
    destination_port: int,
    start: int,
    length: int,
) -> IcmpQuote | DecodeError:
    if version not in (4, 6):
        return DecodeError("icmp", "quoted packet", 0, "is neither IPv4 nor IPv6")
    if not readable:
        return DecodeError("icmp", "quoted packet", 0, "its IP header is cut or malformed")
    return IcmpQuote(
        version,
        protocol,
        Endpoint(address_of(version, source_hi, source_lo), source_port),
        Endpoint(address_of(version, destination_hi, destination_lo), destination_port),
        data[start : start + length],
    )
