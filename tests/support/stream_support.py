"""TCP conversations made segment by segment, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from packet_bytes import batch_of, cut, ipv4, tcp

from pcapleak.decode.messages import Event
from pcapleak.decode.streams.tcp import TcpStreams
from pcapleak.dissect import Dissector
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Context, Interface, Service

CLIENT, SERVER = "192.0.2.1", "198.51.100.2"
SYN, ACK = 2, 16
RAW_IP = 101
SECOND = 1_000_000_000


@dataclass
class Talk:
    """A connection of CLIENT with SERVER; way 0 is the client's."""

    sport: int = 40000
    dport: int = 9999
    frames: list[bytes] = field(default_factory=list)
    originals: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    now: int = 1
    seqs: list[int] = field(default_factory=lambda: [0xFFFF_FF00, 5000])
    """The next byte of each way; the client's wraps soon."""

    def open(self) -> Talk:
        self.add(0, b"", flags=SYN)
        self.add(1, b"", flags=SYN | ACK)
        self.seqs = [(seq + 1) & 0xFFFF_FFFF for seq in self.seqs]
        return self

    def add(
        self, way: int, data: bytes, seq: int | None = None, flags: int = ACK, captured: int = -1
    ) -> Talk:
        """One segment; `captured` is how much of its payload the recording holds."""
        if seq is None:
            seq = self.seqs[way]
            self.seqs[way] = (seq + len(data)) & 0xFFFF_FFFF
        ports = (self.sport, self.dport) if way == 0 else (self.dport, self.sport)
        hosts = (CLIENT, SERVER) if way == 0 else (SERVER, CLIENT)
        frame = ipv4(tcp(data, *ports, seq, flags), 6, *hosts)
        self.originals.append(len(frame))
        self.frames.append(frame if captured < 0 else frame[: 40 + captured])
        self.times.append(self.now)
        self.now += 1_000_000
        return self

    def say(self, way: int, data: bytes, size: int = 1400) -> Talk:
        """`data` in segments of at most `size` bytes."""
        for at in range(0, len(data), size):
            self.add(way, data[at : at + size])
        return self


@dataclass
class Reading:
    """What came out."""

    events: list[Event]
    services: Service
    streams: TcpStreams

    @property
    def messages(self) -> list[object]:
        return [message for _, message in self.events]

    @property
    def kinds(self) -> list[str]:
        return [type(message).__name__ for _, message in self.events]

    def context(self, index: int) -> Context:
        return self.events[index][0]


def read(*talks: Talk, sizes: Sequence[int] = ()) -> Reading:
    """Read the talks, one after the other, in batches of `sizes` records and the rest."""
    frames = [frame for talk in talks for frame in talk.frames]
    batch = batch_of(
        frames,
        RAW_IP,
        original=[size for talk in talks for size in talk.originals],
        ts_ns=[time for talk in talks for time in talk.times],
    )
    dissector, flows, streams = Dissector([Interface(0, 0, RAW_IP)]), FlowTable(), TcpStreams()
    events: list[Event] = []
    for part in cut(batch, sizes) if sizes else [batch]:
        packets = dissector.dissect(part)
        flow, forward = flows.update(packets)
        events.extend(streams.update(packets, flow, forward, flows))
    return Reading(events, Service(int(np.bitwise_or.reduce(flows.services))), streams)
