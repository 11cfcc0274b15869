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
    """`pcapleak`."""
    version: str
    """The version of the program that wrote the report."""


@dataclass(slots=True)
class InterfaceEntry:
    id: int
    """Its number in the capture, counted over all captures of the report."""
    name: str | None
    link_type: str
    """As Wireshark names it (ETHERNET, RAW, LINUX_SLL2)."""
    packets: int
    """Packets recorded on it."""
    role: Role = "unknown"
    """What it is, as far as the capture tells."""
    role_reason: str = ""
    """Why that is believed."""
    addresses: list[str] = field(default_factory=list)
    """Its own addresses with prefix length, where the capture names them."""
    drops: int | None = None
    """Packets the recorder says it lost."""


@dataclass(slots=True)
class CaptureEntry:
    path: str
    """As it was given."""
    format: str
    """pcap, pcapng, ..."""
    packets: int
    """Records read."""
    bytes: int
    """Bytes of the file that were read."""
    first_time: Time | None
    """Time of the earliest packet."""
    last_time: Time | None
    """Time of the latest packet."""
    truncated: bool
    """The file ends in the middle of a record."""
    interfaces: list[InterfaceEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was wrong with the file, one sentence each."""


@dataclass(slots=True)
class PolicyField:
    """One field of the policy as it was judged by."""

    value: list[str]
    source: Literal["given", "inferred", "default"]
    """Whether the user gave it, the capture told it, or nobody said."""
    confidence: Confidence | None = None
    """How surely, where inferred."""
    reasons: list[str] = field(default_factory=list)
    """From what, where inferred."""


@dataclass(slots=True)
class PolicyEntry:
    kind: Literal["none", "tunnel", "proxy", "tunnel+proxy"]
    fields: dict[str, PolicyField] = field(default_factory=dict)
    """tunnels, vpn_endpoints, proxies, exits, clients, lans, resolvers, allow, strict."""


@dataclass(slots=True)
class Verdict:
    result: Literal["leak", "no-leak", "no-policy", "inconclusive"]
    """What it all comes to."""
    reason: str
    """Why, in a sentence."""
    exposed_addresses: list[str] = field(default_factory=list)
    """Public addresses of the client that reached somebody outside the tunnel or proxy."""


@dataclass(slots=True)
class Finding:
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


MAX_FRAMES = 16


@dataclass(slots=True)
class Inference:
    """Something concluded, how surely, and why."""

    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Mode:
    mode: Literal[1, 2, 3, 4] | None = None
    """The IP handling mode of RFC 8828 section 5.2."""
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
    """raddr of the candidate line."""
    related_port: int | None = None
    """rport of the candidate line."""
    mdns_name: str | None = None
    mdns_link: Inference | None = None
    """How surely the name hides this address, and why."""
    priority: int | None = None
    priority_source: Literal["observed", "predicted", "signalled"] | None = None
    """Whether the priority was read, computed for the engine, or signalled."""
    server: str | None = None
    """The STUN or TURN server that told it."""
    interface: str | None = None
    """Where it was seen."""
    username_fragment: str | None = None
    """Of the session's checks, where one was seen."""
    evidence: Literal["observed", "inferred", "signalled"] = "observed"
    """Whether packets show the candidate itself, imply it, or carry it as signalling."""
    frames: list[int] = field(default_factory=list)
    """The first frames that show it."""
    frame_count: int = 0
    """How many frames show it in all."""
    line: str = ""
    """As a page would read it; what packets cannot show stands as `?`."""
    reasons: list[str] = field(default_factory=list)
    """What it rests on."""


@dataclass(slots=True)
class IceSession:
    id: str
    """Unique in the report."""
    client_addresses: list[str]
    """Addresses the session gathered or sent from."""
    engine: Engine
    """The browser engine, inferred."""
    engine_reason: str
    """From what."""
    username_fragments: list[str] = field(default_factory=list)
    """Those seen, the client's and its peer's."""
    tie_breakers: list[str] = field(default_factory=list)
    """16 hexadecimal digits each."""
    first_time: Time | None = None
    last_time: Time | None = None
    ip_handling_mode: Mode = field(default_factory=Mode)
    """Which mode of RFC 8828 the browser was in, inferred."""
    candidate_set_shape: CandidateSetShape = field(default_factory=CandidateSetShape)
    """What kind of client gathers such a set."""
    candidates: list[Candidate] = field(default_factory=list)
    role: Literal["controlling", "controlled"] | None = None
    """Of the client, as its checks say."""
    checks: int = 0
    """Connectivity checks seen."""
    nominated: list[str] = field(default_factory=list)
    """Nominated pairs, `local remote`."""
    flows: list[int] = field(default_factory=list)
    """Ids of its flows."""


@dataclass(slots=True)
class PageRow:
    """A candidate told by page-side evidence, by packets, or by both."""

    seen_by: Literal["both", "page", "wire"]
    """Who shows it: both, page-side evidence alone, or packets alone."""
    path: str | None
    """The file of page-side evidence; None for what only packets show."""
    type: str
    """host, srflx, prflx or relay."""
    protocol: str
    """udp or tcp."""
    address: str | None
    """Address or `.local` name; None where the browser keeps it to itself."""
    port: int | None
    """None where only the name is known."""
    line: str
    """As the page has it, or as rebuilt from packets."""
    session: str | None = None
    """Id of the session it is a candidate of."""
    reasons: list[str] = field(default_factory=list)
    """What joins both sides, or why one has nothing."""


@dataclass(slots=True)
class MdnsName:
    name: str
    uuid: str | None
    """The random part of a WebRTC name."""
    addresses: list[str]
    """What was announced under it."""
    announcer: str | None
    """Who announced it."""
    interfaces: list[str] = field(default_factory=list)
    """Where it was announced."""
    ttl_s: int | None = None
    """Seconds the announcement is good for."""
    first_time: Time | None = None
    last_time: Time | None = None
    goodbye: bool = False
    """It was withdrawn (a lifetime of zero)."""
    queried_by: list[str] = field(default_factory=list)
    """Who asked for it."""
    frames: list[int] = field(default_factory=list)
    """The first frames that show it."""
    frame_count: int = 0
    """How many frames show it in all."""


@dataclass(slots=True)
class EndpointEntry:
    address: str
    port: int


@dataclass(slots=True)
class FlowEntry:
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


@dataclass(slots=True)
class ResolverEntry:
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


@dataclass(slots=True)
class TimelineEvent:
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


@dataclass(slots=True)
class CoverageEntry:
    """One kind of traffic that could have leaked: was it seen, and where did it go."""

    kind: Literal["stun", "dns", "ipv6", "quic", "tcp", "mdns"]
    seen: bool
    """Whether any of it was in the capture."""
    paths: dict[str, int] = field(default_factory=dict)
    """Packets by path."""
    note: str = ""
    """What that means for the verdict."""


@dataclass(slots=True)
class Observer:
    """Who learned what."""

    fact: str
    """What became known."""
    learned_by: list[str]
    """Who could learn it."""
    through: list[str]
    """From what traffic."""
    frames: list[int] = field(default_factory=list)
    """The first frames that told it."""


@dataclass(slots=True)
class PlaceEntry:
    """Where an address is, as the sources have it."""

    address: str
    countries: list[str] = field(default_factory=list)
    """Country codes that the sources name; more than one where they differ."""
    sources: dict[str, str] = field(default_factory=dict)
    """What each source says."""
    confidence: Confidence | None = None
    """Of the country."""
    asn: int | None = None
    """Number of its autonomous system."""
    organisation: str | None = None
    """Whose autonomous system it is."""
    kind: Literal["hosting", "vpn", "relay", "mobile", "residential", "unknown"] = "unknown"
    """What the network is."""
    kind_confidence: Confidence | None = None
    """How surely."""
    note: str = ""
    """Why it has no place, or how it carries the address that was looked up."""


@dataclass(slots=True)
class Vector:
    """One of the signs by which an observer guesses where a client is."""

    name: str
    """exit, webrtc, time zone, language or resolver."""
    value: str | None
    """None where nothing told it."""
    provenance: str
    """What told it: frames, a page's file, the policy, or why it is unknown."""
    confidence: Confidence | None = None
    """How surely the value is right."""
    countries: list[str] = field(default_factory=list)
    """Countries it points to."""
    details: dict[str, str] = field(default_factory=dict)
    """More of it, by name."""
    places: list[PlaceEntry] = field(default_factory=list)
    """Of its addresses."""
    frames: list[int] = field(default_factory=list)
    """The first frames that show it."""


@dataclass(slots=True)
class Contradiction:
    """Two vectors held against each other, whatever came of it."""

    vectors: list[str]
    """Their names."""
    verdict: Literal["agree", "disagree", "uncertain", "unknown"]
    sentence: str
    """Why, for a person."""
    aspects: dict[str, str] = field(default_factory=dict)
    """The same verdicts by country, network (ASN), kind of network, prefix, language, clock."""


@dataclass(slots=True)
class Conclusion:
    """What one kind of observer could conclude from the vectors that reach it."""

    observer: str
    sees: list[str]
    """Names of vectors."""
    conclusion: str


@dataclass(slots=True)
class NatProfile:
    """How the network in front of a client translates addresses, from STUN answers alone."""

    client: str
    """The client's own address."""
    interface: str | None
    mapping: Literal[
        "none",
        "endpoint-independent",
        "address-dependent",
        "address-and-port-dependent",
        "unknown",
    ]
    """Mapping behaviour (RFC 4787 section 4.1); none: the address is not translated."""
    port_preservation: bool | None
    """Whether ports stay what they are (RFC 4787 section 4.2.1)."""
    cgnat: Literal["likely", "unlikely", "unknown"]
    """Whether a provider shares the public address among customers."""
    public_addresses: list[str] = field(default_factory=list)
    """What servers saw."""
    servers: list[str] = field(default_factory=list)
    """Who was asked."""
    reasons: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)


@dataclass(slots=True)
class GeoSource:
    """Data that places come from."""

    name: str
    date: str
    """When they were made, as ISO 8601; empty where that is not known."""
    licence: str


@dataclass(slots=True)
class Coherence:
    """Whether the address that WebRTC shows agrees with the rest of the story."""

    vectors: list[Vector] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    """Every pair of vectors that are known, and its verdict."""
    result: Literal["coherent", "incoherent", "uncertain", "unknown"] = "unknown"
    """What it all comes to."""
    sentence: str = ""
    """The same for a person."""
    conclusions: list[Conclusion] = field(default_factory=list)
    """By kind of observer."""
    nat: list[NatProfile] = field(default_factory=list)
    """What STUN shows of the NAT in front of each client."""
    sources: list[GeoSource] = field(default_factory=list)
    """Where the places are from."""


@dataclass(slots=True)
class Malformed:
    frame: int
    protocol: str
    """Which decoder refused it."""
    place: str
    """The part of the message."""
    offset: int
    """The byte in the decoder's input."""
    reason: str
    """What is wrong with it."""


@dataclass(slots=True)
class Statistics:
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


@dataclass(slots=True)
class Document:
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
    observers: list[Observer] = field(default_factory=list)
    """Who learned what."""
    coherence: Coherence = field(default_factory=Coherence)
    """Whether exit, WebRTC, time zone, language and resolver tell one story."""
    malformed: list[Malformed] = field(default_factory=list)
    """The first messages that could not be decoded."""
    statistics: Statistics = field(default_factory=Statistics)
    """Counts over everything."""
