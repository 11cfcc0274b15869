"""QUIC long headers, and the ClientHello that Initial packets hold behind well-known keys."""

from __future__ import annotations

from pcapleak.decode.web.quic import (
    MAX_CRYPTO,
    SALTS,
    VERSION_2,
    client_keys,
    connection_id,
    varint,
)
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft
from pcapleak.redact.hello import redact_client_hello
from pcapleak.redact.names import Renamer

MAX_HELLOS = 4096
"""Connections whose hello is put together: at most 16 kB each, so 64 MB."""


class QuicHellos:
    """Rewrites long headers. A hello spreads over datagrams, so it is read in a first pass over
    all of them and sealed anew, renamed, in a second."""

    def __init__(self, renamer: Renamer) -> None:
        self._renamer = renamer
        self._bodies: dict[bytes, bytearray] = {}
        self._renamed: dict[bytes, bytes] | None = None

    def learned(self) -> None:
        """The first pass is over."""
        self._renamed = {}
        for dcid, body in self._bodies.items():
            draft = Draft(bytes(body))
            if body[:1] == b"\1":
                draft.number(0, 4)
                redact_client_hello(self._renamer, draft, 4, datagram=False)
            self._renamed[dcid] = bytes(self._renamer.clean(draft).out)

    def redact(self, data: bytes) -> Draft:
        """A datagram that begins with a long header."""
        draft = Draft(data)
        try:
            draft.number(0, 5)
            at = 5
            for _ in range(2):
                name, end = connection_id(data, at)
                draft.number(at, at + 1)
                draft.put(at + 1, self._renamer.identifier(name))
                at = end
            initial = 1 if data[1:5] == VERSION_2.to_bytes(4, "big") else 0
            if data[0] >> 4 & 3 == initial:
                self._initial(draft, at)
        except DecodeError:
            pass  # a header cut short: what was drawn of it stands
        return draft

    def _initial(self, draft: Draft, at: int) -> None:
        data = draft.source
        version = int.from_bytes(data[1:5], "big")
        dcid, _ = connection_id(data, 5)
        token, after = varint(data, at)
        draft.number(at, after)
        at = after + token
        length, start = varint(data, at)
        draft.number(at, start)
        salt = SALTS.get(version)
        if salt is None or start + length > len(data) or length < 20 or not dcid:
            return
        opened = client_keys(version, dcid, salt).open(data, start, length)
        if opened is None:
            return
        first, number, frames = opened
        draft.put(0, bytes((first,)))  # the header that is sealed with it: without the token
        keys = client_keys(version, self._renamer.identifier(dcid), salt)
        made = keys.seal(bytes(draft.out[:start]), number, self._frames(dcid, frames))
        draft.put(0, made[:1])
        draft.put(start, made[start:])

    def _frames(self, dcid: bytes, plain: bytes) -> bytes:
        """The frames with the handshake in them renamed; what else they hold goes."""
        made = bytearray(plain)
        at = 0
        while at < len(plain):
            kind = plain[at]
            at += 1
            if kind in (0, 1):
                continue
            if kind != 6:
                made[at - 1 :] = bytes(len(plain) - at + 1)
                break
            offset, at = varint(plain, at)
            size, at = varint(plain, at)
            if at + size > len(plain):
                made[at:] = bytes(len(plain) - at)
                break
            made[at : at + size] = self._handshake(dcid, offset, plain[at : at + size])
            at += size
        return bytes(made)

    def _handshake(self, dcid: bytes, offset: int, piece: bytes) -> bytes:
        if self._renamed is not None:
            made = self._renamed.get(dcid, b"")
            return made[offset : offset + len(piece)].ljust(len(piece), b"\0")
        if dcid in self._bodies or len(self._bodies) < MAX_HELLOS:
            body = self._bodies.setdefault(dcid, bytearray())
            if offset + len(piece) <= MAX_CRYPTO:
                body.extend(bytes(max(offset + len(piece) - len(body), 0)))
                body[offset : offset + len(piece)] = piece
        return piece
