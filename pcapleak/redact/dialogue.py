"""What one direction of a TCP stream says, piece by piece, and what it is to say instead."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pcapleak.errors import DecodeError
from pcapleak.protocols.http import HttpRequest, HttpResponse, looks_like_http, parse_head
from pcapleak.protocols.openvpn import decode_openvpn
from pcapleak.protocols.socks import parse_login, parse_methods, parse_reply, parse_request
from pcapleak.protocols.tls import looks_like_tls
from pcapleak.protocols.websocket import parse_frame_header, unmask
from pcapleak.redact.canvas import Canvas, blank
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.hello import redact_tls, same_length_host
from pcapleak.redact.names import Renamer
from pcapleak.redact.text import redact_text

Piece = tuple[int, Canvas]
"""How many bytes of the stream, and what they become."""

MAX_BODY = 1 << 20
"""Bytes of a body or a WebSocket message after decompression."""

_COOKIE = b"\x21\x12\xa4\x42"
_DNS, _DOT = 53, 853
_MAX_LAYERS = 4
"""A proxy in a proxy in a proxy, and what it carries."""

_KEPT_FIELDS = frozenset(
    ("content-type", "upgrade", "connection", "sec-websocket-accept", "sec-websocket-version",
     "sec-websocket-key", "user-agent", "server", "accept", "proxy-connection", "keep-alive",
     "upgrade-insecure-requests", "proxy-agent", "sec-ch-ua", "sec-ch-ua-platform",
     "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
)  # fmt: skip
"""Fields that name a program or a protocol. Others go, credentials and cookies among them."""


def opening_wanted(data: bytes | bytearray, ports: tuple[int, int]) -> bool:
    """Whether a stream that begins so is rewritten rather than blanked."""
    data = bytes(data[:4096])
    return (
        _stun_at(data, 0)
        or _framed_at(data, 0)
        or looks_like_http(data)
        or looks_like_tls(data)
        or data[:2] == b"\x16\x03"
        or data[0] in (1, 4, 5)
        or data[:1] == b"\0"
        or _DNS in ports
        or int.from_bytes(data[:2], "big") <= 0x2000
    )


def redact_dialogue(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int]
) -> list[Piece]:
    """One direction of a stream; `peer` is what the other direction said."""
    pieces: list[Piece] = []
    at = 0
    for size, canvas in _dialogue(datagrams, data, peer, ports, 0):
        pieces.append((size, canvas))
        at += size
    if at < len(data):
        pieces.append((len(data) - at, datagrams.unknown(data[at:])))
    return pieces


def _dialogue(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int], depth: int
) -> Iterator[Piece]:
    if not data or depth > _MAX_LAYERS:
        return
    if _stun_at(data, 0) or (data[0] >> 6 == 1 and _stun_at(peer, 0)):
        yield from _stun(datagrams, data)
    elif _framed_at(data, 0) or _framed_at(peer, 0):
        yield from _framed(datagrams, data)
    elif looks_like_http(data):
        yield from _http(datagrams, data, peer, ports, depth)
    elif _DNS in ports:
        yield from _prefixed(datagrams, data, _DNS)
    elif data[:2] == b"\x16\x03":
        yield len(data), redact_tls(datagrams.renamer, data)
    elif data[0] in (0, 4, 5) and (data[0] in (4, 5) or peer[:1] == b"\4"):
        yield from _socks(datagrams, data, peer, ports, depth)
    else:
        yield from _prefixed(datagrams, data, 0)


def _stun_at(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == _COOKIE and data[at] < 0x40


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
        canvas = blank()
        canvas.append(data[at : at + 2])
        canvas.extend(inner)
        yield min(2 + size, len(data) - at), canvas
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
        canvas = blank()
        made = datagrams.redact(inner, (port, port))
        canvas.append(len(made.out).to_bytes(2, "big"))
        canvas.extend(made)
        yield min(2 + size, len(data) - at), canvas
        at += 2 + size


def _number(data: bytes) -> Canvas:
    canvas = blank()
    canvas.append(data)
    return canvas


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
    at = data.find(_COOKIE, 0, 600)
    return data[at - 4 :] if at >= 4 else b""


def _login(renamer: Renamer, data: bytes) -> Canvas:
    """RFC 1929: a name and a password, both replaced."""
    canvas = Canvas(data)
    size = data[1]
    canvas.number(0, 2)
    canvas.put(2, renamer.token(data[2 : 2 + size]))
    canvas.number(2 + size, 3 + size)
    canvas.put(3 + size, renamer.token(data[3 + size :]))
    return canvas


def _socks_address(renamer: Renamer, data: bytes) -> Canvas:
    """A request or a reply of either version."""
    canvas = Canvas(data)
    canvas.number(0, 4)
    if data[0] in (0, 4):
        canvas.put(4, data[4:8] if data[4:7] == b"\0\0\0" else renamer.packed(data[4:8]))
        user, _, host = data[8:].partition(b"\0")
        canvas.put(8, renamer.token(user) + b"\0")
        if host:
            canvas.put(9 + len(user), same_length_host(renamer, host[:-1]) + b"\0")
        return canvas
    kind, end = data[3], len(data) - 2
    if kind in (1, 4):
        canvas.put(4, renamer.packed(data[4:end]))
    elif kind == 3:
        made = renamer.host(data[5:end].decode("utf-8", "surrogateescape"))
        name = made.encode("utf-8", "replace")[:255]
        canvas = blank()
        canvas.append(data[:4] + bytes((len(name),)) + name + data[end:])
        return canvas
    canvas.number(end, end + 2)
    return canvas


def _http(
    datagrams: Datagrams, data: bytes, peer: bytes, ports: tuple[int, int], depth: int
) -> Iterator[Piece]:
    """Requests or responses, until a CONNECT or an upgrade turns the stream over."""
    renamer = datagrams.renamer
    asked = peer[:8] == b"CONNECT "
    at = 0
    while at < len(data):
        try:
            head = parse_head(data[at:])
        except DecodeError:
            return
        if head is None:
            return
        message, used = head
        start, end, wire = at, at + used, at + used
        body = b""
        chunked = "chunked" in (message.header("transfer-encoding") or "").lower()
        length = message.header("content-length") or "0"
        tunnel = isinstance(message, HttpRequest) and message.method == "CONNECT"
        opened = isinstance(message, HttpResponse) and 200 <= message.status < 300 and asked
        upgraded = "websocket" in (message.header("upgrade") or "").lower()
        bodiless = isinstance(message, HttpResponse) and (
            message.status < 200 or message.status in (204, 304)
        )
        if not (tunnel or opened or bodiless):
            if chunked:
                body, wire = _chunks(data, end)
            elif length.isascii() and length.isdigit() and len(length) < 15:
                wire = end + int(length)
                body = data[end:wire]
        yield min(wire, len(data)) - start, _message(renamer, message, body, framed=wire > end)
        at = wire
        if tunnel or opened:
            inside = ports
            rest = _after_head(peer)
            if isinstance(message, HttpRequest) and message.authority is not None:
                inside = (ports[0], message.authority[1])
            yield from _dialogue(datagrams, data[at:], rest, inside, depth + 1)
            return
        if upgraded and (isinstance(message, HttpRequest) or message.status == 101):
            extensions = (message.header("sec-websocket-extensions") or "").lower()
            yield from _frames(datagrams, data[at:], extensions)
            return


def _after_head(data: bytes) -> bytes:
    at = data.find(b"\r\n\r\n")
    return data[at + 4 :] if at >= 0 else b""


def _chunks(data: bytes, at: int) -> tuple[bytes, int]:
    """A chunked body and where it ends (RFC 9112 section 7.1)."""
    body = bytearray()
    while True:
        line = data.find(b"\n", at, at + 300)
        if line < 0:
            return bytes(body), len(data)
        try:
            size = int(data[at:line].split(b";")[0].strip() or b"x", 16)
        except ValueError:
            return bytes(body), len(data)
        if not size:
            end = data.find(b"\r\n", line + 1)
            return bytes(body), len(data) if end < 0 else end + 2
        body += data[line + 1 : line + 1 + size]
        at = line + 1 + size + 2
        if at >= len(data) or len(body) > MAX_BODY:
            return bytes(body), len(data)


def _message(
    renamer: Renamer, message: HttpRequest | HttpResponse, body: bytes, *, framed: bool
) -> Canvas:
    canvas = blank()
    if isinstance(message, HttpRequest):
        canvas.append(f"{message.method} ".encode("latin-1"))
        canvas.append(_target(renamer, message).encode("latin-1", "replace"))
        canvas.append(f" HTTP/{message.version}\r\n".encode("latin-1"))
    else:
        line = f"HTTP/{message.version} {message.status} {message.reason}".rstrip()
        canvas.append(f"{line}\r\n".encode("latin-1"), known=False)
    for name, value in message.headers:
        low = name.lower()
        if low == "host":
            made, renamed = _authority(renamer, value), True
        elif low in ("authorization", "proxy-authorization"):
            made, renamed = f"{value.split(' ')[0]} redacted", False
        elif low in _KEPT_FIELDS:
            made, renamed = value, False
        else:
            continue
        canvas.append(f"{name}: {made}\r\n".encode("latin-1", "replace"), known=renamed)
    if framed:
        content = _body(renamer, message, body)
        canvas.append(f"Content-Length: {len(content.out)}\r\n\r\n".encode())
        canvas.extend(content)
    else:
        canvas.append(b"\r\n")
    return canvas


def _target(renamer: Renamer, message: HttpRequest) -> str:
    if message.method == "CONNECT":
        return _authority(renamer, message.target)
    if "://" in message.target:
        scheme, _, rest = message.target.partition("://")
        return f"{scheme}://{_authority(renamer, rest.partition('/')[0])}/"
    return "/"


def _authority(renamer: Renamer, text: str) -> str:
    """Host and port, as `Host` and CONNECT write them; a user's name and password go."""
    text = text.rpartition("@")[2]
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return f"[{renamer.host(host)}]{port}"
    host, colon, port = text.partition(":")
    return renamer.host(host) + colon + port


def _body(renamer: Renamer, message: HttpRequest | HttpResponse, body: bytes) -> Canvas:
    coding = (message.header("content-encoding") or "").strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        try:
            body = zlib.decompressobj(47).decompress(body, MAX_BODY)
        except zlib.error:
            body = b""
    kind = (message.header("content-type") or "").lower()
    if any(word in kind for word in ("json", "sdp", "trickle", "xml", "text/plain", "urlencoded")):
        return redact_text(renamer, body)
    canvas = blank()
    canvas.append(bytes(len(body)))
    return canvas


def _frames(datagrams: Datagrams, data: bytes, extensions: str) -> Iterator[Piece]:
    """WebSocket messages, each written as one uncompressed frame."""
    inflater = None
    at = 0
    payload = bytearray()
    opcode, compressed = 1, False
    while at < len(data):
        try:
            found = parse_frame_header(data[at:])
        except DecodeError:
            return
        if found is None:
            return
        header, used = found
        end = at + used + header.length
        content = unmask(data[at + used : end], header.mask)
        if end > len(data) or len(payload) + header.length > MAX_BODY:
            return
        if header.opcode >= 8:
            yield end - at, _frame(header.opcode, Canvas(content), header.mask)
            at = end
            continue
        if header.opcode:
            opcode, compressed = header.opcode, header.compressed
        payload += content
        if not header.final:
            yield end - at, blank()
            at = end
            continue
        message = bytes(payload)
        payload.clear()
        if compressed:
            if inflater is None or "no_context_takeover" in extensions:
                inflater = zlib.decompressobj(-15)
            try:
                message = inflater.decompress(message + b"\0\0\xff\xff", MAX_BODY)
            except zlib.error:
                return
        yield end - at, _frame(opcode, redact_text(datagrams.renamer, message), header.mask)
        at = end


def _frame(opcode: int, payload: Canvas, mask: bytes) -> Canvas:
    """A frame (RFC 6455 section 5.2); a client's mask is one of zeros, which changes nothing."""
    masked = 0x80 if mask else 0
    size = len(payload.out)
    canvas = blank()
    if size < 126:
        canvas.append(bytes((0x80 | opcode, masked | size)))
    elif size < 1 << 16:
        canvas.append(bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big"))
    else:
        canvas.append(bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big"))
    canvas.append(bytes(len(mask)))
    canvas.extend(payload)
    return canvas
