from __future__ import annotations

import io
import subprocess
from pathlib import Path

from conftest import need_tool

from pcapleak.capture import PcapngWriter, open_capture
from pcapleak.values.packets import Direction, Interface

ETH = Interface(
    3, 0, 1, "eth0", "the wire", 96, addresses=("192.0.2.1/24", "2001:db8::1/64"),
    filter="udp or tcp", hardware="a card", system="Linux 6.1", mac="02:00:00:00:00:01",
)  # fmt: skip
WG = Interface(7, 0, 101, "wg0")
FRAME = bytes.fromhex("0200000000010200000000020800") + bytes.fromhex(
    "4500001c000100004011b6cbc0000201c633640114e914e900080000"
)
NS = 1_700_000_000_123_456_789


def write(target: Path | io.BytesIO) -> None:
    with PcapngWriter(target, comment="cut out of a test") as writer:
        writer.add_names({"192.0.2.1": ("host.example",), "2001:db8::1": ("six.example",)})
        writer.add_secrets(b"CLIENT_RANDOM 00 11\n")
        writer.write(ETH, NS, FRAME, 900, direction=Direction.OUTBOUND, comment="LEAK-1: grüße")
        writer.write(WG, NS + 1, FRAME[14:], len(FRAME) - 14, direction=Direction.INBOUND)
        writer.write(ETH, NS + 2, FRAME, len(FRAME), comment="x" * 70_000)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "evidence.pcapng"
    write(path)
    with open_capture(path) as source:
        (batch,) = source
        eth, wg = source.interfaces
        assert (eth.name, eth.description, eth.link_type, eth.snap_length, eth.addresses) == (
            ETH.name,
            ETH.description,
            ETH.link_type,
            ETH.snap_length,
            ETH.addresses,
        )
        assert (eth.filter, eth.hardware, eth.system, eth.mac) == (
            ETH.filter,
            ETH.hardware,
            ETH.system,
            ETH.mac,
        )
        assert (wg.name, wg.link_type, wg.addresses) == ("wg0", 101, ())
        assert batch.ts_ns.tolist() == [NS, NS + 1, NS + 2]
        assert batch.interface.tolist() == [0, 1, 0]
        assert batch.captured_length.tolist() == [len(FRAME), len(FRAME) - 14, len(FRAME)]
        assert batch.original_length.tolist() == [900, len(FRAME) - 14, len(FRAME)]
        assert batch.direction is not None
        assert batch.direction.tolist() == [Direction.OUTBOUND, Direction.INBOUND, 0]
        assert batch.comments[0] == "LEAK-1: grüße"
        assert batch.comments[2] == "x" * 65_535
        assert source.names == {"192.0.2.1": ("host.example",), "2001:db8::1": ("six.example",)}
        assert source.secrets == [b"CLIENT_RANDOM 00 11\n"]
        assert source.comments == ["cut out of a test"]
        assert (source.truncated, source.problems) == (False, [])
    memory = io.BytesIO()
    write(memory)
    assert memory.getvalue() == path.read_bytes()


def test_wireshark_reads_it_the_same(tmp_path: Path, tshark: str) -> None:
    path = tmp_path / "evidence.pcapng"
    write(path)
    fields = (
        "frame.time_epoch",
        "frame.interface_name",
        "frame.interface_description",
        "frame.cap_len",
        "frame.len",
        "frame.packet_flags_direction",
        "frame.encap_type",
        "ip.src",
        "frame.comment",
    )
    options = [part for field in fields for part in ("-e", field)]
    done = subprocess.run(
        [tshark, "-n", "-r", path, "-T", "fields", *options],
        capture_output=True,
        check=True,
        text=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    size = len(FRAME)
    assert [row[:8] for row in rows] == [
        [
            "1700000000.123456789",
            "eth0",
            "the wire",
            f"{size}",
            "900",
            "0x00000002",
            "1",
            "192.0.2.1",
        ],
        [
            "1700000000.123456790",
            "wg0",
            "",
            f"{size - 14}",
            f"{size - 14}",
            "0x00000001",
            "7",
            "192.0.2.1",
        ],
        ["1700000000.123456791", "eth0", "the wire", f"{size}", f"{size}", "", "1", "192.0.2.1"],
    ]
    assert rows[0][8] == "LEAK-1: grüße"


def test_capinfos_finds_the_interfaces_and_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "evidence.pcapng"
    write(path)
    done = subprocess.run([need_tool("capinfos"), path], capture_output=True, check=True, text=True)
    assert "Number of packets:   3" in done.stdout
    assert "Number of interfaces in file: 2" in done.stdout
    assert "Capture length = 96" in done.stdout
    assert "Time precision = nanoseconds (9)" in done.stdout
    assert "Capture comment:     cut out of a test" in done.stdout
