"""Frames from the link layer to the transport, rewritten with all checksums made anew."""

from __future__ import annotations

import struct

from pcapleak.packets.layers import find_ip
from pcapleak.packets.link import ARP, ETHERNET, IPV4, IPV6, LOOPBACK, RAW_IP, SLL, SLL2
from pcapleak.packets.transport import ICMP, ICMPV6, SCTP, TCP, UDP
from pcapleak.redact.canvas import Canvas, blank, checksum
from pcapleak.redact.configuration import redact_icmpv6
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.names import Renamer
from pcapleak.redact.streams import Streams

_NESTED = 8
"""Packets within packets; real ones nest three deep."""
_ESP, _AH, _GRE, _IPIP, _SIX_IN_FOUR, _IGMP = 50, 51, 47, 4, 41, 2
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_VXLAN = frozenset((4789, 8472))
_TEREDO, _GTP = 3544, 2152
_KEPT_TCP_OPTIONS = frozenset((2, 3, 4, 5, 8))
"""Sizes, scale, selective acknowledgements and timestamps; MPTCP's hold addresses."""
_ETHERNET_INSIDE = 0x6558


class Packets:
    """Rewrites frames. In a first pass it only learns; what it gives then is not to be used."""

    def __init__(self, renamer: Renamer, datagrams: Datagrams, streams: Streams) -> None:
        self._renamer = renamer
        self._datagrams = datagrams
        self._streams = streams
        self._interface = 0
        self.unreadable = 0
        """Frames blanked whole, because their link layer is not rewritten."""

    def frame(self, interface: int, link_type: int, data: bytes) -> Canvas:
        """What a frame becomes."""
        self._interface = interface
        if link_type == ETHERNET:
            return self._ethernet(data, 0)
        if link_type in RAW_IP:
            return self._packet(data, 0)
        if link_type in LOOPBACK and len(data) > 4:
            return _behind(data, 4, self._packet(data[4:], 0), number=4)
        if link_type == SLL and len(data) >= 16:
            return self._cooked(data, 16, 4, 6, int.from_bytes(data[14:16], "big"))
        if link_type == SLL2 and len(data) >= 20:
            return self._cooked(data, 20, 11, 12, int.from_bytes(data[:2], "big"))
        self.unreadable += 1
        return Canvas(data)

    def _cooked(self, data: bytes, size: int, length_at: int, at: int, kind: int) -> Canvas:
        """Linux cooked headers: the sender's hardware address stands at `at`."""
        head = Canvas(data[:size])
        head.number(0, size)
        head.put(at, bytes(8))
        length = data[length_at + 1] if size == 16 else data[length_at]
        if length == 6:
            head.put(at, self._renamer.mac(data[at : at + 6]))
        return _behind(data, size, self._inside(kind, data[size:], 0), head=head)

    def _ethernet(self, data: bytes, depth: int) -> Canvas:
        if len(data) < 14:
            return Canvas(data)
        head = Canvas(data[:14])
        head.put(0, self._renamer.mac(data[:6]) + self._renamer.mac(data[6:12]))
        head.number(12, 14)
        kind = int.from_bytes(data[12:14], "big")
        return _behind(data, 14, self._inside(kind, data[14:], depth), head=head)

    def _inside(self, kind: int, data: bytes, depth: int) -> Canvas:
        """What follows an EtherType."""
        if kind in (IPV4, IPV6):
            return self._packet(data, depth)
        if kind == ARP:
            return self._arp(data)
        if kind in (0x8100, 0x88A8, 0x9100) and len(data) >= 4:
            inner = self._inside(int.from_bytes(data[2:4], "big"), data[4:], depth)
            return _behind(data, 4, inner, number=4)
        found = find_ip(data[:1024], kind, 0) if kind in (0x8847, 0x8848, 0x8864) else None
        if found is not None:
            return _behind(data, found[1], self._packet(data[found[1] :], depth), number=found[1])
        return Canvas(data)

    def _arp(self, data: bytes) -> Canvas:
        canvas = Canvas(data)
        canvas.number(0, 8)
        if data[4:6] == b"\6\4" and len(data) >= 28:
            for at in (8, 18):
                canvas.put(at, self._renamer.mac(data[at : at + 6]))
                canvas.put(at + 6, self._renamer.packed(data[at + 6 : at + 10]))
        return canvas

    def _packet(self, data: bytes, depth: int) -> Canvas:
        """An IP packet; what lies behind its end is padding and goes."""
        version = data[0] >> 4 if data else 0
        if depth < _NESTED and version == 4 and len(data) >= 20:
            return self._ipv4(data, depth)
        if depth < _NESTED and version == 6 and len(data) >= 40:
            return self._ipv6(data, depth)
        return Canvas(data)

    def _ipv4(self, data: bytes, depth: int) -> Canvas:
        size = (data[0] & 15) * 4
        head = Canvas(data[: max(size, 20)])
        head.number(0, 20)
        # Options can record addresses: each byte becomes a NOP.
        head.put(20, b"\1" * (len(head.source) - 20))
        head.put(12, self._renamer.packed(data[12:16]) + self._renamer.packed(data[16:20]))
        if size < 20 or len(data) < size:
            return _behind(data, len(head.source), Canvas(data[len(head.source) :]), head=head)
        total = int.from_bytes(data[2:4], "big") or len(data)
        end = min(max(total, size), len(data))
        fragment = int.from_bytes(data[6:8], "big")
        pseudo = bytes(head.out[12:20])
        inner, grown = self._transport(
            data[9], data[size:end], total - size, pseudo, depth,
            later=bool(fragment & 0x1FFF), more=bool(fragment & 0x2000), ends=data[12:20],
        )  # fmt: skip
        if int.from_bytes(data[2:4], "big"):
            head.put(2, struct.pack("!H", max(total + grown, 0) & 0xFFFF))
        head.put(10, b"\0\0")
        head.put(10, struct.pack("!H", checksum(bytes(head.out))))
        return _behind(data, end, Canvas(data[end:]), head=_joined(head, inner))

    def _ipv6(self, data: bytes, depth: int) -> Canvas:
        head = Canvas(data[:40])
        head.number(0, 8)
        head.put(8, self._renamer.packed(data[8:24]) + self._renamer.packed(data[24:40]))
        declared = int.from_bytes(data[4:6], "big")
        total = 40 + declared if declared else len(data)
        end = min(total, len(data))
        kind, at = data[6], 40
        later = more = False
        last = data[24:40]
        while kind in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION, _AH) and at + 8 <= end:
            size = 8 if kind == _FRAGMENT else 8 * (data[at + 1] + 1)
            if kind == _AH:
                size = 4 * (data[at + 1] + 2)
            if at + size > end:
                break
            extension, last = self._extension(kind, data[at : at + size], last)
            head = _joined(head, extension)
            if kind == _FRAGMENT:
                field = int.from_bytes(data[at + 2 : at + 4], "big")
                later, more = later or field >> 3 > 0, more or bool(field & 1)
            kind, at = data[at], at + size
        pseudo = bytes(head.out[8:24]) + self._renamer.packed(last)
        inner, grown = self._transport(
            kind, data[at:end], total - at, pseudo, depth, later=later, more=more, ends=data[8:40]
        )
        if declared:
            head.put(4, struct.pack("!H", max(declared + grown, 0) & 0xFFFF))
        return _behind(data, end, Canvas(data[end:]), head=_joined(head, inner))

    def _extension(self, kind: int, data: bytes, last: bytes) -> tuple[Canvas, bytes]:
        """An extension header, and where the packet goes in the end: a routing header holds
        that (RFC 8200 section 4.4, RFC 8754 section 2). Options become padding."""
        canvas = Canvas(data)
        canvas.number(0, 2)
        if kind == _FRAGMENT:
            canvas.number(0, 8)
        elif kind == _AH:
            canvas.number(0, 12)
        elif kind == _ROUTING:
            canvas.number(0, 8)
            for at in range(8, len(data) - 15, 16):
                canvas.put(at, self._renamer.packed(data[at : at + 16]))
            if data[3] and len(data) >= 24:
                last = data[8:24] if data[2] == 4 else data[-16:]
        elif data[2:4] == b"\5\2":
            canvas.number(2, 8)  # router alert
        else:
            for at in range(2, len(data), 257):  # PadN, RFC 8200 section 4.2
                size = min(len(data) - at, 257) - 2
                canvas.put(at, bytes((1, size)) + bytes(size) if size >= 0 else b"\0")
        return canvas, last

    def _transport(
        self, protocol: int, data: bytes, declared: int, pseudo: bytes, depth: int, *,
        later: bool, more: bool, ends: bytes,
    ) -> tuple[Canvas, int]:  # fmt: skip
        """The transport's header and payload, and how much longer they are on the wire.

        `pseudo` is both renamed addresses, `ends` both original ones.
        """
        if later or not data:
            return Canvas(data), 0
        whole = len(data) >= declared and not more
        if protocol == UDP and len(data) >= 8:
            return self._udp(data, declared, pseudo, depth, whole=whole)
        if protocol == TCP and len(data) >= 20:
            return self._tcp(data, declared, pseudo, ends, whole=whole)
        canvas = Canvas(data)
        if protocol == ICMP:
            canvas = self._icmp(data, depth)
            _sum(canvas, 2, whole)
        elif protocol == ICMPV6:
            errors = data[0] in (1, 2, 3, 4)
            canvas = self._icmp(data, depth) if errors else redact_icmpv6(self._renamer, data)
            _sum(canvas, 2, whole, _pseudo(pseudo, protocol, len(canvas.out)))
        elif protocol == _IGMP:
            canvas.number(0, 8)
            _sum(canvas, 2, whole)
        elif protocol in (_IPIP, _SIX_IN_FOUR):
            canvas = self._packet(data, depth + 1)
        elif protocol == _GRE:
            canvas = self._gre(data, depth)
        else:
            canvas.number(0, {_ESP: 8, _AH: 12, SCTP: 12, 115: 4}.get(protocol, 0))
        return canvas, len(canvas.out) - len(data)

    def _gre(self, data: bytes, depth: int) -> Canvas:
        """RFC 2784 and 2890; a checksum is dropped to zero, which nobody verifies."""
        if len(data) < 4:
            return Canvas(data)
        flags = data[0]
        size = 4 + 4 * (bool(flags & 0x80) + bool(flags & 0x20) + bool(flags & 0x10))
        kind = int.from_bytes(data[2:4], "big")
        if kind == _ETHERNET_INSIDE:
            inner = self._ethernet(data[size:], depth + 1)
        else:
            inner = self._inside(kind, data[size:], depth + 1)
        return _behind(data, size, inner, number=size)

    def _udp(
        self, data: bytes, declared: int, pseudo: bytes, depth: int, *, whole: bool
    ) -> tuple[Canvas, int]:
        head = Canvas(data[:8])
        head.number(0, 6)
        ports = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"))
        length = int.from_bytes(data[4:6], "big")
        end = min(length, len(data)) if length >= 8 else len(data)
        stated = length - 8 if length >= 8 else declared - 8
        inner = self._tunnelled(data[8:end], ports, depth)
        if inner is None:
            inner = self._datagrams.redact(data[8:end], ports, stated)
        grown = len(inner.out) - (end - 8)
        if length:
            head.put(4, struct.pack("!H", length + grown & 0xFFFF))
        canvas = _joined(_joined(head, inner), Canvas(data[end:]))
        optional = len(pseudo) == 8 and data[6:8] == b"\0\0"
        if whole and end >= min(length, declared) and not optional:
            head_and_data = bytes(canvas.out[: 8 + len(inner.out)])
            made = checksum(_pseudo(pseudo, UDP, len(head_and_data)), head_and_data)
            canvas.put(6, struct.pack("!H", made or 0xFFFF))
        return canvas, grown

    def _tunnelled(self, data: bytes, ports: tuple[int, int], depth: int) -> Canvas | None:
        """A frame or packet that a tunnel over UDP carries."""
        if _VXLAN.intersection(ports) and len(data) > 22 and data[0] & 8:
            return _behind(data, 8, self._ethernet(data[8:], depth + 1), number=8)
        layer = "teredo" if _TEREDO in ports else "gtp-u" if _GTP in ports else None
        if layer is None:
            return None
        found = find_ip(data[:1024], layer, 0)
        if found is None:
            return None
        shown = found[1] if layer == "gtp-u" else 0
        return _behind(data, found[1], self._packet(data[found[1] :], depth + 1), number=shown)

    def _tcp(
        self, data: bytes, declared: int, pseudo: bytes, ends: bytes, *, whole: bool
    ) -> tuple[Canvas, int]:
        size = min(max((data[12] >> 4) * 4, 20), len(data))
        head = Canvas(data[:size])
        head.number(0, 16)
        head.number(18, 20)
        seq, ack = struct.unpack_from("!II", data, 4)
        ports = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"))
        width = len(ends) // 2
        source, target = ends[:width] + data[:2], ends[width:] + data[2:4]
        payload, stated = data[size:], max(declared - size, 0)
        flags = data[13]
        half = self._streams.half((self._interface, source, target), seq, flags, stated)
        inner, grown = Canvas(payload), 0
        if half is not None:
            first = seq + bool(flags & 2)
            if self._streams.learning:
                if payload:
                    self._streams.learn(half, first & 0xFFFF_FFFF, payload, ports)
            else:
                at = half.place(first & 0xFFFF_FFFF)
                inner, grown = half.segment(at, payload, stated)
                moved = half.moved(at) - at
                head.put(4, struct.pack("!I", seq + moved & 0xFFFF_FFFF))
        shifted = False
        if not self._streams.learning and flags & 16:
            other = self._streams.half((self._interface, target, source), ack, 0, 0)
            if other is not None:
                at = other.place(ack)
                moved = other.moved(at) - at
                shifted = moved != 0
                head.put(8, struct.pack("!I", ack + moved & 0xFFFF_FFFF))
        _tcp_options(head, shifted=shifted)
        canvas = _joined(head, inner)
        if whole:
            sizes = _pseudo(pseudo, TCP, len(canvas.out))
            canvas.put(16, b"\0\0")
            canvas.put(16, struct.pack("!H", checksum(sizes, bytes(canvas.out))))
        return canvas, grown

    def _icmp(self, data: bytes, depth: int) -> Canvas:
        """An error with the packet it quotes, or a message whose content goes."""
        canvas = Canvas(data)
        canvas.number(0, 8)
        if data[0] == 5 and len(data) >= 8:
            canvas.put(4, self._renamer.packed(data[4:8]))
        if data[0] in (1, 2, 3, 4, 5, 11, 12) and len(data) > 8:
            quoted = self._packet(data[8:], depth + 1)
            canvas.draw(8, quoted)
        return canvas


def _pseudo(addresses: bytes, protocol: int, length: int) -> bytes:
    """The pseudo-header; that of IPv6 (RFC 8200 section 8.1) sums up like that of IPv4."""
    return addresses + struct.pack("!II", length, protocol)


def _sum(canvas: Canvas, at: int, whole: bool, pseudo: bytes = b"") -> None:
    canvas.put(at, b"\0\0")
    if whole:
        canvas.put(at, struct.pack("!H", checksum(pseudo, bytes(canvas.out))))


def _joined(first: Canvas, second: Canvas) -> Canvas:
    joined = blank()
    joined.extend(first)
    joined.extend(second)
    return joined


def _behind(
    data: bytes, size: int, inner: Canvas, *, head: Canvas | None = None, number: int = 0
) -> Canvas:
    """`inner` behind a header of `size` bytes, given or drawn as numbers up to `number`."""
    if head is None:
        head = Canvas(data[:size])
        head.number(0, number)
    return _joined(head, inner)


def _tcp_options(head: Canvas, *, shifted: bool) -> None:
    data, at = head.source, 20
    while at < len(data):
        kind = data[at]
        size = 1 if kind < 2 else data[at + 1] if at + 1 < len(data) else 0
        if not 0 < size <= len(data) - at:
            head.put(at, bytes(len(data) - at))
            return
        if kind < 2 or (kind in _KEPT_TCP_OPTIONS and not (kind == 5 and shifted)):
            head.number(at, at + size)
        else:
            head.put(at, b"\1" * size)
        at += size
