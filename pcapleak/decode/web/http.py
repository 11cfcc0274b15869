"""HTTP/1 heads (RFC 9112), as far as tunnels and signalling need them."""

from __future__ import annotations

import re
from typing import NamedTuple

from pcapleak.decode.tunnels.socks import host_of
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint, IPAddress

MAX_HEAD = 16384
"""Bytes of a start line and its fields; servers' own limits are 8 to 16 kB."""

METHODS = (
    b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"PATCH ",
    b"TRACE ", b"PROPFIND ", b"REPORT ", b"NOTIFY ", b"SUBSCRIBE ", b"M-SEARCH ",
)  # fmt: skip
RESPONSE = b"HTTP/1."

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([^ \r\n]+) HTTP/(1\.[01])\r?\Z")
_ANY_REQUEST = re.compile(rb"[A-Z_-]{2,32} [^ \r\n]{1,4096} HTTP/1\.[01]\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r?\Z")
_PORT = re.compile(r"[0-9]{1,5}")
_FOR_PROXIES = frozenset({"proxy-connection", "proxy-authorization"})
_HEAD_END = re.compile(rb"\r?\n\r?\n")

Headers = tuple[tuple[str, str], ...]


def find_field(headers: Headers, name: str) -> str | None:
    """The first value of a field, whatever its case."""
    name = name.lower()
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


class HttpRequest(NamedTuple):
    """A request. `body` is there where it is short enough to be kept whole."""

    method: str
    target: str
    version: str
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return find_field(self.headers, name)

    @property
    def authority(self) -> tuple[IPAddress | str, int] | None:
        """Host and port a CONNECT asks for (RFC 9110 section 9.3.6)."""
        if self.method != "CONNECT":
            return None
        host, _, port = self.target.rpartition(":")
        if not host or _PORT.fullmatch(port) is None or not 0 < int(port) < 65536:
            return None
        return host_of(host.removeprefix("[").removesuffix("]")), int(port)

    def forwarded_to(self, receiver: Endpoint) -> tuple[IPAddress | str, int] | None:
        """Host and port of a whole address as target (RFC 9112 section 3.2.2), where `receiver`
        can only be a proxy: some clients send such targets to the server itself."""
        scheme, mark, rest = self.target.partition("://")
        if not mark or scheme.lower() != "http":
            return None
        found = _PLACE.match(rest)
        if found is None or not 0 < int(found["port"] or 80) < 65536:
            return None
        host = host_of(found["host"].removeprefix("[").removesuffix("]"))
        port = int(found["port"] or 80)
        elsewhere = port != receiver.port or not (isinstance(host, str) or host == receiver.address)
        asked = any(name.lower() in _FOR_PROXIES for name, _ in self.headers)
        return (host, port) if elsewhere or asked else None

    @property
    def server_name(self) -> str | None:
        """The host it is meant for, however it is said."""
        if self.authority is not None:
            return str(self.authority[0])
        _, mark, rest = self.target.partition("://")
        found = _PLACE.match(rest if mark else self.header("host") or "")
        return None if found is None else found["host"].removeprefix("[").removesuffix("]")


class HttpResponse(NamedTuple):
    """A response. `body` is there where it is short enough to be kept whole."""

    status: int
    reason: str
    version: str
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return find_field(self.headers, name)


_PLACE = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[^/?#@:\s]{1,255})(:(?P<port>[0-9]{1,5}))?([/?#]|$)"
)


def looks_like_http(data: bytes) -> bool:
    """Whether a stream that begins with `data` may be HTTP/1."""
    if data.startswith((*METHODS, RESPONSE)):
        return True
    return data[:1].isupper() and _ANY_REQUEST.match(data) is not None


def parse_head(data: bytes) -> tuple[HttpRequest | HttpResponse, int] | None:
    """The request or response whose head `data` begins with, without body, and the head's
    length; None while it is not all there."""
    match = _HEAD_END.search(data, 0, MAX_HEAD)
    if match is None:
        if len(data) >= MAX_HEAD:
            raise DecodeError("http", "head", MAX_HEAD, "no end")
        return None
    first, *lines = data[: match.start()].split(b"\n")
    request = _REQUEST_LINE.match(first)
    status = None if request else _STATUS_LINE.match(first)
    if request is None and status is None:
        raise DecodeError("http", "start line", 0, "neither a request nor a status")
    headers = tuple(parse_fields(lines))
    if request:
        method, target, version = (part.decode("latin-1") for part in request.groups())
        return HttpRequest(method, target, version, headers), match.end()
    assert status is not None
    reason = (status[3] or b"").decode("latin-1")
    return HttpResponse(int(status[2]), reason, status[1].decode(), headers), match.end()


def parse_fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Header fields by line; what has no colon, or continues a field (obsolete), is passed over."""
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon and name[:1] not in (b" ", b"\t", b""):
            headers.append((name.decode("latin-1").strip(), value.decode("latin-1").strip()))
    return headers
