"""STUN and TURN messages with every address, name and credential renamed, in place."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun import values
from pcapleak.decode.stun.attributes import ATTRIBUTES
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft
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

Nested = Callable[[bytes], Draft]
"""Rewrites a datagram inside a message, keeping its length."""


def redact_stun(renamer: Renamer, data: bytes, nested: Nested) -> Draft | None:
    """The message that `data` begins with; None where it is none.

    MESSAGE-INTEGRITY is blanked: it cannot be made anew without the password, and the old one
    would let the addresses it was made over be guessed.
    """
    try:
        message = decode_stun(data)
    except DecodeError:
        return None
    draft = Draft(data)
    draft.number(0, _HEADER)
    ours = 8 if message.has_cookie else 4
    draft.put(ours, renamer.identifier(data[ours:_HEADER]))
    keys = (data[4:_HEADER], bytes(draft.out[4:_HEADER])) if message.has_cookie else _NO_KEYS
    fingerprint = None
    for attribute in message.attributes:
        at, value = attribute.offset, attribute.value
        draft.number(at - 4, at)
        kind = message.kind(attribute.type)
        decode = None if kind is None else kind.decode
        if decode is values.address:
            _address(draft, renamer, at, value, _NO_KEYS)
        elif decode is values.xor_address:
            _address(draft, renamer, at, value, keys)
        elif attribute.type == attr.FINGERPRINT and len(value) == 4 and message.has_cookie:
            fingerprint = at
        elif attribute.type in (attr.DATA, attr.META_DTLS_IN_STUN):
            draft.draw(at, nested(value))
        elif attribute.type == attr.USERNAME:
            parts = value.rstrip(b"\0").split(b":")
            draft.put(at, b":".join(map(renamer.token, parts)).ljust(len(value), b"\0"))
        elif attribute.type in (attr.REALM, 0x8003):
            draft.put(at, _host(renamer, value))
        elif attribute.type in _TOKENS:
            draft.put(at, renamer.token(value))
        elif attribute.type in (attr.ICE_CONTROLLED, attr.ICE_CONTROLLING):
            draft.put(at, renamer.identifier(value))
            if len(renamer.tie_breakers) < MAX_TIE_BREAKERS:
                renamer.tie_breakers.add(int.from_bytes(value, "big"))
        elif attribute.type in _NUMBERS or attribute.type == attr.NOMINATION:
            draft.number(at, at + len(value))
        elif attribute.type in _PROOFS:
            draft.put(at, bytes(len(value)))
        elif attribute.type in _TEXTS:
            _text(draft, renamer, at, value)
    if fingerprint is not None:
        length = int.from_bytes(data[2:4], "big")
        if fingerprint + 4 <= _HEADER + length:
            crc = zlib.crc32(draft.out[: fingerprint - 4]) ^ _FINGERPRINT_XOR
            wanted = crc.to_bytes(4, "big")
            right = zlib.crc32(data[: fingerprint - 4]) ^ _FINGERPRINT_XOR
            if right != int.from_bytes(data[fingerprint : fingerprint + 4], "big"):
                wanted = (crc ^ 1).to_bytes(4, "big")  # it was wrong and stays so
            draft.put(fingerprint, wanted)
    return draft


def redact_channel(data: bytes, nested: Nested) -> Draft:
    """TURN ChannelData: its header stands, its content is rewritten."""
    draft = Draft(data)
    draft.number(0, 4)
    length = int.from_bytes(data[2:4], "big")
    draft.draw(4, nested(data[4 : 4 + length]))
    return draft


def _address(
    draft: Draft, renamer: Renamer, at: int, value: bytes, keys: tuple[bytes, bytes]
) -> None:
    """An address XORed with the old one of the keys, or with zeros, as it is under the new one."""
    draft.number(at, at + 4)
    if (value[1:2], len(value)) not in ((b"\1", 8), (b"\2", 20)):
        return
    old, new = keys
    plain = bytes(a ^ b for a, b in zip(value[4:], old, strict=False))
    renamed = renamer.packed(plain)
    draft.put(at + 4, bytes(a ^ b for a, b in zip(renamed, new, strict=False)))


def _text(draft: Draft, renamer: Renamer, at: int, value: bytes) -> None:
    """Words without what tells of a user, of the same length."""
    draft.keep(at, at + len(value))
    made = redact_program(renamer, value.decode("latin-1")).encode("latin-1", "replace")
    if made != value:
        draft.put(at, made if len(made) == len(value) else cover(value))


def _host(renamer: Renamer, value: bytes) -> bytes:
    """A realm of the same length: labels keep theirs, and an address is made a word."""
    labels = tuple(value.split(b"."))
    if labels[-1].isdigit():
        return renamer.token(value)
    return b".".join(renamer.labels(labels))


def begins_with_cookie(data: bytes) -> bool:
    """Whether a STUN header begins here."""
    return len(data) >= _HEADER and data[0] < 0x40 and data[4:8] == COOKIE
