"""What is known of an ICE session and its candidates, as values."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.decode.ice.candidate import CandidateLine
from pcapleak.decode.ice.page import PageCandidate
from pcapleak.decode.stun.values import NetworkInfo
from pcapleak.values.evidence import Confidence, Inference
from pcapleak.values.packets import Endpoint, IPAddress

Engine = Literal["chromium", "firefox", "webkit", "other", "unknown"]
CandidateType = Literal["host", "srflx", "prflx", "relay"]
Role = Literal["controlling", "controlled"]
Shape = Literal[
    "unknown", "none", "relay-only", "srflx-equals-interface", "raw-host", "srflx-only",
    "host-only", "consumer",
]  # fmt: skip
ModeNumber = Literal[1, 2, 3, 4]


class Mode(Struct):
    """The IP handling mode of RFC 8828 section 5.2, inferred."""

    mode: ModeNumber | None = None
    confidence: Confidence | None = None
    reasons: list[str] = field(default_factory=list)
    may_be_permitted: bool = True
    """Whether its page can have had a microphone or camera, where no mode is told."""


class SetShape(Struct):
    """What kind of client gathers such a set of candidates."""

    shape: Shape = "unknown"
    reasons: list[str] = field(default_factory=list)


class Integrity(Struct):
    """Whether a session's checks were made with the passwords that signalling showed."""

    state: Literal["proved", "failed"]
    """Failed: at least one was made with another password, or was changed on its way."""
    reasons: list[str] = field(default_factory=list)


class Candidate(Struct):
    """An ICE candidate as far as packets show it; what they do not show is None."""

    type: CandidateType
    protocol: Literal["udp", "tcp"]
    address: IPAddress | None
    """The transport address itself; the `.local` name that hides it is `mdns_name`."""
    port: int | None
    base_address: IPAddress | None = None
    base_port: int | None = None
    related_address: IPAddress | None = None
    related_port: int | None = None
    mdns_name: str | None = None
    mdns_link: Inference | None = None
    """How surely the name hides this address, and why."""
    is_hidden: bool | None = False
    """The page reads a name for its address, one that packets need not show; None where it is
    not known whether it does."""
    foundation: str | None = None
    """As libwebrtc computes it of what packets show."""
    priority: int | None = None
    priority_source: Literal["observed", "predicted", "signalled"] | None = None
    tcptype: Literal["active", "passive"] | None = None
    network: NetworkInfo | None = None
    """What its checks say of its network, where interfaces were enumerated."""
    server: Endpoint | None = None
    """The STUN or TURN server that told it."""
    interface: int | None = None
    username_fragment: str | None = None
    evidence: Literal["observed", "inferred", "signalled"] = "observed"
    frames: list[int] = field(default_factory=list)
    frame_count: int = 0
    told: CandidateLine | None = None
    """The line itself, where signalling or a page shows it."""
    reasons: list[str] = field(default_factory=list)


class Session(Struct):
    """One side of an ICE session; times are nanoseconds since the epoch."""

    id: str
    """Unique in the report."""
    client_addresses: list[IPAddress]
    """Addresses the session gathered or sent from."""
    engine: Engine
    engine_reason: str
    first_ns: int
    last_ns: int
    engine_confidence: Confidence | None = None
    username_fragments: list[str] = field(default_factory=list)
    """The client's own, as its checks say them."""
    peer_username_fragments: list[str] = field(default_factory=list)
    tie_breakers: list[int] = field(default_factory=list)
    mode: Mode = field(default_factory=Mode)
    is_wildcard: bool = False
    """Its sockets are bound to no address (modes 2 and 3 of libwebrtc)."""
    shape: SetShape = field(default_factory=SetShape)
    candidates: list[Candidate] = field(default_factory=list)
    role: Role | None = None
    checks: int = 0
    nominated: list[tuple[Endpoint, Endpoint]] = field(default_factory=list)
    """Local and remote end of each nominated pair."""
    integrity: Integrity | None = None
    flows: list[int] = field(default_factory=list)


class PageRow(Struct):
    """A candidate told by page-side evidence, by packets, or by both."""

    path: str | None
    """The file of page-side evidence; None for what only packets show."""
    told: PageCandidate | None
    """As the page has it."""
    candidate: Candidate | None
    """As packets have it."""
    session: Session | None
    reasons: list[str] = field(default_factory=list)
    """What joins both sides, or why one has nothing."""
