"""`pcapleak live` on real interfaces, in network namespaces the tests make."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_runs import run
from conftest import need_tool
from live_support import CLIENT, PROXY, STUN_SERVER, Watching, analyze, counter, machine, requests
from netns import Host, hosts
from places import DOCS
from stun_encoder import check

from pcapleak import open_capture
from pcapleak.capture import PcapngWriter
from pcapleak.cli.durations import seconds
from pcapleak.report.writers.events import EVENTS, events_schema
from pcapleak.values.packets import Interface


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    with machine() as (client, _):
        yield client


def events(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    schema = jsonschema.Draft202012Validator(events_schema())
    for line in lines:
        schema.validate(line)
    return lines


def test_a_leak_is_told_within_a_second_and_reported_at_the_end(
    client: Host, tmp_path: Path
) -> None:
    """From the kernel's time of the packet to the event on disk."""
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-",
                        "--jsonl", str(tmp_path / "events.jsonl"))  # fmt: skip
    requests(client, 3).wait(20)
    watching.read_until("PL10", 10)
    output, _ = watching.stop(signal.SIGINT)
    report = json.loads(output)
    assert watching.process.returncode == 1
    assert report["verdict"]["result"] == "leak"
    assert report["captures"][0]["packets"] >= 6
    lines = events(tmp_path / "events.jsonl")
    found = [line for line in lines if line["event"] == "finding"]
    assert {line["finding"]["id"] for line in found} & {"PL101", "PL102"}
    for line in found:
        assert line["time_ns"] - line["finding"]["first_time_ns"] < 1_000_000_000
    assert [line["event"] for line in lines if line["event"] in ("start", "end")] == [
        "start",
        "end",
    ]
    assert lines[-1]["reason"] == "SIGINT"
    assert lines[-1]["verdict"] == report["verdict"]


def test_live_and_file_give_the_same_report(client: Host, tmp_path: Path) -> None:
    """What the watch recorded is judged as the watch judged it, field by field."""
    folder = tmp_path / "recorded"
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-",
                        "--record", str(folder))  # fmt: skip
    requests(client, 20).wait(20)
    time.sleep(0.5)
    live = json.loads(watching.stop(signal.SIGTERM)[0])
    (recorded,) = folder.iterdir()
    offline = analyze(str(recorded), "--proxy", PROXY)
    for report in (live, offline):
        for capture in report["captures"]:
            # Why programs are not known, only the watch can say.
            for name in ("path", "format", "bytes", "sha256", "problems"):
                del capture[name]
    assert live == offline
    assert live["flows"][0]["process"] == "unknown (user root)"
    assert live["ice_sessions"][0]["candidates"][0]["port"] == 40000


def test_live_agrees_with_dumpcap_beside_it(client: Host, tmp_path: Path) -> None:
    """Another recorder of the same packets leads to the same findings."""
    dumpcap = need_tool("dumpcap")
    recorded = tmp_path / "eth0.pcapng"
    recorder = client.start(dumpcap, "-q", "-i", "eth0", "-w", str(recorded))
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-")
    time.sleep(0.5)
    requests(client, 5).wait(20)
    time.sleep(1)
    live = json.loads(watching.stop(signal.SIGTERM)[0])
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=10)
    offline = analyze(str(recorded), "--proxy", PROXY)
    assert live["verdict"] == offline["verdict"]
    assert [f["id"] for f in live["findings"]] == [f["id"] for f in offline["findings"]]


def test_the_process_that_asks_for_servers_keeps_one_right(client: Host) -> None:
    """CAP_NET_ADMIN, number 12; the watch and its other helper keep none, and none gains any."""
    need_tool("wg")
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-")
    watch = watching.process.pid
    children = Path(f"/proc/{watch}/task/{watch}/children").read_text().split()
    kept = []
    for pid in (str(watch), *children):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {name: value.split() for name, _, value in (one.partition(":") for one in lines)}
        assert status["NoNewPrivs"] == ["1"]
        kept.append(status["CapEff"][0])
    watching.stop(signal.SIGTERM)
    assert sorted(kept) == ["0" * 16] * (len(kept) - 1) + [f"{1 << 12:016x}"]


def test_the_program_behind_a_leak_is_named(client: Host) -> None:
    """By a helper that keeps root; without it, another user's program stays unknown, which is
    said once."""
    for options, words in (
        (("--keep-root-for-processes",), "python"),
        ((), "unknown (user root)"),
    ):
        watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-", *options)
        sending = requests(client, 20)
        sending.wait(20)
        report = json.loads(watching.stop(signal.SIGTERM)[0])
        (flow,) = [flow for flow in report["flows"] if flow["path"] == "bypass"]
        assert flow["process"].startswith(words)
        hidden = [text for text in report["captures"][0]["problems"] if "another user's" in text]
        if options:
            # `ip netns exec` becomes the program it runs.
            assert f"(pid {sending.pid}, user root" in flow["process"]
            assert "started by " in flow["process"]
            assert not hidden
        else:
            assert len(hidden) == 1 and "--keep-root-for-processes" in hidden[0]


LISTENING = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", 12580))
    print("listening", flush=True)
    while True:
        sock.recv(2000)
"""
A_PAGE = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    for _ in range(4):
        sock.sendto(bytes.fromhex(sys.argv[1]), ("127.0.0.1", 12580))
        time.sleep(0.3)
    time.sleep(1)
"""


def test_a_channel_to_a_local_program_is_told_with_who_listens(client: Host) -> None:
    tracker = client.python("-c", LISTENING)
    assert tracker.stdout is not None and tracker.stdout.readline()
    watching = Watching(client, "--iface", "lo", "--json", "-", "--keep-root-for-processes")
    page = client.python("-c", A_PAGE, check("fb.1.1749026000123.85973:Ab3d").hex())
    page.wait(20)
    report = json.loads(watching.stop(signal.SIGTERM)[0])
    (finding,) = [one for one in report["findings"] if one["id"] == "PL501"]
    assert "fb.1.1749026000123.85973:Ab3d" in finding["message"]
    assert re.search(rf"There listens python\S* \(pid {tracker.pid}, ", finding["message"])
    assert f"(pid {page.pid}, " in finding["process"]


def test_three_recordings_name_the_same_programs(client: Host, tmp_path: Path) -> None:
    """A watch's, one of tcpdump, which knows none, and that with PKTAP headers before it."""
    tcpdump = need_tool("tcpdump")
    plain, folder = tmp_path / "any.pcap", tmp_path / "recorded"
    recorder = client.start(tcpdump, "-i", "any", "-y", "LINUX_SLL2", "-U", "-w", str(plain))
    watching = Watching(client, "--proxy", PROXY, "--json", "-", "--record", str(folder),
                        "--keep-root-for-processes")  # fmt: skip
    time.sleep(0.5)
    sending = requests(client, 10)
    sending.wait(20)
    time.sleep(1)
    live = json.loads(watching.stop(signal.SIGTERM)[0])
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=10)
    (recorded,) = folder.iterdir()
    (name,) = [flow["process"] for flow in live["flows"] if flow["path"] == "bypass"]
    assert name.startswith("python") and f"(pid {sending.pid}, user root" in name

    def bypassing(path: Path) -> dict[tuple[str, int], str | None]:
        report = analyze(str(path), "--proxy", PROXY)
        return {
            (flow["resp"]["address"], flow["resp"]["port"]): flow["process"]
            for flow in report["flows"]
            if flow["path"] == "bypass"
        }

    server = (STUN_SERVER, 3478)
    assert bypassing(recorded) == {server: name}
    assert bypassing(plain) == {server: None}
    short = name.partition(" ")[0]
    assert bypassing(with_pktap(plain, tmp_path / "pktap.pcapng", short, sending.pid)) == {
        server: f"{short} (pid {sending.pid})"
    }


def with_pktap(source: Path, target: Path, name: str, pid: int) -> Path:
    """The IP packets of a recording as Apple's tcpdump has them (bsd/net/pktap.h)."""
    raw, pktap = 101, 258
    with open_capture(source) as capture, PcapngWriter(target) as writer:
        for batch in capture:
            for row in range(len(batch)):
                start, size = int(batch.offset[row]), int(batch.captured_length[row])
                frame = batch.data[start : start + size].tobytes()
                if frame[:2] != b"\x08\x00":
                    continue
                way = 2 if frame[10] == 4 else 1
                head = struct.pack("<III24sIIIIi20s", 108, 1, raw, b"en0", way, 2, 0, 20, pid,
                                   name.encode()[:16])  # fmt: skip
                data = head.ljust(108, b"\0") + frame[20:]
                ts_ns = int(batch.ts_ns[row])
                writer.write(Interface(0, 0, pktap, "pktap"), ts_ns, data, len(data))
    return target


def test_nothing_is_sent_while_watching(root_network: None) -> None:
    """The namespace's counters stand still through the watch, all interfaces and all options."""
    with hosts(2) as (host, other):
        from netns import join

        join(host, "eth0", f"{CLIENT}/24", other, "eth0", "192.168.50.1/24")
        before = [counter(host, device, "tx_packets") for device in ("lo", "eth0")]
        sockets = host.run("cat", "/proc/net/snmp")
        watching = Watching(host, "--duration", "3", "--keep-root-for-processes")
        watching.process.communicate(timeout=20)
        assert [counter(host, device, "tx_packets") for device in ("lo", "eth0")] == before
        assert host.run("cat", "/proc/net/snmp") == sockets


def test_a_watch_whose_reader_has_gone_ends(root_network: None) -> None:
    """`pcapleak live --jsonl - | head -1`."""
    with hosts(1) as (host,):
        command = f"{sys.executable} -m pcapleak live --iface lo --jsonl - | head -1"
        started = time.monotonic()
        line = host.run("sh", "-c", command)
        assert json.loads(line)["event"] == "start"
        assert time.monotonic() - started < 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB that is full but for 8 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "none", disk], check=True)
    try:
        (disk / "fill").write_bytes(bytes(248 << 10))
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("option", ["--json", "--jsonl", "--record", "--evidence"])
def test_a_full_disk_ends_no_watch_and_changes_no_verdict(
    option: str, client: Host, small_disk: Path
) -> None:
    """It is told once, and the leak that comes later is told and counts."""
    (small_disk / "more").write_bytes(bytes(4 << 10))
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY,
                        option, str(small_disk / "out"))  # fmt: skip
    time.sleep(1)
    requests(client, 40).wait(20)
    time.sleep(0.5)
    output, error = watching.stop(signal.SIGTERM)
    assert watching.process.returncode == 1, error
    assert "LEAK" in output
    assert error.count("No space left on device") == 1, error
    assert "Traceback" not in error


def test_a_report_that_does_not_fit_leaves_the_one_before(client: Host, small_disk: Path) -> None:
    """It is written whole or not at all."""
    (small_disk / "fill").write_bytes(bytes(150 << 10))
    report = small_disk / "report.json"
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", str(report))
    requests(client, 130).wait(30)
    json.loads(report.read_text())
    watching.stop(signal.SIGTERM)
    assert json.loads(report.read_text())["verdict"]["result"] == "leak"


@pytest.mark.parametrize("kind", ["fifo", "substitution", "device"])
def test_events_go_to_a_pipe_or_a_device(kind: str, client: Host, tmp_path: Path) -> None:
    events = tmp_path / "events"
    if kind == "device":
        os.mknod(events, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    else:
        os.mkfifo(events)
    target = "$0" if kind != "substitution" else "/proc/self/fd/3"
    command = f"exec {sys.executable} -m pcapleak live --iface eth0 --duration 1 --jsonl {target}"
    if kind == "substitution":
        command += ' 3> "$0"'
    watching = client.start("sh", "-c", command, str(events))
    lines = events.read_text().splitlines() if kind != "device" else []
    _, error = watching.communicate(timeout=20)
    assert watching.returncode in (0, 3), error
    if kind != "device":
        assert json.loads(lines[-1])["event"] == "end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_idle_watch_ends_at_once(number: int, root_network: None) -> None:
    with hosts(1) as (host,):
        watching = Watching(host, "--iface", "lo")
        time.sleep(0.3)
        watching.stop(number)
        assert watching.process.returncode == 0


def test_count_and_duration_end_a_watch(client: Host) -> None:
    watching = Watching(client, "--iface", "eth0", "--count", "4", "--jsonl", "-")
    requests(client, 10)
    output, _ = watching.process.communicate(timeout=20)
    assert json.loads(output.splitlines()[-1])["reason"] == "count"
    watching = Watching(client, "--iface", "eth0", "--duration", "1", "--jsonl", "-")
    output, _ = watching.process.communicate(timeout=20)
    assert json.loads(output.splitlines()[-1])["reason"] == "duration"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--duration", "-5"), "no length of time"),
        (("--duration", "5x"), "no length of time"),
        (("--duration", "nan"), "no length of time"),
        (("--pre", "-1"), "no length of time"),
        (("--exec", "/no/such/program"), "no program"),
        (("--exec", "'"), "cannot be read"),
    ],
)
def test_what_is_told_wrongly_is_refused_at_the_start(options: tuple[str, ...], says: str) -> None:
    done = run("live", "--iface", "lo", *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert "watching" not in done.stderr


@pytest.mark.parametrize(
    ("text", "length"),
    [("90", 90), ("1.5s", 1.5), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25)],
)
def test_a_length_of_time_is_written_as_people_do(text: str, length: float) -> None:
    assert seconds(text) == length


def test_a_wrong_interface_is_one_line_and_status_2(root_network: None) -> None:
    with hosts(1) as (host,):
        watching = host.python("-m", "pcapleak", "live", "--iface", "nosuch0")
        _, error = watching.communicate(timeout=20)
        assert watching.returncode == 2
        assert error == "pcapleak: --iface nosuch0: no such interface; there are lo\n"


def test_without_the_right_to_capture_one_message_says_how_to_get_it(root_network: None) -> None:
    need_tool("setpriv")
    with hosts(1) as (host,):
        watching = host.start("setpriv", "--bounding-set=-net_raw", "--inh-caps=-all",
                              "--reuid=65534", "--clear-groups",
                              sys.executable, "-m", "pcapleak", "live")  # fmt: skip
        _, error = watching.communicate(timeout=20)
        assert watching.returncode == 2
        assert len(error.splitlines()) == 1
        assert "setcap" in error
        assert "sudo" in error


def test_every_event_and_field_is_documented() -> None:
    """The page of events names what the schema has."""
    page = (DOCS / "events.md").read_text(encoding="utf-8")
    schema = events_schema()
    for name, kind in EVENTS.items():
        assert f"`{name}`" in page
        for field in schema["$defs"][kind.__name__]["properties"]:
            assert f"`{field}`" in page, (name, field)
