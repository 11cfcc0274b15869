"""The same watch by other means: scapy's sockets, dumpcap, tcpdump, a pipe; and filters."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import floods
import pytest
from conftest import need_tool
from live_support import PROXY, Watching, machine, requests
from netns import Host
from places import ROOT


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    with machine() as (client, _):
        yield client


def judged(text: str) -> dict[str, object]:
    report = json.loads(text)
    return {
        "verdict": report["verdict"]["result"],
        "findings": [(f["id"], f["subject"], f["frame_count"]) for f in report["findings"]],
        "candidates": [c["line"] for s in report["ice_sessions"] for c in s["candidates"]],
        "interfaces": [i["name"] for i in report["captures"][0]["interfaces"]],
    }


@pytest.mark.parametrize("via", ["scapy", "dumpcap", "tcpdump"])
def test_every_way_of_capturing_gives_the_same_report(via: str, client: Host) -> None:
    """Beside the ring, on the same packets."""
    if via != "scapy":
        need_tool(via)
    options = ("--iface", "eth0", "--proxy", PROXY, "--json", "-")
    watches = [Watching(client, *options), Watching(client, *options, "--via", via)]
    time.sleep(1)  # a program has to start before it hears
    requests(client, 20).wait(20)
    time.sleep(1)
    ring, other = (judged(watching.stop(signal.SIGTERM)[0]) for watching in watches)
    assert ring["verdict"] == "leak"
    assert ring == other


def test_what_tcpdump_knows_by_its_index_has_its_name(client: Host) -> None:
    """And so is judged as this machine's device of that name."""
    need_tool("tcpdump")
    watching = Watching(client, "--via", "tcpdump", "--proxy", PROXY, "--json", "-")
    time.sleep(1)
    requests(client, 5).wait(20)
    time.sleep(1)
    report = json.loads(watching.stop(signal.SIGTERM)[0])
    assert report["verdict"]["result"] == "leak"
    names = {one["name"] for one in report["captures"][0]["interfaces"] if one["packets"]}
    assert "eth0" in names
    assert None not in names


def test_a_pipe_is_watched_as_it_comes(client: Host) -> None:
    """Without any right: the leak is told while the recording program still runs."""
    tcpdump = need_tool("tcpdump")
    recorder = subprocess.Popen(
        ["ip", "netns", "exec", client.name, tcpdump, "--immediate-mode",
         "-i", "eth0", "-U", "-w", "-"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    watching = subprocess.Popen(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-", "--proxy", PROXY,
         "--jsonl", "-"],
        stdin=recorder.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    time.sleep(2)
    requests(client, 20).wait(20)
    assert watching.stdout is not None
    for line in watching.stdout:
        event = json.loads(line)
        if event["event"] == "finding" and event["finding"]["id"].startswith("PL10"):
            break
    assert recorder.poll() is None
    recorder.terminate()
    recorder.wait(10)
    output, _ = watching.communicate(timeout=20)
    assert recorder.stdout is not None
    recorder.stdout.close()
    assert json.loads(output.splitlines()[-1])["reason"] == "the source ended"
    assert watching.returncode == 1


def test_a_pipe_whose_judgements_take_long_is_judged_to_its_end() -> None:
    """Beside the packets, by a process that may not read any more what it has not loaded."""
    total = 120_000
    data = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for batch in floods.batches("sockets", total):
        for at, size in zip(batch.offset, batch.captured_length, strict=True):
            packet = batch.data[at : at + size].tobytes()
            data.append(struct.pack("<IIII", 0, 0, size, size) + packet)
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-", "--proxy", PROXY, "--json", "-"],
        input=b"".join(data), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 3), done.stderr
    assert json.loads(done.stdout)["statistics"]["packets"] == total


def test_a_pipe_that_is_no_capture_is_one_line_and_status_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-"],
        input="not a capture, but long enough to look at", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("pcapleak: -: ")


def test_a_program_that_cannot_record_says_why(client: Host) -> None:
    need_tool("dumpcap")
    process = client.python("-m", "pcapleak", "live", "--via", "dumpcap", "--iface", "nosuch0")
    _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "nosuch0" in error.splitlines()[-1]


RECORDER = """#!{python}
import signal, struct, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
sys.stdout.buffer.write(open({capture!r}, "rb").read())
sys.stdout.flush()
signal.sigwait([signal.SIGTERM])
time.sleep({late})
sys.stdout.buffer.write(struct.pack("<5IHHQII", 5, 40, 0, 0, 0, 5, 8, {dropped}, 0, 40))
"""
"""Records what a capture holds, and says at its end how much was lost (if_ifdrop)."""


@pytest.mark.parametrize(
    ("dropped", "late", "verdict"),
    [(0, 0, "no-leak"), (5, 0, "inconclusive"), (0, 6, "inconclusive")],
)
def test_what_a_recorder_lost_counts_though_it_says_so_last(
    dropped: int, late: int, verdict: str, client: Host, tmp_path: Path
) -> None:
    """dumpcap and tcpdump tell it when they are told to end: the last judgement knows, and where
    they do not, it is sure of nothing."""
    recorder = tmp_path / "dumpcap"
    capture = str(ROOT / "captures" / "full-tunnel.pcapng")
    recorder.write_text(
        RECORDER.format(python=sys.executable, capture=capture, dropped=dropped, late=late)
    )
    recorder.chmod(0o755)
    watching = client.start(
        "env", f"PATH={tmp_path}:{os.environ['PATH']}", sys.executable, "-m", "pcapleak", "live",
        "--via", "dumpcap", "--iface", "eth0", "--tunnel", "wg0", "--duration", "2", "--json", "-",
    )  # fmt: skip
    report = json.loads(watching.communicate(timeout=30)[0])
    assert report["verdict"]["result"] == verdict, report["verdict"]
    assert report["captures"][0]["interfaces"][0]["drops"] == (None if late else dropped)


@pytest.mark.parametrize("via", ["scapy", "dumpcap", "tcpdump"])
def test_a_way_out_that_is_not_watched_is_told(via: str, client: Host) -> None:
    if via != "scapy":
        need_tool(via)
    watching = client.python(
        "-m", "pcapleak", "live", "--via", via, "--iface", "lo", "--proxy", PROXY,
        "--duration", "2", "--json", "-",
    )  # fmt: skip
    output, error = watching.communicate(timeout=30)
    gap = "the default route leads through eth0, which is not watched"
    assert f"{gap}: no verdict of no leak can come of this" in error
    assert gap in [finding["subject"] for finding in json.loads(output)["findings"]]


def test_a_filter_works_on_every_kind_of_device_and_limits_the_verdict(client: Host) -> None:
    """Compiled for Ethernet and for devices without a link layer, chosen by each packet's."""
    client.run("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    client.run("ip", "addr", "add", "10.8.0.2/24", "dev", "tun0")
    client.run("ip", "link", "set", "tun0", "up")
    holder = client.start(sys.executable, "-c", HOLD_TUN)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    watching = Watching(client, "--filter", "icmp", "--json", "-", "--proxy", PROXY)
    for target in ("192.168.50.1", "10.8.0.9", "127.0.0.1"):
        subprocess.run(["ip", "netns", "exec", client.name, "ping", "-c", "2", "-W", "1", target],
                       capture_output=True, check=False)  # fmt: skip
    requests(client, 5).wait(20)
    time.sleep(0.5)
    report = json.loads(watching.stop(signal.SIGTERM)[0])
    counts = {i["name"]: i["packets"] for i in report["captures"][0]["interfaces"]}
    assert counts == {"eth0": 4, "tun0": 2, "lo": 4}
    assert any("only packets that match 'icmp'" in f["message"].lower()
               for f in report["findings"] if f["id"] == "PL901")  # fmt: skip
    assert report["verdict"]["result"] == "inconclusive"


HOLD_TUN = """
import fcntl, os, struct, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
print("held", flush=True)
time.sleep(60)
"""


def test_a_wrong_filter_is_one_line_and_status_2(client: Host) -> None:
    process = client.python("-m", "pcapleak", "live", "--filter", "nonsense here")
    _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert error.startswith("pcapleak: --filter nonsense here: ")
