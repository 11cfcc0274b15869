"""An encoder of STUN messages for tests: written from RFC 8489, not from the decoder."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from ipaddress import ip_address

COOKIE = 0x2112A442


def attribute(type_: int, value: bytes, padding: bytes = b"\0") -> bytes:
    """Type, length, value and padding."""
    return struct.pack("!HH", type_, len(value)) + value + padding * (-len(value) % 4)


def plain_address(address: str, port: int) -> bytes:
    ip = ip_address(address)
    return struct.pack("!BBH", 0, 1 if ip.version == 4 else 2, port) + ip.packed


def xor_address(address: str, port: int, transaction_id: bytes) -> bytes:
    key = struct.pack("!I", COOKIE) + transaction_id
    plain = plain_address(address, port)
    hidden = bytes(a ^ b for a, b in zip(plain[2:4], key[:2], strict=True))
    tail = bytes(a ^ b for a, b in zip(plain[4:], key, strict=False))
    return plain[:2] + hidden + tail


def header(type_: int, length: int, transaction_id: bytes) -> bytes:
    return struct.pack("!HHI", type_, length, COOKIE) + transaction_id


def message(
    type_: int,
    attributes: bytes = b"",
    transaction_id: bytes = b"t" * 12,
    *,
    key: bytes | None = None,
    fingerprint: bool = False,
) -> bytes:
    """A whole message, with MESSAGE-INTEGRITY and FINGERPRINT as asked."""
    body = attributes
    if key is not None:
        covered = header(type_, len(body) + 24, transaction_id) + body
        body += attribute(0x0008, hmac.new(key, covered, hashlib.sha1).digest())
    if fingerprint:
        covered = header(type_, len(body) + 8, transaction_id) + body
        body += attribute(0x8028, struct.pack("!I", zlib.crc32(covered) ^ 0x5354554E))
    return header(type_, len(body), transaction_id) + body


def classic(type_: int, attributes: bytes = b"", transaction_id: bytes = b"c" * 16) -> bytes:
    """An RFC 3489 message."""
    return struct.pack("!HH", type_, len(attributes)) + transaction_id + attributes


def check(
    username: str = "Recv:Send",
    priority: int = 1845501695,
    tie_breaker: int = 0x0102030405060708,
    *,
    controlling: bool = True,
    extra: bytes = b"",
    password: str = "a-password-of-the-peer",
) -> bytes:
    """A connectivity check as libwebrtc orders it."""
    role = 0x802A if controlling else 0x8029
    body = attribute(0x0006, username.encode())
    body += attribute(0xC057, struct.pack("!HH", 0, 999))
    body += attribute(role, struct.pack("!Q", tie_breaker))
    body += extra
    body += attribute(0x0024, struct.pack("!I", priority))
    return message(0x0001, body, key=password.encode(), fingerprint=True)
