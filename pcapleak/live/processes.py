"""Which program and user a flow belongs to, asked of /proc when the flow is first seen."""

from __future__ import annotations

import os
import pwd
import struct
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from pcapleak.live.owners import Owner
from pcapleak.values.packets import Endpoint
from pcapleak.values.programs import Program

TABLES = {6: ("tcp", "tcp6"), 17: ("udp", "udp6"), 136: ("udplite", "udplite6")}
MAX_SHARE = 0.1
"""Of the time: /proc of a busy machine has many thousand entries."""


class OwnerLookup(Protocol):
    """Anything that knows owners of sockets."""

    def find(self, inodes: list[int]) -> dict[int, Owner]:
        """The owners of those that can be seen."""


class Socket(NamedTuple):
    """One line of /proc/net/udp and its like."""

    uid: int
    inode: int


class Processes:
    """Looks flows up in the kernel's socket tables (of this network namespace)."""

    def __init__(self, owners: OwnerLookup, *, hidden: bool) -> None:
        self._owners = owners
        self._hidden = hidden
        self._not_before_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether asking has not yet taken its share of time."""
        return time.monotonic() >= self._not_before_s

    def describe(self, flows: list[tuple[int, Endpoint, Endpoint]]) -> list[Program | None]:
        """For each (IP protocol, one end, other end) whose socket it is.

        None where nothing can be said: the flow is not this machine's.
        """
        started_s = time.monotonic()
        tables = {protocol: _read(protocol) for protocol in {flow[0] for flow in flows}}
        sockets = [_match(tables[protocol], a, b) for protocol, a, b in flows]
        wanted = sorted({found.inode for found in sockets if found is not None and found.inode})
        owners = self._owners.find(wanted) if wanted else {}
        spent_s = time.monotonic() - started_s
        self._not_before_s = time.monotonic() + spent_s * (1 / MAX_SHARE - 1)
        return [None if found is None else self._program(found, owners) for found in sockets]

    def _program(self, found: Socket, owners: dict[int, Owner]) -> Program:
        user = _user(found.uid)
        if found.inode in owners:
            owner = owners[found.inode]
            return Program(owner.name, owner.pid, user)
        if not found.inode:
            return Program(user=user, note="the program had closed the socket")
        if not self._hidden or found.uid == os.geteuid():
            return Program(user=user, note="the program was gone when it was looked for")
        return Program(
            user=user,
            note="without root other users' programs are hidden, "
            "--keep-root-for-processes shows them",
        )


@lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


Key = tuple[bytes, int, bytes, int]


def _read(protocol: int) -> dict[Key, Socket]:
    """Sockets by both ends, as packed addresses and ports; zeros where an end is open."""
    found: dict[Key, Socket] = {}
    for name in TABLES.get(protocol, ()):
        try:
            lines = Path("/proc/net", name).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            key = (*_end(words[1]), *_end(words[2]))
            found[key] = Socket(int(words[7]), int(words[9]))
    return found


def _end(text: str) -> tuple[bytes, int]:
    """`0100007F:0035`: 32-bit words in the machine's order, and a port."""
    address, _, port = text.partition(":")
    count = len(address) // 8
    words = struct.unpack(f">{count}I", bytes.fromhex(address))
    return struct.pack(f"={count}I", *words), int(port, 16)


MAPPED = bytes(10) + b"\xff\xff"


def _match(table: dict[Key, Socket], a: Endpoint, b: Endpoint) -> Socket | None:
    """The socket of one of the two ends: connected, bound to an address, or to a port only."""
    for here, there in ((a, b), (b, a)):
        near, far = here.address.packed, there.address.packed
        nears, fars = [near], [far]
        if len(near) == 4:
            # Sockets of both families hold IPv4 addresses in IPv6 form.
            nears.append(MAPPED + near)
            fars.append(MAPPED + far)
        for size in (4, 16):
            any_address = bytes(size)
            for mine, other in zip(nears, fars, strict=True):
                if len(mine) != size:
                    continue
                for key in (
                    (mine, here.port, other, there.port),
                    (mine, here.port, any_address, 0),
                    (any_address, here.port, other, there.port),
                    (any_address, here.port, any_address, 0),
                ):
                    if key in table:
                        return table[key]
    return None
