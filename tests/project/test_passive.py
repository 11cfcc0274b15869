"""pcapleak never sends a packet: by the kernel's counters, by what it calls, by its outputs."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import quiet
from netns import Host, hosts, join
from places import ROOT

CAPTURES = ("socks", "signalling-tls", "stun-by-name", "dns-beside-tunnel")


@contextmanager
def wire() -> Iterator[Host]:
    """A host with a way out: an interface with an address and a default route."""
    with hosts(2) as (host, router):
        join(host, "eth0", "192.0.2.5/24", router, "eth0", "192.0.2.1/24")
        host.run("ip", "route", "add", "default", "via", "192.0.2.1")
        yield host


@pytest.fixture(scope="module")
def wired(root_network: None) -> Iterator[Host]:
    """Such a host for all tests that send nothing."""
    with wire() as host:
        yield host


def sent(host: Host) -> dict[str, int]:
    """Packets sent so far, by interface, as the kernel counts them."""
    lines = host.run("cat", "/proc/net/dev").splitlines()[2:]
    return {line.split(":")[0].strip(): int(line.split(":")[1].split()[9]) for line in lines}


def test_the_counters_see_a_packet(root_network: None) -> None:
    """The measure measures: one datagram is more than none."""
    with wire() as host:
        before = sent(host)
        code = "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))"
        host.run(sys.executable, "-c", code)
        assert sent(host)["eth0"] > before["eth0"]


@pytest.mark.parametrize("name", CAPTURES)
def test_analyze_sends_nothing(wired: Host, name: str, tmp_path: Path) -> None:
    """Not with every output, not where tshark decrypts, not for names and addresses it meets."""
    before = sent(wired)
    out = tmp_path
    options = ["--json", f"{out}/a.json", "--html", f"{out}/a.html", "--csv", f"{out}/csv",
               "--evidence", f"{out}/e.pcapng", "--exit-zero", "--verbose"]  # fmt: skip
    capture = str(ROOT / "captures" / f"{name}.pcapng")
    wired.run(sys.executable, "-m", "pcapleak", "analyze", capture, *options)
    wired.run(sys.executable, "-m", "pcapleak", "decode", capture)
    wired.run(sys.executable, "-m", "pcapleak", "redact", capture, f"{out}/r.pcapng")
    assert sent(wired) == before


@pytest.mark.parametrize("source", ["ring", "scapy", "dumpcap"])
def test_live_sends_nothing(wired: Host, source: str, tmp_path: Path) -> None:
    before = sent(wired)
    wired.run(
        sys.executable, "-m", "pcapleak", "live", "-i", "eth0", "--duration", "2",
        "--via", source, "--plain", "--json", str(tmp_path / "live.json"),
    )  # fmt: skip
    assert sent(wired) == before


def test_the_suite_cannot_reach_the_network() -> None:
    """The hook of tests/support/quiet.py stops what would leave this machine, and remembers it."""
    try:
        with pytest.raises(quiet.WouldSendError):
            socket.getaddrinfo("example.com", 80)
        with socket.socket() as one, pytest.raises(quiet.WouldSendError):
            one.connect(("192.0.2.1", 80))
        with (
            socket.socket(type=socket.SOCK_DGRAM) as one,
            pytest.raises(quiet.WouldSendError),
        ):
            one.sendto(b"x", ("192.0.2.1", 53))
        assert len(quiet.offences) == 3
    finally:
        quiet.offences.clear()


def test_no_code_of_ours_sends_or_looks_names_up() -> None:
    """Nobody calls a resolver or an URL; sockets are made where packets are captured only."""
    calls = re.compile(
        r"getaddrinfo|gethostby|getnameinfo|urlopen|http\.client|\.sendto\(|\.sendmsg\(|"
        r"create_connection|import requests|aiohttp|smtplib|ftplib"
    )
    for path in sorted((ROOT / "pcapleak").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "AF_NETLINK" not in text:  # what is sent there goes to the kernel
            assert not calls.search(text), path
        if "socket.socket(" in text:
            assert "pcapleak/live" in path.as_posix(), path


def test_children_are_started_with_names_unresolved() -> None:
    """tshark and dumpcap get fixed lists of arguments, never a shell, and -n."""
    for path in sorted((ROOT / "pcapleak").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "shell=True" not in text, path
        assert "os.system(" not in text, path
        for program in ("tshark", "dumpcap", "tcpdump"):
            if re.search(rf'\[\s*"{program}"', text) or "FileCapture(" in text:
                assert '"-n"' in text, path
