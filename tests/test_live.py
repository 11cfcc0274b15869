"""`pcapleak live` on real interfaces, in network namespaces the tests make."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import need_tool
from netns import Host, hosts, join

CLIENT = "192.168.50.42"
STUN_SERVER = "198.51.100.10"
PROXY = "socks5://198.51.100.30:1080"

BINDING_REQUEST = f"""
import os, socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("{CLIENT}", 40000))
for _ in range(3):
    sock.sendto(bytes.fromhex("000100002112a442") + os.urandom(12), ("{STUN_SERVER}", 3478))
    sock.recv(2000)
    time.sleep(0.2)
"""


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    """A host with a real STUN server (coturn) at the other end of eth0."""
    turnserver = need_tool("turnserver")
    with hosts(2) as (client, server):
        join(client, "eth0", f"{CLIENT}/24", server, "eth0", "192.168.50.1/24")
        server.run("ip", "addr", "add", f"{STUN_SERVER}/32", "dev", "lo")
        client.run("ip", "route", "add", "default", "via", "192.168.50.1")
        server.start(turnserver, "-n", "--no-auth", "-L", STUN_SERVER, "-p", "3478",
                     "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout")  # fmt: skip
        time.sleep(1)
        yield client


def read_until(process: subprocess.Popen[str], text: str, timeout_s: float) -> float:
    """Seconds until a line of standard error holds `text`."""
    assert process.stderr is not None
    start = time.monotonic()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return time.monotonic() - start
        if time.monotonic() - start > timeout_s:
            break
    raise AssertionError(f"no {text!r} within {timeout_s} s: {''.join(lines)}")


def test_a_leak_is_told_while_it_happens_and_reported_at_the_end(client: Host) -> None:
    """A STUN answer past the proxy is on screen as it comes, and in the final report."""
    watching = client.python(
        "-m", "pcapleak", "live", "--iface", "eth0", "--proxy", PROXY, "--json", "-"
    )
    read_until(watching, "watching eth0", 20)
    client.run(sys.executable, "-c", BINDING_REQUEST)
    read_until(watching, "PL10", 10)
    watching.send_signal(signal.SIGINT)
    output, _ = watching.communicate(timeout=20)
    report = json.loads(output)
    assert watching.returncode == 1
    assert report["verdict"]["result"] == "leak"
    assert {finding["id"] for finding in report["findings"]} & {"PL101", "PL102"}
    assert report["captures"][0]["packets"] >= 6


def test_live_and_file_give_the_same_report(client: Host, tmp_path: Path) -> None:
    """What dumpcap recorded beside the watch is judged as the watch judged it."""
    dumpcap = need_tool("dumpcap")
    recorded = tmp_path / "eth0.pcapng"
    recorder = client.start(dumpcap, "-q", "-i", "eth0", "-w", str(recorded))
    watching = client.python(
        "-m", "pcapleak", "live", "--iface", "eth0", "--proxy", PROXY, "--json", "-"
    )
    read_until(watching, "watching eth0", 20)
    client.run(sys.executable, "-c", BINDING_REQUEST)
    time.sleep(1)
    watching.send_signal(signal.SIGTERM)
    live = json.loads(watching.communicate(timeout=20)[0])
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=10)
    done = subprocess.run(
        [sys.executable, "-m", "pcapleak", "analyze", str(recorded), "--proxy", PROXY,
         "--json", "-"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    offline = json.loads(done.stdout)
    assert live["verdict"] == offline["verdict"]
    assert [f["id"] for f in live["findings"]] == [f["id"] for f in offline["findings"]]
    assert live["ice_sessions"][0]["candidates"][0]["port"] == 40000


def test_an_idle_watch_ends_at_once_on_sigterm(root_network: None) -> None:
    with hosts(1) as (host,):
        watching = host.python("-m", "pcapleak", "live", "--iface", "lo")
        read_until(watching, "watching lo", 20)
        watching.send_signal(signal.SIGTERM)
        watching.communicate(timeout=5)
        assert watching.returncode == 0


def test_a_wrong_interface_is_one_line_and_status_2(root_network: None) -> None:
    with hosts(1) as (host,):
        watching = host.python("-m", "pcapleak", "live", "--iface", "nosuch0")
        _, error = watching.communicate(timeout=20)
        assert watching.returncode == 2
        assert error == "pcapleak: --iface nosuch0: no such interface; there are lo\n"


def test_without_the_right_to_capture_one_message_says_how_to_get_it(root_network: None) -> None:
    need_tool("setpriv")
    with hosts(1) as (host,):
        watching = host.start("setpriv", "--bounding-set=-net_raw", "--inh-caps=-all", "--reuid=65534",
                              "--clear-groups", sys.executable, "-m", "pcapleak", "live")  # fmt: skip
        _, error = watching.communicate(timeout=20)
        assert watching.returncode == 2
        assert len(error.splitlines()) == 1
        assert "setcap" in error and "sudo" in error
