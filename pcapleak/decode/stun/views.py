"""Views of a STUN message: descriptors that read one attribute when they are asked.

A view speaks of the first attribute of its type, as RFC 8489 section 14 has it, and is None
where there is none or its value cannot be read. A descriptor is one call where a property that
shares its body would be two, and there are views that are read for every check of a capture.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Protocol

from pcapleak.decode.stun.attributes import GOOG_NETWORK_INFO, MS_TURN_ATTRIBUTES
from pcapleak.decode.stun.values import NetworkInfo, Value
from pcapleak.values.packets import Endpoint

_new = tuple.__new__
_sized_pair = struct.Struct("!HHH").unpack_from


class Viewed(Protocol):
    """What a view needs of a message."""

    @property
    def wire(self) -> bytes:
        """The message."""

    @property
    def first(self) -> Mapping[int, int]:
        """Where the value of the first attribute of each type begins."""

    @property
    def is_ms_turn(self) -> bool:
        """Whether the types are [MS-TURN]'s."""

    def value(self, type_: int) -> Value | None:
        """The first value of this type, decoded."""


class Number:
    """An unsigned number of 2, 4 or 8 bytes."""

    __slots__ = ("_read", "_size", "_type")

    def __init__(self, type_: int, code: str) -> None:
        self._type = type_
        self._size = struct.calcsize("!" + code)
        self._read = struct.Struct("!H" + code).unpack_from

    def __get__(self, message: Viewed, owner: object = None) -> int | None:
        at = message.first.get(self._type)
        if at is None:
            return None
        try:
            size, value = self._read(message.wire, at - 2)
        except struct.error:
            return None
        number: int = value
        return number if size == self._size else None


class Text:
    """UTF-8, but for the zero bytes that agents end it with now and then."""

    __slots__ = ("_differs", "_type")

    def __init__(self, type_: int) -> None:
        self._type = type_
        self._differs = type_ in MS_TURN_ATTRIBUTES

    def __get__(self, message: Viewed, owner: object = None) -> str | None:
        at = message.first.get(self._type)
        if at is None or (self._differs and message.is_ms_turn):
            return None
        wire = message.wire
        try:
            value = str(wire[at : at + (wire[at - 2] << 8 | wire[at - 1])], "utf-8")
        except UnicodeDecodeError:
            return None
        return value.rstrip("\0")


class Address:
    """A transport address, XORed or plain as its type has it: of the first type that has one."""

    __slots__ = ("_types",)

    def __init__(self, *types: int) -> None:
        self._types = types

    def __get__(self, message: Viewed, owner: object = None) -> Endpoint | None:
        first = message.first
        for type_ in self._types:
            if type_ in first:
                value = message.value(type_)
                if isinstance(value, Endpoint):
                    return value
        return None


class Flag:
    """Whether the attribute is there."""

    __slots__ = ("_type",)

    def __init__(self, type_: int) -> None:
        self._type = type_

    def __get__(self, message: Viewed, owner: object = None) -> bool:
        return self._type in message.first


class Network:
    """GOOG-NETWORK-INFO."""

    __slots__ = ()

    def __get__(self, message: Viewed, owner: object = None) -> NetworkInfo | None:
        at = message.first.get(GOOG_NETWORK_INFO)
        if at is None:
            return None
        try:
            size, number, cost = _sized_pair(message.wire, at - 2)
        except struct.error:
            return None
        return _new(NetworkInfo, (number, cost)) if size == 4 else None
