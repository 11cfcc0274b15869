"""From record batches to IP packets."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pcapleak.errors import DecodeError
from pcapleak.model import (
    Bool,
    Encapsulation,
    Int32,
    Int64,
    Interface,
    Packets,
    RecordBatch,
    UInt8,
    UInt16,
    UInt32,
)

from . import link
from .link import Link
from .network import parse_network
from .transport import parse_transport

_MALFORMED_KEPT = 1000
"""Malformed frames remembered one by one; the others are counted. 1000 errors are 300 kB."""

_SUB_INTERFACES = 4096
"""Interface indices told apart within `any` recordings. A host has tens; a hostile capture
could name four thousand million."""


class Dissector:
    """Turns record batches into columns of IP packets; keeps what outlasts a batch.

    Sub-interfaces found in `any` recordings (SLL2) are appended to `interfaces`. For ICMP
    errors the payload is the quoted packet, for every other ICMP message it starts at the
    ICMP header.
    """

    def __init__(self, interfaces: list[Interface]) -> None:
        self.interfaces = interfaces
        self.encapsulations: list[Encapsulation | None] = [None]
        self.counters: Counter[str] = Counter()
        """IP packets by version and protocol number, other frames by EtherType."""
        self.skipped: Counter[str] = Counter()
        """Frames without a row in any `Packets`, by reason."""
        self.malformed: list[tuple[int, DecodeError]] = []
        self._sub_interfaces: dict[tuple[int, int], int] = {}

    def dissect(self, batch: RecordBatch) -> Packets:
        """The IP packets of `batch`, in its order."""
        size = len(batch)
        end = batch.offset + batch.captured_length
        start = np.empty(size, np.int64)
        ethertype = np.zeros(size, np.uint16)
        direction = np.zeros(size, np.uint8) if batch.direction is None else batch.direction
        interface = batch.interface
        kinds = np.unique(batch.link_type).tolist() if size else []
        for link_type in kinds:
            rows = (
                np.flatnonzero(batch.link_type == link_type) if len(kinds) > 1 else np.arange(size)
            )
            found = self._link(batch, link_type, rows, end[rows])
            if found is None:
                start[rows] = end[rows]
                self.skipped[f"link type {link_type}"] += len(rows)
                continue
            start[rows] = found.network
            ethertype[rows] = found.ethertype
            if found.direction is not None:
                direction = direction.copy()
                direction[rows] = found.direction
            if found.interface_index is not None and found.hardware_type is not None:
                interface = interface.copy()
                interface[rows] = self._split(
                    interface[rows], found.interface_index, found.hardware_type
                )
        return self._packets(batch, start, end, ethertype, direction, interface)

    def _link(self, batch: RecordBatch, link_type: int, rows: Int64, end: Int64) -> Link | None:
        data, offset = batch.data, batch.offset[rows]
        if link_type == link.ETHERNET:
            return link.ethernet(data, offset, end)
        if link_type in link.RAW_IP:
            return link.raw_ip(data, offset, end)
        if link_type in link.LOOPBACK:
            return link.loopback(data, offset, end)
        if link_type == link.SLL:
            return link.linux_cooked(data, offset, end)
        if link_type == link.SLL2:
            return link.linux_cooked_v2(data, offset, end)
        return None

    def _split(self, parents: Int32, index: UInt32, hardware_type: UInt16) -> Int32:
        """The sub-interface of each row of an `any` recording, made when first seen."""
        key = (parents.astype(np.uint64) << np.uint64(32)) | index
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        counts = np.bincount(inverse)
        ids = np.empty(len(first), np.int32)
        for group in np.argsort(first).tolist():
            row = first[group]
            parent, number = int(parents[row]), int(index[row])
            known = self._sub_interfaces.get((parent, number))
            if known is None:
                if len(self._sub_interfaces) >= _SUB_INTERFACES:
                    ids[group] = parent
                    continue
                known = len(self.interfaces)
                self._sub_interfaces[parent, number] = known
                self.interfaces.append(
                    Interface(
                        id=known,
                        capture=self.interfaces[parent].capture,
                        link_type=link.SLL2,
                        hardware_type=int(hardware_type[row]),
                        index=number,
                        parent=parent,
                    )
                )
            self.interfaces[known].packets += int(counts[group])
            ids[group] = known
        return ids[inverse]

    def _packets(
        self,
        batch: RecordBatch,
        start: Int64,
        end: Int64,
        ethertype: UInt16,
        direction: UInt8,
        interface: Int32,
    ) -> Packets:
        is_v6 = ethertype == link.IPV6
        carried = is_v6 | (ethertype == link.IPV4)
        rows = np.flatnonzero(carried)
        if len(rows) < len(batch):
            self._count_others(ethertype[~carried])
        wire_end = batch.offset + batch.original_length
        network, unreadable = parse_network(
            batch.data, start[rows], end[rows], wire_end[rows], is_v6[rows]
        )
        if unreadable.any():
            self._drop(batch, rows[unreadable], start, end, is_v6)
            rows = rows[~unreadable]
            network, _ = parse_network(
                batch.data, start[rows], end[rows], wire_end[rows], is_v6[rows]
            )
        transport = parse_transport(batch.data, network)
        self._count(network.version, network.protocol)
        return Packets(
            data=batch.data,
            row=rows,
            frame=batch.frame[rows],
            ts_ns=batch.ts_ns[rows],
            interface=interface[rows],
            direction=direction[rows],
            length=batch.original_length[rows],
            version=network.version,
            protocol=network.protocol,
            source_hi=network.source_hi,
            source_lo=network.source_lo,
            destination_hi=network.destination_hi,
            destination_lo=network.destination_lo,
            source_port=transport.source_port,
            destination_port=transport.destination_port,
            payload_offset=transport.payload_offset,
            payload_length=transport.payload_length,
            payload_declared=transport.payload_declared,
            flags=network.flags,
            tcp_flags=transport.tcp_flags,
            tcp_seq=transport.tcp_seq,
            encapsulation=np.zeros(len(rows), np.int32),
        )

    def _drop(self, batch: RecordBatch, rows: Int64, start: Int64, end: Int64, is_v6: Bool) -> None:
        """Account for frames whose IP header cannot be read."""
        for row in rows.tolist():
            version = 6 if is_v6[row] else 4
            if batch.captured_length[row] < batch.original_length[row]:
                self.skipped[f"ipv{version} header cut by the snap length"] += 1
                continue
            self.skipped[f"malformed ipv{version} header"] += 1
            if len(self.malformed) < _MALFORMED_KEPT:
                short = end[row] - start[row] < (40 if version == 6 else 20)
                reason = "the frame ends inside it" if short else "wrong version or length"
                error = DecodeError(f"ipv{version}", "header", 0, reason)
                self.malformed.append((int(batch.frame[row]), error))

    def _count(self, version: UInt8, protocol: UInt8) -> None:
        six = int(np.count_nonzero(version == 6))
        self.counters["ipv6"] += six
        self.counters["ipv4"] += len(version) - six
        for number, count in enumerate(np.bincount(protocol).tolist()):
            if count:
                self.counters[f"protocol {number}"] += count

    def _count_others(self, ethertype: UInt16) -> None:
        for number, count in zip(*np.unique(ethertype, return_counts=True), strict=True):
            name = "arp" if number == link.ARP else f"ethertype 0x{number:04x}"
            if number == link.NOT_CARRIED:
                self.counters["no network header"] += int(count)
            else:
                self.counters[name] += int(count)
