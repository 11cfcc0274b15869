"""IP packets inside IP packets: which packets are tunnels, and where the inner one starts."""

from __future__ import annotations

import numpy as np

from pcapleak.dissect.field_reads import take
from pcapleak.dissect.header_steps import Layer
from pcapleak.dissect.layers import find_ip
from pcapleak.dissect.link import IPV4, IPV6
from pcapleak.values.packets import Bool, Encapsulation, Int64, PacketFlag, Packets, UInt16
from pcapleak.values.registries import UDP

_WINDOW = 512
"""Bytes looked at for the headers between an outer and an inner packet."""

_ENCAPSULATIONS = 0xFFFF
"""Pairs of tunnel ends told apart; flow keys have 16 bits for them. Later pairs share the
last number, so that a capture of a million tunnels costs no more."""

_PROTOCOLS: dict[int, tuple[str, Layer]] = {
    4: ("ipip", IPV4),
    41: ("6in4", IPV6),
    47: ("gre", "gre"),
    97: ("etherip", "etherip"),
    137: ("mpls", "mpls"),
    143: ("ethernet", "ethernet"),
}
TUNNEL_PROTOCOLS = frozenset(_PROTOCOLS)
"""IP protocols whose payload may be another packet."""

_OVER_IPV6 = {"ipip": "4in6", "6in4": "6in6"}
_PORTS: dict[int, tuple[str, Layer]] = {
    1701: ("l2tp", "l2tp"),
    2152: ("gtp-u", "gtp-u"),
    3544: ("teredo", "teredo"),
    4754: ("gre", "gre"),
    4789: ("vxlan", "vxlan"),
    4790: ("vxlan", "vxlan-gpe"),
    5247: ("capwap", "capwap"),
    6081: ("geneve", "geneve"),
    6635: ("mpls", "mpls"),
    8472: ("vxlan", "vxlan"),
    37008: ("tzsp", "tzsp"),
}
PORT_LAYERS = {port: layer for port, (_, layer) in _PORTS.items()}
"""What datagrams to or from these ports may carry."""
PROTOCOL_LAYERS = {protocol: layer for protocol, (_, layer) in _PROTOCOLS.items()}
_TUNNEL_PROTOCOL = np.zeros(256, np.bool_)
_TUNNEL_PROTOCOL[list(_PROTOCOLS)] = True
_TUNNEL_PORT = np.zeros(65536, np.bool_)
_TUNNEL_PORT[list(_PORTS)] = True
_TEREDO_PREFIX = 0x20010000


def tunnel_rows(packets: Packets, rows: Int64) -> Int64:
    """Those of `rows` that may carry another IP packet."""
    protocol = packets.protocol[rows]
    chosen = _TUNNEL_PROTOCOL.take(protocol)
    udp = np.flatnonzero(protocol == UDP)
    datagrams = rows[udp]
    chosen[udp] = (
        _TUNNEL_PORT.take(packets.destination_port[datagrams])
        | _TUNNEL_PORT.take(packets.source_port[datagrams])
        | _teredo_like(packets, datagrams)
    )
    rows = rows[np.flatnonzero(chosen)]
    whole = packets.flags[rows] & PacketFlag.FRAGMENT.value == 0
    kept: Int64 = rows[whole & (packets.payload_length[rows] > 0)]
    return kept


def _teredo_like(packets: Packets, rows: Int64) -> Bool:
    """Datagrams between Teredo peers, on any port: RFC 4380 section 5.2.3."""
    at = packets.payload_offset[rows]
    chosen: Bool = packets.data[at] >> 4 == 6
    some = np.flatnonzero(chosen)
    if len(some):
        head = take(packets.data, at[some], 40)
        prefixes = head.view(">u4")
        chosen[some] = (
            (packets.version[rows[some]] == 4)
            & (head.view(">u2")[:, 2] + 40 == packets.payload_declared[rows[some]])
            & ((prefixes[:, 2] == _TEREDO_PREFIX) | (prefixes[:, 6] == _TEREDO_PREFIX))
        )
    return chosen


def _layer_of(packets: Packets, row: int) -> tuple[str, Layer]:
    """What a row of `tunnel_rows` is, and the layer its payload starts with."""
    protocol = int(packets.protocol[row])
    if protocol in _PROTOCOLS:
        return _PROTOCOLS[protocol]
    for port in (int(packets.destination_port[row]), int(packets.source_port[row])):
        if port in _PORTS:
            return _PORTS[port]
    return "teredo", "teredo"


def inner_packets(packets: Packets, rows: Int64) -> tuple[Int64, Int64, UInt16]:
    """Which of `rows` hold an IP packet, where it starts, and its EtherType."""
    found: list[tuple[int, int, int]] = []
    for row in rows.tolist():
        _, layer = _layer_of(packets, row)
        start = int(packets.payload_offset[row])
        stop = start + min(int(packets.payload_length[row]), _WINDOW)
        inner = find_ip(packets.data[start:stop].tobytes(), layer, 0)
        if inner is not None:
            found.append((row, start + inner[1], inner[0]))
    columns = np.array(found, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2].astype(np.uint16)


def encapsulation_of(packets: Packets, row: int) -> Encapsulation:
    """The outer packet that still stands in `row`."""
    kind, _ = _layer_of(packets, row)
    if packets.version[row] == 6:
        kind = _OVER_IPV6.get(kind, kind)
    return Encapsulation(kind, packets.source(row), packets.destination(row))


class Encapsulations:
    """Numbers the tunnels of a capture from 1, in the order they are first used."""

    def __init__(self) -> None:
        self.known: list[Encapsulation | None] = [None]
        self.both_ways: set[int] = set()
        """Numbers of tunnels of which both ends sent packets."""
        self._numbers: dict[tuple[object, ...], int] = {}

    def number(self, outer: Encapsulation) -> int:
        """One number for both directions, and for the source ports tunnels spread over."""
        key = outer.kind, frozenset((outer.source.address, outer.destination.address))
        number = self._numbers.get(key)
        if number is None:
            number = min(len(self.known), _ENCAPSULATIONS)
            if number == len(self.known):
                self.known.append(outer)
                self._numbers[key] = number
            return number
        first = self.known[number]
        if first is not None and outer.source.address != first.source.address:
            self.both_ways.add(number)
        return number
