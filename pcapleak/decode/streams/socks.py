"""Reader of SOCKS handshakes; the connection inside is read anew."""

from __future__ import annotations

from pcapleak.decode.streams.connection import Connection, Opened, Reader
from pcapleak.decode.tunnels.socks import (
    SocksRequest,
    parse_login,
    parse_methods,
    parse_reply,
    parse_request,
)
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Service

LOGIN = 2
"""The username/password method."""


class SocksReader:
    """A handshake: greeting, login, request from the client; method, status, reply from the
    proxy. The client is whose bytes come first."""

    certain = False

    def __init__(self) -> None:
        self._client: int | None = None
        self._greeted = False
        self._username: str | None = None
        self._method: int | None = None
        self._logged_in = False
        self._request: SocksRequest | None = None

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if self._client is None:
            self._client = way
        if way == self._client:
            return self._read_client(connection, way, data)
        return self._read_proxy(connection, way, data)

    def resumes(self, data: bytes) -> bool:
        """At an answer, so that a proxy which said something else before is heard."""
        return data[0] == 5 and (len(data) == 2 or data[1:3] == b"\0\0")

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""

    def _read_client(self, connection: Connection, way: int, data: bytes) -> int:
        if self._request is not None:
            # What a client sends before the reply waits for it, unless no reply can come
            # because the capture holds one direction only.
            if connection.halves[1 - way].position is None:
                connection.enter("socks", way, self._request.endpoint)
            return 0
        if data[0] == 5 and not self._greeted:
            # A request's second byte is 1 to 3 and its third 0; told from a greeting by length.
            greeting = parse_methods(data)
            if greeting is None:
                return 0
            if greeting[1] == len(data) or data[greeting[1]] in (1, 5):
                self._greeted = True
                return greeting[1]
        if data[0] == 1:
            login = parse_login(data)
            if login is None:
                return 0
            self._username, used = login
            return used
        request = parse_request(data, self._username)
        if request is None:
            return 0
        self._request, used = request
        self.certain = True
        connection.emit(way, self._request, Service.SOCKS)
        return used

    def _read_proxy(self, connection: Connection, way: int, data: bytes) -> int:
        if self._greeted and self._method is None:
            if len(data) < 2:
                return -2
            self._method = data[1]
            if data[0] != 5 or data[1] not in (0, LOGIN):
                connection.finish()
            return 2
        if self._method == LOGIN and not self._logged_in:
            if len(data) < 2:
                return -2
            self._logged_in = True
            if data[0] != 1 or data[1]:
                connection.finish()
            return 2
        if self._request is None:
            return 0
        reply = parse_reply(data, self._request.version)
        if reply is None:
            return 0
        connection.emit(way, reply[0], Service.SOCKS)
        if reply[0].succeeded and self._request.command == "connect":
            connection.enter("socks", 1 - way, self._request.endpoint)
        elif self._request.command != "bind" or not reply[0].succeeded:
            connection.finish()
        return reply[1]


def opens_socks(data: bytes, ports: tuple[int, int]) -> Reader | Opened | None:
    """See `Opens`."""
    if data[0] not in (4, 5):
        return None
    try:
        if data[0] == 5:
            greeting = parse_methods(data)
            if greeting is None:
                return Opened.MORE
            methods, end = greeting
            # No login, GSSAPI, a password, or a private method: RFC 1928 section 3.
            plausible = any(method <= 2 or method >= 0x80 for method in methods)
            if plausible and (end == len(data) or data[end] in (1, 5)):
                return SocksReader()
        # Version 4, or version 5 from the request on where the recording began after the greeting.
        request = parse_request(data)
    except DecodeError:
        return Opened.NOBODYS
    if request is None:
        return Opened.MORE
    whole = request[1] == len(data) and request[0].port
    return SocksReader() if whole else Opened.NOBODYS
