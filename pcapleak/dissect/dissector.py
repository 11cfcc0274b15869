"""From record batches to IP packets."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter

import numpy as np

from pcapleak.dissect import link
from pcapleak.dissect.fragments import Reassembler
from pcapleak.dissect.link_frames import FrameReader, Frames
from pcapleak.dissect.network import Network, parse_network
from pcapleak.dissect.trailers import Trailers
from pcapleak.dissect.transport import Transport, parse_transport
from pcapleak.dissect.tunnels import Encapsulations, encapsulation_of, inner_packets, tunnel_rows
from pcapleak.errors import DecodeError
from pcapleak.values.packets import (
    Bool,
    Encapsulation,
    Int64,
    Interface,
    PacketFlag,
    Packets,
    RecordBatch,
)
from pcapleak.values.registries import UDP

_MALFORMED_KEPT = 1000
"""Malformed frames remembered one by one; the others are counted. 1000 errors are 300 kB."""

_TUNNELS_NESTED = 8
"""IP packets within IP packets that are entered; real ones nest three deep."""

_PAD = 128
"""Readable bytes a buffer has past its last payload."""

_PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
_NETWORK_COLUMNS = (
    "version",
    "protocol",
    "hop_limit",
    "source_hi",
    "source_lo",
    "destination_hi",
    "destination_lo",
    "flags",
)
_TRANSPORT_COLUMNS = (
    "source_port",
    "destination_port",
    "payload_offset",
    "payload_length",
    "payload_declared",
    "tcp_flags",
    "tcp_seq",
)

CUT_HEADERS = {version: f"ipv{version} header cut by the snap length" for version in (4, 6)}
"""Why packets are skipped of which the recorder kept less than their IP header, by version."""


class Dissector:
    """Turns record batches into columns of IP packets; keeps what outlasts a batch.

    One row a frame: the innermost packet of a tunnel, with `encapsulation` naming the outer
    one. Sub-interfaces found in `any` recordings (SLL2) are appended to `interfaces`. For
    ICMP errors the payload is the quoted packet, for every other ICMP message it starts at
    the ICMP header.
    """

    def __init__(self, interfaces: list[Interface]) -> None:
        self.counters: Counter[str] = Counter()
        """Packets by version and protocol number, other frames by EtherType."""
        self.skipped: Counter[str] = Counter()
        """Frames without a row in any `Packets`, by reason."""
        self.malformed: list[tuple[int, DecodeError]] = []
        """The first malformed headers, by frame."""
        self.malformed_total = 0
        self.interfaces = interfaces
        self._frames = FrameReader(interfaces, self.skipped)
        self.trailers = Trailers()
        """Programs that trailers of frames name."""
        self._encapsulations = Encapsulations()
        # One for each depth of tunnels, so that what one forgets does not depend on batches
        self._reassemblers = [Reassembler() for _ in range(_TUNNELS_NESTED + 1)]
        self._notes: list[tuple[int, DecodeError]] = []

    @property
    def encapsulations(self) -> list[Encapsulation | None]:
        """What `Packets.encapsulation` indexes; the first is None."""
        return self._encapsulations.known

    @property
    def both_ways(self) -> set[int]:
        """Those of `encapsulations` of which both ends sent packets."""
        return self._encapsulations.both_ways

    def dissect(self, batch: RecordBatch) -> Packets:
        """The IP packets of `batch`, in its order."""
        frames = self._frames.read(batch)
        is_v6 = frames.ethertype == link.IPV6
        carried = is_v6 | (frames.ethertype == link.IPV4)
        rows = np.flatnonzero(carried)
        if len(rows) < len(batch):
            self._count_others(frames, ~carried)
        wire_end = batch.offset + batch.original_length
        # As nearly always in the one case, and always in the other, without a copy
        chosen: Int64 | slice = slice(None) if len(rows) == len(batch) else rows
        network, readable = parse_network(
            batch.data, frames.start[chosen], frames.end[chosen], wire_end[chosen], is_v6[chosen]
        )
        if not readable.all():
            self._drop(batch, frames, rows[~readable])
            chosen = rows = rows[readable]
            network = network.select(readable)
        transport = parse_transport(batch.data, network)
        packets = Packets(
            data=batch.data,
            row=rows,
            frame=batch.frame[chosen],
            ts_ns=batch.ts_ns[chosen],
            interface=frames.interface[chosen],
            direction=frames.direction[chosen],
            source_link=frames.source_link[chosen],
            length=batch.original_length[chosen],
            **{name: getattr(network, name) for name in _NETWORK_COLUMNS},
            **{name: getattr(transport, name) for name in _TRANSPORT_COLUMNS},
            encapsulation=np.zeros(len(rows), np.int32),
        )
        self.trailers.look(batch, packets, frames.end[chosen], network.declared_end)
        everything = np.arange(len(rows))
        self._reassemble(packets, network, everything, self._reassemblers[0], {})
        self._enter_tunnels(packets, everything)
        self._count(packets)
        self._notes.sort(key=itemgetter(0))
        self.malformed += self._notes[: _MALFORMED_KEPT - len(self.malformed)]
        self._notes.clear()
        return packets

    def add_malformed(self, since: int, found: list[tuple[int, DecodeError]], total: int) -> None:
        """Add what another dissector found among the same records, `total` in all; of this
        one's, those from `since` on are of these records."""
        notes = sorted([*self.malformed[since:], *found], key=itemgetter(0))
        self.malformed[since:] = notes[: _MALFORMED_KEPT - since]
        self.malformed_total += total

    def _enter_tunnels(self, packets: Packets, rows: Int64) -> None:
        """Put inner packets in the place of the outer ones that carry them."""
        outer: dict[int, Encapsulation] = {}
        for reassembler in self._reassemblers[1:]:
            rows = tunnel_rows(packets, rows)
            if not len(rows):
                break
            rows, start, ethertype = inner_packets(packets, rows)
            payload = packets.payload_offset[rows]
            network, readable = parse_network(
                packets.data,
                start,
                payload + packets.payload_length[rows],
                payload + packets.payload_declared[rows],
                ethertype == link.IPV6,
            )
            rows, network = rows[readable], network.select(readable)
            outer |= {row: encapsulation_of(packets, row) for row in rows.tolist()}
            packets.source_link[rows] = 0
            _replace(packets, rows, network, parse_transport(packets.data, network))
            self._reassemble(packets, network, rows, reassembler, outer)
        for row in sorted(outer):
            packets.encapsulation[row] = self._encapsulations.number(outer[row])

    def _reassemble(
        self,
        packets: Packets,
        network: Network,
        rows: Int64,
        reassembler: Reassembler,
        outer: dict[int, Encapsulation],
    ) -> None:
        """Give the last fragment of a datagram the whole payload.

        `rows` of `packets` are those `network` has columns for.
        """
        fragments = np.flatnonzero(network.flags & PacketFlag.FRAGMENT.value)
        extra: list[bytes] = []
        at = len(packets.data)
        for position in fragments.tolist():
            row = int(rows[position])
            datagram = reassembler.join(packets, network, position, row, outer.get(row))
            if datagram is None or len(datagram) < 8:
                continue
            header, declared = 0, len(datagram)
            if packets.protocol[row] == UDP:
                header, declared = 8, int.from_bytes(datagram[4:6], "big") or declared
                packets.source_port[row] = int.from_bytes(datagram[:2], "big")
                packets.destination_port[row] = int.from_bytes(datagram[2:4], "big")
            packets.payload_offset[row] = at + header
            packets.payload_length[row] = max(min(declared, len(datagram)) - header, 0)
            packets.payload_declared[row] = max(declared - header, 0)
            packets.flags[row] &= ~PacketFlag.FRAGMENT.value & 0xFFFF
            packets.flags[row] |= PacketFlag.REASSEMBLED.value
            extra.append(datagram)
            at += len(datagram)
        if extra:
            tail = np.frombuffer(b"".join(extra) + bytes(_PAD), np.uint8)
            packets.data = np.concatenate((packets.data, tail))

    def _drop(self, batch: RecordBatch, frames: Frames, rows: Int64) -> None:
        """Account for frames whose IP header cannot be read."""
        for row in rows.tolist():
            version, least = (6, 40) if frames.ethertype[row] == link.IPV6 else (4, 20)
            short = frames.end[row] - frames.start[row] < least
            if short and batch.captured_length[row] < batch.original_length[row]:
                self.skipped[CUT_HEADERS[version]] += 1
                continue
            self.skipped[f"malformed ipv{version} header"] += 1
            self.malformed_total += 1
            reason = "the frame ends inside it" if short else "wrong version or header length"
            self._note(int(batch.frame[row]), f"ipv{version}", reason)

    def _note(self, frame: int, protocol: str, reason: str) -> None:
        self._notes.append((frame, DecodeError(protocol, "header", 0, reason)))

    def _count(self, packets: Packets) -> None:
        six = int(np.count_nonzero(packets.version == 6))
        self.counters["ipv6"] += six
        self.counters["ipv4"] += len(packets) - six
        counts = np.bincount(packets.protocol)
        for number in np.flatnonzero(counts).tolist():
            self.counters[f"protocol {number}"] += int(counts[number])
        wrong = np.flatnonzero(packets.flags & PacketFlag.MALFORMED.value)
        self.malformed_total += len(wrong)
        for row in wrong[: _MALFORMED_KEPT - len(self.malformed)].tolist():
            name = f"ipv{packets.version[row]}"
            protocol = _PROTOCOL_NAMES.get(int(packets.protocol[row]), name)
            self._note(int(packets.frame[row]), protocol, "a length contradicts the packet")

    def _count_others(self, frames: Frames, rows: Bool) -> None:
        kinds, counts = np.unique(frames.ethertype[rows], return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            if kind == link.NOT_CARRIED:
                self.counters["no network header"] += count
            elif kind == link.ARP:
                self.counters["arp"] += count
            else:
                self.counters[f"ethertype 0x{kind:04x}"] += count


def _replace(packets: Packets, rows: Int64, network: Network, transport: Transport) -> None:
    """Overwrite `rows` of `packets` with an inner packet."""
    for name in _NETWORK_COLUMNS:
        getattr(packets, name)[rows] = getattr(network, name)
    for name in _TRANSPORT_COLUMNS:
        getattr(packets, name)[rows] = getattr(transport, name)
