"""A scene of ICE: requests, answers and announced names, and the sessions joined from them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

from pcapleak.decode.dns.message import AAAA, NSEC, A, DnsMessage, NsecData, Question, Record
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.report.document import IceSession
from pcapleak.report.webrtc import session_entry
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.ice import IceTracker
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.names import NameTracker
from pcapleak.track.signalling import SignallingTracker
from pcapleak.values.packets import Context, Endpoint, Interface

COOKIE = 0x2112A442
SERVER = Endpoint(ip_address("198.51.100.10"), 3478)
GROUP = Endpoint(ip_address("224.0.0.251"), 5353)
NAME = "aa99610c-4edf-4aec-8295-901d08808126.local"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"


RANDOM = 1 << 95
"""Numbers from here on make transaction ids of any bytes; lower ones are libwebrtc's letters."""


def stun(kind: int, number: int, *attributes: tuple[int, bytes]) -> StunMessage:
    body = b"".join(
        struct.pack("!HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
        for code, value in attributes
    )
    number = number if number >= RANDOM else int.from_bytes(b"%012d" % number, "big")
    head = struct.pack("!HHI", kind, len(body), COOKIE) + number.to_bytes(12, "big")
    return decode_stun(head + body)


def bare(number: int) -> StunMessage:
    return stun(0x0001, number)


def mapped(number: int, address: str, port: int) -> StunMessage:
    value = struct.pack("!BBHI", 0, 1, port ^ COOKIE >> 16, int(ip_address(address)) ^ COOKIE)
    return stun(0x0101, number, (0x0020, value))


def check(number: int, username: str, tie: int, network: tuple[int, int] | None) -> StunMessage:
    attributes = [(0x0006, username.encode()), (0x802A, tie.to_bytes(8, "big"))]
    attributes.append((0x0024, (1845501695).to_bytes(4, "big")))
    if network is not None:
        attributes.append((0xC057, struct.pack("!HH", *network)))
    return stun(0x0001, number, *attributes)


def end(text: str, port: int) -> Endpoint:
    return Endpoint(ip_address(text), port)


@dataclass
class Scene:
    """Trackers, and what sessions are joined from."""

    ice: IceTracker = field(default_factory=IceTracker)
    names: NameTracker = field(default_factory=NameTracker)
    signalling: SignallingTracker = field(default_factory=SignallingTracker)
    interfaces: list[Interface] = field(
        default_factory=lambda: [Interface(0, 0, 1, "eth0"), Interface(1, 0, 101, "wg0")]
    )
    frame: int = 0
    flows: FlowTable = field(default_factory=FlowTable)

    @property
    def multicast(self) -> Multicast:
        return Multicast(self.flows, self.interfaces, is_cut=False, is_filtered=False)

    def context(
        self,
        at_s: float,
        source: Endpoint,
        destination: Endpoint,
        interface: int = 0,
        **more: object,
    ) -> Context:
        self.frame += 1
        base = Context(
            self.frame, int(at_s * 1e9), interface, 0, "udp", source, destination, 0, True
        )
        return base._replace(**more)

    def gather(
        self,
        at_s: float,
        source: Endpoint,
        seen_as: Endpoint,
        interface: int = 0,
        first: int = 0,
    ) -> None:
        number = first + self.frame
        self.ice.add(self.context(at_s, source, SERVER, interface), bare(number))
        answer = mapped(number, str(seen_as.address), seen_as.port)
        self.ice.add(self.context(at_s + 0.01, SERVER, source, interface), answer)

    def announce(self, at_s: float, address: str, name: str = NAME, by: str = "192.0.2.7") -> None:
        sender = end(by, 5353)
        kind = A if "." in address else AAAA
        record = Record(name, kind, 1, True, 120, ip_address(address), b"")
        nsec = Record(name, NSEC, 1, True, 120, NsecData(name, (A,)), b"")
        message = DnsMessage(0, True, 0, True, False, False, 0, (), (record,), (), (nsec,))
        self.names.add(self.context(at_s, sender, GROUP), message)

    def withdraw(self, at_s: float, names: dict[str, str], by: str = "192.0.2.7") -> None:
        """Names by address, taken back in one message."""
        records = tuple(
            Record(name, A if "." in address else AAAA, 1, True, 0, ip_address(address), b"")
            for address, name in names.items()
        )
        message = DnsMessage(0, True, 0, True, False, False, 0, (), records, (), ())
        self.names.add(self.context(at_s, end(by, 5353), GROUP), message)

    def ask(self, at_s: float, name: str) -> None:
        """A neighbour's question for a name's addresses."""
        questions = tuple(Question(name, kind, 1, False) for kind in (A, AAAA))
        message = DnsMessage(0, False, 0, False, False, False, 0, questions, (), (), ())
        self.names.add(self.context(at_s, end("192.0.2.8", 5353), GROUP), message)

    def sessions(self) -> list[IceSession]:
        return [session_entry(one, self.interfaces) for one in self.ice.sessions(self)]
