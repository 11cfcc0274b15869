"""IP packets down to the transport, rewritten with all checksums made anew."""

from __future__ import annotations

import struct

from pcapleak.dissect.header_steps import Layer
from pcapleak.dissect.layers import find_ip
from pcapleak.dissect.tunnels import PROTOCOL_LAYERS
from pcapleak.redact.configuration import redact_icmpv6
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.draft import Draft, behind, checksum, joined
from pcapleak.redact.fragments import Fragments
from pcapleak.redact.names import Renamer
from pcapleak.redact.streams import Streams, redact_options
from pcapleak.redact.tunnels import carried_layer, tunnelled
from pcapleak.values.registries import AH, ESP, ICMP, ICMPV6, SCTP, TCP, UDP

_NESTED = 8
"""Packets within packets; real ones nest three deep."""
_IPIP, _SIX_IN_FOUR, _IGMP = 4, 41, 2
_IGMP_REPORT = 0x22
"""Of version 3, whose groups stand in records (RFC 3376 section 4.2)."""
_SHOWN = {UDP: 4, TCP: 14, ESP: 8, SCTP: 8, 115: 4}
"""Bytes of headers that name nobody, of which no more is shown or there."""
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
WINDOW = 1024
"""Bytes looked at for the headers between a frame's start or a tunnel's and an IP packet."""
_LARGEST = 65000
"""Bytes a datagram may grow to, as an IP packet has 65,535."""


class Packets:
    """Rewrites IP packets. In a first pass it only learns; what it gives then is not to be used."""

    def __init__(self, renamer: Renamer, datagrams: Datagrams, streams: Streams) -> None:
        self._renamer = renamer
        self._datagrams = datagrams
        self._streams = streams
        self._fragments = Fragments()
        self.interface = 0
        """The interface whose packets these are."""
        self.keeping = True
        """Whether anything stays in payloads that was only kept."""

    def packet(self, data: bytes, depth: int = 0) -> Draft:
        """What an IP packet becomes; what lies behind its end is padding and goes."""
        version = data[0] >> 4 if data else 0
        if depth < _NESTED and version == 4 and len(data) >= 20:
            return self._ipv4(data, depth)
        if depth < _NESTED and version == 6 and len(data) >= 40:
            return self._ipv6(data, depth)
        return Draft(data)

    def _ipv4(self, data: bytes, depth: int) -> Draft:
        size = (data[0] & 15) * 4
        head = Draft(data[: max(size, 20)])
        head.number(0, 20)
        head.put(4, self._renamer.shifted(data[4:6]))
        # Options can record addresses: each byte becomes a NOP.
        head.put(20, b"\1" * (len(head.source) - 20))
        head.put(12, self._renamer.packed(data[12:16]) + self._renamer.packed(data[16:20]))
        if size < 20 or len(data) < size:
            return behind(data, len(head.source), Draft(data[len(head.source) :]), head=head)
        total = int.from_bytes(data[2:4], "big") or len(data)
        end = min(max(total, size), len(data))
        field = int.from_bytes(data[6:8], "big")
        fragment = (8 * (field & 0x1FFF), bool(field & 0x2000), data[4:6])
        pseudo = bytes(head.out[12:20])
        inner, grown = self._transport(
            data[9], data[size:end], total - size, pseudo, depth, data[12:20],
            fragment if field & 0x3FFF else None,
        )  # fmt: skip
        if int.from_bytes(data[2:4], "big"):
            head.put(2, struct.pack("!H", max(total + grown, 0) & 0xFFFF))
        head.put(10, b"\0\0")
        head.put(10, struct.pack("!H", checksum(bytes(head.out))))
        return behind(data, end, Draft(data[end:]), head=joined(head, inner))

    def _ipv6(self, data: bytes, depth: int) -> Draft:
        head = Draft(data[:40])
        head.number(0, 8)
        head.put(8, self._renamer.packed(data[8:24]) + self._renamer.packed(data[24:40]))
        declared = int.from_bytes(data[4:6], "big")
        total = 40 + declared if declared else len(data)
        end = min(total, len(data))
        kind, at = data[6], 40
        fragment = None
        last = data[24:40]
        while kind in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION, AH) and at + 8 <= end:
            size = 8 if kind == _FRAGMENT else 8 * (data[at + 1] + 1)
            if kind == AH:
                size = 4 * (data[at + 1] + 2)
            if at + size > end:
                break
            extension, last = self._extension(kind, data[at : at + size], last)
            head = joined(head, extension)
            if kind == _FRAGMENT:
                field = int.from_bytes(data[at + 2 : at + 4], "big")
                if field & 0xFFF9:
                    fragment = (field & 0xFFF8, bool(field & 1), data[at + 4 : at + 8])
            kind, at = data[at], at + size
        pseudo = bytes(head.out[8:24]) + self._renamer.packed(last)
        inner, grown = self._transport(
            kind, data[at:end], total - at, pseudo, depth, data[8:40], fragment
        )
        if declared:
            head.put(4, struct.pack("!H", max(declared + grown, 0) & 0xFFFF))
        return behind(data, end, Draft(data[end:]), head=joined(head, inner))

    def _extension(self, kind: int, data: bytes, last: bytes) -> tuple[Draft, bytes]:
        """An extension header, and where the packet goes in the end: a routing header holds
        that (RFC 8200 section 4.4, RFC 8754 section 2). Options become padding."""
        draft = Draft(data)
        draft.number(0, 2)
        if kind == _FRAGMENT:
            draft.number(0, 4)
            draft.put(4, self._renamer.shifted(data[4:8]))
        elif kind == AH:
            _secured(draft, self._renamer)
        elif kind == _ROUTING:
            draft.number(0, 8)
            for at in range(8, len(data) - 15, 16):
                draft.put(at, self._renamer.packed(data[at : at + 16]))
            if data[3] and len(data) >= 24:
                last = data[8:24] if data[2] == 4 else data[-16:]
        elif data[2:4] == b"\5\2":
            draft.number(2, 8)  # router alert
        else:
            for at in range(2, len(data), 257):  # PadN, RFC 8200 section 4.2
                size = min(len(data) - at, 257) - 2
                draft.put(at, bytes((1, size)) + bytes(size) if size >= 0 else b"\0")
        return draft, last

    def _transport(
        self, protocol: int, data: bytes, declared: int, pseudo: bytes, depth: int,
        ends: bytes, fragment: tuple[int, bool, bytes] | None = None,
    ) -> tuple[Draft, int]:  # fmt: skip
        """The transport's header and payload, and how much longer they are on the wire.

        `pseudo` is both renamed addresses, `ends` both original ones; `fragment` says where in a
        datagram `data` stands, whether more follows, and which datagram that is.
        """
        if fragment is not None and data:
            return self._fragment(protocol, data, declared, pseudo, depth, ends, fragment)
        if not data:
            return Draft(data), 0
        whole = len(data) >= declared
        if protocol == AH and len(data) >= 12:
            size = min(4 * (data[1] + 2), len(data))
            head = Draft(data[:size])
            _secured(head, self._renamer)
            inner, grown = self._transport(
                data[0], data[size:], declared - size, pseudo, depth, ends
            )
            return joined(head, inner), grown
        if protocol == UDP and len(data) >= 8:
            return self._udp(data, declared, pseudo, depth, whole=whole)
        if protocol == TCP and len(data) >= 20:
            return self._tcp(data, declared, pseudo, ends, whole=whole)
        draft = Draft(data)
        if protocol == ICMP:
            draft = self._icmp(data, depth)
            if not self.keeping:
                draft.blank_kept()
            _sum(draft, 2, whole)
        elif protocol == ICMPV6:
            errors = data[0] in (1, 2, 3, 4)
            draft = self._icmp(data, depth) if errors else redact_icmpv6(self._renamer, data)
            if not self.keeping:
                draft.blank_kept()
            _sum(draft, 2, whole, _pseudo(pseudo, protocol, len(draft.out)))
        elif protocol == _IGMP:
            draft.number(0, 8)
            if len(data) >= 8 and data[0] != _IGMP_REPORT:
                draft.put(4, self._renamer.packed(data[4:8]))
            _sum(draft, 2, whole)
        elif protocol in (_IPIP, _SIX_IN_FOUR):
            draft = self.packet(data, depth + 1)
        elif protocol in PROTOCOL_LAYERS:
            draft = self._tunnelled(data, PROTOCOL_LAYERS[protocol], depth) or draft
        else:
            draft.number(0, _SHOWN.get(protocol, 0))
            if protocol in (ESP, SCTP):  # an SPI, a verification tag
                at = 0 if protocol == ESP else 4
                draft.put(at, self._renamer.identifier(data[at : at + 4]))
        return draft, len(draft.out) - len(data)

    def _fragment(
        self, protocol: int, data: bytes, declared: int, pseudo: bytes, depth: int,
        ends: bytes, fragment: tuple[int, bool, bytes],
    ) -> tuple[Draft, int]:  # fmt: skip
        """A fragment of a datagram that is rewritten as a whole, or blanked where parts of it
        are missing."""
        at, more, identification = fragment
        key = (self.interface, protocol, ends, identification)
        if self._streams.learning:
            if len(data) >= declared:
                whole = self._fragments.learn(key, at, data, last=not more)
                if whole is not None:
                    self._transport(protocol, whole, len(whole), pseudo, depth, ends)
            return Draft(data), 0
        found = self._fragments.find(key, at, data) if len(data) >= declared else None
        if found is not None:
            if found.made is None:
                whole = found.whole or b""
                found.made, _ = self._transport(protocol, whole, len(whole), pseudo, depth, ends)
            part = found.part(at)
            if not self.keeping:
                part.blank_kept()
            return part, len(part.out) - len(data)
        draft = Draft(data)
        if at == 0:
            first, grown = self._transport(protocol, data, len(data) + 1, pseudo, depth, ends)
            if grown:
                draft.number(0, _SHOWN.get(protocol, 0))
            else:
                draft = first
        return draft, 0

    def _udp(
        self, data: bytes, declared: int, pseudo: bytes, depth: int, *, whole: bool
    ) -> tuple[Draft, int]:
        head = Draft(data[:8])
        head.number(0, 6)
        ports = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"))
        length = int.from_bytes(data[4:6], "big")
        end = min(length, len(data)) if length >= 8 else len(data)
        stated = length - 8 if length >= 8 else declared - 8
        layer = carried_layer(data[8:end], ports, over_ipv4=len(pseudo) == 8)
        inner = None if layer is None else self._tunnelled(data[8:end], layer, depth)
        if inner is None:
            inner = self._datagrams.redact(data[8:end], ports, stated)
        if len(inner.out) > max(end - 8, _LARGEST):
            inner = Draft(data[8:end])
        if not self.keeping:
            inner.blank_kept()
        grown = len(inner.out) - (end - 8)
        if length:
            head.put(4, struct.pack("!H", length + grown & 0xFFFF))
        draft = joined(joined(head, inner), Draft(data[end:]))
        optional = len(pseudo) == 8 and data[6:8] == b"\0\0"
        if whole and end >= min(length, declared) and not optional:
            head_and_data = bytes(draft.out[: 8 + len(inner.out)])
            made = checksum(_pseudo(pseudo, UDP, len(head_and_data)), head_and_data)
            draft.put(6, struct.pack("!H", made or 0xFFFF))
        return draft, grown

    def _tunnelled(self, data: bytes, layer: Layer, depth: int) -> Draft | None:
        """A packet that a tunnel carries, behind the shortest header of the tunnel's kind."""
        found = find_ip(data[:WINDOW], layer, 0)
        if found is None:
            return None
        return tunnelled(layer, found[0], self.packet(data[found[1] :], depth + 1))

    def _tcp(
        self, data: bytes, declared: int, pseudo: bytes, ends: bytes, *, whole: bool
    ) -> tuple[Draft, int]:
        size = min(max((data[12] >> 4) * 4, 20), len(data))
        head = Draft(data[:size])
        head.number(0, 16)
        head.number(18, 20)
        seq, ack = struct.unpack_from("!II", data, 4)
        ports = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"))
        width = len(ends) // 2
        source, target = ends[:width] + data[:2], ends[width:] + data[2:4]
        payload, stated = data[size:], max(declared - size, 0)
        flags = data[13]
        half = self._streams.half((self.interface, source, target), seq, flags, stated)
        inner, grown = Draft(payload), 0
        keep = self._datagrams.keep_payload
        if half is None and keep:
            inner.keep(0, len(payload))
        if half is not None:
            first = seq + bool(flags & 2)
            if self._streams.learning:
                if payload:
                    self._streams.learn(half, first & 0xFFFF_FFFF, payload, ports)
            else:
                at = half.place(first & 0xFFFF_FFFF)
                inner, grown = half.segment(at, payload, stated, keep=keep)
                moved = half.moved(at) - at
                head.put(4, struct.pack("!I", seq + moved & 0xFFFF_FFFF))
        if not self.keeping:
            inner.blank_kept()
        self._datagrams.blanked += any(payload) and not any(inner.out)
        shifted = False
        if not self._streams.learning and flags & 16:
            other = self._streams.half((self.interface, target, source), ack, 0, 0)
            if other is not None:
                at = other.place(ack)
                moved = other.moved(at) - at
                shifted = moved != 0
                head.put(8, struct.pack("!I", ack + moved & 0xFFFF_FFFF))
        redact_options(head, self._renamer, shifted=shifted)
        draft = joined(head, inner)
        if whole:
            sizes = _pseudo(pseudo, TCP, len(draft.out))
            draft.put(16, b"\0\0")
            draft.put(16, struct.pack("!H", checksum(sizes, bytes(draft.out))))
        return draft, grown

    def _icmp(self, data: bytes, depth: int) -> Draft:
        """An error with the packet it quotes, or a message whose content goes."""
        draft = Draft(data)
        draft.number(0, 4)
        draft.keep(4, 8)
        if data[0] == 5 and len(data) >= 8:
            draft.put(4, self._renamer.packed(data[4:8]))
        if data[0] in (1, 2, 3, 4, 5, 11, 12) and len(data) > 8:
            quoted = self.packet(data[8:], depth + 1)
            draft.draw(8, quoted)
        return draft


def _secured(draft: Draft, renamer: Renamer) -> None:
    """An authentication header up to its proof (RFC 4302 section 2)."""
    draft.number(0, 12)
    draft.put(4, renamer.identifier(draft.source[4:8]))


def _pseudo(addresses: bytes, protocol: int, length: int) -> bytes:
    """The pseudo-header; that of IPv6 (RFC 8200 section 8.1) sums up like that of IPv4."""
    return addresses + struct.pack("!II", length, protocol)


def _sum(draft: Draft, at: int, whole: bool, pseudo: bytes = b"") -> None:
    draft.put(at, b"\0\0")
    if whole:
        draft.put(at, struct.pack("!H", checksum(pseudo, bytes(draft.out))))
