"""Readers of length-prefixed streams: DNS, OpenVPN, and the ClientHello of TLS."""

from __future__ import annotations

from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.streams.connection import Connection, Opened, Reader
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.web.tls import looks_like_tls, parse_hello_records
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Service
from pcapleak.values.registries import DNS_PORT

DOT_PORT = 853
_RESETS = (0x38, 0x50)
"""First bytes of OpenVPN's hard resets by clients, version 2 and 3."""


class DnsReader:
    """DNS messages behind two bytes of length (RFC 1035 section 4.2.2)."""

    certain = False

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if len(data) < 2:
            return -2
        end = 2 + int.from_bytes(data[:2], "big")
        if end < 14:
            connection.lose(way)
            return 0
        if len(data) < end:
            return -end
        connection.emit(way, decode_dns(data[2:end]), Service.DNS)
        return end

    def resumes(self, data: bytes) -> bool:
        """Where a segment is one message."""
        return len(data) >= 14 and int.from_bytes(data[:2], "big") == len(data) - 2

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""
        connection.emit(way, decode_dns(data[2:]), Service.DNS)


class TlsReader:
    """The ClientHello; what follows is nobody's."""

    certain = True

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if not looks_like_tls(data):
            connection.close(way)
            return 0
        found = parse_hello_records(data)
        if found is None:
            return 0
        hello = found[0]
        service = Service.TLS
        if "dot" in hello.alpn or connection.ports()[1] == DOT_PORT:
            service |= Service.DOT
        connection.emit(way, hello, service)
        connection.finish()
        return found[1]

    def resumes(self, data: bytes) -> bool:
        """A hello that lost a part is lost."""
        return False

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""


class OpenVpnReader:
    """OpenVPN over TCP: packets behind two bytes of length, of which the resets matter."""

    certain = False

    MAX_PACKETS = 16
    """A reset and its answer are among the first two of each direction, retries aside."""

    def __init__(self) -> None:
        self._packets = 0

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        if len(data) < 2:
            return -2
        end = 2 + int.from_bytes(data[:2], "big")
        if len(data) < end:
            return -end
        message = decode_openvpn(data[2:end])
        self._packets += 1
        if message.kind.startswith("hard-reset"):
            connection.emit(way, message, Service.OPENVPN)
        if message.kind == "hard-reset-server" or self._packets >= self.MAX_PACKETS:
            connection.finish()
        return end

    def resumes(self, data: bytes) -> bool:
        """Where a segment is one packet."""
        return len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""


def opens_dns(data: bytes, ports: tuple[int, int]) -> Reader | Opened | None:
    """See `Opens`. On a port of its own by the length, elsewhere by one whole question."""
    if DNS_PORT in ports:
        if len(data) < 2:
            return Opened.MORE
        return DnsReader() if data[:2] >= b"\0\x0c" else Opened.NOBODYS
    if len(data) < 2 + 12 + 5 or not _is_one(data) or data[2] in _RESETS:
        return None
    query = decode_dns(data[2:])
    question = query.questions[0] if len(query.questions) == 1 else None
    if (
        question is not None
        and question.rclass in (1, 3, 255)
        and not (query.is_response or query.problems or query.answers or query.authorities)
        and not query.opcode
    ):
        return DnsReader()
    return None


def opens_tls(data: bytes, ports: tuple[int, int]) -> Reader | Opened | None:
    """See `Opens`."""
    if not looks_like_tls(data):
        return None
    return TlsReader() if len(data) >= 6 else Opened.MORE


def opens_openvpn(data: bytes, ports: tuple[int, int]) -> Reader | None:
    """See `Opens`. The first under `tls-crypt-v2` has some 350 bytes."""
    if len(data) < 2 + 14 or not _is_one(data) or data[2] not in _RESETS:
        return None
    try:
        decode_openvpn(data[2:])
    except DecodeError:
        return None
    return OpenVpnReader()


def _is_one(data: bytes) -> bool:
    """Whether `data` is one message of less than 1024 bytes behind its length."""
    return data[0] < 4 and int.from_bytes(data[:2], "big") == len(data) - 2
