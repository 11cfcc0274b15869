"""Packets that anybody can have a recording hold: what the network, the far end and a stranger
send. Each kind is a function of a host and a seed; captures get them in any number and place."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from builders import (
    ACK,
    PSH,
    RST,
    SYN,
    binding_request,
    binding_success,
    dhcp_ack,
    dns_answer,
    dns_query,
    ip_packet,
    mdns_announcement,
    router_advertisement,
    tcp_packet,
    udp_packet,
    wireguard_initiation,
    wireguard_response,
)
from mutations import Packet, packets_of

from pcapleak.capture import PcapngWriter
from pcapleak.values.packets import Interface
from pcapleak.values.registries import UDP

ETHERNET = 1
STRANGER, STRANGER6 = "8.8.4.4", "2606:4700::6810:1"
LEAKED = "185.44.77.91"
NOBODYS = "3e9cff8a-1c55-4e58-a4f8-d1a2b3c4d5e6.local"


@dataclass(frozen=True)
class Host:
    """The host of a recording, as its neighbours and far ends know it."""

    interface: int
    mac: bytes
    gateway: bytes
    address: str
    address6: str
    far: tuple[str, ...]
    """IPv4 addresses it speaks to."""
    far6: tuple[str, ...]
    names: tuple[str, ...]
    sockets: tuple[tuple[int, str, int], ...] = ()
    """Its UDP sockets, each with a far end and its port, by IPv4."""

    def frame(self, packet: bytes, *, own: bool = False, everyone: bool = False) -> bytes:
        """A packet as it arrives, by the gateway; `own`: from a neighbour's own card."""
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
        to = b"\xff" * 6 if everyone else self.mac
        return to + (b"\2\x66\x66\x66\x66\x66" if own else self.gateway) + kind + packet


def host_of(
    interfaces: Sequence[Interface], packets: Sequence[Packet], names: Sequence[str]
) -> Host | None:
    """The busiest sender with a private address on an Ethernet, and its ways."""
    sent: Counter[tuple[int, bytes, bytes, str]] = Counter()
    six: Counter[str] = Counter()
    far: Counter[str] = Counter()
    far6: Counter[str] = Counter()
    sockets: Counter[tuple[int, str, int]] = Counter()
    for number, _, data, _ in packets:
        if interfaces[number].link_type != ETHERNET or data[0] & 1 or len(data) < 54:
            continue
        if data[12:14] == b"\x08\0":
            source = ip_address(data[26:30])
            if source.is_private and not source.is_loopback and not source.is_unspecified:
                sent[number, data[6:12], data[:6], str(source)] += 1
    if not sent:
        return None
    ((interface, mac, gateway, address), _), *_ = sent.most_common(1)
    for number, _, data, _ in packets:
        if number != interface or data[6:12] != mac or data[0] & 1 or len(data) < 54:
            continue
        if data[12:14] == b"\x08\0":
            far[str(ip_address(data[30:34]))] += 1
            if data[14] == 0x45 and data[23] == UDP:
                here, there = struct.unpack_from("!HH", data, 34)
                sockets[here, str(ip_address(data[30:34])), there] += 1
        elif data[12:14] == b"\x86\xdd" and not ip_address(data[22:38]).is_link_local:
            six[str(ip_address(data[22:38]))] += 1
            far6[str(ip_address(data[38:54]))] += 1
    address6 = six.most_common(1)[0][0] if six else "2001:db8:50::42"
    ways = [name for name, _ in far.most_common(4)], [name for name, _ in far6.most_common(4)]
    return Host(
        interface,
        mac,
        gateway,
        address,
        address6,
        tuple(ways[0]) or (STRANGER,),
        tuple(ways[1]) or (STRANGER6,),
        tuple(names) or (NOBODYS,),
        tuple(one for one, _ in sockets.most_common(8)),
    )


Made = Callable[[Host, random.Random], list[bytes]]


def _prefixes(host: Host, chance: random.Random) -> str:
    address = chance.choice([host.address6, *host.far6, STRANGER6])
    return str(ip_address(int(ip_address(address)) >> 64 << 64))


def advertisement(host: Host, chance: random.Random) -> list[bytes]:
    """A valid one, of a neighbour."""
    body = router_advertisement(_prefixes(host, chance), chance.choice((64, 64, 80, 48)))
    packet = ip_packet("fe80::1", "ff02::1", 58, body)
    return [b"\x33\x33\0\0\0\1" + host.frame(packet, own=True)[6:]]


def far_advertisement(host: Host, chance: random.Random) -> list[bytes]:
    """One from beyond the link."""
    source = chance.choice([*host.far6, STRANGER6])
    body = router_advertisement(_prefixes(host, chance), 64, source=source, to=host.address6)
    packet = ip_packet(source, host.address6, 58, body)
    return [host.frame(packet[:7] + bytes([chance.choice((47, 255))]) + packet[8:])]


def lease(host: Host, chance: random.Random) -> list[bytes]:
    """A DHCP answer that nobody asked for."""
    options = b"\1\4" + chance.choice((b"\xff\xff\xff\0", b"\xff\0\0\0", bytes(4)))
    server = chance.choice([STRANGER, *host.far, "192.168.50.66"])
    packet = udp_packet(server, 67, host.address, 68, dhcp_ack(host.address, options, server))
    return [host.frame(packet, own=chance.random() < 0.5)]


def redirect(host: Host, chance: random.Random) -> list[bytes]:
    far = chance.choice(host.far)
    quoted = udp_packet(host.address, 50000, far, 3478, bytes(8))
    body = b"\5\1\0\0" + ip_address(STRANGER).packed + quoted[:28]
    six = bytes((137, 0, 0, 0)) + bytes(4) + ip_address("fe80::66").packed
    six += ip_address(chance.choice(host.far6)).packed
    return [
        host.frame(ip_packet(far, host.address, 1, body)),
        host.frame(ip_packet("fe80::1", host.address6, 58, six), own=True),
    ]


def _inner(host: Host, chance: random.Random) -> list[bytes]:
    """What is inside: a conversation of the host that never was."""
    far = chance.choice([*host.far, STRANGER])
    port = chance.randrange(1024, 65536)
    return chance.choice(
        (
            [udp_packet("fd00::1", 1000, "fd00::2", 443, bytes(30))] * 3,
            [
                udp_packet(host.address, port, far, 3478, binding_request()),
                udp_packet(far, 3478, host.address, port, binding_success(LEAKED, port)),
            ],
            [
                udp_packet(host.address, 51820, far, 51820, wireguard_initiation()),
                udp_packet(far, 51820, host.address, 51820, wireguard_response()),
            ],
            [udp_packet(host.address6, port, STRANGER6, 443, bytes(600))] * 3,
        )
    )


def encapsulated(host: Host, chance: random.Random) -> list[bytes]:
    """VXLAN, GRE or a packet in a packet, which only arrive."""
    source = chance.choice([STRANGER, *host.far])
    kind = chance.randrange(3)
    frames = []
    for inner in _inner(host, chance):
        is_six = inner[0] >> 4 == 6
        ether = b"\x86\xdd" if is_six else b"\x08\0"
        if kind == 0:
            wrapped = b"\x08\0\0\0\0\0\x2a\0" + b"\2\0\0\0\0\1\2\0\0\0\0\2" + ether + inner
            packet = udp_packet(source, 5000, host.address, 4789, wrapped)
        elif kind == 1:
            packet = ip_packet(source, host.address, 47, b"\0\0" + ether + inner)
        else:
            packet = ip_packet(source, host.address, 41 if is_six else 4, inner)
        frames.append(host.frame(packet))
    return frames


def shadow(host: Host, chance: random.Random) -> list[bytes]:
    """What the host's own sockets never said and were never told: inside of packets that only
    arrive, and some of the answers bare."""
    port, far, there = chance.choice([*host.sockets, (50000, chance.choice(host.far), 3478)])
    own = bytes(chance.randrange(256) for _ in range(12))
    index = chance.randrange(1 << 32)
    ask, answer = chance.choice(
        (
            (binding_request(own), binding_success(chance.choice((LEAKED, far)), port, own)),
            (wireguard_initiation(index), wireguard_response(index)),
            (dns_query("vpn.example"), dns_answer("vpn.example", far)),
        )
    )
    asked = udp_packet(host.address, port, far, there, ask)
    told = udp_packet(far, there, host.address, port, answer)
    outer = STRANGER, host.address, 4
    wrapped = [host.frame(ip_packet(*outer, one)) for one in (asked, told)]
    return [wrapped[0], host.frame(told)] if chance.random() < 0.5 else wrapped


def stun_answer(host: Host, chance: random.Random) -> list[bytes]:
    """One that answers nobody, from a stranger or in the name of a server that is asked."""
    far, port = chance.choice([*host.far, STRANGER]), chance.randrange(1024, 65536)
    own = bytes(chance.randrange(256) for _ in range(12))
    told = chance.choice((LEAKED, far))
    packet = udp_packet(far, 3478, host.address, port, binding_success(told, port, own))
    return [host.frame(packet)]


def stun_question(host: Host, chance: random.Random) -> list[bytes]:
    """A stranger asks this host for its address."""
    port = chance.randrange(1024, 65536)
    return [host.frame(udp_packet(STRANGER, port, host.address, 3478, binding_request()))]


def name_claim(host: Host, chance: random.Random) -> list[bytes]:
    """A neighbour says that the host's names are its own."""
    address = chance.choice(("192.168.50.66", host.address, STRANGER))
    data = mdns_announcement(chance.choice(host.names), address)
    packet = udp_packet("192.168.50.66", 5353, "224.0.0.251", 5353, data)
    return [b"\1\0\x5e\0\0\xfb" + host.frame(packet, own=True)[6:]]


def gratuitous_arp(host: Host, chance: random.Random) -> list[bytes]:
    who = ip_address(chance.choice([host.address, *host.far])).packed
    mac = b"\2\x66\x66\x66\x66\x66"
    body = struct.pack("!HHBBH", 1, 0x800, 6, 4, 2) + mac + who + b"\xff" * 6 + who
    return [b"\xff" * 6 + mac + b"\x08\x06" + body.ljust(46, b"\0")]


def wireguard(host: Host, chance: random.Random) -> list[bytes]:
    """Halves of a handshake that arrive: a host that does not know the peer is silent."""
    far, index = chance.choice([STRANGER, *host.far]), chance.randrange(1 << 32)
    data = (wireguard_initiation(index), wireguard_response(index))
    return [host.frame(udp_packet(far, 51820, host.address, 51820, one)) for one in data]


def openvpn(host: Host, chance: random.Random) -> list[bytes]:
    far = chance.choice([STRANGER, *host.far])
    ask = b"\x38" + b"strange1" + b"\0" + bytes(4)
    answer = b"\x40" + b"strange2" + b"\1" + bytes(4) + b"strange1" + bytes(4)
    return [host.frame(udp_packet(far, 1194, host.address, 1194, data)) for data in (ask, answer)]


def neighbours_wireguard(host: Host, chance: random.Random) -> list[bytes]:
    """A neighbour acts both ends of a handshake and what follows it: it sends with the host's
    address from its own card, and answers itself in the server's name."""
    far, index = chance.choice([STRANGER, *host.far]), chance.randrange(1 << 32)
    port = chance.choice((51820, chance.randrange(1024, 65536)))
    data = b"\4\0\0\0" + struct.pack("<IQ", index, 0) + bytes(chance.choice((16, 1200)))
    there = (host.address, port, far, 51820)
    back = (far, 51820, host.address, port)
    return [
        host.frame(udp_packet(*way, one), own=True, everyone=chance.random() < 0.5)
        for way, one in (
            (there, wireguard_initiation(index)),
            (back, wireguard_response(index)),
            (there, data),
            (back, data),
        )
    ]


def neighbours_openvpn(host: Host, chance: random.Random) -> list[bytes]:
    """The same, of OpenVPN."""
    far, port = chance.choice([STRANGER, *host.far]), chance.randrange(1024, 65536)
    ask = b"\x38" + b"neighbr1" + b"\0" + bytes(4)
    answer = b"\x40" + b"neighbr2" + b"\1" + bytes(4) + b"neighbr1" + bytes(4)
    return [
        host.frame(packet, own=True, everyone=chance.random() < 0.5)
        for packet in (
            udp_packet(host.address, port, far, 1194, ask),
            udp_packet(far, 1194, host.address, port, answer),
        )
    ]


def hello(host: Host, chance: random.Random) -> list[bytes]:
    """A TLS hello to this host, for a name of the sender's choice."""
    name = chance.choice((b"captive.apple.com", b"dns.google", b"example.org"))
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack("!H", len(sni)) + sni
    shake = b"\1" + len(body).to_bytes(3, "big") + body
    record = b"\x16\3\1" + struct.pack("!H", len(shake)) + shake
    port = chance.randrange(1024, 65536)
    there = (STRANGER, port, host.address, 443)
    return [
        host.frame(tcp_packet(*there, SYN, 1)),
        host.frame(tcp_packet(*there, PSH | ACK, 2, record)),
        host.frame(tcp_packet(*there, RST, 2 + len(record))),
    ]


def dns(host: Host, chance: random.Random) -> list[bytes]:
    """An answer that calls a far end what it is not."""
    name = chance.choice(("captive.apple.com", "connectivitycheck.gstatic.com", "vpn.example"))
    data = dns_answer(name, chance.choice([*host.far, STRANGER]))
    port = chance.randrange(1024, 65536)
    return [host.frame(udp_packet("192.168.50.1", 53, host.address, port, data))]


def noise(host: Host, chance: random.Random) -> list[bytes]:
    """Datagrams by either version of IP to a port that nobody listens at."""
    size = chance.randrange(1, 1200)
    port = chance.choice((67, 68, 443, 3478, 5353, 40000))
    if chance.random() < 0.5:
        return [host.frame(udp_packet(STRANGER6, 443, host.address6, port, bytes(size)))]
    return [host.frame(udp_packet(STRANGER, 443, host.address, port, bytes(size)))]


LIBRARY: dict[str, Made] = {
    made.__name__: made
    for made in (
        advertisement, far_advertisement, lease, redirect, encapsulated, shadow, stun_answer,
        stun_question, name_claim, gratuitous_arp, wireguard, openvpn, neighbours_wireguard,
        neighbours_openvpn, hello, dns, noise,
    )
}  # fmt: skip

IMPOSTORS = frozenset(("neighbours_wireguard", "neighbours_openvpn"))
"""Those that send with the host's own address on its own network. What they send counts as sent
by the host, so they may add to what it did, but take nothing away."""


@dataclass(frozen=True)
class Visit:
    """Some packets of one kind, all in one place or spread."""

    kind: str
    count: int
    place: int
    """In thousandths of the recording."""
    seed: int
    spread: bool = False


def visited(
    interfaces: Sequence[Interface],
    packets: Sequence[Packet],
    host: Host,
    visits: Sequence[Visit],
    path: Path,
) -> Path:
    """A recording with what strangers sent in it. Its first packet stays the first."""
    added: list[tuple[int, Packet]] = []
    for visit in visits:
        chance = random.Random(visit.seed)
        for _ in range(visit.count):
            place = chance.randrange(1000) if visit.spread else visit.place
            at = min(1 + place * len(packets) // 1000, len(packets) - 1)
            for frame in LIBRARY[visit.kind](host, chance):
                added.append((at, (host.interface, packets[at][1], frame, len(frame))))
    added.sort(key=lambda one: one[0])
    with PcapngWriter(path) as writer:
        rest = iter([*added, (len(packets) + 1, packets[0])])
        at, more = next(rest)
        for place, (number, ts_ns, data, size) in enumerate(packets):
            while at <= place:
                writer.write(interfaces[more[0]], more[1], more[2], more[3])
                at, more = next(rest)
            writer.write(interfaces[number], ts_ns, data, size)
    return path


__all__ = ["LIBRARY", "Host", "Visit", "host_of", "packets_of", "visited"]
