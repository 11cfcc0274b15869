"""Proof inside STUN messages: FINGERPRINT and the MESSAGE-INTEGRITY attributes.

Functions take the message's bytes and the offset of the attribute's value, so that they serve
the decoder and its tests alike.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from typing import Literal

_FINGERPRINT_XOR = 0x5354554E
_sized_u32 = struct.Struct("!HI").unpack_from


def _covered(data: bytes, end: int, length_to: int) -> bytes:
    """The bytes a proof covers: up to `end`, with the header's length reaching to `length_to`
    (RFC 8489 sections 14.5 and 14.7)."""
    return data[:2] + (length_to - 20).to_bytes(2, "big") + data[4:end]


def fingerprint_state(data: bytes, at: int) -> Literal["ok", "bad"]:
    """Whether the FINGERPRINT whose value begins at `at` matches (RFC 8489 section 14.7)."""
    end = len(data)
    if at + 4 > end:
        return "bad"
    size, value = _sized_u32(data, at - 2)
    covered = data[: at - 4] if at + 4 == end else _covered(data, at - 4, at + 4)
    return "ok" if size == 4 and zlib.crc32(covered) ^ _FINGERPRINT_XOR == value else "bad"


def short_term_key(password: str) -> bytes:
    """The key of ICE checks (RFC 8489 section 9.1.1)."""
    return password.encode()


def long_term_key(username: str, realm: str, password: str, *, sha256: bool = False) -> bytes:
    """The key of TURN requests (RFC 8489 sections 9.2.2 and 18.5.1): MD5 by default."""
    text = f"{username}:{realm}:{password}".encode()
    if sha256:
        return hashlib.sha256(text).digest()
    return hashlib.md5(text, usedforsecurity=False).digest()


def integrity_matches(data: bytes, at: int, key: bytes, *, digest: str = "sha1") -> bool:
    """Whether the integrity value at `at` is the HMAC of what stands before it.

    The value may be truncated as its type allows: MESSAGE-INTEGRITY 20 bytes of SHA-1,
    MESSAGE-INTEGRITY-SHA256 16 to 32 of SHA-256, GOOG-MESSAGE-INTEGRITY-32 4 of SHA-1.
    """
    size = int.from_bytes(data[at - 2 : at], "big")
    value = data[at : at + size]
    if not value or len(value) < size:
        return False
    text = _covered(data, at - 4, at + size)
    return hmac.compare_digest(hmac.digest(key, text, digest)[:size], value)
