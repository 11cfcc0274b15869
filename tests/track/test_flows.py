"""The flow table against a table kept packet by packet, however the capture is cut."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_bytes import batch_of, cut, dissect, ethernet, ipv4, ipv6, read_capture, tcp, udp

from pcapleak.dissect import Dissector
from pcapleak.track.flows.community_id import community_id
from pcapleak.track.flows.index import FlowIndex
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Direction, Endpoint, Interface, Packets, RecordBatch, Service

HOSTS = ("192.0.2.1", "192.0.2.2", "198.51.100.3")
HOSTS6 = ("2001:db8::1", "2001:db8::2", "::192.0.2.1")

COLUMNS = ["interface", "version", "protocol", "orig_hi", "orig_lo", "resp_hi", "resp_lo"]
COLUMNS += ["orig_port", "resp_port", "first_ns", "last_ns", "orig_packets", "orig_bytes"]
COLUMNS += ["resp_packets", "resp_bytes", "orig_first_frame", "resp_first_frame"]
COLUMNS += ["encapsulation", "tcp_flags", "services"]
COLUMNS += ["orig_link", "resp_link", "orig_hops", "resp_hops", "marks"]


def columns_of(flows: FlowTable) -> dict[str, list[int]]:
    return {name: getattr(flows, name).tolist() for name in COLUMNS}


def icmp(kind: int, code: int = 0) -> bytes:
    return bytes([kind, code]) + bytes(6)


@st.composite
def captures(draw: st.DrawFn) -> RecordBatch:
    frames: list[bytes] = []
    interfaces: list[int] = []
    times: list[int] = []
    ways: list[int] = []
    for _ in range(draw(st.integers(1, 40))):
        sender, receiver = draw(st.sampled_from([(0, 1), (1, 0), (0, 2), (2, 0), (1, 1)]))
        ports = draw(st.sampled_from([(1, 2), (2, 1), (1, 1)]))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            frame = ipv4(udp(b"x", *ports), 17, HOSTS[sender], HOSTS[receiver])
        elif kind == 1:
            flags = draw(st.sampled_from([2, 16, 18, 1]))
            frame = ipv4(tcp(b"", *ports, flags=flags), 6, HOSTS[sender], HOSTS[receiver])
        elif kind == 2:
            frame = ipv6(udp(b"yy", *ports), 17, HOSTS6[sender], HOSTS6[receiver])
        elif kind == 3:
            frame = ipv4(icmp(draw(st.sampled_from([0, 8, 3]))), 1, HOSTS[sender], HOSTS[receiver])
        else:
            inner = ipv4(udp(b"z", *ports), 17, HOSTS[sender], HOSTS[receiver])
            frame = ipv4(inner, 4, HOSTS[receiver], HOSTS[sender])
        sender = bytes([0, 0, 0, 0, 0, draw(st.integers(0, 2))])
        framed = ethernet(frame, 0x86DD if kind == 2 else 0x0800)
        frames.append(framed[:6] + sender + framed[12:])
        ways.append(draw(st.sampled_from(Direction)))
        interfaces.append(draw(st.integers(0, 1)))
        times.append(draw(st.integers(0, 10)))
    batch = batch_of(frames, interface=interfaces, ts_ns=times)
    batch.direction = np.array(ways, np.uint8)
    return batch


def analyze(
    batches: list[RecordBatch], single: int = 1000, limit: int = 2000
) -> tuple[FlowTable, list[int], list[bool], Dissector]:
    dissector = Dissector([Interface(0, 0, 1), Interface(1, 0, 1)])
    flows = FlowTable(single, limit)
    ids: list[int] = []
    ways: list[bool] = []
    for batch in batches:
        packets = dissector.dissect(batch)
        flow, forward = flows.update(packets)
        marks = np.where(packets.source_port == 2, Service.STUN.value, 0).astype(np.uint32)
        flows.mark(flow, marks)
        ids += flow.tolist()
        ways += forward.tolist()
    return flows, ids, ways, dissector


def expected(packets: Packets) -> tuple[dict[str, list[int]], list[int], list[bool]]:
    """The same by the book: one packet after another, a dictionary of flows."""
    numbers: dict[tuple[object, ...], int] = {}
    table: dict[str, list[int]] = {name: [] for name in COLUMNS}
    ids, ways = [], []
    answers = {8: 0, 0: 8}
    for i in range(len(packets)):
        source, destination = packets.source(i), packets.destination(i)
        if packets.protocol[i] == 1 and source.port in answers:
            destination = Endpoint(destination.address, answers[source.port])
        rest = (int(packets.interface[i]), int(packets.protocol[i]), int(packets.encapsulation[i]))
        forward = True
        number = numbers.get((source, destination, rest))
        if number is None:
            number = numbers.get((destination, source, rest))
            forward = number is None
        if number is None:
            number = numbers[source, destination, rest] = len(numbers)
            row = {
                "interface": rest[0],
                "version": int(packets.version[i]),
                "protocol": rest[1],
                "orig_hi": int(packets.source_hi[i]),
                "orig_lo": int(packets.source_lo[i]),
                "resp_hi": int(packets.destination_hi[i]),
                "resp_lo": int(packets.destination_lo[i]),
                "orig_port": source.port,
                "resp_port": destination.port,
                "first_ns": 1 << 60,
                "last_ns": -1,
                "orig_first_frame": -1,
                "resp_first_frame": -1,
                "encapsulation": rest[2],
            }
            for name in COLUMNS:
                table[name].append(row.get(name, 0))
        way = "orig" if forward else "resp"
        table[f"{way}_packets"][number] += 1
        table[f"{way}_bytes"][number] += int(packets.length[i])
        if table[f"{way}_first_frame"][number] < 0:
            table[f"{way}_first_frame"][number] = int(packets.frame[i])
        if not table[f"{way}_hops"][number]:
            table[f"{way}_hops"][number] = int(packets.hop_limit[i])
        link, known = int(packets.source_link[i]), table[f"{way}_link"]
        known[number] = known[number] or link
        marks = int(packets.direction[i]) | 4 * (link not in (0, known[number]))
        table["marks"][number] |= marks << (0 if forward else 3)
        time = int(packets.ts_ns[i])
        table["first_ns"][number] = min(time, table["first_ns"][number])
        table["last_ns"][number] = max(time, table["last_ns"][number])
        table["tcp_flags"][number] |= int(packets.tcp_flags[i])
        if packets.source_port[i] == 2:
            table["services"][number] |= Service.STUN.value
        ids.append(number)
        ways.append(forward)
    return table, ids, ways


@settings(max_examples=150)
@given(captures(), st.lists(st.integers(0, 8), max_size=8))
def test_flows_are_those_of_a_table_by_the_book(batch: RecordBatch, sizes: list[int]) -> None:
    whole = Dissector([Interface(0, 0, 1), Interface(1, 0, 1)]).dissect(batch)
    table, ids, ways = expected(whole)
    flows, our_ids, our_ways, _ = analyze(cut(batch, sizes))
    assert our_ids == ids
    assert our_ways == ways
    assert columns_of(flows) == table


@settings(max_examples=150)
@given(captures(), st.lists(st.integers(0, 8), max_size=8), st.integers(1, 6), st.integers(0, 3))
def test_a_full_table_does_not_depend_on_batches(
    batch: RecordBatch, sizes: list[int], single: int, more: int
) -> None:
    one, ids, ways, _ = analyze([batch], single, single + more)
    many, other_ids, other_ways, _ = analyze(cut(batch, sizes), single, single + more)
    assert other_ids == ids
    assert other_ways == ways
    assert columns_of(one) == columns_of(many)
    assert (one.single, one.merged) == (many.single, many.merged)
    # Nothing is lost, and the flows beyond the bound are one for each kind of packet.
    assert (one.orig_packets + one.resp_packets).sum() == len(ids)
    kinds = np.unique(np.stack([one.interface, one.version, one.protocol]), axis=1).shape[1]
    assert len(one) <= single + more + kinds


def test_conversations_beyond_the_bound_are_told_apart_by_hosts_and_then_not() -> None:
    flows = FlowTable(single=2, limit=3)
    first, second, third = HOSTS
    frames = [
        ethernet(ipv4(udp(source=port, destination=9), 17, sender, receiver))
        for port, sender, receiver in (
            (1, first, second),
            (2, first, second),
            (3, first, second),
            (1, first, second),
            (4, first, second),
            (5, third, second),
            (6, first, third),
        )
    ]
    frames.append(ethernet(ipv4(udp(source=9, destination=3), 17, second, first)))
    flow, forward = flows.update(dissect(frames))
    assert flow.tolist() == [0, 1, 2, 0, 2, 3, 3, 2]
    assert forward.tolist() == [True] * 7 + [False]
    assert (flows.single, flows.merged) == (2, 5)
    assert str(flows.orig(1)) == f"{first}:2"
    assert (str(flows.orig(2)), str(flows.resp(2))) == (f"{first}:0", f"{second}:0")
    assert str(flows.orig(3)) == "0.0.0.0:0"
    assert flows.orig_packets.tolist() == [2, 1, 2, 2]


def test_two_flows_of_one_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole key is compared: with a hash that hashes nothing the flows are the same."""
    frames = [
        ethernet(ipv4(udp(source=port, destination=9), 17, host))
        for port in (1, 2, 3, 1)
        for host in HOSTS
    ]
    packets = dissect(frames)
    honest = FlowTable()
    ids, ways = honest.update(packets)
    monkeypatch.setattr(FlowIndex, "hash", lambda self, keys: keys.meta * np.uint64(0))
    colliding = FlowTable()
    # Numbers are given in rounds here, one flow each, yet in the order of first packets.
    other_ids, other_ways = colliding.update(packets)
    assert other_ids.tolist() == ids.tolist()
    assert other_ways.tolist() == ways.tolist()
    assert columns_of(colliding) == columns_of(honest)


def test_the_table_grows_without_losing_a_flow() -> None:
    frames = [
        ethernet(ipv4(udp(source=port), 17, host)) for host in HOSTS for port in range(1, 9000)
    ]
    packets = dissect(frames)
    flows = FlowTable()
    first, _ = flows.update(packets)
    again, forward = flows.update(packets)
    assert len(flows) == len(frames)
    assert first.tolist() == again.tolist() == list(range(len(frames)))
    assert forward.all()
    assert set(flows.orig_packets.tolist()) == {2}


@pytest.mark.parametrize(
    ("protocol", "source", "destination", "expected_id"),
    [
        (6, ("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (17, ("192.168.1.52", 54585), ("8.8.8.8", 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (1, ("192.168.0.89", 8), ("192.168.0.1", 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (
            58,
            ("fe80::200:86ff:fe05:80da", 135),
            ("fe80::260:97ff:fe07:69ea", 136),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        ),
        (132, ("192.168.170.8", 7), ("192.168.170.56", 7), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    ],
)
def test_community_ids_are_those_of_the_specification(
    protocol: int, source: tuple[str, int], destination: tuple[str, int], expected_id: str
) -> None:
    ends = [Endpoint(ip_address(host), port) for host, port in (source, destination)]
    assert community_id(protocol, *ends) == expected_id
    assert community_id(protocol, *reversed(ends)) == expected_id


@pytest.mark.parametrize("name", ["browser/loop.any.pcap", "public/zeek__wikipedia.pcap"])
def test_community_ids_are_those_of_tshark(corpus: Path, tshark: str, name: str) -> None:
    command = [tshark, "-n", "-r", str(corpus / name), "--enable-protocol", "communityid"]
    command += ["-T", "fields", "-e", "frame.number", "-e", "communityid"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = {
        int(frame): value
        for frame, value in (line.split("\t") for line in output.splitlines())
        if value
    }
    interfaces, batches = read_capture(corpus / name)
    dissector, flows = Dissector(interfaces), FlowTable()
    seen = 0
    for batch in batches:
        packets = dissector.dissect(batch)
        flow, _ = flows.update(packets)
        for frame, number, protocol in zip(
            packets.frame.tolist(), flow.tolist(), packets.protocol.tolist(), strict=True
        ):
            # tshark prints none for protocols without ports
            if protocol in (1, 6, 17, 58) and frame in theirs:
                assert flows.community_id(number) == theirs[frame], frame
                seen += 1
    assert seen > 50


def test_an_empty_batch_changes_nothing() -> None:
    flows = FlowTable()
    flow, forward = flows.update(dissect([]))
    assert len(flow) == len(forward) == len(flows) == 0
