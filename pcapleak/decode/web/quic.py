"""QUIC Initial packets and the ClientHello inside (RFC 9000, 9001, 9369).

Initial packets are encrypted with keys that anyone can derive from the connection id the
client chose, so a client's first flight can be read; a server's cannot without having seen it.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import NamedTuple

from pcapleak.decode.web.tls import ClientHello, decode_client_hello
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context

VERSION_1 = 1
VERSION_2 = 0x6B3343CF

SALTS = {
    VERSION_1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    VERSION_2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    # Drafts still found in captures: 23 to 28, 29 to 32, 33 and 34.
    **dict.fromkeys(range(0xFF000017, 0xFF00001D), "c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
    **dict.fromkeys(range(0xFF00001D, 0xFF000021), "afbfec289993d24c9e9786f19c6111e04390a899"),
    **dict.fromkeys(range(0xFF000021, 0xFF000023), "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
}

MAX_CRYPTO = 16384
"""Bytes of a handshake put together; a ClientHello has 250 to 2500."""


MAX_OPEN_HELLOS = 1024
"""Connections whose hello is not whole yet."""
MAX_HELLO_BYTES = 8192
"""Bytes of pieces kept of one hello, so 8 MB for all."""
MAX_HELLO_PIECES = 64
"""Of one hello; Chromium cuts its into some 20. About 130 bytes each beside their own: 9 MB."""


class CryptoFragment(NamedTuple):
    """A piece of the handshake (RFC 9000 section 19.6)."""

    offset: int
    data: bytes


class QuicInitial(NamedTuple):
    """The first Initial packet of a datagram.

    `fragments` holds what of the handshake it carried, empty where it could not be decrypted;
    `hello` is there when that is a whole ClientHello (see `join_fragments` for several).
    """

    version: int
    dcid: bytes
    scid: bytes
    token_length: int
    fragments: tuple[CryptoFragment, ...] = ()
    hello: ClientHello | None = None

    @property
    def server_name(self) -> str | None:
        """The server the client says it wants."""
        return None if self.hello is None else self.hello.server_name

    @property
    def alpn(self) -> tuple[str, ...]:
        """The protocols the client offers."""
        return () if self.hello is None else self.hello.alpn


def decode_quic(data: bytes) -> QuicInitial:
    """The Initial packet that `data` begins with."""
    size = len(data)
    if size < 7 or data[0] & 0xC0 != 0xC0:
        raise DecodeError("quic", "header", 0, "not a long header")
    version = int.from_bytes(data[1:5], "big")
    initial = 1 if version == VERSION_2 else 0
    if data[0] >> 4 & 3 != initial or not version:
        raise DecodeError("quic", "header", 0, "not an Initial packet")
    dcid, at = connection_id(data, 5)
    scid, at = connection_id(data, at)
    token_length, at = varint(data, at)
    at += token_length
    length, at = varint(data, at)
    salt = SALTS.get(version)
    if salt is None or at + length > size or length < 20 or not dcid:
        return QuicInitial(version, dcid, scid, token_length)
    opened = client_keys(version, dcid, salt).open(data, at, length)
    if opened is None:
        return QuicInitial(version, dcid, scid, token_length)
    fragments = tuple(_crypto_frames(opened[-1]))
    return QuicInitial(version, dcid, scid, token_length, fragments, join_fragments(fragments))


def join_fragments(fragments: tuple[CryptoFragment, ...]) -> ClientHello | None:
    """The ClientHello that the fragments hold, if they hold all of it."""
    joined = bytearray()
    for offset, piece in sorted(fragments):
        if offset > len(joined) or len(joined) > MAX_CRYPTO:
            break
        joined += piece[len(joined) - offset :]
    if len(joined) < 4 or joined[0] != 1:
        return None
    needed = 4 + int.from_bytes(joined[1:4], "big")
    if len(joined) < needed:
        return None
    return decode_client_hello(bytes(joined[4:needed]))


def connection_id(data: bytes, at: int) -> tuple[bytes, int]:
    """The connection id behind the length at `at`, and where it ends."""
    if at >= len(data):
        raise DecodeError("quic", "connection id", at, "past the end")
    size = data[at]
    end = at + 1 + size
    if size > 20 or end > len(data):
        raise DecodeError("quic", "connection id", at, f"{size} bytes")
    return data[at + 1 : end], end


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends (RFC 9000 section 16)."""
    if at < len(data):
        width = 1 << (data[at] >> 6)
        if at + width <= len(data):
            value = int.from_bytes(data[at : at + width], "big")
            return value & (1 << 8 * width - 2) - 1, at + width
    raise DecodeError("quic", "number", at, "past the end")


def _expand(secret: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 section 7.1, for at most 32 bytes."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0\x01"
    return hmac.digest(secret, info, "sha256")[:length]


class InitialKeys(NamedTuple):
    """What protects one side's Initial packets (RFC 9001 sections 5.2 to 5.4)."""

    key: bytes
    iv: bytes
    protection: bytes

    def open(self, data: bytes, at: int, length: int) -> tuple[int, bytes, bytes] | None:
        """The first byte, the packet number that stands at `at`, and the frames of the packet that
        begins `data`, `length` bytes from its number on; None where it has other keys."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        mask = self._mask(data[at + 4 : at + 20])
        first = data[0] ^ mask[0] & 0x0F
        width = (first & 3) + 1
        number = bytes(a ^ b for a, b in zip(data[at : at + width], mask[1:], strict=False))
        header = bytes((first,)) + data[1:at] + number
        sealed = data[at + width : at + length]
        try:
            return first, number, AESGCM(self.key).decrypt(self._nonce(number), sealed, header)
        except InvalidTag:
            return None

    def seal(self, header: bytes, number: bytes, frames: bytes) -> bytes:
        """The packet with this header, without its number, and these frames."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = AESGCM(self.key).encrypt(self._nonce(number), frames, header + number)
        mask = self._mask((number + sealed)[4:20])
        hidden = bytes(a ^ b for a, b in zip(number, mask[1:], strict=False))
        return bytes((header[0] ^ mask[0] & 0x0F,)) + header[1:] + hidden + sealed

    def _mask(self, sample: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import ECB

        # One block is all that ECB enciphers here.
        return Cipher(AES(self.protection), ECB()).encryptor().update(sample)  # noqa: S305

    def _nonce(self, number: bytes) -> bytes:
        return (int.from_bytes(self.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")


@lru_cache(maxsize=1024)
def client_keys(version: int, dcid: bytes, salt: str) -> InitialKeys:
    """The keys of the client that asks for a connection id (RFC 9001 section 5.2)."""
    secret = _expand(hmac.digest(bytes.fromhex(salt), dcid, hashlib.sha256), "client in", 32)
    prefix = "quicv2" if version == VERSION_2 else "quic"
    return InitialKeys(
        _expand(secret, f"{prefix} key", 16),
        _expand(secret, f"{prefix} iv", 12),
        _expand(secret, f"{prefix} hp", 16),
    )


def _crypto_frames(plain: bytes) -> list[CryptoFragment]:
    """The CRYPTO frames up to the first frame that an Initial packet may not hold."""
    fragments = []
    at = 0
    while at < len(plain):
        kind = plain[at]
        at += 1
        if kind in (0, 1):
            continue
        if kind in (2, 3):
            _, at = varint(plain, at)
            _, at = varint(plain, at)
            ranges, at = varint(plain, at)
            _, at = varint(plain, at)
            # A range takes two bytes, so the packet ends before a false count does.
            for _ in range(2 * ranges + (3 if kind == 3 else 0)):
                _, at = varint(plain, at)
        elif kind == 6:
            offset, at = varint(plain, at)
            size, at = varint(plain, at)
            if at + size > len(plain):
                raise DecodeError("quic", "CRYPTO frame", at, f"{size} bytes, past the end")
            fragments.append(CryptoFragment(offset, plain[at : at + size]))
            at += size
        else:
            break
    return fragments


class QuicHellos:
    """ClientHellos that took more than one datagram, by (flow, connection id the client chose).

    Since key shares became large a browser's hello has two Initial packets, and Chromium sends
    its pieces out of order on purpose.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, bytes], tuple[CryptoFragment, ...]] = {}

    def join(self, context: Context, message: QuicInitial) -> QuicInitial:
        """`message`, with the hello that it completes if it does."""
        if message.hello is not None or not message.fragments:
            return message
        key = (context.flow, message.dcid)
        pieces = self._open.pop(key, ()) + message.fragments
        if (
            len(pieces) > MAX_HELLO_PIECES
            or sum(len(piece.data) for piece in pieces) > MAX_HELLO_BYTES
        ):
            return message
        try:
            hello = join_fragments(pieces)
        except DecodeError:
            return message
        if hello is not None:
            return message._replace(hello=hello)
        if len(self._open) >= MAX_OPEN_HELLOS:
            del self._open[next(iter(self._open))]
        self._open[key] = pieces
        return message
