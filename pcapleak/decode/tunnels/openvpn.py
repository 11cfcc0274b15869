"""OpenVPN control packets, as far as they are in clear."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pcapleak.errors import DecodeError

OpenVpnKind = Literal[
    "hard-reset-client", "hard-reset-server", "soft-reset", "control", "ack", "data"
]

_KINDS: dict[int, OpenVpnKind] = {
    1: "hard-reset-client",
    2: "hard-reset-server",
    3: "soft-reset",
    4: "control",
    5: "ack",
    6: "data",
    7: "hard-reset-client",
    8: "hard-reset-server",
    9: "data",
    10: "hard-reset-client",
    11: "control",
}

_HMAC_LENGTHS = (0, 16, 20, 28, 32, 48, 64)
"""None, then the digests `tls-auth` can use: MD5, SHA-1, SHA-2 by size."""


class OpenVpnMessage(NamedTuple):
    """An OpenVPN packet. Session ids are None where they are encrypted or absent."""

    kind: OpenVpnKind
    opcode: int
    key_id: int
    session_id: bytes | None
    remote_session_id: bytes | None
    """The peer's session id, in a packet that acknowledges (a reset's answer does)."""
    length: int


def decode_openvpn(data: bytes, length: int | None = None) -> OpenVpnMessage:
    """The OpenVPN packet that fills `data` (OpenVPN `doc_protocol_overview.h`).

    Over TCP a packet follows a two-byte length, which does not belong to `data`. `length` is
    the packet's own where the capture holds less of it.
    """
    size = len(data) if length is None else length
    if not data:
        raise DecodeError("openvpn", "header", 0, "empty")
    opcode, key_id = data[0] >> 3, data[0] & 7
    kind = _KINDS.get(opcode)
    if kind is None:
        raise DecodeError("openvpn", "header", 0, f"opcode {opcode}")
    if kind == "data":
        return OpenVpnMessage(kind, opcode, key_id, None, None, size)
    if len(data) < 14 or size < 14:
        raise DecodeError("openvpn", kind, len(data), "shorter than any control packet")
    remote = None
    if kind.startswith("hard-reset"):
        if key_id:
            raise DecodeError("openvpn", kind, 0, f"key id {key_id}, a reset has 0")
        remote = _remote_session(data)
    return OpenVpnMessage(kind, opcode, key_id, data[1:9], remote, size)


def _remote_session(data: bytes) -> bytes | None:
    """A reset ends with its acknowledgements, the peer's session id if there are any, and its
    packet id; how much stands before depends on `tls-auth`'s digest, so the one length that
    ends where the packet does is right. Where the packet id is not 0, a reset's, all of this is
    encrypted."""
    if data[-4:] != bytes(4):
        return None
    for hmac in _HMAC_LENGTHS:
        at = 9 + hmac + (8 if hmac else 0)
        if at >= len(data):
            break
        acknowledged = data[at]
        if 1 <= acknowledged <= 8 and at + 1 + 4 * acknowledged + 8 + 4 == len(data):
            return data[at + 1 + 4 * acknowledged : -4]
    return None
