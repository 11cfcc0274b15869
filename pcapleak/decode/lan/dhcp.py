"""DHCP for IPv4 (RFC 2131, 2132, 3396, 3442)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal, NamedTuple

from pcapleak.errors import DecodeError

DhcpKind = Literal[
    "discover", "offer", "request", "decline", "ack", "nak", "release", "inform", "bootp", "other"
]

_KINDS: dict[int, DhcpKind] = {
    1: "discover",
    2: "offer",
    3: "request",
    4: "decline",
    5: "ack",
    6: "nak",
    7: "release",
    8: "inform",
}

_COOKIE = b"\x63\x82\x53\x63"
_OPTIONS_AT = 240


class DhcpMessage(NamedTuple):
    """A DHCP message; `options` are in wire order, split ones joined (RFC 3396)."""

    message_type: DhcpKind
    transaction_id: int
    client_hardware: bytes
    client_address: IPv4Address | None
    """The address the client says it has."""
    your_address: IPv4Address | None
    """The address the server gives it."""
    server_id: IPv4Address | None
    subnet_mask: IPv4Address | None
    routers: tuple[IPv4Address, ...]
    resolvers: tuple[IPv4Address, ...]
    classless_routes: tuple[tuple[IPv4Network, IPv4Address], ...]
    """Option 121 (RFC 3442), or Microsoft's 249 where there is no 121."""
    lease_s: int | None
    options: tuple[tuple[int, bytes], ...]
    problems: tuple[str, ...] = ()

    @property
    def network(self) -> IPv4Network | None:
        """The subnet that the given address is put into."""
        if self.your_address is None or self.subnet_mask is None:
            return None
        try:
            return IPv4Network((self.your_address, str(self.subnet_mask)), strict=False)
        except ValueError:
            return None


def decode_dhcp(data: bytes) -> DhcpMessage:
    """The DHCP or BOOTP message that fills `data`."""
    if len(data) < _OPTIONS_AT:
        raise DecodeError("dhcp", "header", len(data), "a message has at least 240 bytes")
    if data[0] not in (1, 2):
        raise DecodeError("dhcp", "header", 0, f"operation {data[0]}")
    if data[2] > 16:
        raise DecodeError("dhcp", "header", 2, f"hardware address of {data[2]} bytes")
    if data[236:240] != _COOKIE:
        raise DecodeError("dhcp", "cookie", 236, "not DHCP's")
    problems: list[str] = []
    options: dict[int, bytes] = {}
    _read_options(data, _OPTIONS_AT, len(data), options, problems)
    # Option 52: the file and sname fields hold options too (RFC 2131 section 4.1).
    overload = options.get(52, b"\0")[:1]
    if overload in (b"\1", b"\3"):
        _read_options(data, 108, 236, options, problems)
    if overload in (b"\2", b"\3"):
        _read_options(data, 44, 108, options, problems)
    kind = options.get(53)
    message_type: DhcpKind = "bootp" if kind is None else "other"
    if kind is not None and len(kind) == 1:
        message_type = _KINDS.get(kind[0], "other")
    routes = options.get(121, options.get(249))
    return DhcpMessage(
        message_type,
        int.from_bytes(data[4:8], "big"),
        data[28 : 28 + data[2]],
        _some(data[12:16]),
        _some(data[16:20]),
        _first(_addresses(options.get(54), 54, problems)),
        _first(_addresses(options.get(1), 1, problems)),
        _addresses(options.get(3), 3, problems),
        _addresses(options.get(6), 6, problems),
        () if routes is None else _routes(routes, problems),
        int.from_bytes(options[51], "big") if len(options.get(51, b"")) == 4 else None,
        tuple(options.items()),
        tuple(problems),
    )


def _read_options(
    data: bytes, offset: int, end: int, options: dict[int, bytes], problems: list[str]
) -> None:
    while offset < end:
        code = data[offset]
        if code == 255:
            return
        if code == 0:
            offset += 1
            continue
        if offset + 2 > end or offset + 2 + data[offset + 1] > end:
            problems.append(f"dhcp option {code} at byte {offset}: past the end")
            return
        stop = offset + 2 + data[offset + 1]
        options[code] = options.get(code, b"") + data[offset + 2 : stop]
        offset = stop


def _some(value: bytes) -> IPv4Address | None:
    return IPv4Address(value) if any(value) else None


def _first(addresses: tuple[IPv4Address, ...]) -> IPv4Address | None:
    return addresses[0] if addresses else None


def _addresses(value: bytes | None, code: int, problems: list[str]) -> tuple[IPv4Address, ...]:
    if value is None:
        return ()
    if not value or len(value) % 4:
        problems.append(f"dhcp option {code}: {len(value)} bytes are not a list of addresses")
    return tuple(IPv4Address(value[i : i + 4]) for i in range(0, len(value) - 3, 4))


def _routes(value: bytes, problems: list[str]) -> tuple[tuple[IPv4Network, IPv4Address], ...]:
    routes, end = split_routes(value)
    if end < len(value):
        problems.append(f"dhcp classless routes at byte {end}: a route of width {value[end]}")
    return tuple(
        (IPv4Network((destination, width), strict=False), IPv4Address(router))
        for width, destination, router in routes
    )


def split_routes(value: bytes) -> tuple[list[tuple[int, bytes, bytes]], int]:
    """The whole routes of option 121 (RFC 3442), each as its prefix length and the four bytes of
    its destination and of its router, and where they end.

    On the wire a destination has as many octets as its prefix needs.
    """
    routes = []
    at = 0
    while at < len(value):
        width = value[at]
        end = at + 5 + octets_of(width)
        if width > 32 or end > len(value):
            break
        routes.append((width, value[at + 1 : end - 4].ljust(4, b"\0"), value[end - 4 : end]))
        at = end
    return routes, at


def octets_of(width: int) -> int:
    """How many octets of a destination a prefix of `width` bits needs."""
    return (width + 7) // 8
