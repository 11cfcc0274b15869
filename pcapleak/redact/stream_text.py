"""What one direction of a TCP stream says, piece by piece, and what it is to say instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.tunnels.socks import parse_login, parse_methods, parse_reply, parse_request
from pcapleak.decode.web.http import MAX_HEAD, looks_like_http
from pcapleak.decode.web.sip import looks_like_sip, parse_sip_head
from pcapleak.decode.web.tls import looks_like_tls
from pcapleak.errors import DecodeError
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.draft import Draft, Piece, blank
from pcapleak.redact.hello import redact_tls, same_length_host
from pcapleak.redact.names import Renamer
from pcapleak.redact.signalling import redact_sip
from pcapleak.values.registries import COOKIE

_DNS = 53
_SOCKS_ANSWER, _PREAMBLE = b"\5\0", 16
"""A proxy's first answer, and how far into its side it may stand: some say something before."""
_KEEP_ALIVE = re.compile(rb"[\r\n]+")
_MAX_LAYERS = 4
"""A proxy in a proxy in a proxy, and what it carries."""


def opening_wanted(data: bytes | bytearray, ports: tuple[int, int]) -> bool:
    """Whether a stream that begins so is rewritten rather than blanked."""
    data = bytes(data[:4096])
    return (
        _stun_at(data, 0)
        or _framed_at(data, 0)
        or looks_like_sip(data)
        or looks_like_http(data)
        or looks_like_tls(data)
        or data[:2] == b"\x16\x03"
        or data[0] in (1, 4, 5)
        or data[:1] == b"\0"
        or _SOCKS_ANSWER in data[:_PREAMBLE]
        or _DNS in ports
        or int.from_bytes(data[:2], "big") <= 0x2000
    )


def resumes(data: bytes, ports: tuple[int, int]) -> bool:
    """Whether a stream that lost a part goes on here, as its reader takes it."""
    return (
        _stun_at(data, 0)
        or _framed_at(data, 0)
        or looks_like_sip(data)
        or looks_like_http(data)
        or (_DNS in ports and len(data) >= 14)
    )


def redact_dialogue(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int]
) -> Iterator[Piece]:
    """One direction of a stream; `peer` is what the other direction said."""
    at = 0
    for size, draft in _dialogue(datagrams, data, peer, ports, 0):
        if datagrams.keep_payload:
            draft.keep_rest()
        yield size, draft
        at += size
    if at < len(data):
        yield len(data) - at, datagrams.unknown(data[at:])


def _dialogue(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int], depth: int
) -> Iterator[Piece]:
    if not data or depth > _MAX_LAYERS:
        return
    if _stun_at(data, 0) or (data[0] >> 6 == 1 and _stun_at(peer, 0)):
        yield from _stun(datagrams, data)
    elif _framed_at(data, 0) or _framed_at(peer, 0):
        yield from _framed(datagrams, data)
    elif looks_like_sip(data):
        yield from _sip(datagrams, data)
    elif looks_like_http(data):

        def tunnel(data: bytes, peer: bytes, port: int | None) -> Iterator[Piece]:
            inside = ports if port is None else (ports[0], port)
            return _dialogue(datagrams, data, peer, inside, depth + 1)

        yield from datagrams.web.redact(data, peer, tunnel)
    elif _DNS in ports:
        yield from _prefixed(datagrams, data, _DNS)
    elif data[:2] == b"\x16\x03":
        yield len(data), redact_tls(datagrams.renamer, data)
    elif data[0] in (0, 4, 5) and (data[0] in (4, 5) or peer[:1] == b"\4"):
        yield from _socks(datagrams, data, peer, ports, depth)
    elif peer[:1] == b"\5" and (at := data.find(_SOCKS_ANSWER, 0, _PREAMBLE)) > 0:
        yield at, _number(b"x" * at)  # zeros could begin something
        yield from _socks(datagrams, data[at:], peer, ports, depth)
    else:
        yield from _prefixed(datagrams, data, 0)


def _stun_at(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == COOKIE and data[at] < 0x40


def _framed_at(data: bytes, at: int) -> bool:
    return _stun_at(data, at + 2) and (
        int.from_bytes(data[at : at + 2], "big")
        == 20 + int.from_bytes(data[at + 4 : at + 6], "big")
    )


def _stun(datagrams: Datagrams, data: bytes) -> Iterator[Piece]:
    """STUN messages and ChannelData back to back (RFC 8656 section 12.5)."""
    at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if _stun_at(data, at):
            size = 20 + length
        elif data[at] >> 6 == 1:
            size = 4 + (length + 3 & ~3)
        else:
            return
        yield min(size, len(data) - at), datagrams.redact(data[at : at + size])
        at += size


def _framed(datagrams: Datagrams, data: bytes) -> Iterator[Piece]:
    """Datagrams behind their length (RFC 4571 section 2)."""
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        inner = datagrams.redact(data[at + 2 : at + 2 + size])
        draft = blank()
        draft.append(data[at : at + 2])
        draft.extend(inner)
        yield min(2 + size, len(data) - at), draft
        at += 2 + size


def _prefixed(datagrams: Datagrams, data: bytes, port: int) -> Iterator[Piece]:
    """DNS or OpenVPN behind lengths."""
    at = 0
    while at + 2 < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        inner = data[at + 2 : at + 2 + size]
        if port != _DNS:
            if len(inner) < size or not size:
                return
            try:
                decode_openvpn(inner)
            except DecodeError:
                if at or inner[0] & 0xF8 in (0x38, 0x40, 0x50):
                    return
                port = _DNS
        draft = blank()
        made = datagrams.redact(inner, (port, port))
        draft.append(len(made.out).to_bytes(2, "big"))
        draft.extend(made)
        yield min(2 + size, len(data) - at), draft
        at += 2 + size


def _sip(datagrams: Datagrams, data: bytes) -> Iterator[Piece]:
    """Messages one after the other, with what keeps the connection open between them."""
    at = 0
    while at < len(data):
        idle = _KEEP_ALIVE.match(data, at)
        if idle is not None:
            yield len(idle.group()), _number(idle.group())
            at = idle.end()
            continue
        try:
            head = parse_sip_head(data[at : at + MAX_HEAD])
            end = 0 if head is None else at + head[1] + head[0].content_length
        except DecodeError:
            return
        missing = max(end - len(data), 0)
        made = redact_sip(datagrams.renamer, data[at:end], missing) if end else None
        if made is None:
            return
        yield min(end, len(data)) - at, made
        at = end


def _number(data: bytes) -> Draft:
    draft = blank()
    draft.append(data)
    return draft


def _socks(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int], depth: int
) -> Iterator[Piece]:
    """A SOCKS handshake, and what goes through the proxy after it."""
    renamer = datagrams.renamer
    at = 0
    try:
        if data[0] == 5 and len(data) >= 2 and _is_client(data, peer):
            methods = parse_methods(data)
            if methods is not None and (
                methods[1] == len(data) or data[methods[1] : methods[1] + 1] in (b"\1", b"\5")
            ):
                yield methods[1], _number(data[: methods[1]])
                at = methods[1]
            if data[at : at + 1] == b"\1":
                login = parse_login(data[at:])
                if login is None:
                    return
                yield login[1], _login(renamer, data[at : at + login[1]])
                at += login[1]
        elif data[0] == 5 and peer[:1] == b"\5" and len(data) >= 2 and not _is_reply(data):
            yield 2, _number(data[:2])
            at = 2
            if data[1] == 2:
                yield 2, _number(data[2:4])
                at = 4
        if data[0] == 4 or (data[0] == 5 and _is_client(data, peer)):
            request = parse_request(data[at:])
            if request is None:
                return
            end = at + request[1]
            inside = (ports[0], request[0].port)
        else:
            reply = parse_reply(data[at:], 4 if data[0] == 0 else 5)
            if reply is None:
                return
            end = at + reply[1]
            inside = ports
    except DecodeError:
        return
    yield end - at, _socks_address(renamer, data[at:end])
    rest = _after_socks(peer)
    yield from _dialogue(datagrams, data[end:], rest, inside, depth + 1)


def _is_client(data: bytes, peer: bytes) -> bool:
    """A client's greeting counts its methods, a proxy's answer has two bytes and then either
    nothing or a reply or a status."""
    if peer[:1] == b"\5" and len(peer) >= 2 and not _is_reply(peer):
        # Both begin with 5: a proxy's second byte is a method offered by the other side.
        return (
            peer[1] in (0, 1, 2, 0xFF)
            and 2 + data[1] <= len(data)
            and (peer[1] in data[2 : 2 + data[1]] or peer[1] == 0xFF)
        )
    return True


def _is_reply(data: bytes) -> bool:
    """Whether a proxy's side begins with the reply itself, the recording having begun late."""
    return len(data) >= 10 and data[:3] == b"\5\0\0" and data[3] in (1, 3, 4)


def _after_socks(data: bytes) -> bytes:
    """What the other direction says inside, as near as can be told: from the first mark on."""
    for mark in (b"\x16\x03", b"HTTP/1."):
        at = data.find(mark, 0, 600)
        if at >= 0:
            return data[at:]
    at = data.find(COOKIE, 0, 600)
    return data[at - 4 :] if at >= 4 else b""


def _login(renamer: Renamer, data: bytes) -> Draft:
    """RFC 1929: a name and a password, both replaced."""
    draft = Draft(data)
    size = data[1]
    draft.number(0, 2)
    draft.put(2, renamer.token(data[2 : 2 + size]))
    draft.number(2 + size, 3 + size)
    draft.put(3 + size, renamer.token(data[3 + size :]))
    return draft


def _socks_address(renamer: Renamer, data: bytes) -> Draft:
    """A request or a reply of either version."""
    draft = Draft(data)
    draft.number(0, 4)
    if data[0] in (0, 4):
        draft.put(4, data[4:8] if data[4:7] == b"\0\0\0" else renamer.packed(data[4:8]))
        user, _, host = data[8:].partition(b"\0")
        draft.put(8, renamer.token(user) + b"\0")
        if host:
            draft.put(9 + len(user), same_length_host(renamer, host[:-1]) + b"\0")
        return draft
    kind, end = data[3], len(data) - 2
    if kind in (1, 4):
        draft.put(4, renamer.packed(data[4:end]))
    elif kind == 3:
        made = renamer.host(data[5:end].decode("utf-8", "surrogateescape"))
        name = made.encode("utf-8", "replace")[:255]
        draft = blank()
        draft.append(data[:4] + bytes((len(name),)) + name + data[end:])
        return draft
    draft.number(end, end + 2)
    return draft
