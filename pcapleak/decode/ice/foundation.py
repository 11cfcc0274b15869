"""Foundations: the hashes of a hidden address that candidate lines publish.

A foundation says which candidates share type, base, server and transport (RFC 8445 section
5.1.1.3). libwebrtc and aioice compute it from the base address, so a foundation confirms an
address; that of Firefox is a counter and says nothing.
"""

from __future__ import annotations

import hashlib
import zlib

from pcapleak.values.packets import IPAddress

LEGACY_TYPE_NAMES = {"host": "local", "srflx": "stun", "prflx": "prflx", "relay": "relay"}
"""How libwebrtc spelled the types inside foundations until February 2024."""


def libwebrtc_foundation(
    type_name: str,
    base_address: IPAddress | str,
    protocol: str = "udp",
    relay_protocol: str = "",
    tie_breaker: int | None = None,
) -> str:
    """The foundation libwebrtc writes: CRC32 of type, base, protocols and tie-breaker.

    `base_address` is the local socket's address, for srflx of a wildcard socket `0.0.0.0` or
    `::`. Since October 2022 the text ends in the session's decimal `tie_breaker`; without
    it, pass None and the names of `LEGACY_TYPE_NAMES`.
    """
    salt = "" if tie_breaker is None else str(tie_breaker)
    return str(zlib.crc32(f"{type_name}{base_address}{protocol}{relay_protocol}{salt}".encode()))


def aioice_foundation(type_name: str, transport: str, address: IPAddress | str) -> str:
    """The foundation aioice writes: MD5 of type, transport and address, in hexadecimal."""
    text = f"{type_name}|{transport}|{address}".encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def unsalted_base(foundation: str, type_name: str, protocol: str, bases: set[str]) -> str | None:
    """Which of `bases` an unsalted foundation (libwebrtc before October 2022, aioice) hides."""
    legacy = LEGACY_TYPE_NAMES.get(type_name, type_name)
    for base in sorted(bases):
        if foundation in (
            libwebrtc_foundation(legacy, base, protocol),
            libwebrtc_foundation(type_name, base, protocol),
            aioice_foundation(type_name, protocol, base),
        ):
            return base
    return None


def salted_base(
    foundation: str, type_name: str, protocol: str, bases: set[str], tie_breakers: set[int]
) -> tuple[str, int] | None:
    """Which base and tie-breaker together give libwebrtc's salted foundation.

    Tries both spellings of the type; the cost is the product of both sets.
    """
    if not foundation.isdecimal():
        return None
    for name in {type_name, LEGACY_TYPE_NAMES.get(type_name, type_name)}:
        for tie_breaker in sorted(tie_breakers):
            for base in sorted(bases):
                if libwebrtc_foundation(name, base, protocol, "", tie_breaker) == foundation:
                    return base, tie_breaker
    return None
