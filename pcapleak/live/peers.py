"""The servers of this machine's WireGuard devices, asked again while it is watched.

The kernel sends no notice where a peer roams or a client switches servers, and asking takes a
right that the watch has given up. A process beside it keeps that one right, asks, and tells
what is new; it never sees a packet.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from ipaddress import ip_address

from pcapleak.values.packets import Endpoint

Peers = dict[str, list[Endpoint]]
"""Endpoints of peers by device name."""

TIMEOUT_S = 2.0
ASK_EVERY_S = 0.5


def read_peers(program: str) -> tuple[Peers, str]:
    """Endpoints as `wg show all endpoints` tells them (it asks the kernel or wireguard-go), and
    why not all of them; empty where nothing is missing."""
    try:
        done = subprocess.run(
            [program, "show", "all", "endpoints"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, f"wg could not be asked for the tunnels' endpoints ({error})"
    refused = "wg may not be asked for the tunnels' endpoints: run it as root"
    return _endpoints(done.stdout), refused if done.returncode else ""


def _endpoints(text: str) -> Peers:
    found: Peers = {}
    for line in text.splitlines():
        name, _, rest = line.partition("\t")
        host, colon, port = rest.rpartition("\t")[2].rpartition(":")
        if colon and port.isdecimal():
            endpoint = Endpoint(ip_address(host.strip("[]").partition("%")[0]), int(port))
            found.setdefault(name, []).append(endpoint)
    return found


class PeersBeside:
    """Asks again and again, from a process that keeps the right to."""

    def __init__(self, known: Peers, prepare: Callable[[], object]) -> None:
        """`known` is what was last told; the process begins with `prepare`, which gives up all
        other rights."""
        self._told, tell = os.pipe()
        alive, self._alive = os.pipe()
        if os.fork() == 0:
            status = 1
            try:
                prepare()
                os.setsid()
                _keep_open(tell, alive)
                _serve(known, tell, alive)
                status = 0
            finally:
                os._exit(status)
        os.close(tell)
        os.close(alive)
        os.set_blocking(self._told, False)
        self._rest = b""

    def latest(self) -> Peers | None:
        """What was told last, once; None where nothing is new."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._told, 1 << 16):
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return _unpacked(lines[-1]) if lines else None

    def close(self) -> None:
        """Let the process end."""
        os.close(self._alive)
        os.close(self._told)


def _keep_open(*kept: int) -> None:
    """Close all else: who reads the watch's output, or what another helper waits for, waits for
    no process beside it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    first = 3
    for number in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(first, number)
        first = number + 1


def _serve(known: Peers, tell: int, alive: int) -> None:
    """Tell what is new until the watch has ended."""
    while not select.select([alive], [], [], ASK_EVERY_S)[0]:
        program = shutil.which("wg")
        now, _ = ({}, "") if program is None else read_peers(program)
        # A device that went keeps its server: what is on its way there still is the tunnel's.
        if now and now != known:
            known = now
            os.write(tell, _packed(now))


def _packed(peers: Peers) -> bytes:
    texts = {name: [(str(one.address), one.port) for one in ends] for name, ends in peers.items()}
    return json.dumps(texts).encode() + b"\n"


def _unpacked(line: bytes) -> Peers:
    return {
        name: [Endpoint(ip_address(host), port) for host, port in ends]
        for name, ends in json.loads(line).items()
    }
