"""STUN and TURN messages with every address, name and credential renamed, in place."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun import values
from pcapleak.decode.stun.attributes import ATTRIBUTES
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.errors import DecodeError
from pcapleak.redact.canvas import Canvas
from pcapleak.redact.names import Renamer
from pcapleak.redact.text import cover, redact_program
from pcapleak.values.registries import COOKIE

MAX_TIE_BREAKERS = 16
"""Salts tried on each foundation that signalling shows."""

_HEADER = 20
_NO_KEYS = (bytes(16), bytes(16))
_FINGERPRINT_XOR = 0x5354554E

_TOKENS = frozenset((0x0007, 0x001B, 0x001E, 0x0022, attr.NONCE, 0x4000, 0x8030))
"""PASSWORD, ACCESS-TOKEN, USERHASH, RESERVATION-TOKEN, NONCE, a relay token, MOBILITY-TICKET."""

_PROOFS = frozenset(
    (attr.MESSAGE_INTEGRITY, attr.MESSAGE_INTEGRITY_SHA256, attr.GOOG_MESSAGE_INTEGRITY_32)
)

_READ_AS_NUMBERS = frozenset(
    (
        values.u16,
        values.u32,
        values.u64,
        values.first_byte,
        values.even_port,
        values.flag,
        values.u16_list,
        values.u32_list,
        values.algorithms,
        values.network_info,
        values.transmit_counter,
    )
)
_NUMBERS = frozenset(type_ for type_, kind in ATTRIBUTES.items() if kind.decode in _READ_AS_NUMBERS)
_TEXTS = frozenset((attr.SOFTWARE, attr.ERROR_CODE, 0x8001))
"""Words of programs, which the search reads again; an error's behind its number."""

Nested = Callable[[bytes], Canvas]
"""Rewrites a datagram inside a message, keeping its length."""


def redact_stun(renamer: Renamer, data: bytes, nested: Nested) -> Canvas | None:
    """The message that `data` begins with; None where it is none.

    MESSAGE-INTEGRITY is blanked: it cannot be made anew without the password, and the old one
    would let the addresses it was made over be guessed.
    """
    try:
        message = decode_stun(data)
    except DecodeError:
        return None
    canvas = Canvas(data)
    canvas.number(0, _HEADER)
    ours = 8 if message.has_cookie else 4
    canvas.put(ours, renamer.identifier(data[ours:_HEADER]))
    keys = (data[4:_HEADER], bytes(canvas.out[4:_HEADER])) if message.has_cookie else _NO_KEYS
    fingerprint = None
    for attribute in message.attributes:
        at, value = attribute.offset, attribute.value
        canvas.number(at - 4, at)
        kind = message.kind(attribute.type)
        decode = None if kind is None else kind.decode
        if decode is values.address:
            _address(canvas, renamer, at, value, _NO_KEYS)
        elif decode is values.xor_address:
            _address(canvas, renamer, at, value, keys)
        elif attribute.type == attr.FINGERPRINT and len(value) == 4 and message.has_cookie:
            fingerprint = at
        elif attribute.type in (attr.DATA, attr.META_DTLS_IN_STUN):
            canvas.draw(at, nested(value))
        elif attribute.type == attr.USERNAME:
            parts = value.rstrip(b"\0").split(b":")
            canvas.put(at, b":".join(map(renamer.token, parts)).ljust(len(value), b"\0"))
        elif attribute.type in (attr.REALM, 0x8003):
            canvas.put(at, _host(renamer, value))
        elif attribute.type in _TOKENS:
            canvas.put(at, renamer.token(value))
        elif attribute.type in (attr.ICE_CONTROLLED, attr.ICE_CONTROLLING):
            canvas.put(at, renamer.identifier(value))
            if len(renamer.tie_breakers) < MAX_TIE_BREAKERS:
                renamer.tie_breakers.add(int.from_bytes(value, "big"))
        elif attribute.type in _NUMBERS or attribute.type == attr.NOMINATION:
            canvas.number(at, at + len(value))
        elif attribute.type in _PROOFS:
            canvas.put(at, bytes(len(value)))
        elif attribute.type in _TEXTS:
            _text(canvas, renamer, at, value)
    if fingerprint is not None:
        length = int.from_bytes(data[2:4], "big")
        if fingerprint + 4 <= _HEADER + length:
            crc = zlib.crc32(canvas.out[: fingerprint - 4]) ^ _FINGERPRINT_XOR
            wanted = crc.to_bytes(4, "big")
            right = zlib.crc32(data[: fingerprint - 4]) ^ _FINGERPRINT_XOR
            if right != int.from_bytes(data[fingerprint : fingerprint + 4], "big"):
                wanted = (crc ^ 1).to_bytes(4, "big")  # it was wrong and stays so
            canvas.put(fingerprint, wanted)
    return canvas


def redact_channel(data: bytes, nested: Nested) -> Canvas:
    """TURN ChannelData: its header stands, its content is rewritten."""
    canvas = Canvas(data)
    canvas.number(0, 4)
    length = int.from_bytes(data[2:4], "big")
    canvas.draw(4, nested(data[4 : 4 + length]))
    return canvas


def _address(
    canvas: Canvas, renamer: Renamer, at: int, value: bytes, keys: tuple[bytes, bytes]
) -> None:
    """An address XORed with the old one of the keys, or with zeros, as it is under the new one."""
    canvas.number(at, at + 4)
    if (value[1:2], len(value)) not in ((b"\1", 8), (b"\2", 20)):
        return
    old, new = keys
    plain = bytes(a ^ b for a, b in zip(value[4:], old, strict=False))
    renamed = renamer.packed(plain)
    canvas.put(at + 4, bytes(a ^ b for a, b in zip(renamed, new, strict=False)))


def _text(canvas: Canvas, renamer: Renamer, at: int, value: bytes) -> None:
    """Words without what tells of a user, of the same length."""
    canvas.keep(at, at + len(value))
    made = redact_program(renamer, value.decode("latin-1")).encode("latin-1", "replace")
    if made != value:
        canvas.put(at, made if len(made) == len(value) else cover(value))


def _host(renamer: Renamer, value: bytes) -> bytes:
    """A realm of the same length: labels keep theirs, and an address is made a word."""
    labels = tuple(value.split(b"."))
    if labels[-1].isdigit():
        return renamer.token(value)
    return b".".join(renamer.labels(labels))


def begins_with_cookie(data: bytes) -> bool:
    """Whether a STUN header begins here."""
    return len(data) >= _HEADER and data[0] < 0x40 and data[4:8] == COOKIE
