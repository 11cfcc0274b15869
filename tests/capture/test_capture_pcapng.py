"""The cases that readers get wrong, each built here block by block."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from capture_files import (
    NAMES,
    PACKET,
    SECRETS,
    STATISTICS,
    Pcapng,
)

from pcapleak.capture import CaptureSource, open_capture
from pcapleak.values.packets import Direction, RecordBatch
from pcapleak.values.programs import Program

LE, BE = Pcapng("<"), Pcapng(">")
ORDERS = pytest.mark.parametrize("build", [LE, BE], ids=["little", "big"])
SECOND = 1_700_000_000


class Read:
    """All of a capture, row by row."""

    def __init__(self, path: Path, raw: bytes) -> None:
        path.write_bytes(raw)
        with open_capture(path) as self.source:
            self.batches = list(self.source)
        self.problems = self.source.problems
        self.truncated = self.source.truncated

    def column(self, name: str) -> list[int]:
        return [value for batch in self.batches for value in getattr(batch, name).tolist()]

    @property
    def payloads(self) -> list[bytes]:
        return [payload(batch, i) for batch in self.batches for i in range(len(batch))]


def payload(batch: RecordBatch, i: int) -> bytes:
    start = int(batch.offset[i])
    return batch.data[start : start + int(batch.captured_length[i])].tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "torture.pcapng"


def i64(build: Pcapng, value: int) -> bytes:
    return struct.pack(f"{build.order}q", value)


def u32(build: Pcapng, value: int) -> bytes:
    return struct.pack(f"{build.order}I", value)


@ORDERS
def test_each_interface_has_its_own_link_type_resolution_and_names(
    path: Path, build: Pcapng
) -> None:
    address4 = bytes([192, 0, 2, 1, 255, 255, 255, 0])
    address6 = bytes.fromhex("20010db8000000000000000000000001") + bytes([64])
    raw = build.section()
    raw += build.interface(
        1, 96, (2, b"eth0"), (3, b"the wire"), (4, address4), (5, address6), (9, b"\x09")
    )
    raw += build.interface(101, 0, (2, b"wg0"))
    raw += build.packet(b"on the wire", SECOND * 10**9 + 1, 0, original=1000)
    raw += build.packet(b"tunnelled", SECOND * 10**6 + 2, 1)
    read = Read(path, raw)
    assert read.payloads == [b"on the wire", b"tunnelled"]
    assert read.column("link_type") == [1, 101]
    assert read.column("interface") == [0, 1]
    assert read.column("ts_ns") == [SECOND * 10**9 + 1, SECOND * 10**9 + 2000]
    assert read.column("original_length") == [1000, 9]
    eth, wg = read.source.interfaces
    assert (eth.name, eth.description, eth.snap_length) == ("eth0", "the wire", 96)
    assert eth.addresses == ("192.0.2.1/24", "2001:db8::1/64")
    assert (wg.name, wg.link_type, wg.id) == ("wg0", 101, 1)
    assert read.problems == []


@ORDERS
def test_an_interface_tells_its_filter_its_device_and_its_system(path: Path, build: Pcapng) -> None:
    raw = build.section()
    raw += build.interface(
        1, 0, (6, bytes.fromhex("020000000001")), (11, b"\0tcp port 443"),
        (12, b"Linux 6.1.0"), (15, b"Intel(R) Ethernet"),
    )  # fmt: skip
    raw += build.interface(1, 0, (6, b"short"), (11, b"\1" + bytes(16)))
    raw += build.interface(1, 0, (11, b"\0"), (12, b""))
    raw += build.packet(b"x", SECOND)
    told, compiled, empty = Read(path, raw).source.interfaces
    assert (told.mac, told.filter) == ("02:00:00:00:00:01", "tcp port 443")
    assert (told.system, told.hardware) == ("Linux 6.1.0", "Intel(R) Ethernet")
    assert (compiled.mac, compiled.filter) == (None, "compiled filter of kind 1")
    assert (empty.filter, empty.system, empty.hardware) == (None, None, None)


@ORDERS
@pytest.mark.parametrize(
    ("resolution", "ticks", "offset", "expected_ns"),
    [
        (6, SECOND * 10**6 + 1, None, SECOND * 10**9 + 1000),
        (9, SECOND * 10**9 + 72, None, SECOND * 10**9 + 72),
        (3, SECOND * 1000 + 5, None, SECOND * 10**9 + 5_000_000),
        (0, SECOND, None, SECOND * 10**9),
        (12, 18_000_000_123_456, None, 18_000_000_123),
        (0x80 | 10, SECOND * 1024 + 512, None, SECOND * 10**9 + 500_000_000),
        (0x80 | 32, (SECOND << 32) + (1 << 31), None, SECOND * 10**9 + 500_000_000),
        (6, 1, SECOND, SECOND * 10**9 + 1000),
        (9, SECOND * 10**9 + 10 * 10**9, -10, SECOND * 10**9),
    ],
)
def test_time_resolution_in_either_base_and_offset(
    path: Path, build: Pcapng, resolution: int, ticks: int, offset: int | None, expected_ns: int
) -> None:
    options = [(9, bytes([resolution]))]
    if offset is not None:
        options.append((14, i64(build, offset)))
    raw = build.section() + build.interface(1, 0, *options) + build.packet(b"x", ticks)
    assert Read(path, raw).column("ts_ns") == [expected_ns]


@ORDERS
def test_simple_packets_have_the_first_interface_and_no_time_of_their_own(
    path: Path, build: Pcapng
) -> None:
    raw = build.section() + build.interface(113, 4) + build.interface(1)
    raw += build.simple(b"before")
    raw += build.packet(b"timed", SECOND * 10**6, 1)
    raw += build.simple(b"long one", original=900) + build.simple(b"abc")
    read = Read(path, raw)
    # Cut to the interface's snap length of 4; what else the block holds is padding.
    assert read.payloads == [b"befo", b"timed", b"long", b"abc"]
    assert read.column("original_length") == [6, 5, 900, 3]
    assert read.column("interface") == [0, 1, 0, 0]
    assert read.column("link_type") == [113, 1, 113, 113]
    assert read.column("ts_ns") == [0, *[SECOND * 10**9] * 3]
    assert len(read.problems) == 1


@ORDERS
def test_the_obsolete_packet_block_is_read(path: Path, build: Pcapng) -> None:
    raw = build.section() + build.interface(1) + build.interface(101)
    raw += build.obsolete(b"old", SECOND * 10**6, interface=1, drops=9)
    raw += build.packet(b"new", SECOND * 10**6)
    read = Read(path, raw)
    assert read.payloads == [b"old", b"new"]
    assert read.column("interface") == [1, 0]
    assert read.column("ts_ns") == [SECOND * 10**9] * 2


def test_sections_of_mixed_byte_order_start_anew(path: Path) -> None:
    """Interfaces of a section end with it; ids in the shared list go on."""
    raw = LE.section() + LE.interface(1, 0, (2, b"a"), (9, b"\x09"))
    raw += LE.packet(b"one", SECOND * 10**9)
    raw += BE.section() + BE.interface(101, 0, (2, b"b")) + BE.interface(113)
    raw += BE.packet(b"two", SECOND * 10**6, 0) + BE.packet(b"three", SECOND * 10**6, 1)
    raw += LE.section() + LE.interface(12) + LE.packet(b"four", SECOND * 10**6)
    read = Read(path, raw)
    assert read.payloads == [b"one", b"two", b"three", b"four"]
    assert read.column("interface") == [0, 1, 2, 3]
    assert read.column("link_type") == [1, 101, 113, 12]
    assert read.column("ts_ns") == [SECOND * 10**9] * 4
    assert read.column("frame") == [1, 2, 3, 4]
    assert (read.truncated, read.problems) == (False, [])
    assert len(read.batches) == 1


def test_sections_by_the_thousand_become_one_batch(path: Path) -> None:
    one = LE.section() + LE.interface(1) + LE.packet(b"x", 1)
    other = BE.section() + BE.interface(1) + BE.packet(b"y", 1)
    read = Read(path, (one + other) * 10_000)
    assert len(read.batches) == 1
    assert len(read.payloads) == 20_000
    assert read.column("interface") == list(range(20_000))


@ORDERS
def test_comments_directions_and_processes_of_packets(path: Path, build: Pcapng) -> None:
    process = build.block(0x80000001, u32(build, 4242) + build.options((2, b"chrome")))
    raw = build.section((1, b"about all")) + build.interface(1) + process
    raw += build.packet(b"plain", 1)
    raw += build.packet(b"in", 2, 0, (1, "grüße".encode()), (2, u32(build, 1)))
    raw += build.packet(b"out!", 3, 0, (2, u32(build, 2)), (1, b"one"), (1, b"two"))
    raw += build.packet(b"whose", 4, 0, (0x8001, u32(build, 0)))
    raw += build.packet(b"nobody's", 5, 0, (0x8001, u32(build, 7)), (2989, b"custom"))
    read = Read(path, raw)
    (batch,) = read.batches
    assert read.payloads == [b"plain", b"in", b"out!", b"whose", b"nobody's"]
    assert batch.comments == {1: "grüße", 2: "one\ntwo"}
    assert batch.programs == {3: Program("chrome", 4242)}
    assert batch.direction is not None
    assert batch.direction.tolist() == [0, Direction.INBOUND, Direction.OUTBOUND, 0, 0]
    assert read.source.comments == ["about all"]


@ORDERS
def test_names_secrets_and_drops_are_kept_and_the_unknown_skipped(
    path: Path, build: Pcapng
) -> None:
    names = build.options(
        (1, bytes([192, 0, 2, 9]) + b"one.example\0two.example\0"),
        (2, bytes.fromhex("20010db8000000000000000000000009") + b"six.example\0"),
        (99, b"unknown"),
    )
    log = b"CLIENT_RANDOM 00 11\n"
    secrets = struct.pack(f"{build.order}II", 0x544C534B, len(log)) + log
    counts = u32(build, 0) + bytes(8) + build.options((5, struct.pack(f"{build.order}Q", 17)))
    raw = build.section() + build.interface(1) + build.block(NAMES, names)
    raw += build.block(SECRETS, secrets) + build.block(0xBEEF, b"unheard of")
    raw += build.packet(b"x", 1) + build.block(STATISTICS, counts)
    read = Read(path, raw)
    assert read.payloads == [b"x"]
    assert read.source.names == {
        "192.0.2.9": ("one.example", "two.example"),
        "2001:db8::9": ("six.example",),
    }
    assert read.source.secrets == [log]
    assert read.source.interfaces[0].drops == 17
    assert read.column("frame") == [1]
    assert read.problems == []


@ORDERS
def test_frames_are_numbered_as_wireshark_does(path: Path, build: Pcapng) -> None:
    """Custom blocks and journal entries are frames there, without being packets."""
    custom = build.block(0xBAD, u32(build, 32473) + b"ours")
    journal = build.block(9, b"MESSAGE=hello\n")
    raw = build.section() + build.interface(1) + build.packet(b"a", 1)
    raw += custom + journal + build.packet(b"b", 1)
    assert Read(path, raw).column("frame") == [1, 4]


@ORDERS
def test_an_undefined_interface_costs_only_its_packet(path: Path, build: Pcapng) -> None:
    raw = build.section() + build.interface(1)
    raw += build.packet(b"good", 1) + build.packet(b"bad", 2, 5) + build.packet(b"early", 2, 1)
    raw += build.interface(1) + build.packet(b"late", 3, 1)
    read = Read(path, raw)
    assert read.payloads == [b"good", b"late"]
    assert read.column("frame") == [1, 4]
    assert read.problems == [
        "a packet names an interface that was not defined (2 times, first frame 2)"
    ]
    assert not read.truncated


@ORDERS
def test_no_interface_at_all_loses_the_packets_not_the_run(path: Path, build: Pcapng) -> None:
    read = Read(path, build.section() + build.packet(b"x", 1) + build.simple(b"y"))
    assert read.payloads == []
    assert len(read.problems) == 1


@ORDERS
def test_a_packet_longer_than_its_block_ends_with_it(path: Path, build: Pcapng) -> None:
    raw = build.section() + build.interface(1)
    raw += build.packet(b"12345678", 1, captured=4000, original=4000) + build.packet(b"next", 2)
    read = Read(path, raw)
    assert read.payloads == [b"12345678", b"next"]
    assert read.column("original_length") == [4000, 4]
    assert "claims more bytes" in read.problems[0]


@ORDERS
def test_a_packet_block_too_short_for_its_header_is_passed_over(path: Path, build: Pcapng) -> None:
    raw = build.section() + build.interface(1)
    raw += build.block(PACKET, bytes(8)) + build.packet(b"next", 2)
    read = Read(path, raw)
    assert read.payloads == [b"next"]
    assert "too short" in read.problems[0]


@ORDERS
@pytest.mark.parametrize("length", [0, 4, 11, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_senseless_block_length_ends_the_capture_with_a_reason(
    path: Path, build: Pcapng, length: int
) -> None:
    raw = build.section() + build.interface(1) + build.packet(b"good", 1)
    raw += u32(build, PACKET) + u32(build, length) + bytes(200)
    read = Read(path, raw)
    assert read.payloads == [b"good"]
    assert read.truncated
    assert "length makes no sense" in read.problems[0]


@ORDERS
def test_a_block_length_that_forgot_the_padding_is_forgiven(path: Path, build: Pcapng) -> None:
    data = b"12345"
    head = struct.pack(f"{build.order}IIIII", 0, 0, 1, len(data), len(data))
    length = u32(build, 12 + len(head) + len(data))
    block = u32(build, PACKET) + length + head + data + bytes(3) + length
    read = Read(path, build.section() + build.interface(1) + block + build.packet(b"next", 2))
    assert read.payloads == [data, b"next"]
    assert read.problems == []


@ORDERS
def test_every_cut_reports_what_precedes_it(path: Path, build: Pcapng) -> None:
    blocks = [
        build.section(),
        build.interface(1),
        build.packet(b"one", 1, 0, (1, b"comment")),
        build.packet(b"two", 2),
    ]
    raw = b"".join(blocks)
    ends = [sum(map(len, blocks[: i + 1])) for i in range(4)]
    for size in range(ends[0], len(raw)):
        read = Read(path, raw[:size])
        assert len(read.payloads) == sum(size >= end for end in ends[2:])
        assert read.truncated == (size not in ends)


@ORDERS
def test_damaged_options_cost_only_themselves(path: Path, build: Pcapng) -> None:
    long = struct.pack(f"{build.order}HH", 2, 60000)
    raw = build.section() + build.interface(1)
    data = struct.pack(f"{build.order}IIIII", 0, 0, 1, 4, 4) + b"data"
    raw += build.block(PACKET, data + long + bytes(4))
    raw += build.block(PACKET, data + struct.pack(f"{build.order}HH", 7, 0) * 5000)
    raw += build.block(1, bytes(2)) + build.block(NAMES, bytes(1)) + build.packet(b"next", 2)
    read = Read(path, raw)
    assert read.payloads == [b"data", b"data", b"next"]
    assert any("256th" in problem for problem in read.problems)
    assert any("shorter than its kind" in problem for problem in read.problems)


def test_interfaces_are_bounded(path: Path) -> None:
    read = Read(path, LE.section() + LE.interface(1) * 65_540 + LE.packet(b"x", 1, 65_539))
    assert len(read.source.interfaces) == 65_536
    assert read.payloads == []
    assert len(read.problems) == 2


def test_what_interfaces_say_of_themselves_is_bounded(path: Path) -> None:
    """Half a megabyte of gz would become hundreds of megabytes of report."""
    build = Pcapng()
    said = [(2, b"n" * 300), (3, b"d" * 300), (15, b"h" * 300)]
    path.write_bytes(build.section() + build.interface(1, 0, *said) * 9000 + build.packet(b"p"))
    with open_capture(path) as source:
        assert sum(map(len, source)) == 1
        sizes = [len(one.name or "") + len(one.description or "") for one in source.interfaces]
        assert sizes[0] == 512 and sizes[-1] == 0
        assert any("names and descriptions beyond 2 MiB" in text for text in source.problems)


def test_captures_share_one_list_of_interfaces(tmp_path: Path) -> None:
    shared: list = []
    for number in range(2):
        path = tmp_path / f"{number}.pcapng"
        path.write_bytes(LE.section() + LE.interface(1) + LE.packet(b"x", 1))
        with open_capture(path, interfaces=shared, capture=number) as source:
            (batch,) = source
            assert batch.interface.tolist() == [number]
    assert [(one.id, one.capture) for one in shared] == [(0, 0), (1, 1)]


def test_a_large_file_is_the_same_in_windows(path: Path) -> None:
    """More than two windows of blocks, among them other blocks, options and interfaces."""
    parts = [LE.section(), LE.interface(1), LE.interface(101, 0, (9, b"\x09"))]
    for i in range(60_000):
        options = ((2, u32(LE, 1 + i % 2)),) if i % 3 == 0 else ()
        scale = 1000 if i % 2 else 1
        parts.append(LE.packet(i.to_bytes(4, "big") * 300, i * scale, i % 2, *options))
        if i % 1000 == 0:
            parts.append(LE.block(0xBEEF, b"skip me"))
    read = Read(path, b"".join(parts))
    first = [
        batch.data[batch.offset[:, None] + np.arange(4)].copy().view(">u4")[:, 0]
        for batch in read.batches
    ]
    assert np.array_equal(np.concatenate(first), np.arange(60_000))
    assert read.column("ts_ns") == [i * 1000 for i in range(60_000)]
    assert read.column("interface") == [i % 2 for i in range(60_000)]
    directions = read.column("direction")
    assert directions == [1 + i % 2 if i % 3 == 0 else 0 for i in range(60_000)]
    assert len(read.batches) > 2
    assert isinstance(read.source, CaptureSource)
