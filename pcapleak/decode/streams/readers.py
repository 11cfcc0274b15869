"""Readers of length-prefixed streams: DNS, OpenVPN, and the ClientHello of TLS."""

from __future__ import annotations

from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.streams.connection import Connection
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.web.tls import looks_like_tls, parse_hello_records
from pcapleak.values.packets import Service

DOT_PORT = 853


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
