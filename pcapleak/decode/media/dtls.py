"""DTLS hellos (RFC 6347, RFC 9147)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pcapleak.decode.web.tls import ClientHello, decode_client_hello
from pcapleak.errors import DecodeError

DtlsKind = Literal["client-hello", "server-hello", "hello-verify-request"]

_KINDS: dict[int, DtlsKind] = {1: "client-hello", 2: "server-hello", 3: "hello-verify-request"}


class DtlsHello(NamedTuple):
    """The first hello of a datagram. `client` is there for a whole ClientHello."""

    kind: DtlsKind
    version: int
    """Of the record: 0xFEFF for DTLS 1.0, 0xFEFD for 1.2 (and 1.3's first flight)."""
    fragmented: bool
    client: ClientHello | None = None


def decode_dtls(data: bytes) -> DtlsHello:
    """The hello in the record that `data` begins with.

    A ClientHello in several fragments, or behind a snap length, has no `client`.
    """
    if len(data) < 25:
        raise DecodeError("dtls", "record", len(data), "a handshake record has at least 25 bytes")
    version = int.from_bytes(data[1:3], "big")
    if data[0] != 22 or version not in (0xFEFF, 0xFEFD, 0xFEFC, 0x0100):
        raise DecodeError("dtls", "record", 0, f"content type {data[0]}, version {version:#06x}")
    if data[3:5] != b"\0\0":
        raise DecodeError("dtls", "record", 3, "epoch above 0, so the handshake is encrypted")
    kind = _KINDS.get(data[13])
    if kind is None:
        raise DecodeError("dtls", "handshake", 13, f"type {data[13]}, not a hello")
    length = int.from_bytes(data[14:17], "big")
    at, size = int.from_bytes(data[19:22], "big"), int.from_bytes(data[22:25], "big")
    if at + size > length:
        raise DecodeError("dtls", "handshake", 19, f"bytes {at} to {at + size} of {length}")
    fragmented = size < length
    client = None
    if kind == "client-hello" and not fragmented and len(data) >= 25 + size:
        client = decode_client_hello(data[25 : 25 + size], datagram=True)
    return DtlsHello(kind, version, fragmented, client)
