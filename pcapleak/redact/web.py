"""HTTP and WebSocket in clear: heads of what names programs, bodies of what names addresses."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pcapleak.decode.web.http import MAX_HEAD, HttpRequest, HttpResponse, parse_head
from pcapleak.decode.web.websocket import parse_frame_header, unmask
from pcapleak.errors import DecodeError
from pcapleak.redact.draft import Draft, Piece, blank
from pcapleak.redact.names import Renamer
from pcapleak.redact.text import cover, redact_program, redact_text

Tunnel = Callable[[bytes, bytes, int | None], Iterator[Piece]]
"""Rewrites what a proxy lets through: what this direction says, what the other does, the port."""

MAX_BODY = 1 << 20
"""Bytes of a body or a WebSocket message after decompression."""
MAX_INFLATED = 64 << 20
"""Bytes of all of them that are decompressed; later ones are blanked."""

_KEPT_FIELDS = frozenset(("user-agent", "sec-ch-ua", "sec-ch-ua-platform"))
"""Fields that name a program, and stay but for what tells of a user."""
_WORDED_FIELDS = frozenset(
    ("content-type", "upgrade", "connection", "sec-websocket-version", "accept",
     "proxy-connection", "keep-alive", "upgrade-insecure-requests", "sec-fetch-site",
     "sec-fetch-mode", "sec-fetch-dest")
)  # fmt: skip
"""Fields that name a protocol, of which the words stay that everybody knows. Other fields go,
credentials, cookies and what servers call themselves among them."""
_KNOWN_WORDS = (
    "upgrade close keep-alive websocket h2c timeout max text html plain css javascript xml "
    "json application octet-stream x-www-form-urlencoded xhtml image png jpeg gif webp avif "
    "apng svg audio video mp4 webm mpeg ogg font woff woff2 multipart form-data mixed "
    "message sip sdp trickle-ice-sdpfrag ocsp-request ocsp-response dns-message wasm "
    "event-stream charset utf-8 signed-exchange v b3 q exchange same-origin same-site "
    "cross-site none navigate cors no-cors document empty script style iframe serviceworker "
    "worker"
)
_WORDS = frozenset(_KNOWN_WORDS.split())
_TEXT_TYPES = ("json", "sdp", "trickle", "xml", "text/plain", "urlencoded")
_SCHEMES = frozenset(("http", "https", "ws", "wss", "ftp"))
_DEFLATE = re.compile(r"permessage-deflate[a-z0-9_;=, \"-]{0,200}\Z", re.IGNORECASE)
_WORD = re.compile(r"[^\s,;=/*+\"]+")
_QUALITY = re.compile(r"[0-9]{1,3}|0\.[0-9]{1,3}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]{0,256})?\r?\n")
_HEADER = 14
"""The longest header of a WebSocket frame (RFC 6455 section 5.2)."""


class _Part(NamedTuple):
    """A request or response, and where what follows it begins."""

    message: HttpRequest | HttpResponse
    start: int
    body: bytes
    end: int
    whole: bool
    """The body's end is known to be there."""
    framed: bool
    """It has a body, were it an empty one."""
    turns: bool
    """What follows is no HTTP: a CONNECT, or the answer to one."""


class Web:
    """Rewrites streams of HTTP/1 and what they turn into."""

    def __init__(self, renamer: Renamer) -> None:
        self._renamer = renamer
        self._left = MAX_INFLATED

    def redact(self, data: bytes, peer: bytes, tunnel: Tunnel) -> Iterator[Piece]:
        """Requests or responses, until a CONNECT or an upgrade turns the stream over."""
        for part in _parts(data, peer):
            message = part.message
            yield min(part.end, len(data)) - part.start, self._message(part, len(data))
            if part.turns:
                authority = message.authority if isinstance(message, HttpRequest) else None
                port = None if authority is None else authority[1]
                yield from tunnel(data[part.end :], _after_head(peer), port)
                return
            upgraded = "websocket" in (message.header("upgrade") or "").lower()
            if isinstance(message, HttpRequest):
                agreed = not peer or b" 101 " in peer[:MAX_HEAD]
            else:
                agreed = message.status == 101
            if upgraded and agreed:
                yield from self._frames(data[part.end :])
                return

    def _message(self, part: _Part, available: int) -> Draft:
        message = part.message
        draft = blank()
        if isinstance(message, HttpRequest):
            line = f"{message.method} {_target(self._renamer, message)} HTTP/{message.version}"
        else:
            reason = cover(message.reason.encode("latin-1", "replace")).decode("latin-1")
            line = f"HTTP/{message.version} {message.status} {reason}".rstrip()
        draft.append(f"{line}\r\n".encode("latin-1", "replace"))
        for name, value in message.headers:
            low, renamed = name.lower(), True
            if low == "host":
                made = _authority(self._renamer, value)
            elif low in ("authorization", "proxy-authorization"):
                made = f"{cover(value.split(' ')[0].encode('latin-1')).decode()} redacted"
            elif low in _WORDED_FIELDS:
                made = _WORD.sub(_known_word, value)
            elif low in ("sec-websocket-key", "sec-websocket-accept"):
                made = self._renamer.token(value.encode("latin-1", "replace")).decode()
            elif low in _KEPT_FIELDS or (
                low == "sec-websocket-extensions" and _DEFLATE.match(value)
            ):
                made, renamed = redact_program(self._renamer, value), False
            else:
                continue
            draft.append(f"{name}: {made}\r\n".encode("latin-1", "replace"), known=renamed)
        if part.framed:
            self._body(draft, part, max(part.end - available, 0))
        else:
            draft.append(b"\r\n")
        return draft

    def _body(self, draft: Draft, part: _Part, missing: int) -> None:
        """The fields that tell the body's length and the body, with as much missing as before."""
        kind = (part.message.header("content-type") or "").lower()
        coding = (part.message.header("content-encoding") or "").strip().lower()
        if any(word in kind for word in _TEXT_TYPES):
            if coding in ("gzip", "x-gzip", "deflate"):
                made = self._recoded(part.body, 15 if coding == "deflate" else 31)
                draft.append(f"Content-Encoding: {coding}\r\n".encode())
            else:
                made = redact_text(self._renamer, part.body)
        else:
            made = Draft(part.body)
        size = len(made.out)
        if part.whole or missing:
            draft.append(f"Content-Length: {size + missing}\r\n\r\n".encode())
        else:
            draft.append(f"Transfer-Encoding: chunked\r\n\r\n{size + 1:x}\r\n".encode())
        draft.extend(made)

    def _recoded(self, body: bytes, wbits: int) -> Draft:
        """A compressed body rewritten and compressed again, blanked where it is broken."""
        text = self._inflated(zlib.decompressobj(47), body)
        if text is None:
            return Draft(body)
        packer = zlib.compressobj(wbits=wbits)
        draft = blank()
        made = self._renamer.clean(redact_text(self._renamer, text))
        draft.append(packer.compress(bytes(made.out)))
        draft.append(packer.flush())
        return draft

    def _inflated(self, inflater: zlib._Decompress, data: bytes) -> bytes | None:
        """What is compressed in `data`, at most `MAX_BODY` bytes of it; None where it is broken
        or too much was decompressed before."""
        if self._left <= 0:
            return None
        try:
            text = inflater.decompress(data, MAX_BODY)
        except zlib.error:
            return None
        self._left -= len(text)
        return text

    def _frames(self, data: bytes) -> Iterator[Piece]:
        """WebSocket messages, each written as one frame, compressed where it was.

        One window serves all compressed messages: where a side forgets it after each
        (RFC 7692 section 7.1.1), its messages do not look back, and keeping it does no harm.
        """
        inflater = zlib.decompressobj(-15)
        at = 0
        payload = bytearray()
        opcode, compressed = 1, False
        while at < len(data):
            try:
                found = parse_frame_header(data[at : at + _HEADER])
            except DecodeError:
                return
            if found is None:
                return
            header, used = found
            end = at + used + header.length
            if end > len(data) or len(payload) + header.length > MAX_BODY:
                return
            content = unmask(data[at + used : end], header.mask)
            size, at = end - at, end
            if header.opcode >= 8:
                yield size, _frame(header.opcode, Draft(content), header.mask)
                continue
            if header.opcode:
                opcode, compressed = header.opcode, header.compressed
                payload.clear()
            payload += content
            if not header.final:
                yield size, blank()
                continue
            message = bytes(payload)
            payload.clear()
            if compressed:
                if inflater.eof:
                    inflater = zlib.decompressobj(-15)
                text = self._inflated(inflater, message + b"\0\0\xff\xff")
                if text is None or inflater.unconsumed_tail:
                    return
                made = _deflated(bytes(self._renamer.clean(redact_text(self._renamer, text)).out))
                yield size, _frame(opcode | 0x40, made, header.mask)
            else:
                yield size, _frame(opcode, redact_text(self._renamer, message), header.mask)


def _known_word(match: re.Match[str]) -> str:
    word = match.group()
    return word if word.lower() in _WORDS or _QUALITY.fullmatch(word) else "x" * len(word)


def _parts(data: bytes, peer: bytes) -> Iterator[_Part]:
    """The requests or responses in `data`, as long as it is HTTP."""
    asked = peer[:8] == b"CONNECT "
    # What answers a HEAD has no body (RFC 9110 section 9.3.2), so what was asked must be known.
    methods = iter([_method(part) for part in _parts(peer, b"")] if b"HEAD " in peer else ())
    at = 0
    while at < len(data):
        try:
            head = parse_head(data[at : at + MAX_HEAD])
        except DecodeError:
            return
        if head is None:
            return
        message, used = head
        end = at + used
        if isinstance(message, HttpRequest):
            turns, bodiless = message.method == "CONNECT", False
        else:
            final = message.status >= 200 or message.status == 101
            turns = asked and 200 <= message.status < 300
            bodiless = message.status < 200 or message.status in (204, 304)
            bodiless |= final and next(methods, "") == "HEAD"
        part = _Part(message, at, b"", end, whole=True, framed=False, turns=turns)
        if not (turns or bodiless):
            part = _with_body(part, data)
        yield part
        if part.turns:
            return
        at = part.end


def _method(part: _Part) -> str:
    return part.message.method if isinstance(part.message, HttpRequest) else ""


def _with_body(part: _Part, data: bytes) -> _Part:
    message = part.message
    if "chunked" in (message.header("transfer-encoding") or "").lower():
        body, end = _chunks(data, part.end)
        whole = end is not None
        return part._replace(body=body, end=end or len(data), whole=whole, framed=True)
    length = message.header("content-length") or ""
    if length.isascii() and length.isdigit() and len(length) < 15:
        end = part.end + int(length)
        return part._replace(body=data[part.end : end], end=end, framed=True)
    return part


def _chunks(data: bytes, at: int) -> tuple[bytes, int | None]:
    """A chunked body and where it ends, if it does (RFC 9112 section 7.1)."""
    body = bytearray()
    while (line := _CHUNK.match(data, at)) is not None:
        size = int(line[1], 16)
        if not size:
            if data[line.end() : line.end() + 2] == b"\r\n":
                return bytes(body), line.end() + 2
            end = data.find(b"\r\n\r\n", line.end(), line.end() + MAX_HEAD)
            return bytes(body), None if end < 0 else end + 4
        body += data[line.end() : line.end() + size]
        at = line.end() + size + 2
        if len(body) > MAX_BODY:
            break
    return bytes(body), None


def _after_head(data: bytes) -> bytes:
    at = data.find(b"\r\n\r\n")
    return data[at + 4 :] if at >= 0 else b""


def _target(renamer: Renamer, message: HttpRequest) -> str:
    if message.method == "CONNECT":
        return _authority(renamer, message.target)
    scheme, mark, rest = message.target.partition("://")
    if mark and scheme.lower() in _SCHEMES:
        return f"{scheme}://{_authority(renamer, rest.partition('/')[0])}/"
    return "/"


def _authority(renamer: Renamer, text: str) -> str:
    """Host and port, as `Host` and CONNECT write them; a user's name and password go."""
    text = text.rpartition("@")[2]
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        host, port = f"[{renamer.host(host)}]", port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
        host = renamer.host(host)
    return f"{host}:{port}" if port.isascii() and port.isdigit() else host


def _deflated(text: bytes) -> Draft:
    """A message as permessage-deflate sends it (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    draft = blank()
    draft.append((packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4])
    return draft


def _frame(opcode: int, payload: Draft, mask: bytes) -> Draft:
    """A frame (RFC 6455 section 5.2); a client's mask is one of zeros, which changes nothing."""
    masked = 0x80 if mask else 0
    size = len(payload.out)
    draft = blank()
    if size < 126:
        draft.append(bytes((0x80 | opcode, masked | size)))
    elif size < 1 << 16:
        draft.append(bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big"))
    else:
        draft.append(bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big"))
    draft.append(bytes(len(mask)))
    draft.extend(payload)
    return draft
