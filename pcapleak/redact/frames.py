"""Frames with what stands before an IP packet rewritten."""

from __future__ import annotations

from pcapleak.dissect.header_steps import LINK_LAYERS, Layer
from pcapleak.dissect.layers import WALKED_TYPES, find_ip
from pcapleak.dissect.link import ARP, ETHERNET, IPV4, IPV6, LOOPBACK, RAW_IP, SLL, SLL2
from pcapleak.redact.draft import Draft, behind, joined
from pcapleak.redact.names import Renamer
from pcapleak.redact.packets import WINDOW, Packets

_TAGS = frozenset((0x8100, 0x88A8, 0x9100, 0x9200, 0x9300))
_LLC_LARGEST = 1500
_KEPT_LINKS = frozenset((ETHERNET, *RAW_IP, *LOOPBACK, SLL, SLL2))


def written_link_type(link_type: int) -> int:
    """The link type that frames are written as: Ethernet between nobody, where their own header
    is none that is rewritten."""
    kept = link_type in _KEPT_LINKS or link_type not in LINK_LAYERS
    return link_type if kept else ETHERNET


class Frames:
    """Rewrites frames. In a first pass it only learns; what it gives then is not to be used."""

    def __init__(self, renamer: Renamer, packets: Packets) -> None:
        self._renamer = renamer
        self._packets = packets
        self.unreadable = 0
        """Frames blanked whole, because no IP packet was found in them."""

    def frame(self, interface: int, link_type: int, data: bytes) -> Draft:
        """What a frame becomes."""
        self._packets.interface = interface
        if link_type == ETHERNET:
            return self._ethernet(data)
        if link_type in RAW_IP:
            return self._packets.packet(data)
        if link_type in LOOPBACK and len(data) > 4:
            return behind(data, 4, self._packets.packet(data[4:]), number=4)
        if link_type == SLL and len(data) >= 16:
            return self._cooked(data, 16, 4, 6, 14)
        if link_type == SLL2 and len(data) >= 20:
            return self._cooked(data, 20, 11, 12, 0)
        layer = None if link_type in _KEPT_LINKS else LINK_LAYERS.get(link_type)
        found = None if layer is None else find_ip(data[:WINDOW], layer, 0)
        if found is not None:
            head = Draft(bytes(14))
            head.put(12, found[0].to_bytes(2, "big"))
            return joined(head, self._packets.packet(data[found[1] :]))
        self.unreadable += 1
        return Draft(data)

    def bare(self, interface: int, link_type: int, data: bytes) -> Draft:
        """The same once more, with nothing in payloads that was only kept."""
        counted = self.unreadable
        self._packets.keeping = False
        try:
            return self.frame(interface, link_type, data)
        finally:
            self._packets.keeping = True
            self.unreadable = counted

    def _cooked(self, data: bytes, size: int, length_at: int, at: int, kind_at: int) -> Draft:
        """Linux cooked headers: the sender's hardware address stands at `at`."""
        head = Draft(data[:size])
        head.number(0, size)
        head.put(at, bytes(8))
        length = data[length_at + 1] if size == 16 else data[length_at]
        if length == 6:
            head.put(at, self._renamer.mac(data[at : at + 6]))
        return self._under(head, kind_at, data[size:])

    def _ethernet(self, data: bytes) -> Draft:
        if len(data) < 14:
            return Draft(data)
        head = Draft(data[:14])
        head.put(0, self._renamer.mac(data[:6]) + self._renamer.mac(data[6:12]))
        return self._under(head, 12, data[14:])

    def _under(self, head: Draft, kind_at: int, data: bytes) -> Draft:
        """A header and what follows its EtherType. Headers that are not rewritten between it and
        an IP packet (LLC, MPLS, PPPoE and so on) are taken out."""
        kind = int.from_bytes(head.source[kind_at : kind_at + 2], "big")
        if kind in _TAGS and len(data) >= 4:
            tag = Draft(data[:4])
            tag.number(0, 2)
            inner = self._under(tag, 2, data[4:])
        elif kind in (IPV4, IPV6):
            inner = self._packets.packet(data)
        elif kind == ARP:
            inner = self._arp(data)
        else:
            layer: Layer = "llc" if kind <= _LLC_LARGEST else kind
            walked = kind <= _LLC_LARGEST or kind in WALKED_TYPES
            found = find_ip(data[:WINDOW], layer, 0) if walked else None
            inner = Draft(data)
            if found is not None:
                kind, inner = found[0], self._packets.packet(data[found[1] :])
        head.put(kind_at, kind.to_bytes(2, "big"))
        return joined(head, inner)

    def _arp(self, data: bytes) -> Draft:
        draft = Draft(data)
        draft.number(0, 8)
        if data[4:6] == b"\6\4" and len(data) >= 28:
            for at in (8, 18):
                draft.put(at, self._renamer.mac(data[at : at + 6]))
                draft.put(at + 6, self._renamer.packed(data[at + 6 : at + 10]))
        return draft
