"""Values that flow through the pipeline, from record batches to flows.

Nothing here does I/O or knows a protocol. Times are integer nanoseconds since the epoch,
lengths are bytes. Addresses are `ipaddress` objects at the edges; inside columns an address
is two unsigned 64-bit words in host order (an IPv4 address has `hi == 0` and `version == 4`).
"""

from __future__ import annotations

import re
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Protocol

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from pcapleak.values.endpoints import Endpoint as Endpoint
from pcapleak.values.endpoints import IPAddress as IPAddress
from pcapleak.values.endpoints import address_of
from pcapleak.values.programs import Program

TUNNEL_WORDS = re.compile(
    r"wireguard|openvpn|wintun|tap-windows|vpn|tunnel|tailscale|nordlynx", re.IGNORECASE
)
"""What an interface of a VPN is called or described with."""

SECOND = 1_000_000_000
"""In nanoseconds."""

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
UInt64 = NDArray[np.uint64]
UInt32 = NDArray[np.uint32]
UInt16 = NDArray[np.uint16]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]


def distinct(numbers: NDArray[np.integer[Any]]) -> list[int]:
    """The different numbers of a column, ascending.

    `np.unique` gives the same, but loads numpy's masked arrays first, which takes as long as
    reading a thousand packets.
    """
    ordered = np.sort(numbers)
    found: list[int] = ordered[np.diff(ordered, prepend=ordered[:1] + 1) != 0].tolist()
    return found


class Direction(IntEnum):
    """Which way the recording host moved a packet, where the capture says so."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2


class Interface(Struct):
    """One capture interface: a pcapng IDB, a pcap file's only one, or an SLL2 index."""

    id: int
    capture: int
    link_type: int
    name: str | None = None
    description: str | None = None
    snap_length: int = 0
    addresses: tuple[str, ...] = ()
    """CIDR texts from if_IPv4addr and if_IPv6addr, or from the live machine."""
    hardware_type: int | None = None
    """ARPHRD number where SLL/SLL2 or the live machine tells it (65534: none, 772: loopback)."""
    index: int | None = None
    """The operating system's interface index (SLL2, live)."""
    filter: str | None = None
    """The capture filter its packets had to pass, as the recorder wrote it (if_filter)."""
    hardware: str | None = None
    """The device as its recorder describes it (if_hardware)."""
    system: str | None = None
    """The operating system of the machine it belongs to (if_os)."""
    mac: str | None = None
    """Its own link-layer address (if_MACaddr)."""
    parent: int | None = None
    """For an interface found inside an `any` or PKTAP recording: the id of the recording's own."""
    drops: int | None = None
    packets: int = 0

    @property
    def label(self) -> str:
        """What reports call it: its name, or `#id` where the capture gives none."""
        return self.name or f"#{self.id}"


class DeviceChange(NamedTuple):
    """A network device came or went while it was watched."""

    since_ns: int
    """It was still as before at this time."""
    ts_ns: int
    """When that was noticed."""
    device: int
    """The operating system's interface index."""
    name: str
    hardware_type: int
    present: bool
    """It exists and is up."""


class RecordBatch(Struct):
    """Some records in capture order: one byte buffer and a column for each fact.

    `data` reaches at least 128 readable bytes past the last record (zeros or later records),
    so that fixed-size gathers never need a bounds check. A batch may be one record long.
    """

    data: Bytes
    offset: Int64
    captured_length: Int64
    original_length: Int64
    ts_ns: Int64
    frame: Int64
    interface: Int32
    link_type: Int32
    direction: UInt8 | None = None
    ethertype: UInt16 | None = None
    """The 16-bit word 12 bytes into each record, which is an Ethernet frame's type, where it was
    at hand. Of a shorter record it is nonsense."""
    comments: dict[int, str] = field(default_factory=dict)
    """Packet comments by row."""
    programs: dict[int, Program] = field(default_factory=dict)
    """Whose traffic it is by row, where the capture says so."""

    def __len__(self) -> int:
        return len(self.offset)


class PacketFlag(IntFlag):
    """What is special about a dissected packet."""

    FRAGMENT = 1
    """A fragment that does not hold the transport header, or one not (yet) reassembled."""
    REASSEMBLED = 2
    """The last fragment of a datagram; the payload is the whole datagram's."""
    TRUNCATED = 4
    """Cut by the snap length: bytes are missing, nothing is malformed."""
    MALFORMED = 8
    """A header contradicts itself; the row holds what could be read."""
    ICMP_ERROR = 16
    """An ICMP error; the payload starts at the quoted IP header and is not that packet."""


class Packets(Struct):
    """Columns over the IP packets of a batch, in capture order, one row each.

    `payload_offset` counts from the start of `data`. `payload_length` is what was captured,
    `payload_declared` what the headers say. For TCP, UDP and SCTP the ports are filled; for
    ICMP `source_port` holds the type and `destination_port` the code, as Zeek has it.
    """

    data: Bytes
    row: Int64
    """The row in the record batch."""
    frame: Int64
    ts_ns: Int64
    interface: Int32
    direction: UInt8
    source_link: UInt64
    """The link-layer address of the frame's sender as a number of 48 bits; 0 where there is none,
    and for packets found inside other ones."""
    length: Int64
    """Original length of the frame."""
    version: UInt8
    hop_limit: UInt8
    """IPv6's hop limit, IPv4's time to live."""
    protocol: UInt8
    source_hi: UInt64
    source_lo: UInt64
    destination_hi: UInt64
    destination_lo: UInt64
    source_port: UInt16
    destination_port: UInt16
    payload_offset: Int64
    payload_length: Int64
    payload_declared: Int64
    flags: UInt16
    tcp_flags: UInt8
    tcp_seq: UInt32
    encapsulation: Int32
    """0, or an index into the dissector's `encapsulations`."""

    def __len__(self) -> int:
        return len(self.frame)

    def payload(self, i: int) -> bytes:
        """The captured transport payload of row `i`."""
        start = int(self.payload_offset[i])
        return self.data[start : start + int(self.payload_length[i])].tobytes()

    def source(self, i: int) -> Endpoint:
        """The sender of row `i`."""
        address = address_of(int(self.version[i]), int(self.source_hi[i]), int(self.source_lo[i]))
        return Endpoint(address, int(self.source_port[i]))

    def destination(self, i: int) -> Endpoint:
        """The receiver of row `i`."""
        address = address_of(
            int(self.version[i]), int(self.destination_hi[i]), int(self.destination_lo[i])
        )
        return Endpoint(address, int(self.destination_port[i]))

    def ends(self, rows: Int64) -> list[tuple[Endpoint, Endpoint]]:
        """The sender and the receiver of each of some rows, at once several times as fast."""
        columns = (
            self.version,
            self.source_hi,
            self.source_lo,
            self.source_port,
            self.destination_hi,
            self.destination_lo,
            self.destination_port,
        )
        told = zip(*(column[rows].tolist() for column in columns), strict=True)
        return [
            (
                Endpoint(address_of(version, source_hi, source_lo), source_port),
                Endpoint(address_of(version, hi, lo), port),
            )
            for version, source_hi, source_lo, source_port, hi, lo, port in told
        ]


class Encapsulation(NamedTuple):
    """The outer packet that carried an inner one."""

    kind: str
    """gre, ipip, 6in4, teredo, gtp-u, vxlan, ..."""
    source: Endpoint
    destination: Endpoint


class FlowNumbers(Protocol):
    """What those who read messages need of the flow table."""

    @property
    def single(self) -> int | None:
        """Flows from this number on may be several conversations of two hosts."""
        ...

    def __len__(self) -> int:
        """Flows so far."""
        ...

    def mark(self, flow: Int64, services: UInt32) -> None:
        """Add `services` to the flows they were recognised on."""
        ...


class Service(IntFlag):
    """Protocols recognised on a flow by structure (see `dissect/recognise.py`)."""

    STUN = 1 << 0
    TURN = 1 << 1
    CHANNEL_DATA = 1 << 2
    DTLS = 1 << 3
    RTP = 1 << 4
    QUIC = 1 << 5
    DNS = 1 << 6
    MDNS = 1 << 7
    LLMNR = 1 << 8
    DHCP = 1 << 9
    NTP = 1 << 10
    SSDP = 1 << 11
    WIREGUARD = 1 << 12
    """Packets shaped like WireGuard data; proof is `WIREGUARD_HANDSHAKE`."""
    WIREGUARD_HANDSHAKE = 1 << 13
    OPENVPN = 1 << 14
    IKE = 1 << 15
    ESP = 1 << 16
    SOCKS = 1 << 17
    HTTP = 1 << 18
    HTTP_CONNECT = 1 << 19
    TLS = 1 << 20
    WEBSOCKET = 1 << 21
    DOT = 1 << 22
    NETBIOS = 1 << 23
    ICE = 1 << 24
    """A STUN message with ICE attributes, as opposed to plain gathering."""
    DHCPV6 = 1 << 25
    ICMP = 1 << 26
    GRE = 1 << 27
    L2TP = 1 << 28
    WS_DISCOVERY = 1 << 29
    SIP = 1 << 30


class Context(NamedTuple):
    """Where a decoded message came from. Trackers get one with each message."""

    frame: int
    ts_ns: int
    interface: int
    direction: int
    """A `Direction`."""
    transport: str
    """udp or tcp"""
    source: Endpoint
    destination: Endpoint
    flow: int
    """Id in the flow table."""
    forward: bool
    """Sent by the flow's orig."""
    layers: tuple[str, ...] = ()
    """What carried the message inside the transport: ("socks",), ("turn",), ("icmp-quote",)."""
    outer: tuple[Endpoint, Endpoint] | None = None
    """For a message inside TURN or a proxy: the endpoints of the packet that carried it;
    `source` and `destination` are then the inner ones."""
    carrier: int = 0
    """The encapsulation that the packet came in, as in `Packets`. The same endpoints in another
    one, or in none, are another conversation: anybody may write them there."""


class Decoder(IntEnum):
    """Which decoder wants a packet's payload; `dissect/recognise.py` assigns it by structure."""

    NONE = 0
    STUN = 1
    CHANNEL_DATA = 2
    """TURN ChannelData whose payload may hold STUN or DTLS; counts only where TURN is known."""
    DNS = 3
    MDNS = 4
    LLMNR = 5
    DHCP = 6
    WIREGUARD = 7
    """Handshake messages (types 1 to 3) only."""
    OPENVPN = 8
    """Hard resets only."""
    IKE = 9
    QUIC = 10
    """Initial packets only."""
    DTLS = 11
    """Handshake records holding a hello only."""
    SOCKS_UDP = 12
    ROUTER_ADVERTISEMENT = 13
    ICMP_ERROR = 14
    SIP = 15
