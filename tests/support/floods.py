"""Captures made to fill tables: as many packets as wanted, each different in one way.

Run as a program it analyzes one flood and prints what that took, in a process of its own so that
memory can be measured.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.report.document import Document
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import Bytes, Interface, RecordBatch

RAW = 101
CHUNK = 1 << 14
CLIENT, SERVER = (192, 168, 1, 5), (203, 0, 113, 7)
COOKIE = bytes.fromhex("2112a442")


def peak_megabytes() -> int:
    """The most memory this process has held: of this program alone, where rusage also counts
    what the parent held when it forked."""
    status = Path("/proc/self/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) >> 10


def datagrams(count: int, payload: bytes, *, ports: tuple[int, int] = (5000, 3478)) -> Bytes:
    """`count` equal datagrams, one a row."""
    size = 28 + len(payload)
    head = struct.pack(
        "!BBHHHBBH4s4sHHHH", 0x45, 0, size, 0, 0, 64, 17, 0, bytes(CLIENT), bytes(SERVER),
        *ports, 8 + len(payload), 0,
    )  # fmt: skip
    return np.tile(np.frombuffer(head + payload, np.uint8), (count, 1))


def numbers(first: int, count: int) -> Bytes:
    """The numbers from `first` as rows of four bytes."""
    return np.arange(first, first + count, dtype=">u4").view(np.uint8).reshape(count, 4)


def letters(first: int, count: int) -> Bytes:
    """The same as rows of eight hexadecimal digits."""
    text = [f"{number:08x}" for number in range(first, first + count)]
    return np.array(text, "S8").view(np.uint8).reshape(count, 8)


def public(first: int, count: int) -> Bytes:
    """The same as public IPv4 addresses."""
    rows = numbers(first, count).copy()
    rows[:, 0] |= 0x20
    return rows


def stun(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack("!HH", code, len(v)) + v for code, v in attributes)
    return struct.pack("!HH", kind, len(body)) + COOKIE + b"transaction!" + body


def flows(first: int, count: int) -> Bytes:
    """Another server each."""
    rows = datagrams(count, b"eight...")
    rows[:, 16:20] = public(first, count)
    return rows


def transactions(first: int, count: int) -> Bytes:
    """Another transaction id each, never answered."""
    rows = datagrams(count, stun(1))
    rows[:, 36:40] = numbers(first, count)
    return rows


def sockets(first: int, count: int) -> Bytes:
    """A STUN socket each: another port and another server."""
    rows = transactions(first, count)
    rows[:, 16:20] = public(first, count)
    rows[:, 20:22] = numbers(first, count)[:, 2:]
    return rows


def checks(first: int, count: int) -> Bytes:
    """ICE checks of one session, each between other addresses with another username."""
    attributes = (6, b"aaaaaaaa:efg"), (0x24, bytes(4)), (0x802A, b"tiebreak")
    rows = datagrams(count, stun(1, *attributes))
    rows[:, 12:16] = public(first, count)
    rows[:, 36:40] = numbers(first, count)
    rows[:, 52:60] = letters(first, count)
    return rows


def permissions(first: int, count: int) -> Bytes:
    """CreatePermission for another peer each."""
    rows = datagrams(count, stun(8, (0x12, b"\0\1\0\0peer")))
    rows[:, 36:40] = numbers(first, count)
    rows[:, -4:] = numbers(first, count)
    return rows


def crowds(first: int, count: int) -> Bytes:
    """CreatePermission for forty other peers each, seven of them on each socket."""
    rows = datagrams(count, stun(8, *[(0x12, b"\0\1\0\0peer")] * 40))
    rows[:, 16:20] = public(0, first // 7 + count)[np.arange(first, first + count) // 7]
    rows[:, 36:40] = numbers(first, count)
    for peer in range(40):
        place = 48 + 12 * peer + 8
        rows[:, place : place + 4] = numbers(40 * first + peer * count, count)
    return rows


def channels(first: int, count: int) -> Bytes:
    """ChannelBind for another channel each, two hundred on each socket."""
    rows = datagrams(count, stun(9, (0x0C, b"\x40\0\0\0"), (0x12, b"\0\1\0\0peer")))
    order = np.arange(first, first + count)
    rows[:, 16:20] = public(0, first // 200 + count)[order // 200]
    rows[:, 36:40] = numbers(first, count)
    rows[:, 53] = order % 200
    rows[:, -4:] = numbers(first, count)
    return rows


def announcers(first: int, count: int) -> Bytes:
    """Announcements of twenty addresses for each name, from other hosts."""
    rows = names(first, count)
    order = np.arange(first, first + count)
    rows[:, 41:49] = letters(0, first // 20 + count)[order // 20]
    rows[:, 12:16] = public(first, count)
    rows[:, -4:] = numbers(first, count)
    return rows


def answers(first: int, count: int) -> Bytes:
    """Answers to nobody, each with another address."""
    rows = datagrams(count, stun(0x101, (0x20, b"\0\1\0\0self")))
    rows[:, 12:16], rows[:, 16:20] = SERVER, CLIENT
    rows[:, 36:40] = numbers(first, count)
    rows[:, -4:] = numbers(first, count)
    return rows


def queries(first: int, count: int) -> Bytes:
    """DNS questions for another name each."""
    message = b"\x12\x34\1\0\0\1" + bytes(6) + b"\x08aaaaaaaa\7example\3com\0\0\1\0\1"
    rows = datagrams(count, message, ports=(5000, 53))
    rows[:, 41:49] = letters(first, count)
    return rows


def resolvers(first: int, count: int) -> Bytes:
    """DNS questions to another resolver each."""
    rows = queries(first, count)
    rows[:, 16:20] = public(first, count)
    return rows


def names(first: int, count: int) -> Bytes:
    """Multicast announcements of another browser's name each."""
    label = b"\x24aaaaaaaa-bb2e-49bb-bb78-21c41c499900\5local\0"
    record = b"\0\1\x80\1\0\0\0\x78\0\4" + bytes(CLIENT)
    message = b"\0\0\x84\0\0\0\0\1\0\0\0\0" + label + record
    rows = datagrams(count, message, ports=(5353, 5353))
    rows[:, 16:20] = (224, 0, 0, 251)
    rows[:, 41:49] = letters(first, count)
    return rows


def fragments(first: int, count: int) -> Bytes:
    """First fragments of datagrams that never end."""
    rows = datagrams(count, b"eight...")
    rows[:, 4:6] = numbers(first, count)[:, 2:]
    rows[:, 6] = 0x20
    rows[:, 16:20] = public(first, count)
    return rows


def handshakes(first: int, count: int) -> Bytes:
    """WireGuard initiations to another server each; the indices differ in high bits only."""
    rows = datagrams(count, b"\1" + bytes(147))
    rows[:, 16:20] = public(first, count)
    rows[:, 32:36] = numbers(first, count)
    return rows


def tunnels(first: int, count: int) -> Bytes:
    """WireGuard handshakes with another server each, completed."""
    rows = datagrams(count, b"\1" + bytes(147))
    order = np.arange(first, first + count)
    servers = public(first // 2, count)[: count // 2 + 1][(order - first // 2 * 2) // 2]
    rows[:, 16:20] = servers
    rows[:, 32:36] = numbers(first // 2, count)[(order - first // 2 * 2) // 2]
    back = order % 2 == 1
    rows[back, 16:20], rows[back, 12:16] = rows[back, 12:16], servers[back]
    rows[back, 20:22], rows[back, 22:24] = rows[back, 22:24], rows[back, 20:22]
    rows[back, 2:4], rows[back, 24:26] = (0, 120), (0, 100)
    rows[back, 36:40] = rows[back, 32:36]
    rows[back, 28] = 2
    return rows


def prefixes(first: int, count: int) -> Bytes:
    """Valid router advertisements of twenty other on-link prefixes each, the client's among them,
    sixty from each router."""
    option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + bytes(16)
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option * 20
    head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
    router, everyone = b"\xfe\x80" + bytes(14), b"\xff\x02" + bytes(13) + b"\1"
    rows = np.tile(np.frombuffer(head + router + everyone + body, np.uint8), (count, 1))
    order = np.arange(first, first + count)
    senders = numbers(0, (first + count) // 60 + 1)[order // 60]
    rows[:, 12:16], rows[:, 20:24] = senders, ~senders  # so that the checksum stays
    for each in range(20):
        at = 56 + 32 * each + 16
        told = numbers(first * 20 + each * count, count)
        rows[:, at : at + 2] = (0x20, 0x01)
        rows[:, at + 4 : at + 8], rows[:, at + 12 : at + 16] = told, ~told
    words = rows[0].view(">u2").astype(np.int64)
    total = int(words[4:].sum()) + len(body) + 58
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    rows[:, 42:44] = np.array([total ^ 0xFFFF], ">u2").view(np.uint8)
    return rows


def carriers(first: int, count: int) -> Bytes:
    """GRE from another sender each, with another host inside."""
    inner = datagrams(1, b"eight...")[0].tobytes()
    rows = datagrams(count, bytes(4 - 4) + inner)
    rows[:, 9] = 47
    rows[:, 20:24] = (0, 0, 8, 0)
    rows[:, 24 : 24 + len(inner)] = np.frombuffer(inner, np.uint8)
    rows[:, 12:16] = public(first, count)
    rows[:, 16:20] = CLIENT
    rows[:, 36:40] = public(first, count)
    return rows


def connections(first: int, count: int) -> Bytes:
    """The beginning of an HTTP request on another TCP connection each."""
    rows = datagrams(count, b"seqnackn\x50\x18\xff\xff\0\0\0\0GET /index" + bytes(4))
    rows[:, 9] = 6
    rows[:, 16:20] = public(first, count)
    rows[:, 24:28] = 7
    rows[:, 32:34] = (0x50, 0x18)
    rows[:, 40:50] = np.frombuffer(b"GET /index", np.uint8)
    return rows


FLOODS: dict[str, Callable[[int, int], Bytes]] = {
    made.__name__: made
    for made in (
        flows, transactions, sockets, checks, permissions, crowds, channels, announcers, answers,
        queries, resolvers, names, fragments, handshakes, tunnels, prefixes, carriers, connections,
    )
}  # fmt: skip


def batches(kind: str, total: int) -> Iterator[RecordBatch]:
    """The flood, a microsecond between packets."""
    for first in range(0, total, CHUNK):
        count = min(CHUNK, total - first)
        rows = FLOODS[kind](first, count)
        size = rows.shape[1]
        number = np.arange(count, dtype=np.int64)
        yield RecordBatch(
            np.concatenate((rows.reshape(-1), np.zeros(128, np.uint8))),
            number * size,
            np.full(count, size, np.int64),
            np.full(count, size, np.int64),
            10**18 + (first + number) * 1000,
            first + number + 1,
            np.zeros(count, np.int32),
            np.full(count, RAW, np.int32),
        )


def analyze(kind: str, total: int) -> Document:
    """The report on a flood, made as that on a capture is."""
    analyzer = Analyzer(None, [Interface(0, 0, RAW, "eth0")])
    analyzer.state.captures.append(CaptureFacts("flood", "pcap"))
    with rare_collection():
        for batch in batches(kind, total):
            analyzer.add(batch)
        return analyzer.document()


if __name__ == "__main__":
    start = time.process_time()
    report = analyze(sys.argv[1], int(sys.argv[2]))
    told = {
        "seconds": time.process_time() - start,
        "megabytes": peak_megabytes(),
        "packets": report.statistics.packets,
        "limits": [finding.subject for finding in report.findings if finding.id == "PL901"],
    }
    json.dump(told, sys.stdout)
