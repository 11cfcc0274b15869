"""pcapng blocks other than packets: interfaces, names, secrets, statistics.

draft-ietf-opsawg-pcapng, section 4. All of these are rare, so they are read one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import Final

from msgspec import Struct, field

from pcapleak.capture.clock import Clock
from pcapleak.capture.facts import Facts
from pcapleak.capture.machine_notes import MAX_NOTES, read_note
from pcapleak.capture.programs import (
    MAX_PROCESSES,
    OWN,
    PCAPDROID_PEN,
    PTCPDUMP,
    WIRESHARK_PEN,
    Processes,
    read_process_options,
    read_uid_map,
    read_wireshark_block,
)
from pcapleak.values.packets import Interface
from pcapleak.values.programs import Program

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
NAMES: Final = 4
STATISTICS: Final = 5
PACKET: Final = 6
JOURNAL: Final = 9
SECRETS: Final = 10
PROCESS: Final = 0x8000_0001
"""Apple's process information block, written by its tcpdump."""

MAX_BLOCK: Final = 16 << 20
"""As Wireshark and libpcap bound it."""
MAX_INTERFACES: Final = 65536
"""Interfaces of one capture: about 500 bytes each, 32 MB at most."""
MAX_TEXT: Final = 256
"""Bytes of an interface's name, description and the like: Linux has 15, Windows some 50."""
MAX_ALL_TEXT: Final = 2 << 20
"""Bytes of these over all interfaces of a capture."""

TLS_KEY_LOG: Final = 0x544C_534B

CUSTOM: Final = 0x0BAD
CUSTOM_NOT_COPIED: Final = 0x4000_0BAD

NUMBERED: Final = frozenset(
    {JOURNAL, CUSTOM, CUSTOM_NOT_COPIED, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0x223}
)
"""Blocks without a packet that Wireshark shows as frames: systemd journal entries, custom blocks
and sysdig events. They are counted, so that a frame has the same number here and there."""


class Section(Struct):
    """What the blocks of a section refer to by number."""

    little: bool
    interfaces: list[Interface] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    processes: list[Program] = field(default_factory=list)
    """Apple's, by the number of their block."""
    known: Processes = field(default_factory=Processes)
    """Wireshark's."""
    users: dict[int, Program] = field(default_factory=dict)
    """PCAPdroid's, by user id."""
    writer: str = ""
    """The program that wrote it, where that is known to write comments about programs."""

    @property
    def own(self) -> bool:
        """Whether pcapleak wrote it."""
        return self.writer == OWN

    @property
    def order(self) -> str:
        """The byte order, as `struct` writes it."""
        return "<" if self.little else ">"


def options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The options from `at` to their end, or to where they run out of the block."""
    head = struct.Struct(f"{order}HH").unpack_from
    while at + 4 <= len(body):
        code, length = head(body, at)
        at += 4
        if code == 0 or at + length > len(body):
            return
        yield code, body[at : at + length]
        at += length + 3 & ~3


def text(value: bytes) -> str:
    """An option's text: UTF-8, perhaps with a zero at its end."""
    return value.rstrip(b"\0").decode("utf-8", "replace")


def read_section(body: bytes, little: bool, facts: Facts) -> Section:
    """A section header's body, from its byte-order magic on."""
    section = Section(little)
    for code, value in options(body, 16, section.order):
        if code == 4:
            section.writer = _writer(text(value))
    facts.comments += [
        text(value) for code, value in options(body, 16, section.order) if code == 1
    ][: 64 - len(facts.comments)]
    return section


def _writer(application: str) -> str:
    """ptcpdump adds its version."""
    name = application.partition(" ")[0]
    return name if application == OWN or name == PTCPDUMP else ""


def read_block(kind: int, body: bytes, section: Section, facts: Facts, position: int) -> None:
    """Take in one block that is not a packet. Unknown kinds are passed over."""
    try:
        if kind == INTERFACE:
            _interface(body, section, facts)
        elif kind == NAMES:
            _names(body, section.order, facts)
        elif kind == STATISTICS:
            _statistics(body, section, facts)
        elif kind == SECRETS:
            _secrets(body, section.order, facts)
        elif kind == PROCESS:
            _process(body, section)
        elif kind in (CUSTOM, CUSTOM_NOT_COPIED):
            _custom(body, section, position)
    except struct.error:
        facts.notes.add("a block is shorter than its kind needs", f"at byte {position}")


def _interface(body: bytes, section: Section, facts: Facts) -> None:
    link_type, _, snap_length = struct.Struct(f"{section.order}HHI").unpack_from(body)
    if facts.defined >= MAX_INTERFACES:
        facts.notes.add(f"interfaces beyond the {MAX_INTERFACES}th were not kept")
        return
    interface = Interface(0, facts.capture, link_type, snap_length=snap_length)
    resolution, offset_s = 6, 0
    addresses: list[str] = []
    for code, value in options(body, 8, section.order):
        if code == 2:
            interface.name = _bounded(value, facts)
        elif code == 3:
            interface.description = _bounded(value, facts)
        elif code == 4 and len(value) == 8:
            addresses.append(_cidr(value))
        elif code == 5 and len(value) == 17:
            addresses.append(f"{IPv6Address(value[:16])}/{min(value[16], 128)}")
        elif code == 6 and len(value) == 6:
            interface.mac = value.hex(":")
        elif code == 9 and len(value) == 1:
            resolution = value[0]
        elif code == 11 and value:
            interface.filter = _filter(value, facts)
        elif code == 12:
            interface.system = _bounded(value, facts)
        elif code == 14 and len(value) == 8:
            offset_s = int.from_bytes(value, "little" if section.little else "big", signed=True)
        elif code == 15:
            interface.hardware = _bounded(value, facts)
    interface.addresses = tuple(addresses[:64])
    section.interfaces.append(facts.add_interface(interface))
    section.clocks.append(Clock(resolution, offset_s))


def _bounded(value: bytes, facts: Facts) -> str | None:
    """The text of an option that may stand in each of many blocks, within the bounds."""
    found = text(value[:MAX_TEXT])
    facts.text_bytes += len(found)
    if facts.text_bytes <= MAX_ALL_TEXT:
        return found or None
    facts.notes.add(f"names and descriptions beyond {MAX_ALL_TEXT >> 20} MiB were not kept")
    return None


def _filter(value: bytes, facts: Facts) -> str | None:
    """if_filter: a kind, then the filter as libpcap's expression (0) or as compiled code (1)."""
    return _bounded(value[1:], facts) if value[0] == 0 else f"compiled filter of kind {value[0]}"


def _cidr(value: bytes) -> str:
    address, mask = IPv4Address(value[:4]), IPv4Address(value[4:])
    try:
        return str(IPv4Interface(f"{address}/{mask}"))
    except ValueError:
        return str(address)


def _names(body: bytes, order: str, facts: Facts) -> None:
    for code, value in options(body, 0, order):
        if code == 1 and len(value) > 4:
            facts.add_names(str(IPv4Address(value[:4])), _strings(value[4:]))
        elif code == 2 and len(value) > 16:
            facts.add_names(str(IPv6Address(value[:16])), _strings(value[16:]))


def _strings(value: bytes) -> tuple[str, ...]:
    return tuple(part.decode("utf-8", "replace") for part in value.split(b"\0") if part)


def _statistics(body: bytes, section: Section, facts: Facts) -> None:
    (number,) = struct.Struct(f"{section.order}I8x").unpack_from(body)
    if section.own:
        for code, value in options(body, 12, section.order):
            note = read_note(text(value)) if code == 1 else None
            if note is not None and len(facts.machine) < MAX_NOTES:
                facts.machine.append(note)
    if number >= len(section.interfaces):
        return
    counts = {
        code: int.from_bytes(value, "little" if section.little else "big")
        for code, value in options(body, 12, section.order)
        if code in _COUNTS and len(value) == 8
    }
    lost = [counts[code] for code in (_DEVICE_LOST, _SYSTEM_LOST) if code in counts]
    if lost:
        # Both are packets this capture does not have.
        section.interfaces[number].drops = sum(lost)
    elif _ACCEPTED in counts and _DELIVERED in counts:
        section.interfaces[number].drops = max(0, counts[_ACCEPTED] - counts[_DELIVERED])


_DEVICE_LOST, _ACCEPTED, _SYSTEM_LOST, _DELIVERED = _COUNTS = (5, 6, 7, 8)
"""isb_ifdrop, isb_filteraccept, isb_osdrop, isb_usrdeliv."""


def _secrets(body: bytes, order: str, facts: Facts) -> None:
    kind, length = struct.Struct(f"{order}II").unpack_from(body)
    if kind == TLS_KEY_LOG:
        facts.add_secrets(body[8 : 8 + length])


def _process(body: bytes, section: Section) -> None:
    (pid,) = struct.Struct(f"{section.order}I").unpack_from(body)
    if len(section.processes) < MAX_PROCESSES:
        told = dict(options(body, 4, section.order))
        section.processes.append(read_process_options(told, pid, apple=True))


def _custom(body: bytes, section: Section, position: int) -> None:
    (owner,) = struct.Struct(f"{section.order}I").unpack_from(body)
    if owner == WIRESHARK_PEN and (found := read_wireshark_block(body[4:])) is not None:
        pid, rest = found
        section.known.add(pid, position, dict(options(rest, 0, "<")))
    elif owner == PCAPDROID_PEN and len(section.users) < MAX_PROCESSES:
        user = read_uid_map(body[4:], section.order)
        if user is not None:
            section.users[user[0]] = user[1]
