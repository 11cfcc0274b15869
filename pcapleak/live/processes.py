"""Which program and user a flow belongs to, asked of /proc when the flow is first seen."""

from __future__ import annotations

import os
import struct
import time
from collections import Counter
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from pcapleak.live.owners import Owner
from pcapleak.values.packets import Endpoint, IPAddress
from pcapleak.values.programs import Program, plain

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


class Whose(NamedTuple):
    """The program of a flow; and that at the other end, where both are of this machine."""

    program: Program | None
    listener: Program | None = None


class Processes:
    """Looks flows up in the kernel's socket tables (of this network namespace)."""

    def __init__(self, owners: OwnerLookup, *, hidden: bool) -> None:
        self._owners = owners
        self._hidden = hidden
        self._not_before_s = 0.0
        self._unknown: Counter[str] = Counter()
        """Flows of this machine whose programs could not be told, by why."""

    @property
    def ready(self) -> bool:
        """Whether asking has not yet taken its share of time."""
        return time.monotonic() >= self._not_before_s

    def skip(self, flows: int) -> None:
        """So many flows will not be asked for: they were too many."""
        self._unknown[SKIPPED] += flows

    def notes(self) -> list[str]:
        """What could not be told, and why: once for all flows."""
        return [
            f"the program of {count} {'flow' if count == 1 else 'flows'} is not known: {why}"
            for why, count in self._unknown.items()
            if count
        ]

    def describe(
        self, flows: list[tuple[int, Endpoint, Endpoint]], here: AbstractSet[IPAddress]
    ) -> list[Whose]:
        """For each (IP protocol, originator, responder) whose socket it is; `here` are this
        machine's addresses.

        None where nothing can be said: the flow is not this machine's, or its socket was closed.
        """
        started_s = time.monotonic()
        tables = {protocol: _read(protocol) for protocol in {flow[0] for flow in flows}}
        sockets = [_match(tables[protocol], a, b) for protocol, a, b in flows]
        others = [
            _match_end(tables[protocol], b, a) if _is_within(a.address, b.address, here) else None
            for protocol, a, b in flows
        ]
        wanted = sorted({one.inode for one in (*sockets, *others) if one is not None and one.inode})
        owners = self._owners.find(wanted) if wanted else {}
        spent_s = time.monotonic() - started_s
        self._not_before_s = time.monotonic() + spent_s * (1 / MAX_SHARE - 1)
        for (protocol, a, b), found in zip(flows, sockets, strict=True):
            mine = protocol in TABLES and (a.address in here or b.address in here)
            self._unknown[CLOSED] += mine and (found is None or not found.inode)
        for found in sockets:
            if found is not None and found.inode and found.inode not in owners:
                hidden = self._hidden and found.uid != os.geteuid()
                self._unknown[HIDDEN if hidden else GONE] += 1
        return [
            Whose(_program(found, owners), None if other == found else _program(other, owners))
            for found, other in zip(sockets, others, strict=True)
        ]


def _program(found: Socket | None, owners: dict[int, Owner]) -> Program | None:
    if found is None or not found.inode:
        # What is left of a closed socket has no user either: the kernel writes 0.
        return None
    user = _user(found.uid)
    owner = owners.get(found.inode)
    if owner is None:
        return Program(user=user)
    parent, container = plain(owner.parent), plain(owner.container)
    return Program(plain(owner.name), owner.pid, user, parent=parent, container=container)


def _is_within(a: IPAddress, b: IPAddress, here: AbstractSet[IPAddress]) -> bool:
    return (a.is_loopback or a in here) and (b.is_loopback or b in here)


HIDDEN = "another user's, which root alone sees (--keep-root-for-processes shows it)"
CLOSED = "it had closed the socket when it was asked for"
GONE = "it was gone when it was looked for"
SKIPPED = "there were too many at once to ask for"


@lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    import pwd

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
    """The socket of one of the two ends."""
    return _match_end(table, a, b) or _match_end(table, b, a)


def _match_end(table: dict[Key, Socket], here: Endpoint, there: Endpoint) -> Socket | None:
    """The socket of an end: connected, bound to an address, or to a port only."""
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
