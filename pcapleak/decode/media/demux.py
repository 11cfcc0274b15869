"""Telling the protocols of one WebRTC socket apart (RFC 7983, RFC 9443).

The first byte only suggests a protocol; how sure the suggestion is comes from the structure
behind it. Nothing here decodes more than it takes to be surer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.errors import DecodeError
from pcapleak.values.registries import COOKIE

Protocol = Literal["stun", "zrtp", "dtls", "channel-data", "rtp", "rtcp", "quic", "unknown"]
Confidence = Literal["certain", "high", "medium", "low"]


class Guess(NamedTuple):
    """What a datagram looks like, how surely, and why."""

    protocol: Protocol
    confidence: Confidence
    reason: str


_DTLS_VERSIONS = (b"\xfe\xff", b"\xfe\xfd", b"\x01\x00")
"""1.0 and 1.2 as RFC 6347 writes them, and OpenSSL's pre-standard 1.0."""

_QUIC_VERSIONS = (b"\0\0\0\0", b"\0\0\0\1", b"\x6b\x33\x43\xcf")
"""Negotiation, version 1 (RFC 9000), version 2 (RFC 9369)."""


def demultiplex(data: bytes, *, turn: bool = False) -> Guess:
    """Guess the protocol of a datagram; `turn` says that TURN is known on the flow."""
    if not data:
        return Guess("unknown", "certain", "no bytes")
    first = data[0]
    if first < 4:
        return _stun(data)
    if data[4:8] == COOKIE and first < 64:
        return Guess("stun", "high", "the magic cookie, with a method RFC 7983 leaves no room for")
    if 16 <= first < 20:
        if data[4:8] == b"ZRTP":
            return Guess("zrtp", "certain", "ZRTP's magic cookie")
        return Guess("zrtp", "low", f"first byte {first}")
    if 20 <= first < 64:
        return _dtls(data)
    if 64 <= first < 80:
        return _channel_data(data, turn)
    if first < 128:
        return Guess("quic", "low", f"first byte {first}: a short header, unless greased")
    if first < 192:
        return _rtp(data)
    if first & 0xC0 == 0xC0 and data[1:5] in _QUIC_VERSIONS:
        return Guess("quic", "high", "a long header of a known version")
    return Guess("unknown" if len(data) < 7 else "quic", "low", f"first byte {first}")


def _stun(data: bytes) -> Guess:
    try:
        message = decode_stun(data)
    except DecodeError as error:
        return Guess("unknown", "medium", error.reason)
    if not message.has_cookie:
        return Guess("stun", "medium", "follows RFC 3489 to the byte, without a magic cookie")
    if message.fingerprint == "ok":
        return Guess("stun", "certain", "the magic cookie and a matching FINGERPRINT")
    return Guess("stun", "high" if message.problems else "certain", "the magic cookie")


def _dtls(data: bytes) -> Guess:
    if data[0] >= 32:
        return Guess("dtls", "low", "first byte of a DTLS 1.3 record")
    if len(data) < 13 or data[1:3] not in _DTLS_VERSIONS:
        return Guess("unknown", "medium", "no DTLS version behind a DTLS content type")
    if data[0] > 26:
        return Guess("unknown", "medium", f"no DTLS content type {data[0]}")
    if 13 + (data[11] << 8 | data[12]) <= len(data):
        return Guess("dtls", "certain", "a DTLS record that fits the datagram")
    return Guess("dtls", "medium", "a DTLS record, longer than the datagram")


def _channel_data(data: bytes, turn: bool) -> Guess:
    length, rest = int.from_bytes(data[2:4], "big"), len(data) - 4
    if rest >= 0 and rest in (length, length + 3 & ~3):
        sure: Confidence = "high" if turn else "medium"
        return Guess("channel-data", sure, "a length that fits the datagram")
    if turn:
        return Guess("channel-data", "low", "a channel number, with a length that does not fit")
    return Guess("quic", "low", f"first byte {data[0]}: a short header, unless greased")


def _rtp(data: bytes) -> Guess:
    """RFC 5761 section 4 tells RTCP by its type; RFC 3550 sections 5.1 and 6.4 give sizes."""
    if len(data) >= 8 and 192 <= data[1] <= 223:
        length = 4 + 4 * (data[2] << 8 | data[3])
        if length == len(data) or (length < len(data) and data[length] >> 6 == 2):
            return Guess("rtcp", "high", "an RTCP type, and lengths that fit")
        return Guess("rtcp", "medium", "an RTCP type; SRTCP's trailer or a cut hides the length")
    header = 12 + 4 * (data[0] & 15)
    if len(data) < header:
        return Guess("unknown", "medium", "too short for an RTP header")
    return Guess("rtp", "medium", "version 2 and room for the header")
