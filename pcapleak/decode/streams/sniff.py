"""What a stream is, by its first bytes."""

from __future__ import annotations

import numpy as np

from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.streams.connection import Connection, Reader
from pcapleak.decode.streams.readers import DnsReader, OpenVpnReader, TlsReader
from pcapleak.decode.streams.signalling import SipReader
from pcapleak.decode.streams.socks import SocksReader
from pcapleak.decode.streams.stun import StunReader, begins_framed, begins_stun
from pcapleak.decode.streams.web import HttpReader
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.tunnels.socks import parse_methods, parse_request
from pcapleak.decode.web.http import METHODS, RESPONSE, looks_like_http
from pcapleak.decode.web.sip import looks_like_sip
from pcapleak.decode.web.tls import looks_like_tls
from pcapleak.errors import DecodeError
from pcapleak.values.registries import SIP_STARTS

DNS_PORT = 53

ENOUGH = 10
"""Bytes by which every protocol but SOCKS 5 is told."""

OPENS = np.zeros(256, np.bool_)
"""The first bytes of the streams that are read, DNS and STUN aside: a length below 1024, SOCKS,
TLS, and the texts of SIP and HTTP."""
OPENS[[0, 1, 2, 3, 4, 5, 0x16, *range(ord("A"), ord("Z") + 1)]] = True


class Opening:
    """Waits for the bytes that tell the protocol, then hands over."""

    certain = False

    def read(self, connection: Connection, way: int, data: bytes) -> int:
        """See `Reader`."""
        found = recognise_opening(data, connection.ports())
        if found is None:
            connection.close(way)
        elif found is not MORE:
            connection.follow(found)
        return 0

    def resumes(self, data: bytes) -> bool:
        """Any segment may be the first of something."""
        return True

    def read_cut(self, connection: Connection, way: int, data: bytes) -> None:
        """See `Reader`."""


MORE: Reader = Opening()
"""Says that a stream's first bytes do not tell yet."""


def recognise_opening(data: bytes, ports: tuple[int, int]) -> Reader | None:
    """The reader for a stream that begins with `data`, None for a stream that nobody wants, or
    `MORE` while that cannot be said."""
    first = data[0]
    if begins_stun(data):
        return StunReader(framed=False)
    if begins_framed(data):
        return StunReader(framed=True)
    if looks_like_sip(data):
        return SipReader()
    if looks_like_http(data):
        return HttpReader()
    if DNS_PORT in ports:
        if len(data) < 2:
            return MORE
        return DnsReader() if data[:2] >= b"\0\x0c" else None
    if looks_like_tls(data):
        return TlsReader() if len(data) >= 6 else MORE
    if first in (4, 5):
        return _socks(data)
    if len(data) < ENOUGH:
        texts = (*METHODS, RESPONSE, *SIP_STARTS)
        possible = first < 0x40 or any(known.startswith(data) for known in texts)
        return MORE if possible else None
    if first < 4 and int.from_bytes(data[:2], "big") == len(data) - 2:
        return _prefixed(data)
    return None


def _socks(data: bytes) -> Reader | None:
    try:
        if data[0] == 5:
            greeting = parse_methods(data)
            if greeting is None:
                return MORE
            methods, end = greeting
            # No login, GSSAPI, a password, or a private method: RFC 1928 section 3.
            plausible = any(method <= 2 or method >= 0x80 for method in methods)
            if plausible and (end == len(data) or data[end] in (1, 5)):
                return SocksReader()
        # Version 4, or version 5 from the request on where the recording began after the greeting.
        request = parse_request(data)
    except DecodeError:
        return None
    if request is None:
        return MORE
    return SocksReader() if request[1] == len(data) and request[0].port else None


def _prefixed(data: bytes) -> Reader | None:
    """One message behind its length: DNS on another port, or OpenVPN, whose first under
    `tls-crypt-v2` has some 350 bytes."""
    if data[2] in (0x38, 0x50):
        try:
            decode_openvpn(data[2:])
        except DecodeError:
            return None
        return OpenVpnReader()
    if len(data) >= 14 + 5:
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
