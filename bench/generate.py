"""Make realistic captures with known contents, for benchmarks.

    python bench/generate.py mixed 1000000 OUT_FOLDER
    python bench/generate.py small 2000000 OUT_FOLDER
    python bench/generate.py call|pages 1000000 OUT_FOLDER

`mixed` is what the link of a small network carries (bulk TCP and QUIC, media, DNS to a few
resolvers, some STUN and mDNS), `small` the worst case: packets of 80 to 200 bytes over very many
flows of very many hosts. ICE sessions keep their fragments, tie-breakers and addresses, questions
go to resolvers and answers come back. Written are NAME.pcap
(microseconds), NAME-ns.pcap, NAME.pcapng (two interfaces, micro- and nanoseconds, some packet
options) and NAME.truth.json. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import struct
import sys
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pcapleak import open_capture

CHUNK = 100_000
START_NS = 1_700_000_000 * 10**9
COOKIE = 0x2112A442


@dataclass(frozen=True)
class Traffic:
    """One kind of traffic: its share of packets, its flows, its payload sizes in bytes."""

    name: str
    share: float
    flows: int
    low: int = 0
    high: int = 1
    protocol: int = 17
    port: int | None = None
    head: bytes = b""


MIXED = (
    Traffic("tcp", 0.40, 3000, 1140, 1420, 6, 443),
    Traffic("quic", 0.36, 1500, 1140, 1420, 17, 443, b"\x45"),
    Traffic("ack", 0.04, 3000, 0, 1, 6, 443),
    Traffic("rtp", 0.10, 40000, 40, 220, 17, None, b"\x80\x6f"),
    Traffic("dtls", 0.05, 10000, 40, 1000, 17, None, b"\x17\xfe\xfd\x00\x01"),
    Traffic("dns", 0.04, 8000, port=53),
    Traffic("stun", 0.005, 800),
    Traffic("mdns", 0.005, 60, port=5353),
)
SMALL = (
    Traffic("rtp", 0.55, 120000, 40, 140, 17, None, b"\x80\x6f"),
    Traffic("dtls", 0.15, 40000, 40, 140, 17, None, b"\x17\xfe\xfd\x00\x01"),
    Traffic("ack", 0.20, 20000, 14, 120, 6, 443),
    Traffic("dns", 0.06, 30000, port=53),
    Traffic("stun", 0.02, 3000),
    Traffic("mdns", 0.02, 200, port=5353),
)
PROFILES = {"mixed": (MIXED, 40, 4), "small": (SMALL, 60_000, 30_000)}
"""Traffic, hosts and resolvers."""


@dataclass
class Messages:
    """Application messages, one after another."""

    random: random.Random = field(default_factory=lambda: random.Random(7))
    made: int = 0
    names: list[str] = field(default_factory=list)
    asked: dict[int, bytes] = field(default_factory=dict)
    """The transaction of the last request on a flow."""

    def __post_init__(self) -> None:
        make = self.random.getrandbits
        self.names = [f"{uuid.UUID(int=make(128), version=4)}.local" for _ in range(500)]

    def make(self, kind: str, flow: int) -> tuple[bytes, bool]:
        """The next message of `kind` on `flow`, and whether the far end sends it."""
        self.made += 1
        if kind == "dns":
            return self.dns(self.made), self.made % 2 == 0
        if kind == "mdns":
            return self.mdns(self.made), False
        return self.stun(self.made, flow), self.random.random() < 0.5

    def stun(self, number: int, flow: int) -> bytes:
        """An ICE check, a Binding success, or a TURN Allocate; signed and with fingerprint."""
        address = struct.pack(">BBHI", 0, 1, flow & 0xFFFF, flow * 2654435761 & 0xFFFFFFFF)
        if number % 4 < 2:
            transaction = self.asked[flow] = self.random.randbytes(12)
            kind = 0x0001
            body = attribute(0x0006, b"%04x:%08x" % (flow & 0xFFFF, flow))
            body += attribute(0xC057, struct.pack(">HH", 1, 50))
            body += attribute(0x8029 + flow % 2, hashlib.sha256(b"%d" % flow).digest()[:8])
            body += attribute(0x0024, struct.pack(">I", 1845501695))
        elif number % 4 == 2:
            transaction = self.asked.get(flow) or self.random.randbytes(12)
            kind, body = 0x0101, attribute(0x0020, address)
        else:
            transaction = self.random.randbytes(12)
            kind = 0x0103
            body = attribute(0x0016, address) + attribute(0x0020, address)
            body += attribute(0x000D, struct.pack(">I", 600)) + attribute(0x8022, b"coturn-4.6.2")
        signed = struct.pack(">HHI", kind, len(body) + 24, COOKIE) + transaction + body
        body += attribute(0x0008, hmac.digest(b"password", signed, hashlib.sha1))
        checked = struct.pack(">HHI", kind, len(body) + 8, COOKIE) + transaction + body
        return checked + attribute(0x8028, struct.pack(">I", zlib.crc32(checked) ^ 0x5354554E))

    def mdns(self, number: int) -> bytes:
        """A browser's announcement or question, or a printer's."""
        name = domain(self.names[number % len(self.names)])
        address = self.random.randbytes(4)
        return (
            struct.pack(">6H", 0, 0, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1),
            struct.pack(">6H", 0, 0, 1, 0, 0, 0) + name + struct.pack(">HH", 28, 1),
            struct.pack(">6H", 0, 0x8400, 0, 1, 0, 0)
            + name
            + struct.pack(">HHIH", 1, 0x8001, 120, 4)
            + address,
            struct.pack(">6H", 0, 0, 1, 0, 0, 0)
            + domain("_googlecast._tcp.local")
            + struct.pack(">HH", 12, 1),
            struct.pack(">6H", 0, 0x8400, 0, 1, 0, 0)
            + domain("_ipp._tcp.local")
            + struct.pack(">HHIH", 12, 1, 4500, 12)
            + domain(f"Printer-{number % 89:02}")[:-1]
            + b"\xc0",
        )[number % 5 if number % 5 != 4 else 3]

    def dns(self, number: int) -> bytes:
        """A query, or its answer with two addresses."""
        host = (number + 1) // 2 % 5000
        question = domain(f"host{host}.example{host % 331}.com") + b"\0\1\0\1"
        if number % 2:
            return struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + question
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + self.random.randbytes(4)
        return struct.pack(">6H", number & 0xFFFF, 0x8180, 1, 2, 0, 0) + question + answer * 2


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def domain(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def be16(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    return numbers.astype(">u2").view(np.uint8).reshape(-1, 2)


class Flows:
    """Addresses and ports of all flows; a quarter IPv6."""

    def __init__(
        self, traffic: tuple[Traffic, ...], hosts: int, resolvers: int, rng: np.random.Generator
    ) -> None:
        counts = [each.flows for each in traffic]
        total = sum(counts)
        self.base = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.kind = np.repeat(np.arange(len(traffic)), counts)
        self.v6 = rng.random(total) < 0.25
        self.protocol = np.array([each.protocol for each in traffic])[self.kind]
        near, far = (rng.integers(0, 256, (n, 16), dtype=np.uint8) for n in (hosts, total))
        asked = self.kind == [each.name for each in traffic].index("dns")
        far[asked] = far[asked][rng.integers(0, resolvers, int(asked.sum()))]
        self.ends = [near[rng.integers(0, hosts, total)], far]
        self.ends[0][~self.v6, :2] = (192, 168)
        self.ends[1][:, 0] = np.where(self.v6, 0x20, 20 + self.ends[1][:, 0] % 106)
        self.ends[0][self.v6, :2] = self.ends[1][self.v6, :2] = (0x20, 0x01)
        self.ports = [rng.integers(32768, 61000, total), rng.integers(10000, 61000, total)]
        for number, each in enumerate(traffic):
            if each.port is not None:
                self.ports[1][self.kind == number] = each.port
            if each.name == "mdns":
                mine = self.kind == number
                self.ports[0][mine] = each.port
                self.ends[1][mine & ~self.v6, :4] = (224, 0, 0, 251)
                group = np.frombuffer(bytes.fromhex("ff02" + "00" * 13 + "fb"), np.uint8)
                self.ends[1][mine & self.v6] = group
        self.seen = np.zeros((total, 2), bool)


class Generator:
    """Frames chunk by chunk."""

    def __init__(self, profile: str) -> None:
        self.rng = np.random.default_rng(7)
        self.traffic, hosts, resolvers = PROFILES[profile]
        self.shares = np.array([each.share for each in self.traffic])
        self.shares /= self.shares.sum()
        self.flows = Flows(self.traffic, hosts, resolvers, self.rng)
        self.messages = Messages()
        noise = np.frombuffer(self.rng.bytes(8 << 20), np.uint8).copy()
        noise[noise == 0x21] = 0x22  # no magic cookie by accident
        self.noise = noise
        self.now_ns = START_NS
        self.truth = dict.fromkeys(
            ("packets", "bytes", "tcp", "udp", "ipv6", "vlan", "stun", "mdns", "dns"), 0
        )

    def chunk(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Times, frame lengths, and all frames end to end."""
        rng, flows = self.rng, self.flows
        kind = rng.choice(len(self.traffic), n, p=self.shares)
        sizes = np.zeros(n, np.int64)
        flow = np.zeros(n, np.int64)
        written: list[tuple[int, bytes]] = []
        backwards = rng.random(n) < 0.5
        for number, each in enumerate(self.traffic):
            rows = np.flatnonzero(kind == number)
            flow[rows] = flows.base[number] + (rng.random(len(rows)) ** 2 * each.flows).astype(int)
            sizes[rows] = rng.integers(each.low, each.high, len(rows))
            if each.name in self.truth:
                self.truth[each.name] += len(rows) if each.name not in ("tcp", "udp") else 0
            if each.name in ("dns", "stun", "mdns"):
                for row in rows.tolist():
                    message, backwards[row] = self.messages.make(each.name, int(flow[row]))
                    written.append((row, message))
                    sizes[row] = len(message)
            elif each.head:
                written.extend((row, each.head) for row in rows.tolist())
        flows.seen[flow, backwards.astype(int)] = True
        v6, tcp, vlan = flows.v6[flow], flows.protocol[flow] == 6, rng.random(n) < 0.01
        network = 14 + 4 * vlan
        transport = network + np.where(v6, 40, 20)
        payload = transport + np.where(tcp, 20, 8)
        lengths = payload + sizes
        starts = np.concatenate([[0], np.cumsum(lengths)])
        frames = np.resize(self.noise, int(starts[-1])).copy()
        starts = starts[:-1]

        def put(rows: NDArray[np.bool_], at: NDArray[np.int64], columns: NDArray[np.uint8]) -> None:
            where = (starts + at)[rows][:, None] + np.arange(columns.shape[1])
            frames[where] = columns

        def fixed(rows: NDArray[np.bool_], at: NDArray[np.int64], text: bytes) -> None:
            put(rows, at, np.tile(np.frombuffer(text, np.uint8), (int(rows.sum()), 1)))

        everything = np.ones(n, bool)
        fixed(everything, np.zeros(n, np.int64), bytes.fromhex("020000000001020000000002"))
        fixed(vlan, np.full(n, 12), bytes.fromhex("81000007"))
        fixed(~v6, network - 2, b"\x08\x00")
        fixed(v6, network - 2, b"\x86\xdd")
        source = np.where(backwards[:, None], flows.ends[1][flow], flows.ends[0][flow])
        target = np.where(backwards[:, None], flows.ends[0][flow], flows.ends[1][flow])
        protocol = flows.protocol[flow].astype(np.uint8)
        header = np.zeros((n, 20), np.uint8)
        header[:, 0], header[:, 6], header[:, 8], header[:, 9] = 0x45, 0x40, 64, protocol
        header[:, 2:4] = be16(lengths - network)
        header[:, 12:16], header[:, 16:20] = source[:, :4], target[:, :4]
        total = header.view(">u2").astype(np.uint32).sum(1)
        total = (total & 0xFFFF) + (total >> 16)
        header[:, 10:12] = be16((~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).astype(np.int64))
        put(~v6, network, header[~v6])
        header = np.zeros((n, 40), np.uint8)
        header[:, 0], header[:, 6], header[:, 7] = 0x60, protocol, 64
        header[:, 4:6] = be16(lengths - network - 40)
        header[:, 8:24], header[:, 24:40] = source, target
        put(v6, network, header[v6])
        near, far = flows.ports[0][flow], flows.ports[1][flow]
        put(everything, transport, be16(np.where(backwards, far, near)))
        put(everything, transport + 2, be16(np.where(backwards, near, far)))
        put(~tcp, transport + 4, be16(sizes + 8)[~tcp])
        fixed(~tcp, transport + 6, b"\0\0")
        fixed(tcp, transport + 12, bytes.fromhex("5010ff00"))
        for row, message in written:
            at = int(starts[row] + payload[row])
            end = min(at + len(message), int(starts[row] + lengths[row]))
            frames[at:end] = np.frombuffer(message, np.uint8)[: end - at]
        times = self.now_ns + np.cumsum(rng.integers(200, 20000, n))
        self.now_ns = int(times[-1])
        for name, count in (
            ("packets", n),
            ("bytes", int(lengths.sum())),
            ("tcp", int(tcp.sum())),
            ("udp", int((~tcp).sum())),
            ("ipv6", int(v6.sum())),
            ("vlan", int(vlan.sum())),
        ):
            self.truth[name] += count
        return times, lengths, frames


def records(
    header: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    frames: NDArray[np.uint8],
    trailer: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Each frame after its header and before `trailer` zero bytes; and where records start."""
    width = header.shape[1]
    starts = np.concatenate([[0], np.cumsum(width + lengths + trailer)])
    out = np.zeros(int(starts[-1]), np.uint8)
    starts = starts[:-1]
    out[starts[:, None] + np.arange(width)] = header
    source = np.concatenate([[0], np.cumsum(lengths)])
    to, of = memoryview(out), memoryview(frames)
    for at, begin, end in zip(
        (starts + width).tolist(), source[:-1].tolist(), source[1:].tolist(), strict=True
    ):
        to[at : at + end - begin] = of[begin:end]
    return out, starts


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def interface_block(name: bytes, resolution: int) -> bytes:
    options = struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4)
    options += struct.pack("<HHB3x", 9, 1, resolution) + bytes(4)
    return block(1, struct.pack("<HHI", 1, 0, 262144) + options)


def write_pcapng(
    file: BinaryIO,
    times: NDArray[np.int64],
    lengths: NDArray[np.int64],
    frames: NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    n = len(times)
    interface = (rng.random(n) < 0.3).astype(np.int64)
    stamp = np.where(interface == 1, times, times // 1000)
    pad = -lengths % 4
    option = rng.random(n) < 0.1
    trailer = pad + 12 * option + 4
    size = 28 + lengths + trailer
    columns = [np.full(n, 6), size, interface, stamp >> 32, stamp & 0xFFFFFFFF, lengths, lengths]
    header = np.stack(columns, 1).astype("<u4").view(np.uint8).reshape(n, 28)
    out, starts = records(header, lengths, frames, trailer)
    out[(starts + size - 4)[:, None] + np.arange(4)] = (
        size.astype("<u4").view(np.uint8).reshape(n, 4)
    )
    flags = np.frombuffer(struct.pack("<HHIHH", 2, 4, 1, 0, 0), np.uint8)
    out[(starts + 28 + lengths + pad)[option][:, None] + np.arange(12)] = flags
    file.write(memoryview(out))


def generate(profile: str, packets: int, folder: Path) -> Path:
    """Write the captures and their truth; the path of the microsecond pcap."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = Generator(profile)
    plain = folder / f"{profile}.pcap"
    with (
        plain.open("wb") as micro,
        (folder / f"{profile}-ns.pcap").open("wb") as nano,
        (folder / f"{profile}.pcapng").open("wb") as modern,
    ):
        micro.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        nano.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        modern.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        modern.write(interface_block(b"eth0", 6) + interface_block(b"wg0", 9))
        for start in range(0, packets, CHUNK):
            times, lengths, frames = generator.chunk(min(CHUNK, packets - start))
            none = np.zeros(len(times), np.int64)
            for file, unit in ((micro, 1000), (nano, 1)):
                fields = [times // 10**9, times % 10**9 // unit, lengths, lengths]
                header = np.stack(fields, 1).astype("<u4").view(np.uint8).reshape(-1, 16)
                file.write(memoryview(records(header, lengths, frames, none)[0]))
            write_pcapng(modern, times, lengths, frames, generator.rng)
    generator.truth["flows"] = int(generator.flows.seen.any(1).sum())
    (folder / f"{profile}.truth.json").write_text(json.dumps(generator.truth))
    return plain


CAPTURES = Path(__file__).resolve().parent.parent / "captures"
RECORDED = {"call": "firefox-video-call.pcapng", "pages": "signalling-tls.pcapng"}
FIRST_PORT = 32768
"""From here on ports are a client's own."""


def repeat(profile: str, packets: int, folder: Path) -> Path:
    """Write a real recording over and over; the path of the pcap."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_capture(CAPTURES / RECORDED[profile]) as source:
        (batch,) = source
    frames = [
        batch.data[at : at + size].tobytes()
        for at, size in zip(batch.offset.tolist(), batch.captured_length.tolist(), strict=True)
    ]
    times = batch.ts_ns - batch.ts_ns[0]
    target = folder / f"{profile}.pcap"
    first = len(frames) // 2 if profile == "call" else 0
    with target.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        written, start_ns, begin = 0, START_NS, 0
        while written < packets:
            part = slice(begin, begin + packets - written)
            for ts_ns, frame in zip(times[part].tolist(), frames[part], strict=True):
                at = start_ns + ts_ns - int(times[begin])
                file.write(struct.pack("<4I", at // 10**9, at % 10**9 // 1000, *[len(frame)] * 2))
                file.write(frame if profile == "call" else moved(frame, written // len(frames)))
            written += len(frames[part])
            start_ns += int(times[-1] - times[begin]) + 10**7
            begin = first
    (folder / f"{profile}.truth.json").write_text(json.dumps({"packets": packets}))
    return target


def moved(frame: bytes, by: int) -> bytes:
    """A frame of IPv4 from or to another port of its client's own."""
    if frame[12:14] != b"\x08\x00" or frame[23] not in (6, 17):
        return frame
    at = 14 + 4 * (frame[14] & 15)
    ports = struct.unpack_from(">HH", frame, at)
    room = 65536 - FIRST_PORT
    other = [
        FIRST_PORT + (port - FIRST_PORT + 13 * by) % room if port >= FIRST_PORT else port
        for port in ports
    ]
    return frame[:at] + struct.pack(">HH", *other) + frame[at + 4 :]


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in RECORDED:
        print(repeat(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
        raise SystemExit
    if len(sys.argv) != 4 or sys.argv[1] not in PROFILES:
        raise SystemExit(__doc__)
    print(generate(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
