"""SIP messages (RFC 3261 section 7), as far as signalling needs them."""

from __future__ import annotations

import re
from typing import NamedTuple

from pcapleak.decode.web.http import MAX_HEAD, Headers, find_field, parse_fields
from pcapleak.errors import DecodeError
from pcapleak.values.registries import SIP_STARTS

_REQUEST = re.compile(rb"([A-Z]+) ([^ \r\n]{1,1024}) SIP/2\.0\r?\Z")
_STATUS = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])(?: ([^\r\n]*))?\r?\Z")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class SipMessage(NamedTuple):
    """A request, or a response to one."""

    method: str | None
    """None for a response."""
    target: str
    """The request's URI, or the response's reason."""
    status: int | None
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return find_field(self.headers, name)

    @property
    def content_length(self) -> int:
        """The body's length on a stream (RFC 3261 section 20.14), 0 where none is said."""
        declared = self.header("content-length") or self.header("l") or "0"
        if not (declared.isascii() and declared.isdigit()) or len(declared) > 9:
            raise DecodeError("sip", "Content-Length", 0, f"{declared[:40]!r}")
        return int(declared)


def looks_like_sip(data: bytes) -> bool:
    """Whether `data` begins with a request or response."""
    return data.startswith(SIP_STARTS)


def parse_sip_head(data: bytes) -> tuple[SipMessage, int] | None:
    """The message whose head `data` begins with, without body, and the head's length; None
    while it is not all there.

    Raises `DecodeError` where it is no SIP.
    """
    match = _HEAD_END.search(data, 0, MAX_HEAD)
    if match is None:
        if len(data) >= MAX_HEAD:
            raise DecodeError("sip", "head", MAX_HEAD, "no end")
        return None
    first, *lines = data[: match.start()].split(b"\n")
    request, status = _REQUEST.match(first), _STATUS.match(first)
    if request is None and status is None:
        raise DecodeError("sip", "start line", 0, "neither a request nor a status")
    headers = tuple(parse_fields(lines))
    if request is not None:
        method, target = (part.decode("latin-1") for part in request.groups())
        return SipMessage(method, target, None, headers), match.end()
    assert status is not None
    reason = (status[2] or b"").decode("latin-1")
    return SipMessage(None, reason, int(status[1]), headers), match.end()


def decode_sip(data: bytes) -> SipMessage:
    """The message that a datagram is; its body lasts to the end.

    Raises `DecodeError`.
    """
    head = parse_sip_head(data)
    if head is None:
        raise DecodeError("sip", "head", len(data), "no end")
    return head[0]._replace(body=data[head[1] :])
