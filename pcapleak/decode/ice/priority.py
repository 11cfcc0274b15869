"""What a candidate's or a check's priority says of its sender (RFC 8445 section 5.1.2).

The 32 bits are type preference, local preference and component; agents fill the local
preference by formulas of their own. A number can fit more than one formula, so each reading
that fits is given, the likelier first.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Scheme = Literal["libwebrtc", "firefox", "single-address", "unknown"]


class PriorityReading(Struct, frozen=True):
    """One way to read a priority."""

    scheme: Scheme
    """Whose formula: libwebrtc's, Firefox's, RFC 8445's for a host with one address, or none
    known (then only type and component are read)."""
    type_preference: int
    local_preference: int
    component: int
    type: str | None
    """host, prflx, srflx or relay; None where the preference is nobody's."""
    protocol: str | None
    """Transport between the agent and its peer or relay: udp, tcp, tls; None if unsaid."""
    interface_rank: int | None = None
    """0 for the first network of the agent's list."""
    wildcard: bool = False
    """libwebrtc: the socket was bound to no address, as it is without enumeration."""
    address_class: str | None = None
    """libwebrtc: class of the candidate's own address, which crosses NAT, TURN and mDNS."""
    server_index: int | None = None
    """Firefox: which STUN server, in the page's order, gave the address."""
    relay_preference: int | None = None
    """libwebrtc: the TURN server's rank, the highest being the first of the page's list."""

    @property
    def text(self) -> str:
        """The reading in words."""
        parts = [f"{self.type or 'unknown type'} ({self.type_preference})"]
        if self.protocol:
            parts.append(self.protocol.upper())
        if self.wildcard:
            parts.append("wildcard socket, no enumerated interface")
        elif self.interface_rank is not None:
            parts.append(f"interface {self.interface_rank + 1} of its list")
        if self.address_class:
            parts.append(f"{self.address_class} address")
        if self.server_index is not None:
            parts.append(f"server {self.server_index + 1}")
        if self.relay_preference:
            parts.append(f"TURN server preference {self.relay_preference}")
        if self.scheme == "unknown":
            parts.append(f"local preference {self.local_preference}")
        parts.append(f"component {self.component}")
        agent = {"single-address": "RFC 8445 default", "unknown": "no known formula"}
        return f"{agent.get(self.scheme, self.scheme)}: " + ", ".join(parts)


_LIBWEBRTC_TYPES = {
    126: ("host", "udp"),
    110: ("prflx", "udp"),
    100: ("srflx", "udp"),
    90: ("host", "tcp"),
    80: ("prflx", "tcp"),
    3: ("relay", "udp"),
    2: ("relay", "udp"),
    1: ("relay", "tcp"),
    0: ("relay", "tls"),
}
"""libwebrtc's p2p_constants.h. 2 was UDP until January 2026 and is DTLS since."""

_ADDRESS_CLASSES = {
    60: "IPv6 loopback",
    50: "IPv6 unique local",
    40: "IPv6 global",
    30: "IPv4",
    20: "6to4",
    10: "Teredo",
    1: "IPv4-compatible, site-local or 6bone",
}
"""libwebrtc's IPAddressPrecedence (rtc_base/ip_address.cc)."""

_TURN_SERVERS = 32
"""kMaxTurnServers: added to non-relay preferences by a field trial, so that no server's
preference lifts a relay above them."""

_FIREFOX_TYPES = {
    126: ("host", "udp"),
    125: ("host", "tcp"),
    110: ("prflx", "udp"),
    109: ("prflx", "tcp"),
    100: ("srflx", "udp"),
    99: ("srflx", "tcp"),
    5: ("relay", "udp"),
    0: ("relay", "tcp"),
}
"""nICEr's preferences (nICEr/src/ice/ice_ctx.h)."""

_RFC_TYPES = {126: "host", 110: "prflx", 100: "srflx", 0: "relay"}


def read_priority(priority: int) -> tuple[PriorityReading, ...]:
    """Every formula that gives `priority`, the likelier first; never empty.

    In a check the PRIORITY attribute is what the local candidate would have as prflx
    (RFC 8445 section 7.1.1), so its type says nothing; only Firefox keeps a relay's own.
    """
    readings = (_libwebrtc(priority), _firefox(priority), _single_address(priority))
    found = tuple(reading for reading in readings if reading)
    if found:
        return found
    kind, local, component = _parts(priority)
    return (PriorityReading("unknown", kind, local, component, _RFC_TYPES.get(kind), None),)


def _parts(priority: int) -> tuple[int, int, int]:
    return priority >> 24, priority >> 8 & 0xFFFF, 256 - (priority & 0xFF)


def _libwebrtc(priority: int) -> PriorityReading | None:
    """type << 24 | (network << 8 | address class + relay preference) << 8 | 256 - component."""
    kind, local, component = _parts(priority)
    if kind not in _LIBWEBRTC_TYPES or component > 2:
        return None
    type_, protocol = _LIBWEBRTC_TYPES[kind]
    network, low = local >> 8, local & 0xFF
    if network > 127:
        return None
    relay_preference = None
    if type_ == "relay":
        base = max((known for known in _ADDRESS_CLASSES if known <= low), default=None)
        if base is None or low - base >= _TURN_SERVERS:
            return None
        relay_preference = low - base
    else:
        base = low if low in _ADDRESS_CLASSES else low - _TURN_SERVERS
        if base not in _ADDRESS_CLASSES:
            return None
    return PriorityReading(
        "libwebrtc",
        kind,
        local,
        component,
        type_,
        protocol,
        interface_rank=127 - network if network else None,
        wildcard=network == 0,
        address_class=_ADDRESS_CLASSES[base],
        relay_preference=relay_preference,
    )


def _firefox(priority: int) -> PriorityReading | None:
    """type << 24 | interface << 16 | TCP direction << 13 | (31 - server) << 8 | ..."""
    kind, local, component = _parts(priority)
    if kind not in _FIREFOX_TYPES or component > 2:
        return None
    type_, protocol = _FIREFOX_TYPES[kind]
    interface, direction, stun = local >> 8, local >> 5 & 7, local & 0x1F
    # nICEr counts interfaces down from 127; the lower half would be more than 64 of them.
    if not 64 <= interface <= 127:
        return None
    if (direction == 0) is (protocol == "tcp" and type_ != "relay"):
        return None
    served = type_ in ("srflx", "relay")
    if served is (stun == 0) and type_ != "relay":
        return None
    return PriorityReading(
        "firefox",
        kind,
        local,
        component,
        type_,
        protocol,
        interface_rank=127 - interface,
        server_index=31 - stun if stun else None,
    )


def _single_address(priority: int) -> PriorityReading | None:
    """RFC 8445 section 5.1.2.1: 65535 where there is one address."""
    kind, local, component = _parts(priority)
    if local != 0xFFFF or kind not in _RFC_TYPES:
        return None
    return PriorityReading("single-address", kind, local, component, _RFC_TYPES[kind], None)


def libwebrtc_priority(
    type_preference: int,
    address_class: int,
    *,
    interface_rank: int | None = None,
    relay_preference: int = 0,
    component: int = 1,
) -> int:
    """The priority libwebrtc gives (api/candidate.cc): `interface_rank` None is the wildcard."""
    network = 0 if interface_rank is None else 127 - interface_rank
    local = (network << 8 | address_class) + relay_preference
    return type_preference << 24 | local << 8 | 256 - component
