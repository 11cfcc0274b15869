"""What a UDP datagram holds, rewritten by the protocol its structure shows.

The same marks as `packets/recognise.py` go by, so that what is recognised before is
recognised after.
"""

from __future__ import annotations

from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.web.quic import VERSION_2
from pcapleak.decode.web.sip import looks_like_sip
from pcapleak.errors import DecodeError
from pcapleak.redact.configuration import redact_dhcp
from pcapleak.redact.dns import redact_dns
from pcapleak.redact.draft import Draft
from pcapleak.redact.hello import redact_dtls, same_length_host
from pcapleak.redact.names import Renamer
from pcapleak.redact.quic import QuicHellos
from pcapleak.redact.signalling import redact_sip
from pcapleak.redact.stun import begins_with_cookie, redact_channel, redact_stun
from pcapleak.redact.web import Web
from pcapleak.values.registries import COOKIE

_DNS_PORTS = frozenset((53, 5353, 5355))
_DHCP_PORTS = frozenset((67, 68))
_BY_PORT_ALONE = frozenset((137, 138, 546, 547, 1900, 3702))
_DTLS_VERSIONS = (b"\xfe\xff", b"\xfe\xfd", b"\xfe\xfc", b"\x01\x00")
_WIREGUARD = {1: ((148, 204), 8), 2: ((92, 100), 12), 3: ((64,), 8)}
"""By type: the lengths, plain and padded, and where the indices end, which begin at 4."""
_RESETS = (0x38, 0x40, 0x50)
_IKE, _NAT_IKE, _L2TP, _NTP = 500, 4500, 1701, 123
_QUIC_VERSIONS = (b"\0\0\0\1", VERSION_2.to_bytes(4, "big"))
_NESTED = 4
"""Datagrams within datagrams; TURN within SOCKS with STUN inside is three."""


class Datagrams:
    """Rewrites the payload of datagrams."""

    def __init__(self, renamer: Renamer, *, keep_payload: bool = False) -> None:
        self.renamer = renamer
        self.keep_payload = keep_payload
        self._quic = QuicHellos(renamer)
        self.web = Web(renamer)
        """For streams, whose messages over TCP are datagrams' otherwise."""
        self.blanked = 0
        """Payloads of which nothing could be rewritten."""

    def learned(self) -> None:
        """A first pass over everything is over."""
        self._quic.learned()
        self.web = Web(self.renamer)

    def redact(
        self, data: bytes, ports: tuple[int, int] = (0, 0), declared: int | None = None
    ) -> Draft:
        """The payload between two ports; `declared` is its length where not all is captured."""
        return self._redact(data, frozenset(ports), len(data) if declared is None else declared, 0)

    def _redact(self, data: bytes, ports: frozenset[int], declared: int, depth: int) -> Draft:
        found = self._known(data, ports, declared, depth) if data else Draft(data)
        if found is None:
            return self.unknown(data)
        if self.keep_payload:
            found.keep_rest()
        return found

    def unknown(self, data: bytes) -> Draft:
        """A payload nothing is known of."""
        draft = Draft(data)
        if self.keep_payload:
            draft.keep(0, len(data))
        elif any(data):
            self.blanked += 1
        return draft

    def _known(self, data: bytes, ports: frozenset[int], declared: int, depth: int) -> Draft | None:
        if ports & _DNS_PORTS:
            return redact_dns(self.renamer, data)
        if ports & _DHCP_PORTS and len(data) >= 240:
            return redact_dhcp(self.renamer, data)
        if ports & _BY_PORT_ALONE:
            return None
        if looks_like_sip(data):
            return redact_sip(self.renamer, data, max(declared - len(data), 0))
        stun = self._stun(data, depth)
        if stun is not None:
            return stun
        first = data[0]
        if _NAT_IKE in ports or _IKE in ports:
            return _ipsec(self.renamer, data, natted=_NAT_IKE in ports)
        if _L2TP in ports or _NTP in ports:
            return _head(data, 4 if _NTP in ports else 2)
        if first < 0x40:
            return self._low(data, declared, depth)
        if first < 0x80:
            return self._channel(data, declared, depth)
        if first < 0xC0:
            return _media(self.renamer, data)
        if data[1:5] in _QUIC_VERSIONS or data[1:4] in (b"\xff\0\0", b"\xfa\xce\xb0"):
            return self._quic.redact(data)
        if data[1:3] in (b"\x51\x30", b"\x54\x30"):
            return _head(data, 5)
        return None

    def _stun(self, data: bytes, depth: int) -> Draft | None:
        if depth >= _NESTED or data[0] >= 0x40 or len(data) < 20:
            return None
        if not begins_with_cookie(data):
            try:
                decode_stun(data)
            except DecodeError:
                return None
        return redact_stun(self.renamer, data, lambda inner: self._nested(inner, depth))

    def _nested(self, data: bytes, depth: int) -> Draft:
        return self._redact(data, frozenset(), len(data), depth + 1)

    def _low(self, data: bytes, declared: int, depth: int) -> Draft | None:
        """First bytes below 64: WireGuard, DTLS, SOCKS, OpenVPN."""
        first = data[0]
        if first in _WIREGUARD and declared in _WIREGUARD[first][0]:
            named = [(at, at + 4) for at in range(4, _WIREGUARD[first][1], 4)]
            if data[1:4] == b"\0\0\0":
                return _named(self.renamer, data, 4, *named)
            # WARP fills the reserved bytes: MAC1, a hash over the rest, shows what it is.
            if declared in (148, 92) and len(data) == declared and not any(data[-16:]):
                draft = _named(self.renamer, data, 4, *named)
                draft.number(declared - 32, declared - 16)
                return draft
        if data[:4] == b"\4\0\0\0" and declared >= 32 and declared % 16 == 0:
            return _named(self.renamer, data, 16, (4, 8))
        if 20 <= first <= 25 and data[1:3] in _DTLS_VERSIONS:
            return redact_dtls(self.renamer, data)
        if data[:2] == b"\0\0" and depth < _NESTED:
            return self._socks(data, depth)
        return _openvpn(self.renamer, data)

    def _socks(self, data: bytes, depth: int) -> Draft | None:
        """The header of RFC 1928 section 7 and the datagram behind it."""
        kind = data[3] if len(data) > 10 else 0
        draft = Draft(data)
        draft.number(0, 4)
        if kind in (1, 4):
            end = 8 if kind == 1 else 20
            if len(data) < end + 2:
                return None
            draft.put(4, self.renamer.packed(data[4:end]))
        elif kind == 3 and len(data) >= 7 + data[4]:
            end = 5 + data[4]
            draft.number(4, 5)
            draft.put(5, same_length_host(self.renamer, data[5:end]))
        else:
            return None
        draft.number(end, end + 2)
        draft.draw(end + 2, self._nested(data[end + 2 :], depth))
        return draft

    def _channel(self, data: bytes, declared: int, depth: int) -> Draft | None:
        length = int.from_bytes(data[2:4], "big")
        if len(data) >= 4 and length + 4 <= declared and depth < _NESTED:
            inside = data[4 : 4 + length]
            exact = declared - 4 - length <= 3
            if exact or inside[4:8] == COOKIE or inside[1:3] in _DTLS_VERSIONS:
                return redact_channel(data, lambda inner: self._nested(inner, depth))
        return _openvpn(self.renamer, data)


def _head(data: bytes, size: int) -> Draft:
    draft = Draft(data)
    draft.number(0, min(size, len(data)))
    return draft


def _named(renamer: Renamer, data: bytes, size: int, *named: tuple[int, int]) -> Draft:
    """A header of numbers, and where random ones stand that are renamed."""
    draft = _head(data, size)
    for start, end in named:
        draft.put(start, renamer.identifier(data[start:end]))
    return draft


def _ipsec(renamer: Renamer, data: bytes, *, natted: bool) -> Draft:
    """IKE (RFC 7296 section 3.1), with UDP encapsulation behind four zeros or as ESP (RFC 3948):
    a header with the parties' SPIs."""
    if not natted:
        return _named(renamer, data, 28, (0, 8), (8, 16))
    if data[:4] == b"\0\0\0\0":
        return _named(renamer, data, 32, (4, 12), (12, 20))
    return _named(renamer, data, 8, (0, 4))


def _openvpn(renamer: Renamer, data: bytes) -> Draft | None:
    """Hard resets, by structure: the session ids renamed, counters kept, all else blanked. What
    only begins like one (CoAP does) is none, and blanking it must not make it one."""
    if data[0] not in _RESETS or len(data) < 14 or not any(data[1:9]):
        return None
    wrapped = len(data) >= 54 and data[9] in (0, 15) and data[10:12] == b"\0\0" and data[12] != 0
    if not wrapped and data[-4:] != bytes(4):
        return None
    draft = _head(data, 1)
    draft.put(1, renamer.token(data[1:9]))
    if wrapped:
        draft.number(9, 13)
        return draft
    remote = decode_openvpn(data).remote_session_id if data[0] & 7 == 0 else None
    if remote is not None:
        at = len(data) - 12
        # The count of acknowledgements says where the peer's session id stands.
        count = next(n for n in range(1, 9) if data[at - 4 * n - 1] == n)
        draft.number(at - 4 * count - 1, at - 4 * count)
        draft.put(at, renamer.token(remote))
    return draft


def _media(renamer: Renamer, data: bytes) -> Draft | None:
    """RTP and RTCP headers (RFC 3550); extensions and media are blanked."""
    if len(data) < 8:
        return None
    if 192 <= data[1] <= 223:
        return _named(renamer, data, 8, (4, 8))
    if data[0] & 0x0F:
        return None  # contributors, which no recogniser asks for
    draft = _named(renamer, data, 12, (8, 12))
    if data[0] & 0x10:
        draft.number(12, 16)
    return draft
