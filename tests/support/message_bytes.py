"""Messages made byte by byte that several tests send."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from stun_encoder import attribute, message, xor_address

TRANSACTION = b"abcdefghijkl"
ALLOCATE = message(0x0003, attribute(0x0019, b"\x11\0\0\0"), TRANSACTION)
ALLOCATED = message(
    0x0103, attribute(0x0020, xor_address("203.0.113.7", 4000, TRANSACTION)), TRANSACTION
)
LINES = (
    "candidate:1 1 UDP 2130706431 192.0.2.9 50000 typ host",
    "candidate:2 1 UDP 1694498815 203.0.113.7 50000 typ srflx raddr 192.0.2.9 rport 50000",
)
SDP = "v=0\r\nc=IN IP4 192.0.2.9\r\na=ice-ufrag:aB3d\r\n" + "".join(f"a={x}\r\n" for x in LINES)
INVITE = (
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.9:5060\r\n"
    "Content-Type: application/sdp\r\n"
    f"l: {len(SDP)}\r\n\r\n{SDP}"
).encode()
RINGING = b"SIP/2.0 180 Ringing\r\nContent-Length: 0\r\n\r\n"


def dhcp(*options: bytes, yours: str = "192.168.50.42") -> bytes:
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, 0x1234, 0, 0) + bytes(4)
    head += ip_address(yours).packed + bytes(8) + b"\x02\0\0\0\0\1" + bytes(10)
    return head + bytes(192) + b"\x63\x82\x53\x63" + b"".join(options) + b"\xff"


def hello(server_name: bytes = b"example.org", alpn: bytes = b"\x02h2") -> bytes:
    """A ClientHello in its record."""
    entry = b"\0" + struct.pack("!H", len(server_name)) + server_name
    sni = struct.pack("!HHH", 0, len(entry) + 2, len(entry)) + entry
    offered = struct.pack("!HHH", 16, len(alpn) + 2, len(alpn)) + alpn
    versions = b"\x00\x2b\x00\x05\x04\x0a\x0a\x03\x04"
    extensions = sni + offered + versions
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    body += struct.pack("!H", len(extensions)) + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake
