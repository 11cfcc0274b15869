"""The TLS ClientHello: which server a client says it wants (RFC 8446 section 4.1.2)."""

from __future__ import annotations

from typing import NamedTuple

from pcapleak.errors import DecodeError

MAX_HELLO = 16384
"""Bytes of a ClientHello; real ones have 200 to 2000."""

_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS, _ECH = 0, 16, 43, 0xFE0D

_VERSIONS = {
    0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3",
    0xFEFF: "DTLS 1.0", 0xFEFD: "DTLS 1.2", 0xFEFC: "DTLS 1.3",
}  # fmt: skip


class ClientHello(NamedTuple):
    """What a client offers. With ECH `server_name` is the outer one."""

    server_name: str | None
    alpn: tuple[str, ...]
    version: int
    """The highest version offered, GREASE aside."""
    encrypted_hello: bool = False

    @property
    def version_name(self) -> str:
        """Such as `TLS 1.3`."""
        return _VERSIONS.get(self.version) or f"{self.version:#06x}"


def looks_like_tls(data: bytes) -> bool:
    """Whether a stream that begins with `data` may begin with a ClientHello."""
    return data[:2] == b"\x16\x03" and data[2:3] <= b"\x04" and (len(data) < 6 or data[5] == 1)


def parse_hello_records(data: bytes) -> tuple[ClientHello, int] | None:
    """The ClientHello that begins a TLS stream, put together from its records, and how many
    bytes they took; None while it is not all there."""
    body = b""
    at = 0
    while True:
        if len(data) < at + 5:
            return None
        if data[at] != 22 or data[at + 1] != 3:
            raise DecodeError("tls", "record", at, f"content type {data[at]}")
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if not 0 < size <= MAX_HELLO:
            raise DecodeError("tls", "record", at + 3, f"{size} bytes")
        fragment = data[at + 5 : at + 5 + size]
        body += fragment
        if len(body) >= 4:
            if body[0] != 1:
                raise DecodeError("tls", "handshake", at, f"type {body[0]}, not a ClientHello")
            needed = 4 + int.from_bytes(body[1:4], "big")
            if needed > MAX_HELLO:
                raise DecodeError("tls", "handshake", at, f"a ClientHello of {needed} bytes")
            if len(body) >= needed:
                return decode_client_hello(body[4:needed]), at + 5 + len(fragment)
        if len(fragment) < size:
            return None
        at += 5 + size


def decode_client_hello(data: bytes, *, datagram: bool = False) -> ClientHello:
    """The ClientHello whose body, after the handshake header, is `data`; `datagram` for DTLS,
    which has a cookie more (RFC 9147 section 5.3)."""
    reader = _Reader(data)
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    if datagram:
        reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    server_name = None
    alpn: tuple[str, ...] = ()
    encrypted = False
    if reader.left:
        extensions = _Reader(reader.vector(2))
        while extensions.left:
            kind = extensions.number(2)
            value = _Reader(extensions.vector(2))
            if kind == _SERVER_NAME and value.left:
                server_name = _server_name(value)
            elif kind == _ALPN:
                names = _Reader(value.vector(2))
                offered = []
                while names.left:
                    offered.append(names.vector(1).decode("ascii", "backslashreplace"))
                alpn = tuple(offered)
            elif kind == _SUPPORTED_VERSIONS:
                listed = value.vector(1)
                numbers = [
                    int.from_bytes(listed[i : i + 2], "big") for i in range(0, len(listed) - 1, 2)
                ]
                known = [number for number in numbers if number in _VERSIONS]
                if known:
                    version = min(known) if datagram else max(known)
            elif kind == _ECH:
                encrypted = True
    return ClientHello(server_name, alpn, version, encrypted)


def _server_name(value: _Reader) -> str | None:
    names = _Reader(value.vector(2))
    while names.left:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.decode("ascii", "backslashreplace")
    return None


class _Reader:
    """Reads numbers and length-prefixed vectors, never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise DecodeError(
                "tls", "ClientHello", self._at, f"{size} bytes wanted, {self.left} left"
            )
        value = self._data[self._at : self._at + size]
        self._at += size
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))
