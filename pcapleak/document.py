"""The report as data: what `report.md` publishes, field by field.

These classes are the interface of pcapleak. Their field names and types are the JSON schema
(`pcapleak schema`); adding is fine, renaming is not. Nothing here depends on the machine or
the clock. Times are `Time`s: written as ISO 8601 UTC with nanoseconds under the field's name
and as an integer under the name with `_ns` appended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

SCHEMA_VERSION = "1.0"

Time = NewType("Time", int)
"""Nanoseconds since the epoch, UTC."""

Confidence = Literal["certain", "high", "medium", "low"]
Severity = Literal["critical", "high", "medium", "low", "info"]
Role = Literal["physical", "tunnel", "loopback", "any", "unknown"]
Path = Literal[
    "tunnel", "proxy", "tunnel-transport", "local", "bypass", "inside-tunnel", "unassessed"
]
Engine = Literal["chromium", "firefox", "webkit", "other", "unknown"]


@dataclass(slots=True)
class Generator:
    name: str
    version: str


@dataclass(slots=True)
class InterfaceEntry:
    id: int
    name: str | None
    link_type: str
    packets: int
    role: Role = "unknown"
    role_reason: str = ""
    addresses: list[str] = field(default_factory=list)
    drops: int | None = None


@dataclass(slots=True)
class CaptureEntry:
    path: str
    format: str
    packets: int
    bytes: int
    first_time: Time | None
    last_time: Time | None
    truncated: bool
    interfaces: list[InterfaceEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was wrong with the file, one sentence each."""


@dataclass(slots=True)
class PolicyField:
    """One field of the policy as it was judged by."""

    value: list[str]
    source: Literal["given", "inferred", "default"]
    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PolicyEntry:
    kind: Literal["none", "tunnel", "proxy", "tunnel+proxy"]
    fields: dict[str, PolicyField] = field(default_factory=dict)
    """tunnels, vpn_endpoints, proxies, exits, clients, lans, resolvers, allow, strict."""


@dataclass(slots=True)
class Verdict:
    result: Literal["leak", "no-leak", "no-policy", "inconclusive"]
    reason: str
    exposed_addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Finding:
    id: str
    name: str
    severity: Severity
    confidence: Confidence
    interface: str | None
    """The interface's name, or `#id` where it has none."""
    subject: str
    """What the finding is about; with `id` it is what makes two findings the same."""
    message: str
    remedy: str
    first_time: Time | None = None
    last_time: Time | None = None
    frames: list[int] = field(default_factory=list)
    """The first frames that show it, at most `MAX_FRAMES`."""
    frame_count: int = 0
    display_filter: str = ""
    """A Wireshark display filter that shows the evidence."""
    flow: int | None = None
    """Id of the first flow concerned."""
    flow_count: int = 0
    bytes: int = 0
    addresses: list[str] = field(default_factory=list)
    """Client addresses this exposes (public ones enter `exposed_addresses`)."""
    reasons: list[str] = field(default_factory=list)


MAX_FRAMES = 16


@dataclass(slots=True)
class Inference:
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Mode:
    mode: Literal[1, 2, 3, 4] | None = None
    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CandidateSetShape:
    shape: str = "unknown"
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Candidate:
    """An ICE candidate as far as packets show it."""

    type: Literal["host", "srflx", "prflx", "relay"]
    protocol: Literal["udp", "tcp"]
    address: str | None
    """The transport address itself; the `.local` name that hides it is `mdns_name`."""
    port: int | None
    base_address: str | None = None
    base_port: int | None = None
    related_address: str | None = None
    related_port: int | None = None
    mdns_name: str | None = None
    mdns_link: Inference | None = None
    priority: int | None = None
    priority_source: Literal["observed", "predicted", "signalled"] | None = None
    server: str | None = None
    """The STUN or TURN server that told it."""
    interface: str | None = None
    username_fragment: str | None = None
    evidence: Literal["observed", "inferred", "signalled"] = "observed"
    frames: list[int] = field(default_factory=list)
    frame_count: int = 0
    line: str = ""
    """As a page would read it; what packets cannot show stands as `?`."""
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class IceSession:
    id: str
    client_addresses: list[str]
    engine: Engine
    engine_reason: str
    username_fragments: list[str] = field(default_factory=list)
    tie_breakers: list[str] = field(default_factory=list)
    """16 hexadecimal digits each."""
    first_time: Time | None = None
    last_time: Time | None = None
    ip_handling_mode: Mode = field(default_factory=Mode)
    candidate_set_shape: CandidateSetShape = field(default_factory=CandidateSetShape)
    candidates: list[Candidate] = field(default_factory=list)
    role: Literal["controlling", "controlled"] | None = None
    checks: int = 0
    nominated: list[str] = field(default_factory=list)
    """Nominated pairs, `local remote`."""
    flows: list[int] = field(default_factory=list)


@dataclass(slots=True)
class MdnsName:
    name: str
    uuid: str | None
    addresses: list[str]
    announcer: str | None
    interfaces: list[str] = field(default_factory=list)
    ttl_s: int | None = None
    first_time: Time | None = None
    last_time: Time | None = None
    goodbye: bool = False
    queried_by: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    frame_count: int = 0


@dataclass(slots=True)
class EndpointEntry:
    address: str
    port: int


@dataclass(slots=True)
class FlowEntry:
    id: int
    community_id: str
    protocol: str
    orig: EndpointEntry
    resp: EndpointEntry
    interface: str | None
    services: list[str]
    orig_packets: int
    orig_bytes: int
    resp_packets: int
    resp_bytes: int
    first_time: Time
    last_time: Time
    path: Path = "unassessed"
    process: str | None = None
    server_name: str | None = None
    """From a TLS ClientHello, a QUIC Initial, a CONNECT or SOCKS request, or DNS."""


@dataclass(slots=True)
class ResolverEntry:
    address: str
    transport: str
    queries: int
    interface: str | None
    path: Path
    frames: list[int] = field(default_factory=list)


@dataclass(slots=True)
class TunnelEntry:
    kind: Literal[
        "wireguard",
        "openvpn",
        "ikev1",
        "ikev2",
        "esp",
        "socks",
        "http-connect",
        "gre",
        "l2tp",
        "unknown",
    ]
    endpoint: str
    interface: str | None
    up: list[Time] = field(default_factory=list)
    """When it was seen to come up (a completed handshake, or the first traffic)."""
    down: list[Time] = field(default_factory=list)
    """When it was last seen alive before it was lost."""
    confirmed: bool = False
    """A handshake was seen completed, not only packets of its shape."""
    reasons: list[str] = field(default_factory=list)
    completeness: float | None = None
    """The share (0 to 1) of the carrier's bytes that the recorded inside explains."""


@dataclass(slots=True)
class TimelineEvent:
    time: Time
    kind: str
    """tunnel-up, tunnel-rekey, tunnel-lost, tunnel-back, leak, interface-gone, ..."""
    subject: str
    text: str
    until: Time | None = None
    bytes: int = 0


@dataclass(slots=True)
class CoverageEntry:
    """One kind of traffic that could have leaked: was it seen, and where did it go."""

    kind: Literal["stun", "dns", "ipv6", "quic", "tcp", "mdns"]
    seen: bool
    paths: dict[str, int] = field(default_factory=dict)
    """Packets by path."""
    note: str = ""


@dataclass(slots=True)
class Observer:
    """Who learned what."""

    fact: str
    learned_by: list[str]
    through: list[str]
    frames: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Vector:
    name: str
    value: str | None
    provenance: str
    confidence: Confidence | None = None
    countries: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Contradiction:
    vectors: list[str]
    verdict: Literal["agree", "disagree", "uncertain", "unknown"]
    sentence: str


@dataclass(slots=True)
class Coherence:
    vectors: list[Vector] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    result: Literal["coherent", "incoherent", "uncertain", "unknown"] = "unknown"


@dataclass(slots=True)
class Malformed:
    frame: int
    protocol: str
    place: str
    offset: int
    reason: str


@dataclass(slots=True)
class Statistics:
    packets: int = 0
    bytes: int = 0
    flows: int = 0
    protocols: dict[str, int] = field(default_factory=dict)
    """Packets by protocol (ipv4, ipv6, udp, tcp, icmp, stun, mdns, ...)."""
    paths: dict[str, int] = field(default_factory=dict)
    """Packets by path."""
    path_bytes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    """What was not analyzed, and why, with counts."""
    malformed: int = 0
    flows_listed: int = 0


@dataclass(slots=True)
class Document:
    """The whole report."""

    schema_version: str
    generator: Generator
    captures: list[CaptureEntry]
    policy: PolicyEntry
    verdict: Verdict
    findings: list[Finding] = field(default_factory=list)
    ice_sessions: list[IceSession] = field(default_factory=list)
    mdns_names: list[MdnsName] = field(default_factory=list)
    flows: list[FlowEntry] = field(default_factory=list)
    resolvers: list[ResolverEntry] = field(default_factory=list)
    tunnels: list[TunnelEntry] = field(default_factory=list)
    timeline: list[TimelineEvent] = field(default_factory=list)
    coverage: list[CoverageEntry] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)
    coherence: Coherence = field(default_factory=Coherence)
    malformed: list[Malformed] = field(default_factory=list)
    statistics: Statistics = field(default_factory=Statistics)
