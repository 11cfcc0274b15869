"""Recordings of a host behind a tunnel or proxy, built packet by packet.

The addresses are those of the recorded laboratory: a client on a local network behind a router
with a public address, a STUN server, a web server, a proxy and a VPN server.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from capture_files import Pcapng
from stun_encoder import attribute, message, xor_address

from pcapleak.capture import open_capture
from pcapleak.pipeline.analyzer import read_captures
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document, Finding

CLIENT, CLIENT6 = "192.168.50.42", "2001:db8:50::42"
ROUTER = "192.168.50.1"
INNER = "10.66.0.2"
PUBLIC = "203.0.113.7"
STUN, STUN6 = "198.51.100.10", "2001:db8:ffff::10"
WEB, WEB6 = "198.51.100.20", "2001:db8:ffff::20"
PROXY = "198.51.100.30"
VPN = "198.51.100.40"
RESOLVER = "10.255.255.53"

ETH0, WG0, LO = 0, 1, 2
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000

TUNNEL_POLICY = Policy.from_options(tunnel=["wg0"], vpn_endpoint=[f"{VPN}:51820"])
PROXY_POLICY = Policy.from_options(proxy=[f"socks5://{PROXY}:1080"])
NO_POLICY = Policy(infer=False)

SYN, ACK, PSH, FIN, RST = 2, 16, 8, 1, 4


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip_packet(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    src, dst = ip_address(source), ip_address(destination)
    if src.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255)
        return head + src.packed + dst.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0)
    head += src.packed + dst.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp_packet(source: str, sport: int, destination: str, dport: int, payload: bytes) -> bytes:
    data = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return ip_packet(source, destination, 17, data)


def tcp_packet(
    source: str,
    sport: int,
    destination: str,
    dport: int,
    flags: int,
    seq: int = 1,
    payload: bytes = b"",
) -> bytes:
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 1, 5 << 4, flags, 65535, 0, 0)
    return ip_packet(source, destination, 6, head + payload)


def dns_name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def dns_query(name: str = "www.example.com") -> bytes:
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + dns_name(name) + b"\0\1\0\1"


def dns_answer(name: str, address: str) -> bytes:
    data = ip_address(address).packed
    kind = 1 if len(data) == 4 else 28
    question = dns_name(name) + struct.pack("!HH", kind, 1)
    record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    return struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question + record


def mdns_announcement(name: str, address: str) -> bytes:
    data = ip_address(address).packed
    record = dns_name(name) + struct.pack(
        "!HHIH", 1 if len(data) == 4 else 28, 0x8001, 120, len(data)
    )
    return struct.pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0) + record + data


def mdns_query(name: str) -> bytes:
    return struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + dns_name(name) + b"\0\1\0\1"


def binding_request(transaction_id: bytes = b"t" * 12) -> bytes:
    return message(0x0001, transaction_id=transaction_id)


def binding_success(address: str, port: int, transaction_id: bytes = b"t" * 12) -> bytes:
    mapped = attribute(0x0020, xor_address(address, port, transaction_id))
    return message(0x0101, mapped, transaction_id)


def wireguard_initiation(index: int = 0x11) -> bytes:
    return struct.pack("<II", 1, index) + bytes(range(140))


def wireguard_response(index: int = 0x11, own: int = 0x22) -> bytes:
    return struct.pack("<III", 2, own, index) + bytes(range(80))


def wireguard_data(size: int = 80, index: int = 0x22, counter: int = 1) -> bytes:
    return struct.pack("<IIQ", 4, index, counter) + bytes(size + 16 - size % 16)


def ike(exchange: int, *, response: bool, message_id: int = 0, opening: bool = False) -> bytes:
    """A message of IKEv2; `opening` is the first, which has no responder's SPI yet."""
    responder = bytes(8) if opening else b"r" * 8
    flags = 0x20 if response else 0x08
    head = struct.pack("!BBBBII", 33, 0x20, exchange, flags, message_id, 228)
    return b"i" * 8 + responder + head + bytes(200)


def dhcp_ack(address: str, options: bytes, server: str = ROUTER) -> bytes:
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, 0x1234, 0, 0)
    head += bytes(4) + ip_address(address).packed + ip_address(server).packed + bytes(4)
    head += b"\2\0\0\0\0\1".ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
    return head + b"\x35\1\5\x36\4" + ip_address(server).packed + options + b"\xff"


def router_advertisement(
    prefix: str,
    length: int,
    *,
    on_link: bool = True,
    source: str = "fe80::1",
    to: str = "ff02::1",
) -> bytes:
    """The ICMPv6 message, as the router `source` sends it."""
    flags = 0xC0 if on_link else 0x40
    option = struct.pack("!BBBBIII", 3, 4, length, flags, 86400, 14400, 0)
    option += ip_address(prefix).packed
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option
    ends = ip_address(source).packed + ip_address(to).packed
    summed = checksum(ends + struct.pack("!II", len(body), 58) + body)
    return body[:2] + struct.pack("!H", summed) + body[4:]


@dataclass
class Recording:
    """What one recorder saw: packets by interface, in the order of the calls."""

    names: tuple[str, ...] = ("eth0", "wg0", "lo")
    link_types: tuple[int, ...] = (1, 101, 1)
    hardware: tuple[int, ...] = (1, 1, 1)
    """Hardware types in cooked headers."""
    packets: list[tuple[int, int, bytes]] = field(default_factory=list)

    def ip(self, ms: float, interface: int, packet: bytes) -> None:
        if self.link_types[interface] == 1:
            kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
            packet = b"\2\0\0\0\0\1\2\0\0\0\0\2" + kind + packet
        elif self.link_types[interface] == 113:
            kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
            head = struct.pack("!HHH8s", 4, self.hardware[interface], 6, bytes(8))
            packet = head + kind + packet
        self.packets.append((START_NS + int(ms * MS), interface, packet))

    def udp(
        self, ms: float, interface: int, source: str, sport: int, to: str, dport: int, data: bytes
    ) -> None:
        self.ip(ms, interface, udp_packet(source, sport, to, dport, data))

    def exchange(
        self,
        ms: float,
        interface: int,
        source: str,
        sport: int,
        to: str,
        dport: int,
        *data: bytes,
    ) -> None:
        """Datagrams there and back by turns, a millisecond apart."""
        for i, payload in enumerate(data):
            if i % 2:
                self.udp(ms + i, interface, to, dport, source, sport, payload)
            else:
                self.udp(ms + i, interface, source, sport, to, dport, payload)

    def tcp(
        self,
        ms: float,
        interface: int,
        source: str,
        sport: int,
        to: str,
        dport: int,
        *data: bytes,
    ) -> None:
        """A connection with data there and back by turns."""
        seq = [1000, 2000]
        there, back = (source, sport, to, dport), (to, dport, source, sport)
        self.ip(ms, interface, tcp_packet(*there, SYN, seq[0]))
        self.ip(ms + 0.1, interface, tcp_packet(*back, SYN | ACK, seq[1]))
        seq = [seq[0] + 1, seq[1] + 1]
        for i, payload in enumerate(data):
            way = i % 2
            ends = back if way else there
            self.ip(ms + 1 + i, interface, tcp_packet(*ends, PSH | ACK, seq[way], payload))
            seq[way] += len(payload)

    def stun(
        self,
        ms: float,
        interface: int,
        source: str,
        sport: int,
        mapped: str,
        server: str = STUN,
        transaction_id: bytes = b"t" * 12,
    ) -> None:
        """A Binding request and its answer."""
        self.exchange(
            ms,
            interface,
            source,
            sport,
            server,
            3478,
            binding_request(transaction_id),
            binding_success(mapped, sport, transaction_id),
        )

    def tunnel(self, ms: float = 0, *, inside: bool = True, packets: int = 4) -> None:
        """A tunnel that carries a web page: its carrier on eth0, its inside on wg0."""
        for i in range(packets):
            at = ms + 10 * i
            if inside:
                self.ip(at, WG0, tcp_packet(INNER, 40000, WEB, 80, ACK, 1, bytes(60)))
                self.ip(at + 2, WG0, tcp_packet(WEB, 80, INNER, 40000, ACK, 1, bytes(60)))
            self.exchange(at, ETH0, CLIENT, 51820, VPN, 51820, wireguard_data(), wireguard_data())

    def socks(self, ms: float = 0, *requests: bytes) -> None:
        """A page fetched through the SOCKS proxy; `requests` follow there and back by turns."""
        self.tcp(
            ms,
            ETH0,
            CLIENT,
            41000,
            PROXY,
            1080,
            b"\5\1\0",
            b"\5\0",
            b"\5\1\0\1" + ip_address(WEB).packed + b"\0\x50",
            b"\5\0\0\1" + bytes(4) + b"\0\0",
            *(
                requests
                or (b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n")
            ),
        )

    def write(self, path: Path, interfaces: tuple[int, ...] | None = None) -> Path:
        """Write pcapng with the packets of all or of some interfaces."""
        kept = tuple(range(len(self.names))) if interfaces is None else interfaces
        file = Pcapng()
        nanoseconds = (9, b"\x09")
        blocks = [file.section()]
        for number in kept:
            options = [nanoseconds]
            if self.names[number]:
                options.append((2, self.names[number].encode()))
            blocks.append(file.interface(self.link_types[number], 262144, *options))
        for ns, interface, data in self.packets:
            if interface in kept:
                blocks.append(file.packet(data, ns, kept.index(interface)))
        path.write_bytes(b"".join(blocks))
        return path


def behind_tunnel() -> Recording:
    recording = Recording()
    recording.tunnel()
    return recording


def judged(
    recording: Recording | Path,
    policy: Policy,
    tmp_path: Path,
    interfaces: tuple[int, ...] | None = None,
) -> Document:
    """The report of a recording."""
    path = recording
    if isinstance(recording, Recording):
        path = recording.write(tmp_path / "built.pcapng", interfaces)
    with open_capture(path) as source:
        return read_captures([source], source, policy).document(all_flows=True)


def of(document: Document, id: str) -> list[Finding]:
    """The findings of one kind."""
    return [finding for finding in document.findings if finding.id == id]


def ids(document: Document) -> set[str]:
    return {finding.id for finding in document.findings}
