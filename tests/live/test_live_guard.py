"""A command under guard: whose it is, what it may touch, and when its run proves something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_support import VPN_SERVER, machine, wireguard
from netns import Host, hosts, join

USE = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2);"
    "s.sendto(bytes.fromhex('000100002112a442') + bytes(12), ('198.51.100.10', 3478)); s.recv(99)"
)


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    with hosts(2) as (client, server):
        join(client, "eth0", "192.168.50.42/24", server, "eth0", "192.168.50.1/24")
        yield client


def guard(
    host: Host, *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", host.name, sys.executable, "-m", "pcapleak", "guard", *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_no_leak_needs_something_inside_the_tunnel(root_network: None, tmp_path: Path) -> None:
    """A carrier that only keeps itself alive proves nothing, whenever it does."""
    with machine() as (client, server):
        tunnel = wireguard(client, server, tmp_path)
        with (tmp_path / "client.conf").open("a") as file:
            file.write("PersistentKeepalive = 1\n")
        tunnel.up()
        options = ("--tunnel", "wg0", "--vpn-endpoint", f"{VPN_SERVER}:51820/udp", "--json")
        for _ in range(3):
            done = guard(client, *options, "-", "--", "sleep", "1.2")
            assert done.returncode == 3, done.stderr
        reason = json.loads(done.stdout)["verdict"]["reason"]
        assert "while the command ran" in reason or "No traffic was seen in" in reason
        done = guard(client, *options, "-", "--", "/usr/bin/python3", "-c", USE)
        assert done.returncode == 0, (done.stderr, done.stdout)


def test_a_command_that_fails_is_told_on_screen_and_in_the_report(client: Host) -> None:
    done = guard(client, "--tunnel", "wg0", "--json", "-", "--", "sh", "-c", "echo hello; exit 7")
    assert "the command ended with status 7" in done.stderr
    report = json.loads(done.stdout)  # What the command prints is not in it.
    assert "the command ended with status 7" in report["captures"][0]["problems"]
    assert "hello" in done.stderr
    done = guard(client, "--tunnel", "wg0", "--", "sh", "-c", "kill -9 $$")
    assert "the command was ended by SIGKILL" in done.stderr


def test_a_command_has_a_user_of_its_own_and_a_clean_environment(
    client: Host, tmp_path: Path
) -> None:
    """It can neither end the watch nor write what the watch writes."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    report, recording = tmp_path / "report.json", tmp_path / "recording"
    script = (
        f"id -un; env; kill -9 $PPID && echo killed; echo forged > {report} && echo forged; "
        f"touch {recording}/x && echo touched; cat {recording}/*.pcapng > /dev/null && echo read"
    )
    done = guard(client, "--tunnel", "wg0", "--json", str(report), "--record", str(recording),
                 "--", "sh", "-c", script, SECRET="told", SUDO_UID="1", SUDO_GID="1",
                 SUDO_USER="daemon", LD_LIBRARY_PATH="/nowhere",
                 HTTPS_PROXY="http://192.0.2.1:8")  # fmt: skip
    assert done.stdout.startswith("daemon\n"), (done.stdout, done.stderr)
    printed = done.stdout
    for word in ("killed", "forged", "touched", "read\n", "SECRET", "SUDO_", "LD_LIBRARY"):
        assert word not in printed, printed
    assert "USER=daemon" in printed
    assert "HTTPS_PROXY=" in printed
    assert json.loads(report.read_text())["verdict"]
    done = guard(client, "--tunnel", "wg0", "--user", "games", "--", "id", "-un")
    assert done.stdout.startswith("games\n")
    done = guard(client, "--user", "nobody-of-that-name", "--", "true")
    assert done.returncode == 2
    assert "there is no such user" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_that_the_command_started(number: int, client: Host) -> None:
    """Also a child that does not want to."""
    stubborn = "trap '' TERM INT; sleep 300 & echo $! $$; while true; do sleep 1; done"
    process = client.python("-m", "pcapleak", "guard", "--tunnel", "wg0", "--",
                            "sh", "-c", 'sh -c "$0" & wait', stubborn)  # fmt: skip
    assert process.stdout is not None
    pids = process.stdout.readline().split()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert len(pids) == 2
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
