"""Readers of HTTP/1 and WebSocket streams."""

from __future__ import annotations

import re
import zlib
from collections import deque

from pcapleak.decode.streams.connection import BULK, Connection, Reader
from pcapleak.decode.web.http import (
    MAX_HEAD,
    HttpRequest,
    HttpResponse,
    looks_like_http,
    parse_head,
)
from pcapleak.decode.web.websocket import WebSocketMessage, parse_frame_header, unmask
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint, Service

MAX_BODY = 64 << 10
"""Bytes of a body or WebSocket message kept: a session description has 1 to 20 kB."""

MAX_REQUESTS = 64
"""Requests on their way; no client pipelines more."""

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]{0,256})?\r?\n")
MAX_CHUNK_LINE = 300

_KEPT_TYPES = re.compile(r"application/(?:.*json|.*sdp|trickle|.*xml)|text/(?:plain|xml)", re.I)
"""Types of bodies that signalling uses (RFC 9725, RFC 8840, and applications' own)."""


def _kept(message: HttpRequest | HttpResponse) -> bool:
    kind = message.header("content-type")
    return kind is not None and _KEPT_TYPES.match(kind) is not None


class _Chunks:
    """A chunked body on its way (RFC 9112 section 7.1)."""

    def __init__(self, message: HttpRequest | HttpResponse) -> None:
        self.message = message
        self.body: bytearray | None = bytearray() if _kept(message) else None
        self.ended = False


class HttpReader:
    """Requests and responses, until a CONNECT or an upgrade turns the connection over."""

    def __init__(self) -> None:
        self.certain = False
        self._requests: deque[HttpRequest] = deque(maxlen=MAX_REQUESTS)
        self._chunks: list[_Chunks | None] = [None, None]

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        chunks = self._chunks[way]
        if chunks is not None:
            return self._read_chunk(connection, way, data, chunks)
        head = parse_head(data)
        if head is None:
            return 0
        self.certain = True
        message, used = head
        if isinstance(message, HttpRequest):
            self._requests.append(message)
            if message.method == "CONNECT":
                connection.emit(way, message, Service.HTTP | Service.HTTP_CONNECT)
                return used
            has_body = True
        else:
            if message.status // 100 == 1 and message.status != 101:
                connection.emit(way, message, Service.HTTP)
                return used
            request = self._requests.popleft() if self._requests else None
            if self._turns_over(connection, way, message, request):
                return used
            has_body = message.status not in (204, 304) and (
                request is None or request.method != "HEAD"
            )
        return self._read_body(connection, way, data, message, used, has_body)

    def resumes(self, data: bytes) -> bool:
        """At a head."""
        return looks_like_http(data)

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`. Whole lines of a head are worth having."""
        chunks, self._chunks[way] = self._chunks[way], None
        lines, end, _ = data[:MAX_HEAD].rpartition(b"\n")
        if chunks is not None or not end:
            return
        head = parse_head(lines + b"\n\n")
        assert head is not None
        if isinstance(head[0], HttpRequest):
            self._requests.append(head[0])
        connection.emit(way, head[0], Service.HTTP)

    def _turns_over(
        self,
        connection: Connection,
        way: int,
        message: HttpResponse,
        request: HttpRequest | None,
    ) -> bool:
        """Whether a response makes the connection carry something else."""
        if request is not None and request.method == "CONNECT" and message.status // 100 == 2:
            connection.emit(way, message, Service.HTTP | Service.HTTP_CONNECT)
            authority = request.authority
            endpoint = None
            if authority is not None and not isinstance(authority[0], str):
                endpoint = Endpoint(authority[0], authority[1])
            connection.enter("http-connect", 1 - way, endpoint)
            return True
        if message.status == 101:
            if (message.header("upgrade") or "").lower() == "websocket":
                connection.emit(way, message, Service.HTTP | Service.WEBSOCKET)
                connection.follow(WebSocketReader(message, way))
            else:
                connection.emit(way, message, Service.HTTP)
                connection.finish()
            return True
        return False

    def _read_body(
        self,
        connection: Connection,
        way: int,
        data: bytes,
        message: HttpRequest | HttpResponse,
        used: int,
        has_body: bool,
    ) -> int:
        """RFC 9112 section 6.3."""
        length = 0
        if has_body:
            if "chunked" in (message.header("transfer-encoding") or "").lower():
                self._chunks[way] = _Chunks(message)
                if not _kept(message):
                    connection.emit(way, message, Service.HTTP)
                return used
            declared = message.header("content-length")
            if declared is not None:
                if not declared.isascii() or not declared.isdigit() or len(declared) > 15:
                    raise DecodeError("http", "Content-Length", 0, f"{declared[:40]!r}")
                length = int(declared)
            elif isinstance(message, HttpResponse):
                connection.emit(way, message, Service.HTTP)
                connection.close(way)  # the body lasts as long as the connection
                return used
        if 0 < length <= MAX_BODY and _kept(message):
            if len(data) < used + length:
                return -used - length
            message = message._replace(body=_decoded(message, data[used : used + length]))
        connection.emit(way, message, Service.HTTP)
        if length > BULK:
            connection.close(way)
        return used + length

    def _read_chunk(self, connection: Connection, way: int, data: bytes, chunks: _Chunks) -> int:
        if chunks.ended:
            # Trailers, up to an empty line.
            end = data.find(b"\n", 0, MAX_CHUNK_LINE)
            if end < 0:
                if len(data) >= MAX_CHUNK_LINE:
                    raise DecodeError("http", "trailer", 0, "too long")
                return 0
            if data[:end].strip():
                return end + 1
            self._chunks[way] = None
            if _kept(chunks.message):
                body = b"" if chunks.body is None else _decoded(chunks.message, bytes(chunks.body))
                connection.emit(way, chunks.message._replace(body=body), Service.HTTP)
            return end + 1
        line = _CHUNK.match(data)
        if line is None:
            if len(data) >= MAX_CHUNK_LINE or b"\n" in data:
                self._chunks[way] = None
                raise DecodeError("http", "chunk", 0, "no size")
            return 0
        size = int(line[1], 16)
        if not size:
            chunks.ended = True
            return line.end()
        end = line.end() + size + 2
        if chunks.body is not None:
            if len(chunks.body) + size <= MAX_BODY:
                if len(data) < end:
                    return -end
                chunks.body += data[line.end() : end - 2]
            else:
                chunks.body = None
        if size > BULK:
            connection.close(way)
        return end


def _decoded(message: HttpRequest | HttpResponse, body: bytes) -> bytes:
    """The body without its compression, at most `MAX_BODY` bytes of it."""
    coding = (message.header("content-encoding") or "").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(47).decompress(body, MAX_BODY)
    except zlib.error as error:
        raise DecodeError("http", "body", 0, f"{coding}: {error}") from None


class _Frames:
    """One direction of a WebSocket connection."""

    def __init__(self, keeps_context: bool) -> None:
        self.opcode = 0
        self.compressed = False
        self.payload: bytearray | None = bytearray()
        """The message on its way; None once it grew too long."""
        self.keeps_context = keeps_context
        self.inflater: zlib._Decompress | None = None
        self.context_lost = False


class WebSocketReader:
    """Text and binary messages, with permessage-deflate (RFC 7692)."""

    certain = True

    def __init__(self, response: HttpResponse, server: int) -> None:
        extensions = (response.header("sec-websocket-extensions") or "").lower()
        self._deflate = "permessage-deflate" in extensions
        ways = [
            _Frames("client_no_context_takeover" not in extensions),
            _Frames("server_no_context_takeover" not in extensions),
        ]
        self._frames = ways if server == 1 else ways[::-1]

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        found = parse_frame_header(data)
        if found is None:
            return 0
        header, start = found
        end = start + header.length
        if header.opcode >= 8:
            return end
        frames = self._frames[way]
        if header.opcode:
            frames.opcode, frames.compressed = header.opcode, header.compressed
            frames.payload = bytearray()
        if frames.payload is not None and len(frames.payload) + header.length <= MAX_BODY:
            if len(data) < end:
                return -end
            frames.payload += unmask(data[start:end], header.mask)
        else:
            frames.payload = None
            frames.context_lost |= frames.compressed and frames.keeps_context
            if header.length > BULK:
                connection.close(way)
        if header.final:
            self._finish(connection, way, frames)
        return end

    def resumes(self, data: bytes) -> bool:
        """Frames cannot be found again."""
        return False

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""

    def _finish(self, connection: Connection, way: int, frames: _Frames) -> None:
        payload, frames.payload = frames.payload, bytearray()
        if payload is None or frames.opcode not in (1, 2):
            return
        message = bytes(payload)
        if frames.compressed:
            if not self._deflate or frames.context_lost:
                return
            message = self._inflate(frames, message)
        kind = WebSocketMessage("text" if frames.opcode == 1 else "binary", message)
        connection.emit(way, kind, Service.WEBSOCKET)

    @staticmethod
    def _inflate(frames: _Frames, data: bytes) -> bytes:
        """RFC 7692 section 7.2.2."""
        inflater = frames.inflater if frames.keeps_context else None
        if inflater is None:
            inflater = frames.inflater = zlib.decompressobj(-15)
        try:
            message = inflater.decompress(data + b"\0\0\xff\xff", MAX_BODY)
        except zlib.error as error:
            frames.context_lost = True
            raise DecodeError("websocket", "deflate", 0, str(error)) from None
        frames.context_lost |= bool(inflater.unconsumed_tail) and frames.keeps_context
        return message


def opens_http(data: bytes, ports: tuple[int, int]) -> Reader | None:
    """See `Opens`."""
    return HttpReader() if looks_like_http(data) else None
