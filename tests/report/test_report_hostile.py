"""A capture whose strings are weapons, through every output."""

from __future__ import annotations

import csv
import json
import re
import struct
from ipaddress import IPv4Address
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_runs import run

from pcapleak.capture import PcapngWriter
from pcapleak.values.packets import Interface

WEAPON = "\x1b]0;owned\x07\x1b[31m[red]\u202e<script>alert(1)</script>=1+1\u200b"
CLIENT, SERVER, GROUP = "192.168.1.2", "198.51.100.10", "224.0.0.251"


def udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    """An Ethernet frame holding one UDP datagram; checksums are left to offloading."""
    length = 8 + len(payload)
    datagram = struct.pack("!HHHH", source[1], destination[1], length, 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0)
    addresses = IPv4Address(source[0]).packed + IPv4Address(destination[0]).packed
    return bytes(12) + b"\x08\x00" + header + addresses + datagram


def stun(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    """A STUN message."""
    body = b"".join(
        struct.pack("!HH", code, len(value)) + value + bytes(-len(value) % 4)
        for code, value in attributes
    )
    return struct.pack("!HHI", kind, len(body), 0x2112A442) + bytes(range(12)) + body


def announcement(label: bytes) -> bytes:
    """A multicast DNS announcement of `label`.local."""
    name = bytes([len(label)]) + label + b"\x05local\x00"
    record = name + struct.pack("!HHIH", 1, 0x8001, 120, 4) + IPv4Address(CLIENT).packed
    return struct.pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0) + record


def question(label: bytes) -> bytes:
    """A DNS query for `label`.example."""
    name = bytes([len(label)]) + label + b"\x07example\x00"
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weapon = WEAPON.encode()
    mapped = (0x0020, b"\x00\x01" + struct.pack("!HI", 40000 ^ 0x2112, 0xCB007107 ^ 0x2112A442))
    client, server = (CLIENT, 40000), (SERVER, 3478)
    frames = [
        udp((CLIENT, 5353), (GROUP, 5353), announcement(weapon[:63])),
        udp((CLIENT, 5353), (GROUP, 5353), announcement(b"</td>'\"[bold]\x1b[2J")),
        udp(client, server, stun(0x0001, (0x8022, weapon), (0x0006, weapon + b":x"))),
        udp(server, client, stun(0x0101, mapped, (0x8022, weapon))),
        udp((CLIENT, 40001), ("198.51.100.53", 53), question(weapon[:63])),
        udp(server, client, stun(0x0111, (0x0009, b"\x00\x00\x04\x01" + weapon))),
    ]
    path = tmp_path_factory.mktemp("hostile") / "hostile.pcapng"
    interface = Interface(0, 0, 1, name=WEAPON, description=WEAPON)
    with PcapngWriter(path, comment=WEAPON) as writer:
        for number, frame in enumerate(frames):
            ts_ns = (1_700_000_000 + number) * 10**9
            writer.write(interface, ts_ns, frame, len(frame), comment=WEAPON)
    return path


ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029]")


def test_capture_carries_the_weapons(capture: Path) -> None:
    """The strings do reach the decoders, so the tests below test something."""
    text = run("decode", capture, "--json").stdout
    assert len(text.splitlines()) == 6
    assert "owned" in text
    document = json.loads(run("analyze", capture, "--json", "-", "--exit-zero").stdout)
    assert document["captures"][0]["interfaces"][0]["name"] == WEAPON


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "FILE"],
        ["analyze", "FILE", "--verbose"],
        ["analyze", "FILE", "--proxy", "socks5://198.51.100.30:1080", "--verbose"],
        ["analyze", "FILE", "--json", "-"],
        ["decode", "FILE"],
        ["decode", "FILE", "--json"],
    ],
    ids=" ".join,
)
def test_nothing_active_is_printed(capture: Path, arguments: list[str]) -> None:
    """No control character, bidirectional mark or invisible character reaches a terminal."""
    result = run(*(str(capture) if word == "FILE" else word for word in arguments))
    assert result.stdout
    assert ACTIVE.search(result.stdout + result.stderr) is None


def test_nothing_active_is_written(capture: Path, tmp_path: Path) -> None:
    """Page, tables, test results and evidence comments hold the strings as text."""
    page, tables, evidence = tmp_path / "r.html", tmp_path / "tables", tmp_path / "e.pcapng"
    junit, each = tmp_path / "r.xml", tmp_path / "each"
    run(
        "analyze", capture, "--proxy", "socks5://198.51.100.30:1080", "--html", page,
        "--csv", tables, "--evidence", evidence, "--junit", junit,
        "--evidence-per-finding", each, "-q",
    )  # fmt: skip
    html, results = page.read_text(), junit.read_text()
    # The page's one script is its own, allowed by its hash, and stands last.
    before, own = html.rsplit("<script>", 1)
    assert "<script" not in before + results
    assert "owned" not in own
    ElementTree.fromstring(results)
    for text in [html, results, *(path.read_text() for path in tables.iterdir())]:
        assert ACTIVE.search(text) is None
    for table in tables.iterdir():
        with table.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    # What the capture itself says stays as it is; what pcapleak says must be harmless.
    parts = list(each.iterdir())
    assert parts
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", path.name) for path in parts)
    for file in (evidence, *parts):
        comments = re.findall(rb"PL\d{3}: [^\x00\n]*", file.read_bytes())
        assert comments
        assert all(ACTIVE.search(text.decode()) is None for text in comments)
