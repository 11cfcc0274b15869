"""tshark as the oracle: each frame's innermost IP version and ports, over the whole corpus.

tshark writes every layer of a frame; one row of ours is its innermost packet, so the last IP
header and the last ports behind it are compared. What an ICMP error quotes is no packet, so
nothing after `icmp` counts. Reassembly is off in tshark, for it moves ports to other frames;
our reassembled rows are left out of the comparison of ports.

Starting tshark takes longer than most captures do, so it gets the frames of many captures, as
our reader found them, in one file with an interface for each.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packet_bytes import read_capture

from pcapleak.dissect import Dissector
from pcapleak.values.packets import Interface, PacketFlag, RecordBatch

Reading = tuple[int, tuple[str, str, str] | None]
"""IP version, and transport with its ports."""

FIELDS = ("frame.number", "frame.protocols", "udp.srcport", "udp.dstport")
FIELDS += ("tcp.srcport", "tcp.dstport")

EXCEPTIONS = {
    "libpcap__filter_arcnet-rfc1051-arp-icmp-http.pcap": "ARCNET is not read, and said to be",
    "tcpdump__ipoib.pcap": "IP over InfiniBand is not read, and said to be",
    "pcapplusplus__frag_with_padding.pcap": "the fragment with the ports completes the datagram",
    "suricata-verify__firewall_tcp-session-decode-malformed-ipv4_input.pcap": "one broken option "
    "stops tshark; the header's length still leads to TCP",
    "tcpdump__ipv6_39_byte_header.pcap": "a header one byte short is no packet to us",
    "zeek__erspan.pcap": "a fragmented outer packet is entered at its last fragment, when it is "
    "whole; tshark reads on from the first",
    "zeek__tunnels_Teredo.pcap": "tshark knows Teredo by its port, we also by its prefix",
    "zeek__tunnels_teredo_bubble_with_payload.pcap": "tshark knows Teredo by its port, we also "
    "by its prefix",
}


Captured = tuple[Path, list[Interface], list[RecordBatch]]


def write_all(captures: Sequence[Captured], path: Path) -> list[tuple[str, int]]:
    """One pcapng of many captures; for each of its frames the capture and the frame there."""
    places: list[tuple[str, int]] = []
    links: dict[tuple[str, int], int] = {}
    with path.open("wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        for capture, _, batches in captures:
            for batch in batches:
                for row, start in enumerate(batch.offset.tolist()):
                    # Broken captures have link types that pcapng has no room for.
                    key = capture.name, min(int(batch.link_type[row]), 0xFFFF)
                    if key not in links:
                        links[key] = len(links)
                        file.write(struct.pack("<IIHHII", 1, 20, key[1], 0, 0, 20))
                    size = int(batch.captured_length[row])
                    octets = batch.data[start : start + size].tobytes() + bytes(-size % 4)
                    original = int(batch.original_length[row])
                    total = 32 + len(octets)
                    file.write(struct.pack("<IIIQII", 6, total, links[key], 0, size, original))
                    file.write(octets + struct.pack("<I", total))
                    places.append((capture.name, int(batch.frame[row])))
    return places


def tshark_reads(tshark: str, path: Path) -> dict[int, Reading]:
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a"]
    command += ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    command += ["-o", "tcp.desegment_tcp_streams:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return dict(readings(output.stdout))


def readings(output: str) -> Iterator[tuple[int, Reading]]:
    for line in output.splitlines():
        frame, layers, *ports = line.split("\t")
        names = layers.split(":")
        for position, name in enumerate(names):
            if name in ("icmp", "icmpv6"):
                names = names[:position]
                break
        internet = [position for position, name in enumerate(names) if name in ("ip", "ipv6")]
        if not internet:
            continue
        version = 4 if names[internet[-1]] == "ip" else 6
        transport = None
        for name, columns in (("udp", ports[:2]), ("tcp", ports[2:])):
            if name in names[internet[-1] :]:
                number = names.count(name) - 1
                values = [column.split(",") for column in columns]
                if all(len(value) > number and value[number] for value in values):
                    transport = (name, values[0][number], values[1][number])
                break
        yield int(frame), (version, transport)


def we_read(captured: Captured) -> tuple[dict[int, Reading], set[int]]:
    """Our readings, and the frames whose IP header we call malformed."""
    dissector = Dissector(captured[1])
    found: dict[int, Reading] = {}
    for batch in captured[2]:
        packets = dissector.dissect(batch)
        for i, frame in enumerate(packets.frame.tolist()):
            ports = int(packets.source_port[i]), int(packets.destination_port[i])
            name = {17: "udp", 6: "tcp"}.get(int(packets.protocol[i]))
            transport = None
            if name and ports != (0, 0) and not packets.flags[i] & PacketFlag.REASSEMBLED:
                transport = (name, str(ports[0]), str(ports[1]))
            found[frame] = int(packets.version[i]), transport
    broken = {frame for frame, error in dissector.malformed if error.protocol.startswith("ip")}
    return found, broken - set(found)


def totals(readings: list[Reading]) -> dict[str, int]:
    """How many packets of IP, UDP and TCP."""
    kinds = Counter(transport[0] for _, transport in readings if transport)
    return {"IP": len(readings), "UDP": kinds["udp"], "TCP": kinds["tcp"]}


def test_every_frame_is_read_as_tshark_reads_it(
    corpus: Path, tshark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captures = [(path, *read_capture(path)) for path in sorted((corpus / "public").iterdir())]
    halves = captures[::2], captures[1::2]
    places = [write_all(half, tmp_path / f"{i}.pcapng") for i, half in enumerate(halves)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda i: tshark_reads(tshark, tmp_path / f"{i}.pcapng"), (0, 1)))
    theirs: dict[str, dict[int, Reading]] = {path.name: {} for path, *_ in captures}
    for where, answer in zip(places, answers, strict=True):
        for number, reading in answer.items():
            name, frame = where[number - 1]
            theirs[name][frame] = reading
    different = {}
    mine: list[Reading] = []
    for captured in captures:
        name = captured[0].name
        ours, broken = we_read(captured)
        mine += ours.values()
        wrong = {
            frame: (theirs[name].get(frame), ours.get(frame))
            for frame in theirs[name].keys() | ours.keys()
            if theirs[name].get(frame) != ours.get(frame) and frame not in broken
        }
        if wrong:
            different[name] = wrong
    all_theirs = [reading for answer in theirs.values() for reading in answer.values()]
    with capsys.disabled():
        sys.stdout.write(f"\n{len(captures)} captures: ours {totals(mine)}, tshark's ")
        sys.stdout.write(f"{totals(all_theirs)}; {len(EXCEPTIONS)} captures read otherwise\n")
    assert len(mine) > 50_000
    unexplained = {name: wrong for name, wrong in different.items() if name not in EXCEPTIONS}
    assert not unexplained
    # An exception that no longer differs would hide the next difference.
    assert different.keys() == EXCEPTIONS.keys()
