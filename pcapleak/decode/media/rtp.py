"""RTP and RTCP headers (RFC 3550, RFC 5761, RFC 8285)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pcapleak.errors import DecodeError

RTCP_NAMES = {
    192: "FIR", 193: "NACK", 195: "IJ", 200: "SR", 201: "RR", 202: "SDES", 203: "BYE",
    204: "APP", 205: "RTPFB", 206: "PSFB", 207: "XR",
}  # fmt: skip


class RtpPacket(NamedTuple):
    """The header of an RTP packet."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    contributing: tuple[int, ...]
    extension: bytes
    """The header extension's data, which names no participant but tells the sender's stack."""
    header_length: int


class RtcpPacket(NamedTuple):
    """The header of the first RTCP packet of a compound."""

    packet_type: int
    reports: int
    """The five bits that count report blocks, or hold a feedback's format."""
    ssrc: int
    length: int

    @property
    def type_name(self) -> str:
        """Such as `SR`."""
        return RTCP_NAMES.get(self.packet_type) or f"type {self.packet_type}"


def decode_rtp(data: bytes) -> RtpPacket | RtcpPacket:
    """The RTP or RTCP packet that fills `data`; RFC 5761 section 4 tells them apart."""
    if len(data) < 8:
        raise DecodeError("rtp", "header", len(data), "shorter than any packet")
    if data[0] >> 6 != 2:
        raise DecodeError("rtp", "header", 0, f"version {data[0] >> 6}")
    if 192 <= data[1] <= 223:
        words, ssrc = struct.unpack_from("!HI", data, 2)
        return RtcpPacket(data[1], data[0] & 31, ssrc, 4 * (words + 1))
    sources = data[0] & 15
    end = 12 + 4 * sources
    if len(data) < end:
        raise DecodeError("rtp", "header", len(data), f"a header of {end} bytes")
    sequence, timestamp, ssrc = struct.unpack_from("!HII", data, 2)
    contributing = struct.unpack_from(f"!{sources}I", data, 12)
    extension = b""
    if data[0] & 0x10:
        if len(data) < end + 4:
            raise DecodeError("rtp", "extension", len(data), "ends in its header")
        size = 4 * int.from_bytes(data[end + 2 : end + 4], "big")
        extension = data[end + 4 : end + 4 + size]
        end += 4 + size
        if len(data) < end:
            raise DecodeError("rtp", "extension", len(data), f"{size} bytes, past the end")
    marker, payload_type = bool(data[1] & 0x80), data[1] & 0x7F
    return RtpPacket(payload_type, marker, sequence, timestamp, ssrc, contributing, extension, end)
