"""Programs that captures name: one reader for each way in which recorders write them.

| recorder | where | source |
|---|---|---|
| Apple's tcpdump | process information blocks, packet options 0x8001 and 0x8003 | Wireshark's `pcapng-darwin.c` |
| Apple's PKTAP | the header before each packet (`dissect/link.py`) | bsd/net/pktap.h of its kernel |
| Wireshark | custom block of PEN 32622, entry 3; packet option 8 | its `pcapng-wireshark-custom.c`, pcapng draft |
| ptcpdump | packet comments | its `writer/pcapng.go` |
| RustNet | packet comments | its `pcapng_export.rs` |
| etl2pcapng | packet comments | its `main.c` |
| PCAPdroid | a trailer of Ethernet frames (`dissect/trailers.py`); comments and custom blocks of PEN 62652 | its `pcap_dump.c` |
| pcapleak | comments of its recordings and evidence | `write_comment` |

A comment is text of whoever wrote the file: it names a program only where all of it has the
form of its recorder, and what it names is bounded and kept printable.
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from pcapleak.values.programs import Program, plain

WIRESHARK_PEN: Final = 32622
PCAPDROID_PEN: Final = 62652
_PROCESS_ENTRY: Final = 3
_UID_MAP: Final = 1
_START_TIME: Final = 9
"""pib_starttime: nanoseconds since 1970."""

MAX_PROCESSES: Final = 65536
MAX_REUSED: Final = 16
"""Programs kept that had one process id, the last told."""

MAX_COMMENT: Final = 65_536

_ENTRY = Struct("<II").unpack_from


_MAX_TEXT = 512
"""Bytes of a name or path that are kept: there may be as many programs as packets."""


def read_process_options(options: dict[int, bytes], pid: int, *, apple: bool = False) -> Program:
    """The program that a process information block's options describe."""
    texts = {
        code: plain(value[:_MAX_TEXT].rstrip(b"\0").decode("utf-8", "replace"))
        for code, value in options.items()
        if code in (2, 3, 7)
    }
    name = texts.get(2, "")
    if apple:
        return Program(name, pid)
    path, user = texts.get(3, ""), texts.get(7, "")
    if not user and len(options.get(6, b"")) == 4:
        user = str(int.from_bytes(options[6], "little"))
    return Program(name or path.replace("\\", "/").rpartition("/")[2], pid, user, path)


class Started(NamedTuple):
    """A program as a process information block tells it."""

    position: int
    """Of the block, in bytes."""
    start_ns: int | None
    program: Program


class Processes:
    """Wireshark's process information by process id, which systems give again and again."""

    def __init__(self) -> None:
        self._of: dict[int, list[Started]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, pid: int, position: int, options: dict[int, bytes]) -> None:
        """Take a block."""
        start = options.get(_START_TIME, b"")
        start_ns = int.from_bytes(start, "little") if len(start) == 8 else None
        if pid not in self._of and len(self._of) >= MAX_PROCESSES:
            return
        known = self._of.setdefault(pid, [])
        known.append(Started(position, start_ns, read_process_options(options, pid)))
        del known[:-MAX_REUSED]

    def of(self, pid: int, ts_ns: int, position: int) -> Program:
        """Who had this id as a packet was recorded, by start times; where none is told, who was
        told last before the packet."""
        known = self._of.get(pid, [])
        timed = [(one.start_ns, one) for one in known if one.start_ns is not None]
        if timed:
            _, found = max(
                (one for one in timed if one[0] <= ts_ns),
                default=min(timed, key=_first),
                key=_first,
            )
            return found.program
        before = [one for one in known if one.position < position]
        found_in = before[-1:] or known[:1]
        return found_in[0].program if found_in else Program(pid=pid)


def _first(pair: tuple[int, Started]) -> int:
    return pair[0]


def read_wireshark_block(data: bytes) -> tuple[int, bytes] | None:
    """The process id and the options of a Wireshark custom block's data, little-endian in any
    section; None where it is another entry."""
    if len(data) < 12:
        return None
    kind, length = _ENTRY(data)
    if kind != _PROCESS_ENTRY or not 4 <= length <= len(data) - 8:
        return None
    return int.from_bytes(data[8:12], "little"), data[12 : 8 + length]


def read_uid_map(data: bytes, order: str) -> tuple[int, Program] | None:
    """The user id and the package of a PCAPdroid custom block's data."""
    if len(data) < 8 or data[0] != 1 or data[1] != _UID_MAP:
        return None
    (uid,) = Struct(f"{order}i").unpack_from(data, 2)
    end = 8 + data[6]
    if end + data[7] > len(data):
        return None
    package, title = (
        plain(part.decode("utf-8", "replace")) for part in (data[8:end], data[end : end + data[7]])
    )
    if not package and not title:
        return None
    return uid, Program(package or title, user=str(uid), title=title if package else "")


_PTCPDUMP = re.compile(
    r"PID: (\d{1,10})\nCmd: ([^\n]+)\nArgs: [^\n]*"
    # Its other comments, where they were joined to one.
    r"(?:\n+(?:Parent|User|Group|Container|Pod)[A-Z][A-Za-z]{1,20}: [^\n]*)*"
)
_PTCPDUMP_PARENT = re.compile(r"ParentPID: \d{1,10}\nParentCmd: ([^\n]+)\nParentArgs: [^\n]*")
_PTCPDUMP_USER = re.compile(
    r"UserId: (\d{1,10})(?:\nUserName: ([^\n]+))?(?:\nGroup[A-Za-z]+: [^\n]*)*"
)
_PTCPDUMP_CONTAINER = re.compile(
    r"ContainerName: ([^\n]+)\nContainerId: [^\n]*\nContainerImage: [^\n]*\nContainerLabels: [^\n]*"
)
_PTCPDUMP_POD = re.compile(
    r"PodName: ([^\n]+)\nPodNamespace: ([^\n]*)\nPodUID: [^\n]*\nPodLabels: [^\n]*\n"
    r"PodAnnotations: [^\n]*"
)
_RUSTNET = re.compile(r"rustnet((?: [a-z0-9_]{1,20}=\S{0,300})+)")
_ETL_FIELD = (
    "(?:TID|ProcessName|VlanId|SrcPortId|SrcNicType|SrcNicName|SrcPortName|DstNicCount|HashValue"
    "|RoutingDomainId|Username)"
)
_ETL = re.compile(
    rf"PID=(\d{{1,10}})((?: {_ETL_FIELD}=[^\n=]*)*)(?: Packet Metadata: ReceiveFlags:0x[^\n]*)?"
)
_ETL_NAME = re.compile(rf" ProcessName=([^\n=]+?)(?= {_ETL_FIELD}=|$)")
_PCAPDROID = re.compile(r"u-(-?\d{1,10})")
_PART = r"([^();,]{1,256})"
_OWN = re.compile(
    rf"(?:[A-Z]{{2,4}}\d{{3}} )?process: ([^()]{{1,256}}?)(?: \((?:(?!pid |user ){_PART}, )?"
    rf"(?:pid (\d{{1,10}}))?(?:, )?(?:user {_PART})?(?:, container {_PART})?"
    rf"(?:, started by {_PART})?(?:, for {_PART})?\))?"
)


Fits = Callable[["re.Pattern[str]", str], "re.Match[str] | None"]


def _ptcpdump(comment: str) -> Program | None:
    return _of_ptcpdump(comment, re.Pattern.fullmatch)


def _ptcpdump_itself(comment: str) -> Program | None:
    """In its own captures: arguments, labels and annotations may have several lines."""
    return _of_ptcpdump(comment, re.Pattern.match)


def _of_ptcpdump(comment: str, fits: Fits) -> Program | None:
    if found := fits(_PTCPDUMP, comment):
        path = plain(found[2])
        return Program(path.rpartition("/")[2] or path, int(found[1]), path=path)
    if found := fits(_PTCPDUMP_PARENT, comment):
        return Program(parent=plain(found[1]).rpartition("/")[2])
    if found := fits(_PTCPDUMP_USER, comment):
        return Program(user=plain(found[2] or found[1]))
    if found := fits(_PTCPDUMP_CONTAINER, comment):
        return Program(container=plain(found[1]))
    if found := fits(_PTCPDUMP_POD, comment):
        return Program(container=plain(f"{found[2]}/{found[1]}"))
    return None


def _rustnet(comment: str) -> Program | None:
    found = _RUSTNET.fullmatch(comment)
    if found is None:
        return None
    fields = dict(word.split("=", 1) for word in found[1].split())
    pid, uid = fields.get("pid", ""), fields.get("uid", "")
    name = plain(fields.get("process", ""))
    if not name and not pid.isdecimal():
        return None
    container = "/".join(filter(None, (fields.get("ns"), fields.get("pod"))))
    return Program(
        name,
        int(pid) if pid.isascii() and pid.isdecimal() and len(pid) <= 10 else None,
        plain(uid),
        container=plain(container or fields.get("container", "")),
    )


def _etl2pcapng(comment: str) -> Program | None:
    found = _ETL.fullmatch(comment)
    if found is None:
        return None
    named = _ETL_NAME.search(found[2])
    path = plain(named[1]) if named else ""
    name = path.rpartition("\\")[2] or path
    # Process 0 is what runs where none does.
    return Program(name, int(found[1]) or None, path=path if path != name else "")


def tells_who_ran(comment: str) -> bool:
    """Whether it is etl2pcapng's, which names who ran as Windows recorded the packet: its README
    warns that this is often not whose packet it is, and of packets that come in it never is."""
    return comment.startswith("PID=") and _ETL.fullmatch(comment) is not None


def _own(comment: str) -> Program | None:
    for line in comment.split("\n"):
        if found := _OWN.fullmatch(line):
            name, title, pid, user, container, parent, behalf = (
                plain(_ESCAPED.sub(lambda part: chr(int(part[1], 16)), part or ""))
                for part in found.groups()
            )
            number = int(pid) if pid else None
            name = "" if name == "unknown" else name
            return Program(name, number, user, "", container, parent, behalf, title)
    return None


_ESCAPED = re.compile("%(25|28|29|2C|3B)")
_TO_ESCAPE = re.compile("[%(),;]")


def write_comment(program: Program) -> str:
    """A packet comment of pcapleak's own that `read_comment` reads back.

    `process: NAME (TITLE, pid N, user USER, container CONTAINER, started by PARENT, for WHOM)`,
    of which all but the name may be missing, and a name that is not known is `unknown`. Of the
    texts `%`, brackets, commas and semicolons are `%` and two hexadecimal digits.
    """
    name = program.name or program.path.rpartition("/")[2]
    escaped = [
        _TO_ESCAPE.sub(lambda found: f"%{ord(found[0]):02X}", fact)
        for fact in (
            name, program.user, program.container, program.parent, program.behalf, program.title,
        )
    ]  # fmt: skip
    name, user, container, parent, behalf, title = escaped
    return f"process: {Program(name, program.pid, user, '', container, parent, behalf, title)}"


_READERS: tuple[Callable[[str], Program | None], ...] = (_ptcpdump, _rustnet, _etl2pcapng)


OWN, PTCPDUMP = "pcapleak", "ptcpdump"
"""What the programs call themselves that wrote a section (shb_userappl)."""


@lru_cache(maxsize=4096)
def read_comment(comment: str, writer: str = "") -> Program | None:
    """What one comment of a packet tells of its program, perhaps a part of it alone; `writer` is
    the program that wrote the capture, where it is one of those that comments are read by."""
    if len(comment) > MAX_COMMENT:
        return None
    if writer == OWN:
        return _own(comment)
    for reader in (_ptcpdump_itself,) if writer == PTCPDUMP else _READERS:
        found = reader(comment)
        if found is not None:
            return found
    return None


def read_user_comment(comment: str, users: dict[int, Program]) -> Program | None:
    """The program of PCAPdroid's comment, which names a user of its map alone."""
    found = _PCAPDROID.fullmatch(comment)
    return users.get(int(found[1])) if found else None
