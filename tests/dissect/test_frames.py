"""Link layers: by columns, and by columns just as one by one."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import dpkt
import numpy as np
import pytest
from packet_bytes import batch_of, dissect, ethernet, ipv4, ipv6, read_capture, udp

from pcapleak.dissect import Dissector
from pcapleak.dissect.header_steps import LINK_LAYERS
from pcapleak.dissect.layers import find_ip
from pcapleak.dissect.link_frames import FrameReader
from pcapleak.values.packets import Direction, Interface

PACKET = ipv4(udp(b"hello"))
PACKET6 = ipv6(udp(b"hello"))
TAG = struct.pack("!HH", 5, 0x0800)

SLL_HEAD = struct.pack("!HHH8sH", 4, 772, 6, bytes(8), 0x0800)
RADIOTAP = bytes.fromhex("00000c000400000002000000")
DATA_FRAME = bytes.fromhex("0801") + bytes(22)
QOS_FRAME = bytes.fromhex("8801") + bytes(24)
SNAP = bytes.fromhex("aaaa03000000")


@pytest.mark.parametrize(
    ("link_type", "frame"),
    [
        pytest.param(1, ethernet(PACKET), id="ethernet"),
        pytest.param(1, ethernet(TAG + PACKET, 0x8100), id="802.1Q"),
        pytest.param(1, ethernet(struct.pack("!HH", 9, 0x8100) + TAG + PACKET, 0x88A8), id="QinQ"),
        pytest.param(1, ethernet(SNAP + b"\x08\x00" + PACKET, 40), id="802.3 SNAP"),
        pytest.param(1, ethernet(b"\x06\x06\x03" + PACKET, 40), id="802.2 IP"),
        pytest.param(1, ethernet(bytes.fromhex("0000103f0000113f") + PACKET, 0x8847), id="MPLS"),
        pytest.param(
            1,
            ethernet(bytes.fromhex("0000113f00000000") + ethernet(PACKET), 0x8847),
            id="MPLS pseudowire",
        ),
        pytest.param(1, ethernet(bytes.fromhex("1100000100200021") + PACKET, 0x8864), id="PPPoE"),
        pytest.param(
            1, ethernet(bytes.fromhex("11000001001f21") + PACKET, 0x8864), id="PPPoE compressed"
        ),
        pytest.param(
            1,
            ethernet(bytes.fromhex("800100058100") + TAG + PACKET, 0x8926),
            id="VN-Tag",
        ),
        pytest.param(1, ethernet(bytes(6) + b"\x81\x00" + TAG + PACKET, 0x893F), id="E-Tag"),
        pytest.param(1, ethernet(PACKET + bytes(18)), id="padded"),
        pytest.param(101, PACKET, id="raw"),
        pytest.param(12, PACKET, id="raw 12"),
        pytest.param(228, PACKET, id="ipv4"),
        pytest.param(0, struct.pack("<I", 2) + PACKET, id="NULL little-endian"),
        pytest.param(0, struct.pack(">I", 2) + PACKET, id="NULL big-endian"),
        pytest.param(108, struct.pack(">I", 2) + PACKET, id="LOOP"),
        pytest.param(113, SLL_HEAD + PACKET, id="SLL"),
        pytest.param(
            276, struct.pack("!HHIHBB8s", 0x0800, 0, 3, 1, 0, 6, bytes(8)) + PACKET, id="SLL2"
        ),
        pytest.param(9, bytes.fromhex("ff030021") + PACKET, id="PPP"),
        pytest.param(9, b"\x21" + PACKET, id="PPP compressed"),
        pytest.param(50, bytes.fromhex("0f000800") + PACKET, id="Cisco HDLC"),
        pytest.param(104, bytes.fromhex("0f000800") + PACKET, id="C_HDLC"),
        pytest.param(105, DATA_FRAME + SNAP + b"\x08\x00" + PACKET, id="802.11"),
        pytest.param(105, QOS_FRAME + SNAP + b"\x08\x00" + PACKET, id="802.11 QoS"),
        pytest.param(127, RADIOTAP + DATA_FRAME + SNAP + b"\x08\x00" + PACKET, id="radiotap"),
        pytest.param(
            127,
            bytes.fromhex("00000a000200000020 00".replace(" ", ""))
            + QOS_FRAME
            + bytes(2)
            + SNAP
            + b"\x08\x00"
            + PACKET,
            id="radiotap padded",
        ),
        pytest.param(
            192,
            struct.pack("<BBHI", 0, 0, 8, 105) + DATA_FRAME + SNAP + b"\x08\x00" + PACKET,
            id="PPI",
        ),
        pytest.param(258, struct.pack("<III", 16, 1, 1) + bytes(4) + ethernet(PACKET), id="PKTAP"),
        pytest.param(
            239,
            b"\x02\x00\x00\x00"
            + struct.pack("<HHI", 8, 1, 0)
            + struct.pack("<HH", 4 + len(PACKET), 9)
            + PACKET,
            id="NFLOG",
        ),
        pytest.param(107, bytes.fromhex("184103cc") + PACKET, id="frame relay"),
        pytest.param(8, bytes(16) + PACKET, id="SLIP"),
        pytest.param(10, bytes(13) + SNAP + b"\x08\x00" + PACKET, id="FDDI"),
    ],
)
def test_every_link_type_leads_to_the_packet(link_type: int, frame: bytes) -> None:
    packets = dissect([frame], link_type)
    assert len(packets) == 1
    assert str(packets.source(0)) == "192.0.2.1:1000"
    assert str(packets.destination(0)) == "198.51.100.2:2000"
    assert packets.payload(0) == b"hello"


@pytest.mark.parametrize(
    ("link_type", "head"),
    [
        (1, bytes(12) + b"\x86\xdd"),
        (101, b""),
        (229, b""),
        (0, struct.pack("<I", 30)),
        (0, struct.pack(">I", 24)),
        (113, SLL_HEAD[:-2] + b"\x86\xdd"),
        (9, bytes.fromhex("ff030057")),
    ],
)
def test_ipv6_is_found_on_every_link_type(link_type: int, head: bytes) -> None:
    packets = dissect([head + PACKET6], link_type)
    assert str(packets.source(0)) == "[2001:db8::1]:1000"
    assert packets.payload(0) == b"hello"


def test_an_unknown_link_type_is_counted_and_never_fails() -> None:
    dissector = Dissector([Interface(0, 0, 147)])
    packets = dissector.dissect(batch_of([PACKET, PACKET6, ethernet(PACKET)], [147, 147, 1]))
    assert packets.frame.tolist() == [3]
    assert dissector.skipped == {"link type 147": 2}


def test_frames_that_end_in_a_link_header_carry_nothing() -> None:
    whole = ethernet(struct.pack("!HH", 9, 0x8100) + TAG + PACKET, 0x88A8)
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of([whole[:size] for size in range(22)]))
    assert not len(packets)
    assert dissector.counters["no network header"] == 22


def test_tags_nested_without_end_are_given_up() -> None:
    assert not len(dissect([ethernet(struct.pack("!HH", 9, 0x8100) * 30 + TAG + PACKET, 0x8100)]))


def test_cooked_captures_tell_direction_and_hardware_type() -> None:
    frames = [struct.pack("!H", kind) + SLL_HEAD[2:] + PACKET for kind in (0, 1, 2, 3, 4, 9)]
    interfaces = [Interface(0, 0, 113)]
    packets = Dissector(interfaces).dissect(batch_of(frames, 113))
    inward, outward = Direction.INBOUND, Direction.OUTBOUND
    assert packets.direction.tolist() == [inward, inward, inward, 0, outward, 0]
    assert [(one.parent, one.hardware_type) for one in interfaces] == [(None, None), (0, 772)]


def test_a_cooked_recording_without_numbers_is_split_by_kind_of_hardware() -> None:
    interfaces = [Interface(0, 0, 113)]
    kinds = (1, 65534, 1, 772)
    frames = [struct.pack("!HH", 0, kind) + SLL_HEAD[4:] + PACKET for kind in kinds]
    packets = Dissector(interfaces).dissect(batch_of(frames, 113))
    assert packets.interface.tolist() == [1, 2, 1, 3]
    assert [one.hardware_type for one in interfaces[1:]] == [1, 65534, 772]
    assert [one.packets for one in interfaces[1:]] == [2, 1, 1]


def sll2(index: int, hardware_type: int, kind: int) -> bytes:
    return struct.pack("!HHIHBB8s", 0x0800, 0, index, hardware_type, kind, 6, bytes(8)) + PACKET


def test_an_any_recording_is_split_by_interface_index() -> None:
    interfaces = [Interface(0, 3, 276)]
    dissector = Dissector(interfaces)
    packets = dissector.dissect(
        batch_of([sll2(7, 1, 4), sll2(2, 65534, 0), sll2(7, 1, 0), sll2(2, 65534, 4)], 276)
    )
    assert packets.interface.tolist() == [1, 2, 1, 2]
    assert packets.direction.tolist() == [2, 1, 1, 2]
    assert [(i.id, i.capture, i.parent, i.index, i.hardware_type) for i in interfaces[1:]] == [
        (1, 3, 0, 7, 1),
        (2, 3, 0, 2, 65534),
    ]
    dissector.dissect(batch_of([sll2(2, 65534, 0), sll2(9, 772, 0)], 276))
    assert [(i.index, i.packets) for i in interfaces[1:]] == [(7, 2), (2, 3), (9, 1)]


def test_sub_interfaces_are_bounded() -> None:
    interfaces = [Interface(0, 0, 276)]
    packets = Dissector(interfaces).dissect(
        batch_of([sll2(index, 1, 0) for index in range(5000)], 276)
    )
    assert len(interfaces) == 1 + 4096
    assert set(packets.interface[4096:].tolist()) == {0}


def test_columns_and_single_packets_find_the_same_headers(corpus: Path) -> None:
    """Both paths, over every frame of the corpus whose link type both can read."""
    seen = 0
    for path in sorted((corpus / "public").iterdir()):
        interfaces, batches = read_capture(path)
        reader = FrameReader(interfaces, Counter())
        for batch in batches:
            frames = reader.read(batch)
            for row, kind in enumerate(batch.link_type.tolist()):
                layer = LINK_LAYERS.get(kind)
                if kind not in (0, 1, 12, 14, 101, 108, 113, 228, 229) or layer is None:
                    continue
                start, end = int(batch.offset[row]), int(frames.end[row])
                one = find_ip(batch.data[start:end].tobytes(), layer, 0)
                ethertype = int(frames.ethertype[row])
                both = (ethertype, int(frames.start[row]) - start)
                # Where a frame ends at the header the columns keep an empty packet.
                if ethertype not in (0x0800, 0x86DD) or start + both[1] >= end:
                    assert one is None or start + one[1] >= end, (path.name, row)
                else:
                    assert one == both, (path.name, row)
                seen += 1
    assert seen > 50_000


def test_dpkt_reads_the_same_link_layers(corpus: Path) -> None:
    """Another program's reading of Ethernet, SLL, NULL and 802.11 leads to the same bytes."""
    seen: Counter[int] = Counter()
    for name in (
        "public/zeek__q-in-q.pcap",
        "public/arkime__pppoe.pcap",
        "public/zeek__wikipedia.pcap",
        "public/tcpdump__loopback.pcap",
        "public/ndpi__stun.pcap",
        "browser/direct.any.pcap",
        "browser/loop.any.pcap",
    ):
        if not (corpus / name).exists():
            continue
        interfaces, batches = read_capture(corpus / name)
        reader = FrameReader(interfaces, Counter())
        for batch in batches:
            frames = reader.read(batch)
            for row in np.flatnonzero(np.isin(frames.ethertype, (0x0800, 0x86DD))).tolist():
                octets = batch.data[int(batch.offset[row]) : int(frames.end[row])].tobytes()
                kind = int(batch.link_type[row])
                decode = {
                    0: dpkt.loopback.Loopback,
                    1: dpkt.ethernet.Ethernet,
                    113: dpkt.sll.SLL,
                    276: dpkt.sll2.SLL2,
                }.get(kind)
                if decode is None:
                    continue
                layer = decode(octets)
                while not isinstance(layer, dpkt.ip.IP | dpkt.ip6.IP6 | bytes):
                    layer = layer.data
                if isinstance(layer, bytes):
                    continue
                at = int(frames.start[row])
                addresses = batch.data[at + (12 if layer.__class__ is dpkt.ip.IP else 8) :]
                assert addresses[: len(layer.src)].tobytes() == layer.src
                seen[kind] += 1
    assert seen[1] > 100
    assert seen[276] > 100


def pktap_head(name: bytes, link_type: int, flags: int) -> bytes:
    head = struct.pack("<III24sI", 108, 1, link_type, name, flags)
    return head.ljust(108, b"\0")


def test_pktap_names_the_interface_of_each_packet_and_its_direction() -> None:
    frames = [
        pktap_head(b"en0", 1, 2) + ethernet(PACKET),
        pktap_head(b"utun4\0rubbish", 0, 1) + struct.pack("<I", 2) + PACKET,
        pktap_head(b"en0", 1, 1) + ethernet(PACKET),
        pktap_head(b"utun4", 0, 0) + struct.pack("<I", 30) + PACKET6,
    ]
    interfaces = [Interface(0, 0, 258, name="pktap")]
    packets = Dissector(interfaces).dissect(batch_of(frames, 258))
    assert packets.interface.tolist() == [1, 2, 1, 2]
    assert packets.version.tolist() == [4, 4, 4, 6]
    assert packets.direction.tolist() == [2, 1, 1, 0]
    assert [(one.name, one.link_type, one.parent, one.packets) for one in interfaces[1:]] == [
        ("en0", 1, 0, 2),
        ("utun4", 0, 0, 2),
    ]


SENDER = bytes.fromhex("02004c4f4f50")
SENDER_NUMBER = 0x02004C4F4F50


@pytest.mark.parametrize(
    ("link_type", "frame", "known"),
    [
        (1, bytes(6) + SENDER + b"\x08\x00" + PACKET, True),
        (1, bytes(6) + SENDER + b"\x81\x00" + TAG + PACKET, True),
        (113, struct.pack("!HHH8sH", 4, 1, 6, SENDER, 0x0800) + PACKET, True),
        (113, struct.pack("!HHH8sH", 4, 65534, 0, SENDER, 0x0800) + PACKET, False),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 3, 1, 4, 6, SENDER) + PACKET, True),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 3, 512, 4, 0, SENDER) + PACKET, False),
        (101, PACKET, False),
        (258, pktap_head(b"en0", 1, 2) + bytes(6) + SENDER + b"\x08\x00" + PACKET, True),
    ],
)
def test_the_sender_of_a_frame_is_known_where_its_link_layer_tells_it(
    link_type: int, frame: bytes, known: bool
) -> None:
    packets = dissect([frame], link_type)
    assert packets.source_link.tolist() == [SENDER_NUMBER if known else 0]
    assert packets.hop_limit.tolist() == [64]


def test_what_came_inside_another_packet_has_no_sender_on_the_link() -> None:
    inner = ipv4(udp(b"x"), 17, "10.0.0.1", "10.0.0.2")
    frame = bytes(6) + SENDER + b"\x08\x00" + ipv4(inner, 4)
    packets = dissect([frame])
    assert packets.encapsulation.tolist() == [1]
    assert packets.source_link.tolist() == [0]
