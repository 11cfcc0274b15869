"""A capture in, a capture that can be shown to strangers out.

Two passes: one learns (streams that change their length, hellos over several datagrams, what
salts foundations), one writes. What was written is searched for every original address, and
nothing is left behind where one is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field

from pcapleak.capture import CaptureSource, PcapngWriter, open_capture
from pcapleak.capture.programs import write_comment
from pcapleak.dissect.link import PKTAP
from pcapleak.errors import PcapleakError
from pcapleak.judge.sides import kind_words
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.draft import Draft
from pcapleak.redact.frames import Frames, written_link_type
from pcapleak.redact.leftovers import Leftovers
from pcapleak.redact.names import Renamer
from pcapleak.redact.packets import Packets
from pcapleak.redact.streams import Streams
from pcapleak.redact.told import Told
from pcapleak.report.output import OutputFile, protect
from pcapleak.values.packets import Direction, Interface, RecordBatch
from pcapleak.values.programs import Program

_TELLING = 4
"""Characters of a name that another one has by chance in one of half a million cases at most."""

MAX_LEFT = 10
"""Places of addresses left that an error names."""


class Redaction(Struct):
    """What was done."""

    packets: int = 0
    addresses: int = 0
    """Addresses that have another name now."""
    blanked: int = 0
    """Payloads of which nothing could be rewritten."""
    unreadable: int = 0
    """Frames blanked whole, because no IP packet was found in them."""
    coincidences: int = 0
    """Packets whose payload was blanked as far as it was kept, because it read like an address."""
    dropped: list[str] = field(default_factory=list)
    """What of the file was not taken over."""
    truncated: bool = False
    """The source was cut off, which the copy is not."""
    forgotten: bool = False
    """There were too many addresses to search for all of them."""


def redact_capture(
    source: str | Path,
    target: str | Path | OutputFile,
    key: bytes,
    *,
    keep_payload: bool = False,
) -> Redaction:
    """Write `source` to `target` (pcapng) with everything renamed that names somebody.

    `keep_payload` lets payloads stand that cannot be rewritten; the search looks at them.

    Raises:
        CaptureError: the source cannot be read.
        PcapleakError: an original address was found in what was written; `target` is not made.
    """
    if str(source) == "-":
        raise PcapleakError("redaction reads its input twice; give a file, not standard input")
    if str(target) == "-":
        raise PcapleakError(
            "redaction looks at all it writes before it shows it; give a file, not standard output"
        )
    protect([source])
    output = target if isinstance(target, OutputFile) else OutputFile(target, through=False)
    with output as file:
        return _redact(Path(source), file, key, keep_payload=keep_payload)


def _redact(source: Path, file: BinaryIO, key: bytes, *, keep_payload: bool) -> Redaction:
    renamer = Renamer(key)
    datagrams = Datagrams(renamer, keep_payload=keep_payload)
    streams = Streams(datagrams)
    frames = Frames(renamer, Packets(renamer, datagrams, streams))
    told = Told(renamer)
    with open_capture(source) as capture:
        for batch, i, data, _ in _rewritten(capture, frames):
            whole = len(data) >= int(batch.original_length[i])
            told.learn(int(batch.interface[i]), int(batch.link_type[i]), data, whole)
        interfaces = [_interface(renamer, interface) for interface in capture.interfaces]
        headed = {one.id for one in capture.interfaces if one.link_type & 0xFFFF in PKTAP}
    streams.read()
    renamer.settle()
    datagrams.learned()
    streams.rewrite()
    frames.unreadable = datagrams.blanked = 0
    result, left = _write(source, file, renamer, datagrams, frames, interfaces, told, headed)
    if left:
        raise PcapleakError(
            f"addresses were left, so nothing was written: {'; '.join(left)} (that is a fault of "
            "pcapleak: please tell its maintainers)"
        )
    result.addresses, result.forgotten = len(renamer.originals), renamer.forgets
    result.blanked, result.unreadable = datagrams.blanked, frames.unreadable
    return result


def _rewritten(
    capture: CaptureSource, frames: Frames
) -> Iterator[tuple[RecordBatch, int, bytes, Draft]]:
    """The records of a capture: batch and row, as they are, and as they become."""
    for batch in capture:
        for i in range(len(batch)):
            start = int(batch.offset[i])
            data = batch.data[start : start + int(batch.captured_length[i])].tobytes()
            interface = int(batch.interface[i])
            yield batch, i, data, frames.frame(interface, int(batch.link_type[i]), data)


def _write(
    source: Path,
    file: BinaryIO,
    renamer: Renamer,
    datagrams: Datagrams,
    frames: Frames,
    interfaces: list[Interface],
    told: Told,
    headed: set[int],
) -> tuple[Redaction, list[str]]:
    """What was done, and where addresses were left; packets of `headed` name interfaces."""
    result = Redaction()
    leftovers = renamer.leftovers or Leftovers(renamer.originals, renamer.hardware)
    left: list[str] = []
    comments = last_ns = 0
    originals: set[str] = set()
    """Names of programs and users; none that is written may hold one."""
    with open_capture(source) as capture, PcapngWriter(file) as writer:
        for interface in interfaces:
            if interface.id not in headed:
                writer.add_interface(interface)  # one without packets too: it was silent
            if interface.filter:
                found = leftovers.find(text := interface.filter.encode(), bytes(len(text)))
                left += [f"the filter of interface {interface.id} holds {found}"] * bool(found)
        last: RecordBatch | None = None
        for batch, i, data, draft in _rewritten(capture, frames):
            if batch is not last:
                told.read(last := batch)
            found = leftovers.find(draft.out, draft.known)
            if found is not None:
                # What was kept reads like an address, by chance or in words nobody expected.
                done = datagrams.blanked
                draft = frames.bare(int(batch.interface[i]), int(batch.link_type[i]), data)
                datagrams.blanked = done
                result.coincidences += 1
                found = leftovers.find(draft.out, draft.known)
            if found is not None and len(left) < MAX_LEFT:
                left.append(f"frame {int(batch.frame[i])} holds {found}")
            comments += i in batch.comments
            comment = ""
            if i in batch.programs:
                program = _program(renamer, batch.programs[i], originals)
                comment = write_comment(program)
                if told.is_left(i, batch.programs[i], draft):
                    left.append(f"frame {int(batch.frame[i])} names a program")
                texts = [str(fact).casefold() for fact in program]
                if any(name in text for name in originals for text in texts):
                    left.append(f"frame {int(batch.frame[i])} names a program or user")
            direction = batch.direction
            length = int(batch.original_length[i]) + len(draft.out) - len(data)
            writer.write(
                told.interface(i, interfaces[int(batch.interface[i])]),
                int(batch.ts_ns[i]),
                bytes(draft.out),
                min(max(length, 0), 0xFFFF_FFFF),  # a damaged record may say anything
                direction=Direction.UNKNOWN if direction is None else Direction(int(direction[i])),
                comment=comment,
            )
            result.packets += 1
            last_ns = max(last_ns, int(batch.ts_ns[i]))
        for interface in capture.interfaces:
            if interface.drops:
                writer.add_drops(interfaces[interface.id], last_ns, interface.drops)
        result.truncated = capture.truncated
        result.dropped = _dropped(capture, comments)
    return result, left


def _interface(renamer: Renamer, interface: Interface) -> Interface:
    """The interface as it is written: of its description and hardware the words that tell its
    kind, as its description."""
    addresses = []
    for text in interface.addresses:
        address = ip_interface(text)
        addresses.append(f"{renamer.address(address.ip)}/{address.network.prefixlen}")
    return Interface(
        id=interface.id,
        capture=interface.capture,
        link_type=written_link_type(interface.link_type & 0xFFFF),
        name=None if interface.name is None else renamer.interface(interface.name),
        description=" ".join(kind_words(interface)) or None,
        snap_length=interface.snap_length,
        addresses=tuple(addresses),
        filter=_filter(renamer, interface.filter),
    )


_FILTER_WORDS = (
    "and or not host net port portrange src dst ip ip6 arp tcp udp icmp icmp6 igmp ether vlan "
    "proto broadcast multicast gateway less greater inbound outbound mask "
    "compiled filter of kind"
)
_KEPT_WORDS = frozenset(_FILTER_WORDS.split())


def _filter(renamer: Renamer, text: str | None) -> str | None:
    """A capture filter that still says what was kept out, with all else renamed."""

    def one(match: re.Match[str]) -> str:
        word = match.group()
        if word in _KEPT_WORDS or re.fullmatch(r"[0-9]{1,5}(?:-[0-9]{1,5})?", word):
            return word
        host, slash, width = word.partition("/")
        return renamer.host(host) + (slash + width if width.isdecimal() else "")

    return None if text is None else re.sub(r"[\w.:/-]+", one, text)


def _program(renamer: Renamer, program: Program, originals: set[str]) -> Program:
    """The program under other names, without its path; `originals` learns what is renamed."""
    names = (
        program.name or program.path.replace("\\", "/").rpartition("/")[2],
        program.user,
        program.container,
        program.parent,
        program.behalf,
        program.title,
    )
    originals.update(
        name.casefold()
        for name in names
        if len(name) >= _TELLING and renamer.program(name) != name and name.isascii()
    )
    name, user, container, parent, behalf, title = map(renamer.program, names)
    return Program(name, program.pid, user, "", container, parent, behalf, title)


def _dropped(capture: CaptureSource, comments: int) -> list[str]:
    counts = (
        (len(capture.secrets), "block of TLS secrets", "blocks of TLS secrets"),
        (comments, "packet comment", "packet comments"),
    )
    return [f"{n} {one if n == 1 else many}" for n, one, many in counts if n]
