"""All that is known of the captures read so far: what detectors judge by."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from pcapleak.decode.ice.page import PageFacts
from pcapleak.errors import DecodeError
from pcapleak.track.client_hints import ClaimTracker
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.ice import IceTracker
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.ice.session import PageRow, Session
from pcapleak.track.names import NameRecord, NameTracker
from pcapleak.track.network import NetworkTracker
from pcapleak.track.programs import ProgramTracker
from pcapleak.track.resolvers import ResolverTracker
from pcapleak.track.signalling import SignallingTracker
from pcapleak.track.tunnels import TunnelTracker
from pcapleak.track.windows import WindowTracker
from pcapleak.values.filters import keeps_all
from pcapleak.values.packets import DeviceChange, Encapsulation, Interface

MAX_MALFORMED = 1000
"""Malformed messages listed: about 500 bytes each, so 500 kB at the most; all are counted."""


class CaptureFacts(Struct):
    """What is known of one input as a whole."""

    path: str
    format: str
    bytes: int = 0
    packets: int = 0
    wire_bytes: int = 0
    """Original lengths of all records."""
    cut: int = 0
    """Packets of which the recorder kept only the beginning."""
    first_ns: int | None = None
    last_ns: int | None = None
    truncated: bool = False
    drops: int = 0
    """Packets that a watch could not take in time."""
    filter: str | None = None
    """The filter of a watch; what it kept out was never seen."""
    gaps: list[str] = field(default_factory=list)
    """What a watch left out that should have been watched, one sentence each."""
    guarded: bool = False
    """A watch of a command: that nothing leaked needs something to have gone inside."""
    problems: list[str] = field(default_factory=list)
    sha256: str | None = None


class MalformedLog:
    """Messages that could not be decoded: all counted, the first ones listed."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[tuple[int, DecodeError]] = []
        """Frame and error."""

    def add(self, frame: int, error: DecodeError) -> None:
        """Record one decode error."""
        self.total += 1
        if len(self.entries) < MAX_MALFORMED:
            self.entries.append((frame, error))


class State(Struct):
    """The trackers and facts of a run; `sessions` and `mdns_names` are joins over them."""

    interfaces: list[Interface]
    captures: list[CaptureFacts]
    encapsulations: list[Encapsulation | None]
    both_ways: set[int]
    """Those of `encapsulations` that both of their ends sent."""
    skipped: Mapping[str, int]
    """Packets that the dissector could not read, by reason."""
    flows: FlowTable
    ice: IceTracker
    names: NameTracker
    resolvers: ResolverTracker
    tunnels: TunnelTracker
    network: NetworkTracker
    signalling: SignallingTracker
    malformed: MalformedLog
    windows: WindowTracker = field(default_factory=WindowTracker)
    messages: dict[str, int] = field(default_factory=dict)
    """Decoded messages by protocol."""
    quoted_dns: set[int] = field(default_factory=set)
    """Flows of ICMP errors that quote a message of DNS; at most as many as there are flows."""
    server_names: dict[int, str] = field(default_factory=dict)
    """Server names by flow id, where the client said one in clear."""
    server_names_dropped: int = 0
    """Server names beyond what is kept."""
    streams_dropped: int = 0
    """TCP connections that were given up for want of room."""
    sessions: list[Session] = field(default_factory=list)
    mdns_names: list[NameRecord] = field(default_factory=list)
    page_rows: list[PageRow] = field(default_factory=list)
    claims: ClaimTracker = field(default_factory=ClaimTracker)
    page_facts: dict[str, PageFacts] = field(default_factory=dict)
    """Time zone and languages that page-side evidence tells, by file."""
    device_changes: list[DeviceChange] = field(default_factory=list)
    """Interfaces that vanished and returned, as a watch noticed; a file does not tell."""
    programs: ProgramTracker = field(default_factory=ProgramTracker)
    """Whose the flows are, where the capture says so or a watch could ask."""

    @property
    def multicast(self) -> Multicast:
        """What multicast hosts were recorded sending, as of now."""
        return Multicast(
            self.flows,
            self.interfaces,
            is_cut=any(facts.cut for facts in self.captures),
            is_filtered=any(
                facts.filter is not None and not keeps_all(facts.filter) for facts in self.captures
            ),
        )
