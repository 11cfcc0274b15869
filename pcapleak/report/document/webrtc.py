"""WebRTC in the report: sessions, candidates, names."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.report.document.values import Engine, Inference, Time
from pcapleak.values.evidence import Confidence


class Mode(Struct):
    mode: Literal[1, 2, 3, 4] | None = None
    """The IP handling mode of RFC 8828 section 5.2."""
    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)


class CandidateSetShape(Struct):
    shape: str = "unknown"
    reasons: list[str] = field(default_factory=list)


class Integrity(Struct):
    """Whether a session's checks were made with the passwords that signalling showed."""

    state: Literal["proved", "failed"]
    """Failed: at least one was made with another password, or was changed on its way."""
    reasons: list[str] = field(default_factory=list)


class Candidate(Struct):
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


class IceSession(Struct):
    id: str
    """Unique in the report."""
    client_addresses: list[str]
    """Addresses the session gathered or sent from."""
    engine: Engine
    """The browser engine, inferred."""
    engine_reason: str
    """From what."""
    engine_confidence: Confidence | None = None
    """How surely. A User-Agent field alone is low: it may be another program's."""
    username_fragments: list[str] = field(default_factory=list)
    """The client's own, as its checks say them."""
    peer_username_fragments: list[str] = field(default_factory=list)
    """Its peer's: with them two captures of one call find each other."""
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
    integrity: Integrity | None = None
    """MESSAGE-INTEGRITY of its checks, where signalling showed a peer's password."""
    flows: list[int] = field(default_factory=list)
    """Ids of its flows."""


class PageRow(Struct):
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


class BrowserEntry(Struct):
    address: str
    """Where it runs, as seen from the recorder."""
    engine: Engine
    reason: str
    """What it said of itself: its User-Agent field, or a service that only it asks for."""
    webrtc: bool = False
    """Whether a WebRTC session of this address was seen. None is no proof that there was none."""
    first_time: Time | None = None
    last_time: Time | None = None
    frames: list[int] = field(default_factory=list)
    """The first frames that show it."""
    frame_count: int = 0
    """How many frames show it in all."""


class MdnsName(Struct):
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
