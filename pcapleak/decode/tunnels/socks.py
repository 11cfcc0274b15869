"""SOCKS 4, 4a and 5 (RFC 1928, 1929).

The `parse_` functions read the start of a stream: they give a value and how many bytes it
took, or None while it is not all there.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NamedTuple

from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint, IPAddress

SocksCommand = Literal["connect", "bind", "udp-associate"]

_COMMANDS: dict[int, SocksCommand] = {1: "connect", 2: "bind", 3: "udp-associate"}

MAX_SOCKS4_TEXT = 512
"""Bytes of a SOCKS 4 user id or host name before it cannot be one."""


class SocksRequest(NamedTuple):
    """What a client asks a proxy for. A name the proxy is to resolve is a `str`."""

    version: int
    command: SocksCommand
    destination: IPAddress | str
    port: int
    username: str | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        """The destination, where it is an address."""
        if isinstance(self.destination, str):
            return None
        return Endpoint(self.destination, self.port)


class SocksReply(NamedTuple):
    """A proxy's answer. `bound` is where it sends from, or for UDP ASSOCIATE listens."""

    version: int
    code: int
    bound: Endpoint | None

    @property
    def succeeded(self) -> bool:
        """Whether the request was granted."""
        return self.code == (90 if self.version == 4 else 0)


class SocksDatagram(NamedTuple):
    """A datagram to or from a SOCKS 5 UDP relay (RFC 1928 section 7)."""

    fragment: int
    destination: IPAddress | str
    """Where it goes to, or comes from."""
    port: int
    payload: bytes


def parse_methods(data: bytes) -> tuple[tuple[int, ...], int] | None:
    """The methods a SOCKS 5 client offers (RFC 1928 section 3)."""
    if data[:1] != b"\x05":
        raise DecodeError("socks", "greeting", 0, "not version 5")
    if len(data) < 2:
        return None
    count = data[1]
    if not count:
        raise DecodeError("socks", "greeting", 1, "no methods")
    if len(data) < 2 + count:
        return None
    return tuple(data[2 : 2 + count]), 2 + count


def parse_login(data: bytes) -> tuple[str, int] | None:
    """The user's name of a username/password login (RFC 1929 section 2)."""
    if data[:1] != b"\x01":
        raise DecodeError("socks", "login", 0, "not version 1")
    if len(data) < 2 or len(data) < 3 + data[1]:
        return None
    size = data[1]
    end = 3 + size + data[2 + size]
    if len(data) < end:
        return None
    return data[2 : 2 + size].decode("utf-8", "backslashreplace"), end


def parse_request(data: bytes, username: str | None = None) -> tuple[SocksRequest, int] | None:
    """A request of either version."""
    if data[:1] == b"\x04":
        return _parse_request4(data)
    if data[:1] != b"\x05":
        raise DecodeError("socks", "request", 0, "neither version 4 nor 5")
    if len(data) < 4:
        return None
    command = _COMMANDS.get(data[1])
    if command is None:
        raise DecodeError("socks", "request", 1, f"command {data[1]}")
    if data[2]:
        raise DecodeError("socks", "request", 2, "reserved byte is not zero")
    place = _parse_address(data, 3, "request")
    if place is None:
        return None
    destination, port, end = place
    return SocksRequest(5, command, destination, port, username), end


def _parse_request4(data: bytes) -> tuple[SocksRequest, int] | None:
    """SOCKS 4 ("SOCKS: A protocol for TCP proxy across firewalls") and its 4a extension."""
    if len(data) < 8:
        return None
    command = _COMMANDS.get(data[1])
    if command is None or command == "udp-associate":
        raise DecodeError("socks", "request", 1, f"command {data[1]} in version 4")
    port = int.from_bytes(data[2:4], "big")
    destination: IPAddress | str = IPv4Address(data[4:8])
    user = _until_zero(data, 8)
    if user is None:
        return None
    name, end = user
    if data[4:7] == b"\0\0\0" and data[7]:
        host = _until_zero(data, end)
        if host is None:
            return None
        destination, end = host
    return SocksRequest(4, command, destination, port, name or None), end


def _until_zero(data: bytes, start: int) -> tuple[str, int] | None:
    end = data.find(b"\0", start, start + MAX_SOCKS4_TEXT + 1)
    if end < 0:
        if len(data) - start > MAX_SOCKS4_TEXT:
            raise DecodeError("socks", "request", start, "text without an end")
        return None
    return data[start:end].decode("utf-8", "backslashreplace"), end + 1


def parse_reply(data: bytes, version: int) -> tuple[SocksReply, int] | None:
    """The answer to a request of `version`."""
    if version == 4:
        if data[:1] != b"\0":
            raise DecodeError("socks", "reply", 0, "version 4 answers with 0")
        if len(data) < 8:
            return None
        bound = Endpoint(IPv4Address(data[4:8]), int.from_bytes(data[2:4], "big"))
        return SocksReply(4, data[1], bound), 8
    if data[:1] != b"\x05":
        raise DecodeError("socks", "reply", 0, "not version 5")
    if len(data) < 4:
        return None
    if data[1] > 8 or data[2]:
        raise DecodeError("socks", "reply", 1, f"code {data[1]}")
    place = _parse_address(data, 3, "reply")
    if place is None:
        return None
    address, port, end = place
    return SocksReply(
        5, data[1], None if isinstance(address, str) else Endpoint(address, port)
    ), end


def decode_socks_udp(data: bytes) -> SocksDatagram:
    """The datagram that fills `data`, header and payload."""
    if len(data) < 4:
        raise DecodeError("socks", "datagram", len(data), "shorter than its header")
    if data[0] or data[1]:
        raise DecodeError("socks", "datagram", 0, "reserved bytes are not zero")
    place = _parse_address(data, 3, "datagram")
    if place is None:
        raise DecodeError("socks", "datagram", len(data), "ends in the address")
    destination, port, end = place
    return SocksDatagram(data[2], destination, port, data[end:])


def _parse_address(data: bytes, at: int, place: str) -> tuple[IPAddress | str, int, int] | None:
    """Address, port and end of an address field (RFC 1928 section 5)."""
    kind = data[at]
    if kind == 1:
        size = 4
    elif kind == 4:
        size = 16
    elif kind == 3:
        if len(data) < at + 2:
            return None
        at += 1
        size = data[at]
        if not size:
            raise DecodeError("socks", f"{place} address", at, "empty name")
    else:
        raise DecodeError("socks", f"{place} address", at, f"address type {kind}")
    end = at + 1 + size
    if len(data) < end + 2:
        return None
    value = data[at + 1 : end]
    port = int.from_bytes(data[end : end + 2], "big")
    if kind == 1:
        return IPv4Address(value), port, end + 2
    if kind == 4:
        return IPv6Address(value), port, end + 2
    return host_of(value.decode("utf-8", "backslashreplace")), port, end + 2


def host_of(text: str) -> IPAddress | str:
    """`text` as an address where it is one, else as the name it is."""
    try:
        return ip_address(text)
    except ValueError:
        return text
