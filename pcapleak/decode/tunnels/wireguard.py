"""WireGuard messages: their kinds and indices, which are all a passive observer can read."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from pcapleak.errors import DecodeError

WireGuardKind = Literal["initiation", "response", "cookie", "data"]

KEEPALIVE_LENGTH = 32
"""A data message that carries nothing."""

_LENGTHS: dict[int, tuple[WireGuardKind, tuple[int, ...]]] = {
    1: ("initiation", (148, 204)),
    2: ("response", (92, 100)),
    3: ("cookie", (64,)),
}
"""By type; the second length is TunnelBear's, which pads them."""


class WireGuardMessage(NamedTuple):
    """A WireGuard message. An index names one end's session; a response answers the
    initiation whose `sender_index` is its `receiver_index`."""

    kind: WireGuardKind
    sender_index: int | None
    receiver_index: int | None
    length: int
    counter: int | None = None
    """Of a data message."""

    @property
    def is_keepalive(self) -> bool:
        """A data message without data."""
        return self.kind == "data" and self.length == KEEPALIVE_LENGTH


def decode_wireguard(data: bytes, length: int | None = None) -> WireGuardMessage:
    """The WireGuard message that fills `data` (WireGuard paper section 5.4).

    `length` is the datagram's own where the capture holds less of it. Only the header is read;
    data messages are told by shape alone, which other protocols share. Cloudflare's WARP fills the
    reserved bytes: such a message counts where it is part of a handshake, with MAC1 and a MAC2 of
    zeros. TunnelBear pads both messages of a handshake and leaves type and indices where they were.
    """
    size = len(data) if length is None else length
    if len(data) < 16:
        raise DecodeError("wireguard", "header", len(data), "shorter than any message")
    filled = data[1:4] != b"\0\0\0"
    marked = size == len(data) and (data[0], size) in ((1, 148), (2, 92))
    if filled and (not marked or any(data[-16:]) or not any(data[-32:-16])):
        raise DecodeError("wireguard", "header", 1, "reserved bytes are not zero")
    kind = data[0]
    if kind == 4:
        if size < KEEPALIVE_LENGTH or size % 16:
            raise DecodeError("wireguard", "data", 4, f"{size} bytes, not a multiple of 16")
        receiver, counter = struct.unpack_from("<IQ", data, 4)
        return WireGuardMessage("data", None, receiver, size, counter)
    if kind not in _LENGTHS:
        raise DecodeError("wireguard", "header", 0, f"message type {kind}")
    name, expected = _LENGTHS[kind]
    if size not in expected:
        wanted = " or ".join(map(str, expected))
        raise DecodeError("wireguard", name, 0, f"{size} bytes, must be {wanted}")
    first, second = struct.unpack_from("<II", data, 4)
    if kind == 1:
        return WireGuardMessage(name, first, None, size)
    if kind == 2:
        return WireGuardMessage(name, first, second, size)
    return WireGuardMessage(name, None, first, size)
