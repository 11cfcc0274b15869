"""Captures told otherwise, with the same to be seen in them: what must not turn a verdict.

Interfaces get other names or none, frames another link layer, networks other addresses; the
recording begins later, and the packets of other hosts stand between.
"""

from __future__ import annotations

import random
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pcapleak.capture import PcapngWriter, open_capture
from pcapleak.values.packets import Direction, Interface

ETHERNET, RAW, SLL, SLL2, PPP = 1, 101, 113, 276, 9
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
COOKIE = bytes.fromhex("2112a442")
BROADCAST = b"\xff" * 6


class Packet(NamedTuple):
    """One packet, with what its recorder said of it."""

    interface: int
    ts_ns: int
    data: bytes
    original: int
    direction: Direction = Direction.UNKNOWN
    comment: str = ""


class Recording(Struct, frozen=True):
    """A capture as values, with the options it is judged by."""

    interfaces: tuple[Interface, ...]
    packets: tuple[Packet, ...]
    options: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        with PcapngWriter(path) as writer:
            for interface in self.interfaces:
                writer.add_interface(interface)
            for one in self.packets:
                writer.write(
                    self.interfaces[one.interface],
                    one.ts_ns,
                    one.data,
                    one.original,
                    direction=one.direction,
                    comment=one.comment,
                )


def read(path: Path, options: Iterable[str] = ()) -> Recording:
    """What `path` holds. Programs named by the capture are left out."""
    packets = []
    with open_capture(path) as capture:
        for batch in capture:
            for i in range(len(batch)):
                start = int(batch.offset[i])
                data = batch.data[start : start + int(batch.captured_length[i])].tobytes()
                direction = 0 if batch.direction is None else int(batch.direction[i])
                packets.append(
                    Packet(
                        int(batch.interface[i]),
                        int(batch.ts_ns[i]),
                        data,
                        int(batch.original_length[i]),
                        Direction(direction),
                        batch.comments.get(i, ""),
                    )
                )
        interfaces = tuple(replace(one, id=i) for i, one in enumerate(capture.interfaces))
    return Recording(interfaces, tuple(packets), tuple(options))


# Names.


def renamed(recording: Recording, names: list[str | None]) -> Recording | None:
    """Interfaces called otherwise, the options along; None where an option needs a lost name."""
    called = {one.name: name for one, name in zip(recording.interfaces, names, strict=True)}
    called |= {
        one.description: name
        for one, name in zip(recording.interfaces, names, strict=True)
        if one.description
    }
    words = list(recording.options)
    for i, word in enumerate(words):
        if word in ("--tunnel", "--uplink") and words[i + 1] in called:
            other = called[words[i + 1]]
            if other is None:
                return None
            words[i + 1] = other
    interfaces = tuple(
        replace(one, name=name, description=None, hardware=None)
        for one, name in zip(recording.interfaces, names, strict=True)
    )
    return replace(recording, interfaces=interfaces, options=tuple(words))


def scrambled(recording: Recording, chance: random.Random) -> Recording | None:
    """Names nobody has ever seen."""
    return _called(recording, lambda _: "".join(chance.choices("bcdfghjklmnpqrstvxz", k=6)))


def misleading(recording: Recording, chance: random.Random) -> Recording | None:
    """Each interface with the name of one of another kind."""
    outside, inside = ["tun0", "wg1", "utun4"], ["eth1", "enp3s0", "wlan0"]
    chance.shuffle(outside)
    chance.shuffle(inside)

    def name(interface: Interface) -> str:
        names = outside if interface.link_type in (ETHERNET, SLL, SLL2) else inside
        return names.pop() if names else f"veth{interface.id}"

    return _called(recording, name)


def _called(recording: Recording, name: Callable[[Interface], str]) -> Recording | None:
    """Interfaces that share a name share one again: recorders restarted number them anew."""
    names: dict[str | int, str] = {}
    called: list[str | None] = []
    for one in recording.interfaces:
        key = one.id if one.name is None else one.name
        if key not in names:
            names[key] = name(one)
        called.append(names[key])
    return renamed(recording, called)


def nameless(recording: Recording, chance: random.Random) -> Recording | None:
    """No names at all."""
    del chance
    return renamed(recording, [None] * len(recording.interfaces))


# Link layers.


def _frames(
    recording: Recording, number: int, link_type: int, frame: Callable[[bytes], bytes | None]
) -> Recording:
    """The Ethernet frames of an interface as `frame` makes them; those it cannot are left out."""
    packets = []
    for one in recording.packets:
        if one.interface != number:
            packets.append(one)
            continue
        data = frame(one.data) if len(one.data) >= 14 else None
        if data is not None:
            gone = len(one.data) - len(data)
            packets.append(one._replace(data=data, original=one.original - gone))
    interfaces = list(recording.interfaces)
    interfaces[number] = replace(interfaces[number], link_type=link_type)
    return replace(recording, interfaces=tuple(interfaces), packets=tuple(packets))


def _type(data: bytes) -> int:
    return int.from_bytes(data[12:14], "big")


def vlan(data: bytes) -> bytes:
    """Tagged as of VLAN 17."""
    return data[:12] + bytes.fromhex("81000011") + data[12:]


def pppoe(data: bytes) -> bytes | None:
    """In a PPPoE session."""
    kind = {IPV4: 0x21, IPV6: 0x57}.get(_type(data))
    if kind is None:
        return None
    head = struct.pack("!BBHHH", 0x11, 0, 9, len(data) - 12, kind)
    return data[:12] + b"\x88\x64" + head + data[14:]


def raw(data: bytes) -> bytes | None:
    return data[14:] if _type(data) in (IPV4, IPV6) else None


def ppp(data: bytes) -> bytes | None:
    kind = {IPV4: b"\0\x21", IPV6: b"\0\x57"}.get(_type(data))
    return None if kind is None else b"\xff\x03" + kind + data[14:]


def _mark(data: bytes, mine: bytes) -> int:
    """The packet type of SLL for a host that has the link-layer address `mine`."""
    if data[6:12] == mine:
        return 4
    if data[:6] == mine:
        return 0
    return 1 if data[:6] == BROADCAST else 2 if data[0] & 1 else 3


def sll(data: bytes, mine: bytes) -> bytes:
    head = struct.pack("!HHH6s2x", _mark(data, mine), 1, 6, data[6:12])
    return head + data[12:]


def sll2(data: bytes, mine: bytes, index: int) -> bytes:
    head = struct.pack("!2xIHBB6s2x", index, 1, _mark(data, mine), 6, data[6:12])
    return data[12:14] + head + data[14:]


LINKS = ("vlan", "pppoe", "raw", "ppp", "sll", "sll2")
WITHOUT_HOSTS = ("raw", "ppp")
"""Link layers that do not say which host sent a packet."""


def relinked(recording: Recording, link: str, mine: dict[int, bytes]) -> Recording:
    """All Ethernet interfaces with another link layer; `mine` is the recording host's address."""
    made = recording
    for number, interface in enumerate(recording.interfaces):
        if interface.link_type != ETHERNET:
            continue
        own = mine.get(number, b"")
        kind, frame = {
            "vlan": (ETHERNET, vlan),
            "pppoe": (ETHERNET, pppoe),
            "raw": (RAW, raw),
            "ppp": (PPP, ppp),
            "sll": (SLL, lambda data, own=own: sll(data, own)),
            "sll2": (SLL2, lambda data, own=own, at=number + 2: sll2(data, own, at)),
        }[link]
        made = _frames(made, number, kind, frame)
    return made


def ip_of(data: bytes, link_type: int) -> int | None:
    """Where the IP header of a plain frame starts."""
    if link_type == RAW:
        return 0
    if link_type == ETHERNET and len(data) > 14 and _type(data) in (IPV4, IPV6):
        return 14
    return None


def addresses_of(data: bytes, at: int) -> list[str]:
    """Source and destination of an IP header."""
    if data[at] >> 4 == 4 and len(data) >= at + 20:
        return [str(IPv4Address(data[i : i + 4])) for i in (at + 12, at + 16)]
    if data[at] >> 4 == 6 and len(data) >= at + 40:
        return [str(IPv6Address(data[i : i + 16])) for i in (at + 8, at + 24)]
    return []


def senders(recording: Recording) -> int:
    """Link-layer addresses that sent IP packets over Ethernet."""
    return len(
        {
            one.data[6:12]
            for one in recording.packets
            if ip_of(one.data, recording.interfaces[one.interface].link_type) == 14
        }
    )


def own_macs(recording: Recording, clients: set[str]) -> dict[int, bytes]:
    """The link-layer address most frames of `clients` have, by interface."""
    seen: dict[int, Counter[bytes]] = {}
    for one in recording.packets:
        link_type = recording.interfaces[one.interface].link_type
        at = ip_of(one.data, link_type)
        if link_type == ETHERNET and at and addresses_of(one.data, at)[:1] != []:
            ends = addresses_of(one.data, at)
            mac = (
                one.data[6:12] if ends[0] in clients else
                one.data[:6] if ends[1] in clients else None
            )  # fmt: skip
            if mac and not mac[0] & 1:
                seen.setdefault(one.interface, Counter())[mac] += 1
    return {number: count.most_common(1)[0][0] for number, count in seen.items()}


# Addresses.

KEPT = (
    "0.0.0.0", "::", "::1", "255.255.255.255",
    "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9",
)  # fmt: skip
LITERAL = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.:]*)"
)


def _low(octet: int) -> int:
    """Another last octet: never a network's own, its router's or its broadcast address."""
    return octet ^ 1 if 4 <= octet < 252 else octet


class Numbering:
    """Other addresses of the same kind: what shares a prefix shares one again."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._private = self._chance.randrange(1, 128)
        self._pool = [*range(31, 38), *range(77, 96), *range(176, 186)]
        self._chance.shuffle(self._pool)
        self._prefixes: dict[bytes, bytes] = {}

    def __call__(self, text: str) -> str:
        address = ip_address(text)
        return str(self._four(address) if isinstance(address, IPv4Address) else self._six(address))

    def _four(self, address: IPv4Address) -> IPv4Address:
        a, b, c, d = address.packed
        if str(address) in KEPT or a in (0, 127) or a >= 224 or (a, b) == (169, 254):
            return address
        if (a, b) == (192, 168):
            return IPv4Address(bytes((a, b, c ^ self._private, _low(d))))
        if a == 10:
            return IPv4Address(bytes((a, b ^ self._private, c, _low(d))))
        if a == 172 and b >> 4 == 1:
            return IPv4Address(bytes((a, b ^ self._private & 15, c, _low(d))))
        if a == 100 and b >> 6 == 1:
            return IPv4Address(bytes((a, b ^ self._private & 31, c, _low(d))))
        if (a, b) in ((198, 18), (198, 19)) or (a, b, c) in ((192, 0, 0), (192, 88, 99)):
            return address
        prefix = self._prefix(bytes((a, b)), 2)
        return IPv4Address(bytes((*prefix, c ^ self._private, _low(d))))

    def _six(self, address: IPv6Address) -> IPv6Address:
        packed = address.packed
        if address.ipv4_mapped is not None or packed[:12] == bytes.fromhex("0064ff9b" + "00" * 8):
            return IPv6Address(packed[:12] + self._four(IPv4Address(packed[12:])).packed)
        if packed[:2] == b"\x20\x02":
            four = self._four(IPv4Address(packed[2:6])).packed
            return IPv6Address(packed[:2] + four + packed[6:])
        if packed[0] >> 1 == 0xFC >> 1:
            return IPv6Address(packed[:2] + bytes((packed[2] ^ self._private,)) + packed[3:])
        if packed[0] >> 5 != 1 or packed[:4] == bytes.fromhex("20010000"):
            return address
        return IPv6Address(self._prefix(packed[:4], 4) + packed[4:])

    def _prefix(self, prefix: bytes, length: int) -> bytes:
        if prefix not in self._prefixes:
            new = (
                bytes((self._pool.pop(), self._chance.randrange(1, 255)))
                if length == 2
                else b"\x2a\x0c" + bytes((self._chance.randrange(256), len(self._prefixes)))
            )
            self._prefixes[prefix] = new
        return self._prefixes[prefix]


def renumbered(recording: Recording, addresses: set[str], number: Numbering) -> Recording:
    """All of `addresses` changed, wherever they stand, also where STUN hides them."""
    names = {}
    for text in sorted(addresses):
        old, new = ip_address(text).packed, ip_address(number(text)).packed
        if old != new:
            names[old] = new
    if not names:
        return recording
    plain = _replacer(names)

    def changed(data: bytes) -> bytes:
        new = plain(data)
        start = data.find(COOKIE)
        if start >= 0:
            mask, rest = data[start : start + 16], new[start + 16 :]
            hidden = _replacer({_xor(old, mask): _xor(to, mask) for old, to in names.items()})
            new = new[: start + 16] + hidden(rest)
        return new

    interfaces = tuple(
        replace(one, addresses=tuple(_text(item, number) for item in one.addresses))
        for one in recording.interfaces
    )
    return Recording(
        interfaces,
        tuple(one._replace(data=changed(one.data)) for one in recording.packets),
        tuple(_text(word, number) for word in recording.options),
    )


def _replacer(names: dict[bytes, bytes]) -> Callable[[bytes], bytes]:
    pattern = re.compile(b"|".join(re.escape(old) for old in names), re.DOTALL)
    return lambda data: pattern.sub(lambda found: names[found[0]], data)


def _xor(address: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(address, mask, strict=False))


def _text(text: str, number: Numbering) -> str:
    """A text with its addresses changed."""

    def one(found: re.Match[str]) -> str:
        try:
            return number(found[0])
        except ValueError:
            return found[0]

    return LITERAL.sub(one, text)


def literals(text: str) -> set[str]:
    """All addresses that stand in a text."""
    found = set()
    for literal in LITERAL.findall(text):
        try:
            ip_address(literal)
        except ValueError:
            continue
        found.add(literal)
    return found


def spoken(packet: Packet, interfaces: Iterable[Interface]) -> tuple[str, str, str, int] | None:
    """Source, destination, transport and destination port (0 where it has none) of a packet with
    something to say: of TCP, one that begins a connection or has a payload."""
    data = packet.data
    at = ip_of(data, list(interfaces)[packet.interface].link_type)
    ends = [] if at is None else addresses_of(data, at)
    if at is None or not ends:
        return None
    six = ":" in ends[0]
    head = at + (40 if six else 4 * (data[at] & 15))
    protocol = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}.get(data[at + (6 if six else 9)], "")
    if protocol == "tcp" and len(data) > head + 13:
        (size,) = struct.unpack_from("!H", data, at + (4 if six else 2))
        size -= 0 if six else head - at
        if size <= 4 * (data[head + 12] >> 4) and not data[head + 13] & 2:
            return None
    has_port = protocol in ("tcp", "udp") and len(data) >= head + 4
    port = struct.unpack_from("!H", data, head + 2)[0] if has_port else 0
    return ends[0], ends[1], protocol, port


# Time and company.


def begun_at(recording: Recording, first: int) -> Recording:
    """Without the packets before the `first`."""
    return replace(recording, packets=recording.packets[first:])


def joined(recording: Recording, donor: Recording, host: str, there: str, own: bytes) -> Recording:
    """With the packets of `host`, as the donor's only Ethernet interface has them, sent and
    received by another machine with the address `there`; `own` is the recording host's."""
    number = next(
        (i for i, one in enumerate(recording.interfaces) if one.link_type == ETHERNET), None
    )
    if number is None or not recording.packets:
        return recording
    start = recording.packets[0].ts_ns
    span = max(recording.packets[-1].ts_ns - start, 1)
    gate = next(
        (
            one.data[:6]
            for one in recording.packets
            if one.interface == number and one.data[6:12] == own and not one.data[0] & 1
        ),
        bytes.fromhex("02aa00000001"),
    )
    theirs = bytes.fromhex("02c0ffee0077")
    swap = _replacer({ip_address(host).packed: ip_address(there).packed})
    kept = []
    for one in donor.packets:
        at = ip_of(one.data, donor.interfaces[one.interface].link_type)
        if donor.interfaces[one.interface].link_type != ETHERNET or not at:
            continue
        ends = addresses_of(one.data, at)
        if host not in ends or one.data[0] & 1:
            continue
        to, of = (gate, theirs) if ends[0] == host else (theirs, gate)
        kept.append((one.ts_ns, to + of + swap(one.data[12:]), one.original))
    if not kept:
        return recording
    first, long = kept[0][0], max(kept[-1][0] - kept[0][0], 1)
    packets = [
        Packet(number, start + (ts_ns - first) * span // long, data, original)
        for ts_ns, data, original in kept
    ]
    mixed = sorted([*recording.packets, *packets], key=lambda one: one.ts_ns)
    return replace(recording, packets=tuple(mixed))
