"""Readers of SIP streams."""

from __future__ import annotations

from pcapleak.decode.streams.connection import Connection, Reader
from pcapleak.decode.web.sip import looks_like_sip, parse_sip_head
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Service

MAX_BODY = 64 << 10
"""Bytes of a body; a description has 1 to 20 kB."""


class SipReader:
    """SIP messages by their Content-Length (RFC 3261 section 18.3)."""

    certain = True

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if data[0] in b"\r\n":
            return 1  # RFC 5626 section 3.5.1: keep-alives
        head = parse_sip_head(data)
        if head is None:
            return 0
        message, start = head
        end = start + message.content_length
        if end - start > MAX_BODY:
            raise DecodeError("sip", "Content-Length", 0, f"{end - start} bytes")
        if len(data) < end:
            return -end
        connection.emit(way, message._replace(body=data[start:end]), Service.SIP)
        return end

    def resumes(self, data: bytes) -> bool:
        """At a start line."""
        return looks_like_sip(data)

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`. What came of the body is worth having."""
        head = parse_sip_head(data)
        if head is not None:
            connection.emit(way, head[0]._replace(body=data[head[1] :]), Service.SIP)


def opens_sip(data: bytes, ports: tuple[int, int]) -> Reader | None:
    """See `Opens`."""
    return SipReader() if looks_like_sip(data) else None
