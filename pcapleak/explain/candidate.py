"""A candidate line explained, field by field."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

from pcapleak.decode.ice.candidate import CandidateLine, parse_candidate
from pcapleak.decode.ice.foundation import salted_base, unsalted_base
from pcapleak.decode.ice.priority import PriorityReading, read_priority
from pcapleak.decode.ice.terms import network_cost_meaning
from pcapleak.values.addresses import range_kind

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  a written address, nothing binds

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_TYPES = {
    "host": "an address of one of the agent's own interfaces",
    "srflx": "the agent's address as a STUN server saw it, so beyond its NAT",
    "prflx": "the agent's address as a peer saw it",
    "relay": "an address on a TURN server",
}

_TCP_TYPES = {
    "active": "opens connections; its port is a placeholder",
    "passive": "accepts connections",
    "so": "opens connections simultaneously",
}


class Field(NamedTuple):
    """One field of the line and what it says."""

    name: str
    value: str
    meaning: str


def explain_candidate(
    line: str, *, bases: frozenset[str] = frozenset(), tie_breakers: frozenset[int] = frozenset()
) -> tuple[Field, ...]:
    """Explain one line, field by field in wire order.

    `bases` and `tie_breakers` are addresses and tie-breakers known from elsewhere (a capture,
    the user): the foundation is tried against them and against the line's own addresses.

    Raises:
        DecodeError: the line is no candidate.
    """
    candidate = parse_candidate(line)
    readings = _readings(candidate)
    fields = [
        Field("foundation", candidate.foundation, _foundation(candidate, bases, tie_breakers)),
        Field("component", str(candidate.component), _component(candidate.component)),
        Field("transport", candidate.transport, _transport(candidate)),
        Field(
            "priority",
            str(candidate.priority),
            f"0x{candidate.priority:08X}; " + "; or ".join(reading.text for reading in readings),
        ),
        Field("address", candidate.address, _address(candidate.address)),
        Field("port", str(candidate.port), _port(candidate)),
        Field("typ", candidate.type, _TYPES.get(candidate.type, "no type of RFC 8839")),
    ]
    if candidate.related_address is not None:
        meaning = _related(candidate, candidate.related_address)
        fields.append(Field("raddr", candidate.related_address, meaning))
    if candidate.related_port is not None:
        hidden = candidate.related_port in (0, 9)
        meaning = "hidden" if hidden else "the port of that address"
        fields.append(Field("rport", str(candidate.related_port), meaning))
    fields += [Field(name, value, _extension(name, value)) for name, value in candidate.extensions]
    return tuple(fields)


def _readings(candidate: CandidateLine) -> tuple[PriorityReading, ...]:
    """The readings that agree with the line's type and transport, or else all."""
    readings = read_priority(candidate.priority)
    transport = candidate.transport.lower()
    fitting = tuple(
        reading
        for reading in readings
        if reading.type == candidate.type
        and (candidate.type == "relay" or reading.protocol in (None, transport))
    )
    return fitting or readings


def _foundation(
    candidate: CandidateLine, bases: frozenset[str], tie_breakers: frozenset[int]
) -> str:
    foundation, transport = candidate.foundation, candidate.transport.lower()
    own = {candidate.address, candidate.related_address} - {None}
    tried = {str(base) for base in own} | bases | set(_WILDCARDS)
    base = unsalted_base(foundation, candidate.type, transport, tried)
    if base is not None:
        agent = "aioice" if len(foundation) == 32 else "libwebrtc before October 2022"
        return f"unsalted, as {agent} wrote it: the base address is {_base(base)}"
    found = salted_base(foundation, candidate.type, transport, set(tried), set(tie_breakers))
    if found:
        return f"libwebrtc's, salted with tie-breaker {found[1]}: the base is {_base(found[0])}"
    if foundation.isdecimal() and len(foundation) <= 3:
        return "a counter, as Firefox writes: it says nothing of the address"
    if foundation.isdecimal() and int(foundation) <= 0xFFFF_FFFF:
        return (
            "looks like libwebrtc's CRC32 of type, base address, protocol and tie-breaker: "
            "the tie-breaker in a connectivity check of the session proves the address"
        )
    return "opaque; equal ones share type, base, server and transport"


def _base(base: str) -> str:
    return f"{base}, a wildcard socket: it hides no address" if base in _WILDCARDS else base


def _component(component: int) -> str:
    return {1: "RTP, or everything where media are multiplexed", 2: "RTCP"}.get(
        component, "a further component of the stream"
    )


def _transport(candidate: CandidateLine) -> str:
    transport = candidate.transport.lower()
    if transport in ("udp", "tcp"):
        return f"{transport.upper()} between the agents"
    return "no transport of RFC 8839 or 6544"


def _address(address: str) -> str:
    if address.lower().endswith(".local"):
        if _UUID.fullmatch(address[: -len(".local")]):
            return "a multicast DNS name in place of an address of the agent"
        return "a multicast DNS name"
    try:
        ip = ip_address(address)
    except ValueError:
        if address.endswith(".invalid"):
            return "redacted by the browser"
        return "a name, which RFC 8839 tells agents to ignore"
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    if mapped is not None:
        return f"IPv6, mapped from IPv4 {mapped}"
    kind = range_kind(ip)
    if kind == "shared (CGNAT)":
        kind_text = "shared by a carrier's NAT"
    else:
        kind_text = kind or "public"
    return f"IPv{ip.version}, {kind_text}"


def _port(candidate: CandidateLine) -> str:
    if candidate.tcptype == "active" and candidate.port == 9:
        return "the placeholder of an active TCP candidate"
    return f"{candidate.transport.upper()} port"


def _related(candidate: CandidateLine, address: str) -> str:
    if address in _WILDCARDS:
        return "hidden: the base of this candidate is not told"
    if candidate.type == "relay":
        return f"the agent's address as the TURN server saw it ({_address(address)})"
    return f"the local address behind this one ({_address(address)})"


def _extension(name: str, value: str) -> str:
    match name:
        case "tcptype":
            return _TCP_TYPES.get(value, "no type of RFC 6544")
        case "generation":
            return "libwebrtc's count of ICE restarts"
        case "ufrag":
            return "the user name fragment, which its connectivity checks carry"
        case "network-id":
            return "libwebrtc's number of an enumerated interface: enumeration was allowed"
        case "network-cost" if value.isdecimal() and value.isascii() and len(value) < 10:
            return network_cost_meaning(int(value))
    return "an extension"
