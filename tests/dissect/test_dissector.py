"""IP, transport, tunnels, fragments and ICMP errors, however a capture is cut."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_bytes import (
    DESTINATION,
    SOURCE,
    batch_of,
    cut,
    dissect,
    ethernet,
    ipv4,
    ipv6,
    read_capture,
    rows_of,
    tcp,
    udp,
)

from pcapleak.dissect import Dissector, decode_icmp_quote
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Interface, PacketFlag


def raw(*packets: bytes) -> list[bytes]:
    return [ethernet(p, 0x86DD if p[0] >> 4 == 6 else 0x0800) for p in packets]


def extension(following: int, size: int = 8) -> bytes:
    return bytes([following, size // 8 - 1]) + bytes(size - 2)


def fragment(following: int, offset: int, more: bool, identification: int = 77) -> bytes:
    return struct.pack("!BBHI", following, 0, offset | more, identification)


def test_ipv4_options_are_stepped_over() -> None:
    packets = dissect(raw(ipv4(udp(b"data"), options=bytes(12)), ipv4(tcp(b"text"), 6)))
    assert [packets.payload(i) for i in (0, 1)] == [b"data", b"text"]
    assert packets.tcp_seq.tolist() == [0, 7]
    assert packets.tcp_flags.tolist() == [0, 16]


def test_padding_behind_a_datagram_is_not_payload() -> None:
    packets = dissect([raw(ipv4(udp(b"ab")))[0] + bytes(20)])
    assert packets.payload(0) == b"ab"
    assert packets.flags.tolist() == [0]


@pytest.mark.parametrize(
    "chain",
    [
        [0],
        [43],
        [60, 43, 60],
        [0, 60, 43, 44, 51, 60, 135],
        [60] * 100,
    ],
    ids=str,
)
def test_ipv6_extension_headers_are_stepped_over(chain: list[int]) -> None:
    body = udp(b"inside")
    following = 17
    for kind in reversed(chain):
        if kind == 44:
            body = fragment(following, 0, more=False) + body
        elif kind == 51:
            body = bytes([following, 4]) + bytes(22) + body
        else:
            body = extension(following, 16) + body
        following = kind
    packets = dissect(raw(ipv6(body, following)))
    assert packets.protocol.tolist() == [17]
    assert packets.payload(0) == b"inside"
    assert packets.flags.tolist() == [0]


def test_extension_headers_without_end_are_malformed() -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of(raw(ipv6(extension(60) * 200, 60))))
    assert packets.flags.tolist() == [PacketFlag.MALFORMED]
    assert len(dissector.malformed) == 1


def test_an_authentication_header_of_ipv4_is_stepped_over() -> None:
    packets = dissect(raw(ipv4(bytes([17, 4]) + bytes(22) + udp(b"x"), 51)))
    assert packets.payload(0) == b"x"


def test_a_cut_packet_is_truncated_and_not_malformed() -> None:
    whole = raw(ipv4(udp(b"a long payload")))[0]
    frames = [whole[:size] for size in (48, 42, 38, 36)]
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of(frames, original=[len(whole)] * 4))
    assert packets.flags.tolist() == [PacketFlag.TRUNCATED] * 4
    assert packets.payload_length.tolist() == [6, 0, 0, 0]
    assert packets.payload_declared.tolist() == [14] * 4
    assert packets.source_port.tolist() == [1000, 1000, 1000, 0]
    assert not dissector.malformed


def test_a_header_behind_the_snap_length_is_skipped_with_its_reason() -> None:
    whole = raw(ipv4(udp(b"x")))[0]
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of([whole[:30], whole[:30]], original=[len(whole), 30]))
    assert not len(packets)
    assert dissector.skipped == {
        "ipv4 header cut by the snap length": 1,
        "malformed ipv4 header": 1,
    }
    assert [frame for frame, _ in dissector.malformed] == [2]


@pytest.mark.parametrize(
    ("packet", "protocol"),
    [
        (ipv4(udp(b"xy"))[:-2], "udp"),
        (ipv4(struct.pack("!HHHH", 1, 2, 4, 0)), "udp"),
        (ipv4(struct.pack("!HHHH", 1, 2, 99, 0)), "udp"),
        (ipv4(tcp()[:12] + b"\x10" + tcp()[13:], 6), "tcp"),
        (ipv4(tcp()[:12] + b"\xf0" + tcp()[13:], 6), "tcp"),
    ],
    ids=["ip length", "udp length small", "udp length large", "tcp offset small", "tcp offset"],
)
def test_lengths_that_contradict_the_packet_are_malformed(packet: bytes, protocol: str) -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of(raw(packet)))
    assert packets.flags.tolist() == [PacketFlag.MALFORMED]
    assert [(frame, error.protocol) for frame, error in dissector.malformed] == [(1, protocol)]


def test_a_length_of_zero_is_an_offloaded_packets() -> None:
    packet = bytearray(ipv4(tcp(b"segment"), 6))
    packet[2:4] = bytes(2)
    large = bytearray(ipv6(udp(b"jumbo")))
    large[4:6] = bytes(2)
    packets = dissect(raw(bytes(packet), bytes(large)))
    assert [packets.payload(i) for i in (0, 1)] == [b"segment", b"jumbo"]
    assert packets.flags.tolist() == [0, 0]


def parts_of(data: bytes, sizes: list[int], version: int = 4) -> list[bytes]:
    made, offset = [], 0
    for size in sizes:
        more = offset + size < len(data)
        piece = data[offset : offset + size]
        if version == 4:
            made.append(ipv4(piece, offset=offset, more=more))
        else:
            made.append(ipv6(fragment(17, offset, more) + piece, 44))
        offset += size
    return made


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 1, 1, 2]], ids=str)
def test_a_fragmented_datagram_is_whole_in_the_row_of_its_last_fragment(
    version: int, order: list[int]
) -> None:
    payload = bytes(range(56)) * 2
    parts = parts_of(udp(payload, 5353, 5353), [48, 48, 24], version)
    packets = dissect(raw(*(parts[i] for i in order)))
    last = len(order) - 1
    assert packets.flags.tolist() == [PacketFlag.FRAGMENT] * last + [PacketFlag.REASSEMBLED]
    assert packets.payload(last) == payload
    assert packets.payload_declared[last] == len(payload)
    assert str(packets.destination(last)).endswith(":5353")
    assert len(packets.data) >= packets.payload_offset[last] + len(payload) + 128


def test_a_tunnel_in_fragments_is_entered_when_it_is_whole() -> None:
    gre = b"\0\0\x08\0" + ipv4(udp(bytes(96), 40000, 443), 17, "10.0.0.1", "198.51.100.2")
    parts = [
        ipv4(gre[start : start + 48], 47, offset=start, more=start + 48 < len(gre))
        for start in range(0, len(gre), 48)
    ]
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of(raw(*parts)))
    assert packets.flags.tolist()[:-1] == [PacketFlag.FRAGMENT] * (len(parts) - 1)
    last = len(parts) - 1
    assert (str(packets.source(last)), str(packets.destination(last))) == (
        "10.0.0.1:40000",
        "198.51.100.2:443",
    )
    assert packets.payload(last) == bytes(96)
    outer = dissector.encapsulations[int(packets.encapsulation[last])]
    assert outer is not None
    assert outer.kind == "gre"


def test_fragments_of_two_protocols_under_one_identification_are_two_datagrams() -> None:
    payload, inner = bytes(range(88)), bytes(range(64))
    gre = b"\0\0\x08\0" + ipv4(udp(inner), 17, "10.0.0.1", "198.51.100.2")
    one, other = udp(payload), gre
    assert len(one) == len(other) == 96
    parts = [
        ipv4(data[start : start + 48], protocol, offset=start, more=not start)
        for start in (0, 48)
        for data, protocol in ((one, 17), (other, 47))
    ]
    packets = dissect(raw(*parts))
    assert [packets.payload(i) for i in (2, 3)] == [payload, inner]


def test_fragments_that_overlap_or_come_late_make_no_datagram() -> None:
    first, second, third = parts_of(udp(bytes(112)), [48, 48, 24])
    wrong = ipv4(bytes(56), offset=48, more=True)
    packets = dissect(raw(first, wrong, third))
    assert set(packets.flags.tolist()) == {PacketFlag.FRAGMENT}
    dissector = Dissector([Interface(0, 0, 1)])
    late = batch_of(raw(first, second, third), ts_ns=[0, 1, 61 * 10**9])
    assert set(dissector.dissect(late).flags.tolist()) == {PacketFlag.FRAGMENT}


def test_fragments_without_end_are_forgotten() -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    first, *rest = parts_of(udp(bytes(112)), [48, 48, 24])
    flood = [
        ipv4(bytes(1400), identification=number, offset=8, more=True) for number in range(2, 5002)
    ]
    dissector.dissect(batch_of(raw(first, *flood)))
    packets = dissector.dissect(batch_of(raw(*rest)))
    assert set(packets.flags.tolist()) == {PacketFlag.FRAGMENT}
    reassembler = dissector._reassemblers[0]
    assert reassembler._held <= 4 << 20
    assert len(reassembler._open) <= 1024


def test_tiny_fragments_take_no_more_memory_than_large_ones() -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    flood = [
        ipv4(b"x", identification=number % 1000, offset=8 * (number // 1000), more=True)
        for number in range(100_000)
    ]
    batches = [batch_of(raw(*flood[start : start + 5000])) for start in range(0, 100_000, 5000)]
    dissector.dissect(batches[0])
    tracemalloc.start()
    try:
        for batch in batches[1:]:
            dissector.dissect(batch)
        assert tracemalloc.get_traced_memory()[0] < 4.5e6
    finally:
        tracemalloc.stop()


INNER = ipv4(udp(b"inner", 10, 20), 17, "10.0.0.1", "10.0.0.2")
INNER6 = ipv6(udp(b"inner", 10, 20))


@pytest.mark.parametrize(
    ("kind", "packet"),
    [
        ("ipip", ipv4(INNER, 4)),
        ("6in4", ipv4(INNER6, 41)),
        ("4in6", ipv6(INNER, 4)),
        ("6in6", ipv6(INNER6, 41)),
        ("gre", ipv4(bytes.fromhex("00000800") + INNER, 47)),
        ("gre", ipv4(bytes.fromhex("b0000800") + bytes(12) + INNER, 47)),
        ("gre", ipv4(bytes.fromhex("00006558") + ethernet(INNER), 47)),
        ("gre", ipv4(bytes.fromhex("3081880b") + bytes(12) + b"\x21" + INNER, 47)),
        ("gre", ipv4(bytes.fromhex("100088be") + bytes(12) + ethernet(INNER), 47)),
        ("gre", ipv4(bytes.fromhex("100022eb") + bytes(16) + ethernet(INNER), 47)),
        ("etherip", ipv4(b"\x30\x00" + ethernet(INNER), 97)),
        ("vxlan", ipv4(udp(bytes.fromhex("0800000000000100") + ethernet(INNER), 5, 4789))),
        ("geneve", ipv4(udp(bytes.fromhex("0000655800000100") + ethernet(INNER), 5, 6081))),
        ("gtp-u", ipv4(udp(bytes.fromhex("30ff002000000001") + INNER, 2152, 2152))),
        ("gtp-u", ipv4(udp(bytes.fromhex("34ff00200000000100000085 01000000") + INNER, 9, 2152))),
        ("teredo", ipv4(udp(INNER6, 3544, 4000))),
        ("teredo", ipv4(udp(bytes(8) + INNER6, 3544, 4000))),
        ("teredo", ipv4(udp(ipv6(udp(b"inner", 10, 20), source="2001:0:1::2"), 7, 8))),
        ("l2tp", ipv4(udp(bytes.fromhex("000200010001ff030021") + INNER, 1701, 1701))),
        ("mpls", ipv4(udp(bytes.fromhex("0000113f") + INNER, 5, 6635))),
    ],
)
def test_the_row_of_a_tunnel_is_the_inner_packet(kind: str, packet: bytes) -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    packets = dissector.dissect(batch_of(raw(packet)))
    assert len(packets) == 1
    assert packets.payload(0) == b"inner"
    assert (packets.source(0).port, packets.destination(0).port) == (10, 20)
    outer = dissector.encapsulations[packets.encapsulation[0]]
    assert outer is not None
    assert outer.kind == kind
    assert str(outer.source.address) in (SOURCE, "2001:db8::1")
    assert packets.flags.tolist() == [0]


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(udp(bytes.fromhex("0400000000000100") + ethernet(INNER), 5, 4789)),
        ipv4(udp(bytes.fromhex("000100002112a442") + bytes(12), 4789, 3478)),
        ipv4(udp(INNER6, 5000, 4000)),
        ipv4(bytes.fromhex("00000806") + INNER, 47),
        ipv4(bytes.fromhex("0000"), 47),
    ],
)
def test_what_only_stands_on_a_tunnels_port_stays_as_it_is(packet: bytes) -> None:
    packets = dissect(raw(packet))
    assert packets.encapsulation.tolist() == [0]
    assert str(packets.source(0).address) == SOURCE


def test_both_directions_of_a_tunnel_share_a_number() -> None:
    frames = raw(ipv4(INNER, 4), ipv4(INNER, 4, DESTINATION, SOURCE), ipv4(INNER6, 41))
    assert dissect(frames).encapsulation.tolist() == [1, 1, 2]


def test_tunnels_in_tunnels_are_entered_to_a_depth() -> None:
    packet = INNER
    for _ in range(8):
        packet = ipv4(packet, 4)
    assert dissect(raw(packet)).payload(0) == b"inner"
    packets = dissect(raw(ipv4(packet, 4)))
    assert packets.protocol.tolist() == [4]


def test_an_icmp_error_is_not_the_packet_it_quotes() -> None:
    quoted = ipv4(udp(b"quoted", 40000, 3478), 17, "192.168.1.5", "203.0.113.9")
    error = ipv4(b"\x03\x03" + bytes(6) + quoted, 1)
    packets = dissect(raw(error, ipv4(b"\x08\x00" + bytes(6) + b"ping", 1)))
    assert packets.flags.tolist() == [PacketFlag.ICMP_ERROR, 0]
    assert (packets.source_port[0], packets.destination_port[0]) == (3, 3)
    assert packets.payload(0) == quoted
    assert packets.payload(1) == b"\x08\x00" + bytes(6) + b"ping"
    quote = decode_icmp_quote(packets.payload(0))
    assert (quote.version, quote.protocol) == (4, 17)
    assert str(quote.source) == "192.168.1.5:40000"
    assert str(quote.destination) == "203.0.113.9:3478"
    assert quote.payload == b"quoted"


def test_the_least_quote_has_ports_and_no_payload() -> None:
    quote = decode_icmp_quote(ipv4(udp(b"quoted", 1, 2))[:28])
    assert (quote.source.port, quote.destination.port, quote.payload) == (1, 2, b"")
    six = decode_icmp_quote(ipv6(udp(b"quoted", 1, 2)))
    assert (six.version, six.payload) == (6, b"quoted")


@pytest.mark.parametrize("data", [b"", b"\x45", bytes(40), b"\x45" + bytes(18), b"\x60" * 39])
def test_what_is_no_quote_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_icmp_quote(data)


def test_packets_are_counted_by_version_and_protocol() -> None:
    dissector = Dissector([Interface(0, 0, 1)])
    arp = ethernet(bytes(28), 0x0806)
    dissector.dissect(batch_of([*raw(ipv4(udp()), ipv6(udp()), ipv4(tcp(), 6)), arp, arp[:13]]))
    assert dissector.counters == {
        "ipv4": 2,
        "ipv6": 1,
        "protocol 17": 2,
        "protocol 6": 1,
        "arp": 1,
        "no network header": 1,
    }


CAPTURES = [
    "zeek__tunnels_gre-within-gre.pcap",
    "zeek__tunnels_gtp_gtp8_teredo.pcap",
    "pcapplusplus__frag_with_padding.pcap",
    "ndpi__fuzz-2006-06-26-2594.pcap",
    "zeek__erspan.pcap",
    "ndpi__capwap.pcap",
]


@settings(max_examples=40)
@given(st.data())
def test_rows_do_not_depend_on_how_a_capture_is_cut(corpus: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(CAPTURES))
    interfaces, batches = read_capture(corpus / "public" / name)
    sizes = data.draw(st.lists(st.integers(0, 40), max_size=60))
    whole, pieces = Dissector(interfaces), Dissector(interfaces)
    rows = [row for batch in batches for row in rows_of(whole.dissect(batch))]
    others = [
        row
        for batch in batches
        for part in cut(batch, sizes)
        for row in rows_of(pieces.dissect(part))
    ]
    assert others == rows
    assert pieces.encapsulations == whole.encapsulations
    assert pieces.counters == whole.counters
    assert pieces.skipped == whole.skipped
    assert [frame for frame, _ in pieces.malformed] == [frame for frame, _ in whole.malformed]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*range(13), *range(99, 120), 127, 129, 163, 178, 192, 226, 239, 276]),
            st.sampled_from(raw(INNER, INNER6, ipv4(INNER, 4), ipv6(fragment(17, 8, True), 44)))
            | st.binary(max_size=80),
            st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=4),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_bytes_make_it_fail(records: list[tuple[int, bytes, list[tuple[int, int]]]]) -> None:
    frames = []
    for _, frame, changes in records:
        octets = bytearray(frame)
        for at, value in changes:
            if at < len(octets):
                octets[at] = value
        frames.append(bytes(octets))
    packets = dissect(frames, [link_type for link_type, _, _ in records])
    assert (packets.payload_length >= 0).all()
    assert (packets.payload_declared >= 0).all()
    assert (packets.payload_offset + packets.payload_length <= len(packets.data) - 128).all()
