"""What a watch keeps: recordings within a bound, and the packets around a finding."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_support import (
    CLIENT,
    FLOOD,
    PROXY,
    ROUTER,
    STUN_SERVER,
    Watching,
    analyze,
    machine,
    requests,
    wait_for,
)
from netns import Host, hosts

from pcapleak import open_capture


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    with machine() as (client, _):
        yield client


def packets(path: Path) -> list[tuple[int, str]]:
    """Time and comment of each packet."""
    with open_capture(path) as source:
        return [
            (int(ts_ns), batch.comments.get(row, ""))
            for batch in source
            for row, ts_ns in enumerate(batch.ts_ns)
        ]


LAST_PACKET = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"the last packet", (sys.argv[1], 9))
"""


def test_a_killed_watch_leaves_a_readable_recording(client: Host, tmp_path: Path) -> None:
    """SIGKILL ends it between two instructions; the last packet is on disk, which no later one
    pushed there."""
    folder = tmp_path / "recorded"
    watching = Watching(client, "--iface", "eth0", "--record", str(folder))
    requests(client, 50).wait(60)
    client.run(sys.executable, "-c", LAST_PACKET, ROUTER)
    (recorded,) = folder.iterdir()
    wait_for(lambda: b"the last packet" in recorded.read_bytes())
    # `ip netns exec` becomes the program it runs, so this is the watch itself.
    watching.process.kill()
    watching.process.communicate()
    assert b"the last packet" in recorded.read_bytes()
    assert len(packets(recorded)) > 50
    report = analyze(str(recorded), "--proxy", PROXY)
    assert report["verdict"]["result"] == "leak"
    assert not report["captures"][0]["truncated"]


def test_a_killed_watch_leaves_its_report(client: Host, tmp_path: Path) -> None:
    """The report is written anew every few seconds, whole each time."""
    path = tmp_path / "report.json"
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", str(path))
    requests(client, 2000)

    def tells_the_leak() -> bool:
        told = path.read_text() if path.exists() else ""
        return told != "" and json.loads(told)["verdict"]["result"] == "leak"

    wait_for(tells_the_leak)
    watching.process.kill()
    watching.process.communicate()
    assert tells_the_leak()


def test_recordings_stay_within_their_bound(root_network: None, tmp_path: Path) -> None:
    """The oldest files go; what is left is the newest, without a gap."""
    folder = tmp_path / "recorded"
    with hosts(1) as (host,):
        watching = Watching(host, "--iface", "lo", "--record", str(folder),
                            "--record-megabytes", "8", "--json", "-")  # fmt: skip
        host.run(sys.executable, "-c", FLOOD)
        time.sleep(2)
        report = json.loads(watching.stop(signal.SIGTERM)[0])
    files = sorted(folder.iterdir())
    total = report["statistics"]["bytes"]
    kept = sum(file.stat().st_size for file in files)
    assert total > 16_000_000
    assert 4_000_000 < kept < 9_500_000
    assert len(files) > 4
    times = [ts_ns for file in files for ts_ns, _ in packets(file)]
    assert times == sorted(times)
    last_ns = report["captures"][0]["last_time_ns"]
    assert times[-1] >= last_ns, "what was recorded last may be too late to be judged"


def test_evidence_holds_what_came_before_and_after(client: Host, tmp_path: Path) -> None:
    """Harmless packets before the leak are in it; the leak's say which finding they prove."""
    path = tmp_path / "evidence.pcapng"
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--json", "-",
                        "--evidence", str(path), "--pre", "2", "--post", "1",
                        "--keep-root-for-processes")  # fmt: skip
    for _ in range(5):
        client.run("ping", "-c", "1", "-W", "1", "192.168.50.1")
        time.sleep(0.9)
    requests(client, 4).wait(10)
    time.sleep(2)
    client.run("ping", "-c", "1", "-W", "1", "192.168.50.1")
    time.sleep(0.5)
    report = json.loads(watching.stop(signal.SIGTERM)[0])
    found = next(f for f in report["findings"] if f["id"] in ("PL101", "PL102"))
    kept = packets(path)
    proof = [(ts_ns, text) for ts_ns, text in kept if text]
    assert any(f"{found['id']}: " in text and STUN_SERVER in text for _, text in proof)
    assert any(f"{found['id']} process: python" in text for _, text in proof)
    first = found["first_time_ns"]
    assert first - 2_000_000_000 <= kept[0][0] < first - 800_000_000
    assert kept[-1][0] < first + 2_500_000_000
    assert len(kept) < report["captures"][0]["packets"]


def test_a_finding_runs_a_command_without_a_shell(client: Host, tmp_path: Path) -> None:
    """Id, severity and message are arguments, whatever they hold; --until-leak ends the watch."""
    watching = Watching(client, "--iface", "eth0", "--proxy", PROXY, "--until-leak",
                        "--exec", "/bin/echo 'HOOK $(id)'")  # fmt: skip
    requests(client, 40)
    output, error = watching.process.communicate(timeout=20)
    assert watching.process.returncode == 1
    assert "HOOK $(id) PL10" in error
    assert CLIENT in error
    assert "LEAK" in output


def test_guard_returns_the_verdict_of_a_commands_run(client: Host) -> None:
    """1 where the command leaks, 0 where it does not; a command that does not exist is 2."""
    leaking = (
        "import os, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f"s.sendto(bytes.fromhex('000100002112a442') + os.urandom(12), ('{STUN_SERVER}', 3478))"
    )
    options = ("-m", "pcapleak", "guard", "--iface", "eth0", "--proxy", PROXY, "--")
    process = client.python(*options, "/usr/bin/python3", "-c", leaking)
    output, error = process.communicate(timeout=30)
    assert process.returncode == 1, error
    assert "LEAK" in output
    process = client.python(*options, "/usr/bin/id", "-u")
    output, error = process.communicate(timeout=30)
    assert "65534" in output
    assert process.returncode == 3, error  # nothing was seen through the proxy
    process = client.python(*options, "/no/such/program")
    _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "/no/such/program cannot be started" in error


def test_root_is_gone_before_the_first_packet(client: Host, tmp_path: Path) -> None:
    """An unprivileged user, no groups, no capabilities, and no way to gain any, in all threads."""
    watching = Watching(client, "--iface", "eth0", "--json", str(tmp_path / "report.json"),
                        "--record", str(tmp_path / "recorded"))  # fmt: skip
    requests(client, 5).wait(20)
    threads = list(Path(f"/proc/{watching.process.pid}/task").iterdir())
    assert len(threads) == 3, "the watch, what writes its lines, and what records"
    for thread in threads:
        pairs = (line.partition(":") for line in (thread / "status").read_text().splitlines())
        status = {name: value.split() for name, _, value in pairs}
        assert status["Uid"] == ["65534"] * 4
        assert status["Gid"] == ["65534"] * 4
        assert status["Groups"] == []
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name][0], 16) == 0
        assert status["NoNewPrivs"] == ["1"]
    watching.stop(signal.SIGTERM)
    assert (tmp_path / "report.json").stat().st_uid == 65534


def test_the_user_behind_sudo_owns_the_watch_and_its_files(client: Host, tmp_path: Path) -> None:
    done = subprocess.run(
        ["ip", "netns", "exec", client.name, "env", "SUDO_UID=12345", "SUDO_GID=12346",
         "SUDO_USER=someone", sys.executable, "-m", "pcapleak", "live", "--duration", "0.5",
         "--record", str(tmp_path / "r"), "--json", str(tmp_path / "report.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "r", tmp_path / "report.json"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)
