"""DHCP and the neighbour discovery of IPv6, in place."""

from __future__ import annotations

from ipaddress import IPv6Network

from pcapleak.decode.lan.dhcp import octets_of, split_routes
from pcapleak.redact.draft import Draft
from pcapleak.redact.names import Renamer

_COOKIE_AT, _OPTIONS_AT = 236, 240
_ADDRESS_OPTIONS = frozenset((2 + 1, 4, 5, 6, 7, 8, 9, 28, 32, 41, 42, 44, 45, 48, 49, 50, 54))
_NUMBER_OPTIONS = frozenset((1, 2, 19, 23, 26, 35, 46, 51, 52, 53, 55, 57, 58, 59, 116))
_ROUTE_OPTIONS = frozenset((121, 249))


def redact_dhcp(renamer: Renamer, data: bytes) -> Draft:
    """DHCP for IPv4 (RFC 2131); names and identifiers are blanked."""
    draft = Draft(data)
    draft.number(0, 4)
    draft.put(4, renamer.identifier(data[4:8]))
    draft.number(8, 12)
    for at in (12, 16, 20, 24):
        if len(data) >= at + 4:
            draft.put(at, renamer.packed(data[at : at + 4]))
    if len(data) >= 34 and data[2] == 6:
        draft.put(28, renamer.mac(data[28:34]))
    draft.number(_COOKIE_AT, _OPTIONS_AT)
    at = _OPTIONS_AT
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        code, size = data[at], data[at + 1]
        draft.number(at, at + 2)
        value = data[at + 2 : at + 2 + size]
        if code in _ADDRESS_OPTIONS:
            for i in range(0, len(value) - 3, 4):
                draft.put(at + 2 + i, renamer.packed(value[i : i + 4]))
        elif code in _NUMBER_OPTIONS:
            draft.number(at + 2, at + 2 + size)
        elif code in _ROUTE_OPTIONS:
            draft.put(at + 2, _routes(renamer, value))
        at += 2 + size
    if at < len(data):
        draft.number(at, at + 1)
    return draft


def _routes(renamer: Renamer, value: bytes) -> bytes:
    made = bytearray()
    for width, destination, router in split_routes(value)[0]:
        host = (1 << (32 - width)) - 1
        network = int.from_bytes(renamer.packed(destination), "big") & ~host
        made.append(width)
        made += network.to_bytes(4, "big")[: octets_of(width)] + renamer.packed(router)
    return bytes(made).ljust(len(value), b"\0")


def redact_icmpv6(renamer: Renamer, data: bytes) -> Draft:
    """Neighbour discovery (RFC 4861) and multicast listener messages; all else blanked.

    The checksum is the caller's.
    """
    draft = Draft(data)
    kind = data[0] if data else 0
    draft.number(0, 4)
    if kind != 143:
        draft.keep(4, 8)
    if kind in (135, 136, 137) or 130 <= kind <= 132:
        draft.number(4, 8)
        if len(data) >= 24:
            draft.put(8, renamer.packed(data[8:24]))
    if kind == 137 and len(data) >= 40:
        draft.put(24, renamer.packed(data[24:40]))
    options = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}.get(kind)
    if options is not None:
        draft.number(8, min(options, 16)) if kind == 134 else None
        _options(renamer, draft, options)
    elif kind == 143:
        draft.number(4, 8)
        at = 8
        while at + 20 <= len(data):
            sources = int.from_bytes(data[at + 2 : at + 4], "big")
            draft.number(at, at + 4)
            for i in range(1 + sources):
                start = at + 4 + 16 * i
                if start + 16 <= len(data):
                    draft.put(start, renamer.packed(data[start : start + 16]))
            at += 20 + 16 * sources + 4 * data[at + 1]
    return draft


def _options(renamer: Renamer, draft: Draft, at: int) -> None:
    data = draft.source
    while at + 2 <= len(data) and data[at + 1]:
        kind, size = data[at], 8 * data[at + 1]
        draft.number(at, at + 2)
        if kind in (1, 2) and size == 8 and len(data) >= at + 8:
            draft.put(at + 2, renamer.mac(data[at + 2 : at + 8]))
        elif kind == 5:
            draft.number(at + 2, at + 8)
        elif kind == 3 and size == 32 and len(data) >= at + 32:
            draft.number(at + 2, at + 12)
            draft.put(at + 16, _prefix(renamer, data[at + 16 : at + 32], data[at + 2]))
        elif kind == 24 and len(data) >= at + size:
            draft.number(at + 2, at + 8)
            value = data[at + 8 : at + size].ljust(16, b"\0")
            draft.put(at + 8, _prefix(renamer, value, data[at + 2])[: size - 8])
        elif kind == 25 and len(data) >= at + size:
            draft.number(at + 2, at + 8)
            for start in range(at + 8, at + size - 15, 16):
                draft.put(start, renamer.packed(data[start : start + 16]))
        at += size


def _prefix(renamer: Renamer, octets: bytes, width: int) -> bytes:
    network = IPv6Network((octets, min(width, 128)), strict=False)
    return renamer.network(network).network_address.packed
