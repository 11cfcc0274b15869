"""The STUN message as a value: its bytes, and views derived when they are asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Generic, Literal, NamedTuple, TypeVar

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.attributes import (
    ATTRIBUTES,
    MS_TURN_ATTRIBUTES,
    AttributeKind,
    attribute_name,
)
from pcapleak.decode.stun.integrity import fingerprint_state
from pcapleak.decode.stun.types import CLASS_NAMES, CLASSES, METHODS, MS_TURN_TYPES, Class
from pcapleak.decode.stun.values import ErrorCode, NetworkInfo, Value
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint
from pcapleak.values.registries import COOKIE

MS_TURN_START = b"\x00\x0f\x00\x04\x72\xc6\x4b\xc6"
"""The MAGIC-COOKIE attribute, with which every [MS-TURN] message begins."""


_head = struct.Struct("!HH").unpack_from
_new = tuple.__new__
_PEERS = (attr.XOR_PEER_ADDRESS, attr.DESTINATION_ADDRESS)

_Value = TypeVar("_Value", bound=Value)


class RawAttribute(NamedTuple):
    """An attribute as it stood: where its value begins, and the value without padding."""

    type: int
    offset: int
    value: bytes

    @property
    def name(self) -> str:
        """The registered name, or the type in hexadecimal."""
        return attribute_name(self.type)


class _Walked(NamedTuple):
    """What `decode_stun` learns of a message: a tuple, because it is made for every one."""

    wire: bytes
    """The message from its header to its last byte."""
    message_type: int
    offsets: tuple[int, ...]
    """Where the value of each attribute begins, in wire order."""
    first: Mapping[int, int]
    """The same of the first attribute of each type."""
    structure_problems: tuple[str, ...] = ()
    """What the walk found wrong; `problems` has the values' too."""


class _First(Generic[_Value]):
    """The first value of the first of these types that is there, or None."""

    __slots__ = ("_kind", "_types")

    def __init__(self, kind: type[_Value], *types: int) -> None:
        self._kind = kind
        self._types = types

    def __get__(self, message: StunMessage, owner: object = None) -> _Value | None:
        for type_ in self._types:
            if type_ in message.first:
                value = message.value(type_)
                if isinstance(value, self._kind):
                    return value
        return None


class StunMessage(_Walked):
    """A STUN message. Views of an attribute speak of its first occurrence, as RFC 8489
    section 14 has it, and are None where it is absent or cannot be read."""

    __slots__ = ()

    # Header

    @property
    def length(self) -> int:
        """The header's length field: bytes after the header."""
        return self.wire[2] << 8 | self.wire[3]

    @property
    def has_cookie(self) -> bool:
        """False for RFC 3489, whose transaction id takes the cookie's place."""
        return self.wire[4:8] == COOKIE

    @property
    def transaction_id(self) -> bytes:
        """12 bytes, or 16 where there is no cookie."""
        wire = self.wire
        return wire[8:20] if wire[4:8] == COOKIE else wire[4:20]

    @property
    def method(self) -> int:
        """The 12 bits of method (RFC 8489 section 5)."""
        bits = self.message_type
        return bits & 0xF | (bits & 0xE0) >> 1 | (bits & 0x3E00) >> 2

    @property
    def message_class(self) -> Class:
        """The class, from the type's two bits or the dialect's table."""
        type_ = self.message_type
        if type_ in MS_TURN_TYPES and self.is_ms_turn:
            return MS_TURN_TYPES[type_][1]
        return CLASSES[(type_ & 0x10) >> 4 | (type_ & 0x100) >> 7]

    @property
    def method_name(self) -> str:
        """`Binding`, `Allocate`, ..., or `method 0x123`."""
        if self.message_type in MS_TURN_TYPES and self.is_ms_turn:
            return MS_TURN_TYPES[self.message_type][0]
        return METHODS.get(self.method) or f"method 0x{self.method:03X}"

    @property
    def type_name(self) -> str:
        """Method and class, as `Binding Success Response`."""
        return f"{self.method_name} {CLASS_NAMES[self.message_class]}"

    @property
    def is_ms_turn(self) -> bool:
        """Whether this is [MS-TURN]: its MAGIC-COOKIE comes first."""
        return self.wire[20:28] == MS_TURN_START

    # Attributes

    @property
    def attributes(self) -> tuple[RawAttribute, ...]:
        """All attributes in wire order, duplicates and unknown ones too."""
        return tuple(map(self._attribute_at, self.offsets))

    def _attribute_at(self, at: int) -> RawAttribute:
        wire = self.wire
        type_, size = _head(wire, at - 4)
        return _new(RawAttribute, (type_, at, wire[at : at + size]))

    def has(self, type_: int) -> bool:
        """Whether an attribute of this type is there."""
        return type_ in self.first

    def raw(self, type_: int) -> bytes | None:
        """The first value of this type, undecoded."""
        at = self.first.get(type_)
        return None if at is None else self._attribute_at(at).value

    def kind(self, type_: int) -> AttributeKind | None:
        """What the table says of a type in this message's dialect."""
        if type_ in MS_TURN_ATTRIBUTES and self.is_ms_turn:
            return MS_TURN_ATTRIBUTES[type_]
        return ATTRIBUTES.get(type_)

    def decode(self, attribute: RawAttribute) -> Value:
        """The value of one attribute; bytes where the type is unknown.

        Raises:
            DecodeError: the value does not follow its type's format.
        """
        kind = self.kind(attribute.type)
        if kind is None:
            return attribute.value
        try:
            return kind.decode(attribute.value, self.wire[4:20])
        except ValueError as error:
            place = f"attribute {kind.name}"
            raise DecodeError("stun", place, attribute.offset, str(error)) from None

    def value(self, type_: int) -> Value | None:
        """The first value of this type, decoded; None if absent, cut or unreadable."""
        at = self.first.get(type_)
        if at is None:
            return None
        wire = self.wire
        end = at + (wire[at - 2] << 8 | wire[at - 1])
        if end > len(wire):
            return None
        value = wire[at:end]
        kind = self.kind(type_)
        if kind is None:
            return value
        try:
            return kind.decode(value, wire[4:20])
        except ValueError:
            return None

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that breaks a rule, one phrase each, with the byte."""
        found = list(self.structure_problems)
        sealed: str | None = None
        for attribute in self.attributes:
            try:
                self.decode(attribute)
            except DecodeError as error:
                found.append(f"{error.place} at byte {error.offset}: {error.reason}")
            if sealed and attribute.type not in _AFTER_INTEGRITY:
                found.append(f"attribute {attribute.name} after {sealed} is not protected")
            if attribute.type in (attr.MESSAGE_INTEGRITY, attr.MESSAGE_INTEGRITY_SHA256):
                sealed = attribute.name
        if self.fingerprint == "bad":
            found.append("FINGERPRINT does not match")
        return tuple(found)

    # Addresses

    xor_mapped_address = _First(Endpoint, attr.XOR_MAPPED_ADDRESS, attr.MS_XOR_MAPPED_ADDRESS)
    """XOR-MAPPED-ADDRESS, or the drafts' 0x8020."""

    plain_mapped_address = _First(Endpoint, attr.MAPPED_ADDRESS)
    """MAPPED-ADDRESS, which middleboxes may have rewritten."""

    @property
    def mapped_address(self) -> Endpoint | None:
        """Where the server saw the request come from: the XORed address, or the plain one.

        In [MS-TURN] MAPPED-ADDRESS is the relayed address, so only the XORed one counts.
        """
        address = self.xor_mapped_address
        if address is None and attr.MAPPED_ADDRESS in self.first and not self.is_ms_turn:
            return self.plain_mapped_address
        return address

    @property
    def relayed_address(self) -> Endpoint | None:
        """The address a TURN server allocated."""
        if self.is_ms_turn and self.message_type == 0x0103:
            return self.plain_mapped_address
        return self._xor_relayed

    _xor_relayed = _First(Endpoint, attr.XOR_RELAYED_ADDRESS)

    @property
    def peer_addresses(self) -> tuple[Endpoint, ...]:
        """Every XOR-PEER-ADDRESS, in wire order; a CreatePermission may hold several."""
        return tuple(self.peers())

    def peers(self) -> Iterator[Endpoint]:
        """The same, each decoded when it is asked for."""
        if not self._names_peers:
            return
        for at in self.offsets:
            if _head(self.wire, at - 4)[0] not in _PEERS:
                continue
            try:
                value = self.decode(self._attribute_at(at))
            except DecodeError:
                continue
            if isinstance(value, Endpoint):
                yield value

    @property
    def peer_count(self) -> int:
        """How many there are, readable or not."""
        if not self._names_peers:
            return 0
        wire = self.wire
        return sum([_head(wire, at - 4)[0] in _PEERS for at in self.offsets])

    @property
    def _names_peers(self) -> bool:
        return attr.XOR_PEER_ADDRESS in self.first or attr.DESTINATION_ADDRESS in self.first

    other_address = _First(Endpoint, attr.OTHER_ADDRESS)
    """OTHER-ADDRESS: the server's second address (RFC 5780 section 7.4)."""

    response_origin = _First(Endpoint, attr.RESPONSE_ORIGIN)
    """RESPONSE-ORIGIN: where the server sent this from (RFC 5780 section 7.3)."""

    alternate_server = _First(Endpoint, attr.ALTERNATE_SERVER)
    """ALTERNATE-SERVER of a 300 answer."""

    # Texts and numbers

    username = _First(str, attr.USERNAME)
    """USERNAME: in a check, the receiver's fragment, a colon, the sender's."""

    @property
    def realm(self) -> str | None:
        """REALM of the long-term credential."""
        value = self.value(attr.NONCE if self.is_ms_turn else attr.REALM)
        return value if isinstance(value, str) else None

    @property
    def nonce(self) -> str | None:
        """NONCE the server gave."""
        value = self.value(attr.REALM if self.is_ms_turn else attr.NONCE)
        return value if isinstance(value, str) else None

    software = _First(str, attr.SOFTWARE)
    """SOFTWARE: what the sender says it is."""

    error = _First(ErrorCode, attr.ERROR_CODE)
    """ERROR-CODE of an error response."""

    lifetime_s = _First(int, attr.LIFETIME)
    """LIFETIME of a TURN allocation; 0 asks for its end."""

    channel_number = _First(int, attr.CHANNEL_NUMBER)
    """CHANNEL-NUMBER of a ChannelBind."""

    requested_transport = _First(int, attr.REQUESTED_TRANSPORT)
    """REQUESTED-TRANSPORT: 17 UDP, 6 TCP."""

    @property
    def data(self) -> bytes | None:
        """DATA: the datagram that TURN carries."""
        return self.raw(attr.DATA)

    # ICE

    @property
    def is_ice(self) -> bool:
        """Whether ICE sent this: a request with ICE's attributes, or libwebrtc's ping."""
        first = self.first
        return (
            attr.PRIORITY in first
            or attr.ICE_CONTROLLING in first
            or attr.ICE_CONTROLLED in first
            or attr.USE_CANDIDATE in first
            or self.method == 0x080
        )

    priority = _First(int, attr.PRIORITY)
    """PRIORITY of a check: what the sender's address would have as prflx candidate."""

    ice_controlling = _First(int, attr.ICE_CONTROLLING)
    """The tie-breaker of a controlling agent."""

    ice_controlled = _First(int, attr.ICE_CONTROLLED)
    """The tie-breaker of a controlled agent."""

    @property
    def tie_breaker(self) -> int | None:
        """The tie-breaker, whatever the role."""
        if attr.ICE_CONTROLLING in self.first:
            return self.ice_controlling
        return self.ice_controlled

    @property
    def use_candidate(self) -> bool:
        """Whether the check nominates its pair."""
        return attr.USE_CANDIDATE in self.first

    @property
    def nomination(self) -> int | None:
        """libwebrtc's NOMINATION: type 0xC001, which IANA gave to ENF-FLOW-DESCRIPTION, so
        only a four-byte value inside a check counts."""
        value = self.raw(attr.NOMINATION)
        if value is None or len(value) != 4 or not self.is_ice:
            return None
        return int.from_bytes(value, "big")

    network_info = _First(NetworkInfo, attr.GOOG_NETWORK_INFO)
    """GOOG-NETWORK-INFO of libwebrtc."""

    # Proof

    @property
    def fingerprint(self) -> Literal["ok", "bad"] | None:
        """Whether the FINGERPRINT is right; None without one."""
        at = self.first.get(attr.FINGERPRINT)
        return None if at is None else fingerprint_state(self.wire, at)


_AFTER_INTEGRITY = frozenset({attr.MESSAGE_INTEGRITY_SHA256, attr.FINGERPRINT})
