"""Where packets come from and go to: loaded without numpy, which the command line's help spares."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class _ReckonedOnce:
    """An address that keeps its hash and its text: trackers look addresses up all the time,
    reports name them again and again, and the standard library makes a text of one for each
    hash. It is equal to, and hashes like, any other object of the same address."""

    __slots__ = ()
    _hash: int
    _text: str

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            self._text = super().__str__()  # type: ignore[misc]  # it is in the subclasses' slots
            return self._text


class _Address4(_ReckonedOnce, IPv4Address):
    __slots__ = ("_hash", "_text")

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self._hash = IPv4Address.__hash__(self)

    def __reduce__(self) -> tuple[Callable[[int, int, int], IPAddress], tuple[int, int, int]]:
        return address_of, (4, *words_of(self))

    def __repr__(self) -> str:
        return f"IPv4Address('{self}')"


class _Address6(_ReckonedOnce, IPv6Address):
    __slots__ = ("_hash", "_text")

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self._hash = IPv6Address.__hash__(self)

    def __reduce__(self) -> tuple[Callable[[int, int, int], IPAddress], tuple[int, int, int]]:
        return address_of, (6, *words_of(self))

    def __repr__(self) -> str:
        return f"IPv6Address('{self}')"


@lru_cache(maxsize=65536)
def address_of(version: int, hi: int, lo: int) -> IPAddress:
    """The address behind two column words."""
    return _Address4(lo) if version == 4 else _Address6(hi << 64 | lo)


def words_of(address: IPAddress) -> tuple[int, int]:
    """`address` as the column words (hi, lo)."""
    value = int(address)
    return value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF


class Endpoint(NamedTuple):
    """A transport address."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"
