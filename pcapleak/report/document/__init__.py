"""The report as data: what `docs/report-schema.md` lists, field by field.

These classes are the interface of pcapleak. Their field names and types are the JSON schema
(`pcapleak schema`); adding is fine, renaming is not. Nothing here depends on the machine or
the clock. Times are `Time`s: written as ISO 8601 UTC with nanoseconds under the field's name
and as an integer under the name with `_ns` appended.
"""

from __future__ import annotations

from msgspec import Struct, field

from pcapleak.judge.judgement import TunnelKind
from pcapleak.report.document.capture import (
    CaptureEntry,
    Generator,
    InterfaceEntry,
    PolicyEntry,
    PolicyField,
)
from pcapleak.report.document.claims import ClaimEntry, ClaimStrength, WitnessEntry
from pcapleak.report.document.coherence import (
    Coherence,
    Conclusion,
    Contradiction,
    GeoSource,
    NatProfile,
    PlaceEntry,
    Vector,
)
from pcapleak.report.document.values import (
    Engine,
    Inference,
    Path,
    Role,
    Time,
)
from pcapleak.report.document.webrtc import (
    BrowserEntry,
    Candidate,
    CandidateSetShape,
    IceSession,
    Integrity,
    MdnsName,
    Mode,
    PageRow,
)
from pcapleak.values.evidence import MAX_FRAMES, Confidence
from pcapleak.values.findings import Result, Severity, TrafficKind

__all__ = [
    "MAX_FRAMES",
    "SCHEMA_VERSION",
    "BrowserEntry",
    "Candidate",
    "CandidateSetShape",
    "CaptureEntry",
    "ClaimEntry",
    "ClaimStrength",
    "Coherence",
    "Conclusion",
    "Confidence",
    "Contradiction",
    "CoverageEntry",
    "Document",
    "EndpointEntry",
    "Engine",
    "Finding",
    "FlowEntry",
    "Generator",
    "GeoSource",
    "IceSession",
    "Inference",
    "Integrity",
    "InterfaceEntry",
    "Malformed",
    "MdnsName",
    "Mode",
    "NatProfile",
    "Observer",
    "PageRow",
    "Path",
    "PlaceEntry",
    "PolicyEntry",
    "PolicyField",
    "ResolverEntry",
    "Role",
    "Severity",
    "Statistics",
    "Time",
    "TimelineEvent",
    "TunnelEntry",
    "Vector",
    "Verdict",
    "WitnessEntry",
]

SCHEMA_VERSION = "1.0"


class Verdict(Struct):
    result: Result
    """What it all comes to."""
    reason: str
    """Why, in a sentence."""
    exposed_addresses: list[str] = field(default_factory=list)
    """Public addresses of the client that reached somebody outside the tunnel or proxy."""
    servers: int = 0
    """Of a leak: how many servers outside saw the client's public address, readable here or not."""


class Finding(Struct):
    id: str
    """PL101 and so on; `pcapleak explain` and findings.md say what each means."""
    name: str
    """The same in words."""
    severity: Severity
    confidence: Confidence
    interface: str | None
    """The interface's name, or `#id` where it has none."""
    subject: str
    """What the finding is about; with `id` it is what makes two findings the same."""
    message: str
    """What was seen, in a sentence."""
    remedy: str
    """What to do about it."""
    first_time: Time | None = None
    last_time: Time | None = None
    frames: list[int] = field(default_factory=list)
    """The first frames that show it, at most `MAX_FRAMES`."""
    frame_count: int = 0
    """How many frames show it in all."""
    display_filter: str = ""
    """A Wireshark display filter that shows the evidence."""
    flow: int | None = None
    """Id of the first flow concerned."""
    flow_count: int = 0
    """How many flows are concerned."""
    bytes: int = 0
    """Bytes of the traffic concerned."""
    addresses: list[str] = field(default_factory=list)
    """Client addresses this exposes (public ones enter `exposed_addresses`)."""
    reasons: list[str] = field(default_factory=list)
    """What the conclusion rests on."""
    process: str | None = None
    """Which program the first flow concerned belonged to, where the capture says."""


class EndpointEntry(Struct):
    address: str
    port: int


class FlowEntry(Struct):
    id: int
    """Unique in the report."""
    community_id: str
    """Community ID 1.0 with seed 0, to find the flow in other tools."""
    protocol: str
    """udp, tcp, icmp, ..."""
    orig: EndpointEntry
    """The end that sent first. For ICMP the port is the type."""
    resp: EndpointEntry
    """The other end. For ICMP the port is the code."""
    interface: str | None
    """Where it was recorded."""
    services: list[str]
    """Protocols recognised in it."""
    orig_packets: int
    """Packets from orig."""
    orig_bytes: int
    """Bytes on the wire from orig."""
    resp_packets: int
    """Packets from resp."""
    resp_bytes: int
    """Bytes on the wire from resp."""
    first_time: Time
    last_time: Time
    path: Path = "unassessed"
    """Which way it went."""
    process: str | None = None
    """Which program it belonged to, where the capture says."""
    server_name: str | None = None
    """From a TLS ClientHello, a QUIC Initial, a CONNECT or SOCKS request, or DNS."""
    unanswered: bool = False
    """It bypassed and its client named the server, but no DNS answer was seen for this address:
    the name was resolved elsewhere, or before."""


class ResolverEntry(Struct):
    address: str
    """Who was asked."""
    transport: str
    """udp, tcp, dot, ..."""
    queries: int
    """Queries seen."""
    interface: str | None
    """Where they were seen."""
    path: Path
    """Which way they went."""
    frames: list[int] = field(default_factory=list)
    """The first of them."""


class TunnelEntry(Struct):
    kind: TunnelKind
    endpoint: str
    """Where its packets go."""
    interface: str | None
    """The interface inside it, or the one it was seen on."""
    up: list[Time] = field(default_factory=list)
    """When it was seen to come up (a completed handshake, or the first traffic)."""
    down: list[Time] = field(default_factory=list)
    """When it was last seen alive before it was lost."""
    confirmed: bool = False
    """A handshake was seen completed, not only packets of its shape."""
    reasons: list[str] = field(default_factory=list)
    """Why it is believed to be one."""
    completeness: float | None = None
    """The share (0 to 1) of the carrier's bytes that the recorded inside explains."""


class TimelineEvent(Struct):
    time: Time
    kind: str
    """tunnel-up, tunnel-rekey, tunnel-lost, tunnel-back, leak, interface-gone, ..."""
    subject: str
    """The tunnel or finding concerned."""
    text: str
    """What happened, in a sentence."""
    until: Time | None = None
    """Its end, where it lasted."""
    bytes: int = 0
    """Bytes that went outside."""


class CoverageEntry(Struct):
    """One kind of traffic that could have leaked: was it seen, and where did it go."""

    kind: TrafficKind
    seen: bool
    """Whether any of it was in the capture: where there is a policy, of what it judges."""
    paths: dict[str, int] = field(default_factory=dict)
    """Packets by path."""
    note: str = ""
    """What that means for the verdict."""
    programs: list[str] = field(default_factory=list)
    """The first programs that the capture or the watch names for it."""
    provoke: str = ""
    """How to put it to the test; empty where it was."""


class Observer(Struct):
    """Who learned what."""

    fact: str
    """What became known."""
    learned_by: list[str]
    """Who could learn it."""
    through: list[str]
    """From what traffic."""
    frames: list[int] = field(default_factory=list)
    """The first frames that told it."""


class Malformed(Struct):
    frame: int
    protocol: str
    """Which decoder refused it."""
    place: str
    """The part of the message."""
    offset: int
    """The byte in the decoder's input."""
    reason: str
    """What is wrong with it."""


class Statistics(Struct):
    packets: int = 0
    """Records of all captures."""
    bytes: int = 0
    """Their lengths on the wire."""
    flows: int = 0
    """Flows seen."""
    protocols: dict[str, int] = field(default_factory=dict)
    """Packets by protocol (ipv4, ipv6, udp, tcp, icmp, stun, mdns, ...)."""
    paths: dict[str, int] = field(default_factory=dict)
    """Packets by path."""
    path_bytes: dict[str, int] = field(default_factory=dict)
    """Bytes by path."""
    skipped: dict[str, int] = field(default_factory=dict)
    """What was not analyzed, and why, with counts."""
    malformed: int = 0
    """Malformed messages in all; `malformed` lists the first."""
    flows_listed: int = 0
    """Flows that `flows` lists."""


class Document(Struct):
    """The whole report."""

    schema_version: str
    """Major and minor; only a new major one renames or removes fields."""
    generator: Generator
    captures: list[CaptureEntry]
    """The inputs."""
    policy: PolicyEntry
    """What the captures were judged by."""
    verdict: Verdict
    findings: list[Finding] = field(default_factory=list)
    """Worst first."""
    ice_sessions: list[IceSession] = field(default_factory=list)
    """WebRTC sessions and their candidates."""
    page_rows: list[PageRow] = field(default_factory=list)
    """Page-side evidence held against packets, where some was given."""
    browsers: list[BrowserEntry] = field(default_factory=list)
    """Browsers that spoke for themselves, with or without WebRTC."""
    mdns_names: list[MdnsName] = field(default_factory=list)
    """Names announced by multicast DNS."""
    flows: list[FlowEntry] = field(default_factory=list)
    """Those that matter, worst and largest first; all with `--all-flows`."""
    resolvers: list[ResolverEntry] = field(default_factory=list)
    """DNS servers that were asked."""
    tunnels: list[TunnelEntry] = field(default_factory=list)
    """Tunnels and proxies seen."""
    timeline: list[TimelineEvent] = field(default_factory=list)
    """What happened when: tunnels and leaks."""
    coverage: list[CoverageEntry] = field(default_factory=list)
    """What could have leaked, and whether it was seen at all."""
    claims: list[ClaimEntry] = field(default_factory=list)
    """What the verdict hangs on, with its witnesses."""
    observers: list[Observer] = field(default_factory=list)
    """Who learned what."""
    coherence: Coherence = field(default_factory=Coherence)
    """Whether exit, WebRTC, time zone, language and resolver tell one story."""
    malformed: list[Malformed] = field(default_factory=list)
    """The first messages that could not be decoded."""
    statistics: Statistics = field(default_factory=Statistics)
    """Counts over everything."""
