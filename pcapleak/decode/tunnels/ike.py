"""IKE headers, versions 1 and 2 (RFC 2408 section 3.1, RFC 7296 section 3.1)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pcapleak.errors import DecodeError

EXCHANGES = {
    1: "base",
    2: "main mode",
    3: "authentication only",
    4: "aggressive",
    5: "informational (v1)",
    32: "quick mode",
    33: "new group",
    34: "IKE_SA_INIT",
    35: "IKE_AUTH",
    36: "CREATE_CHILD_SA",
    37: "INFORMATIONAL",
    38: "IKE_SESSION_RESUME",
    43: "IKE_INTERMEDIATE",
    44: "IKE_FOLLOWUP_KE",
}


class IkeMessage(NamedTuple):
    """The header of an IKE message."""

    version: int
    """Major version: 1 or 2."""
    exchange: int
    is_response: bool
    """Version 2's flag; version 1 has none."""
    from_initiator: bool
    message_id: int
    initiator_spi: bytes
    responder_spi: bytes
    nat_traversal: bool
    """It followed the non-ESP marker of RFC 3948 section 2.2."""

    @property
    def exchange_name(self) -> str:
        """The exchange's name, or its number."""
        return EXCHANGES.get(self.exchange) or f"exchange {self.exchange}"


def decode_ike(data: bytes, length: int | None = None) -> IkeMessage:
    """The IKE message that fills `data`, after the non-ESP marker if it has one.

    `length` is the datagram's own where the capture holds less of it.
    """
    size = len(data) if length is None else length
    marker = 4 if data[:4] == b"\0\0\0\0" else 0
    if len(data) < marker + 28:
        raise DecodeError("ike", "header", len(data), "a header has 28 bytes")
    initiator, responder = data[marker : marker + 8], data[marker + 8 : marker + 16]
    version, exchange, flags, message_id, declared = struct.unpack_from("!BBBII", data, marker + 17)
    if version >> 4 not in (1, 2):
        raise DecodeError("ike", "version", marker + 17, f"version {version >> 4}")
    if initiator == bytes(8):
        raise DecodeError("ike", "initiator SPI", marker, "zero")
    if declared != size - marker:
        raise DecodeError(
            "ike", "length", marker + 24, f"says {declared}, the datagram has {size - marker}"
        )
    two = version >> 4 == 2
    return IkeMessage(
        version >> 4,
        exchange,
        two and bool(flags & 0x20),
        two and bool(flags & 0x08),
        message_id,
        initiator,
        responder,
        bool(marker),
    )
