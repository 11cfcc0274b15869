"""What judging ends in, and the context detectors share."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from msgspec import Struct, field

from pcapleak.policy.policy import Network, Rule
from pcapleak.track.resolvers import ResolverTransport
from pcapleak.values.claims import Claim, Strength
from pcapleak.values.evidence import Confidence
from pcapleak.values.findings import Finding, TrafficKind, Verdict
from pcapleak.values.packets import Endpoint, IPAddress, UInt8

Role = Literal["physical", "tunnel", "loopback", "any", "unknown"]
Path = Literal[
    "tunnel", "proxy", "tunnel-transport", "local", "bypass", "inside-tunnel", "unassessed"
]
TunnelKind = Literal[
    "wireguard", "openvpn", "ikev1", "ikev2", "esp", "socks", "http-connect", "gre", "l2tp",
    "unknown",
]  # fmt: skip

PATHS: tuple[Path, ...] = get_args(Path)
"""Names of the path codes in `Judgement.path`."""

TUNNEL, PROXY, TUNNEL_TRANSPORT, LOCAL, BYPASS, INSIDE_TUNNEL, UNASSESSED = range(len(PATHS))


class InterfaceRole(NamedTuple):
    """What an interface is, and how that is known."""

    role: Role
    reason: str
    strength: Strength = Strength.TYPICAL
    is_by_name: bool = False
    """Whether its name tells it."""
    also: str = ""
    """What weaker witness says the same."""
    against: str = ""
    """What would make it something else."""

    def confirmed(self, strength: Strength, reason: str) -> InterfaceRole:
        """The same role by a stronger witness."""
        return self._replace(strength=strength, reason=reason, also=self.reason)


PolicyValue = str | IPAddress | Network
"""One value of a policy's field: a name, a rule's text, an address or a range."""


class PolicyField(Struct):
    """One field of the policy as it was judged by."""

    value: list[PolicyValue]
    source: Literal["given", "inferred", "default"]
    """Whether the user gave it, the capture told it, or nobody said."""
    confidence: Confidence | None = None
    """How surely, where inferred."""
    reasons: list[str] = field(default_factory=list)
    """From what, where inferred."""


class JudgedPolicy(Struct):
    """The policy as it was judged by: what was given, completed from the capture."""

    kind: Literal["none", "tunnel", "proxy", "tunnel+proxy"]
    fields: dict[str, PolicyField] = field(default_factory=dict)


class ResolverUse(NamedTuple):
    """A resolver that was asked."""

    address: IPAddress
    transport: ResolverTransport
    queries: int
    interface: str
    path: Path
    frames: list[int]


class TunnelUse(Struct):
    """A tunnel or proxy, given or seen."""

    kind: TunnelKind
    endpoints: tuple[Rule | Endpoint, ...]
    """Where its packets go."""
    interface: str | None
    """The interface inside it, or the one it was seen on."""
    up: list[int] = field(default_factory=list)
    """When it was seen to come up, in nanoseconds."""
    down: list[int] = field(default_factory=list)
    """When it was last seen alive before it was lost, in nanoseconds."""
    confirmed: bool = False
    """A handshake was seen completed, not only packets of its shape."""
    reasons: list[str] = field(default_factory=list)
    completeness: float | None = None
    """The share (0 to 1) of the carrier's bytes that the recorded inside explains."""


class Event(NamedTuple):
    """Something that happened to a tunnel, or beside it."""

    ts_ns: int
    kind: str
    subject: str
    text: str
    until_ns: int | None = None
    bytes: int = 0
    """Bytes that went outside."""


NONE_SEEN = "none seen, so not tested"
"""The note of a kind of traffic that is not in the capture at all."""


class Coverage(NamedTuple):
    """One kind of traffic that could have leaked: was it seen, and where did it go."""

    kind: TrafficKind
    seen: bool
    """Whether any of it was in the capture: where there is a policy, of what it judges."""
    paths: dict[Path, int]
    """Packets by path."""
    note: str = ""
    """What that means for the verdict."""
    programs: tuple[str, ...] = ()
    """The first programs that the capture or the watch names for it."""
    provoke: str = ""
    """How to put it to the test; empty where it was."""


class Observed(Struct):
    """What became known, to whom, from what traffic."""

    fact: str
    learned_by: list[str] = field(default_factory=list)
    through: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)


class Exit(NamedTuple):
    """Where the world sees the client's traffic come from."""

    network: Network
    reason: str
    confidence: Confidence


class Judgement(Struct):
    """All that judging says of one run."""

    policy: JudgedPolicy
    roles: list[InterfaceRole]
    """By interface id."""
    path: UInt8
    """By row of the flow table: a code of `PATHS`."""
    findings: list[Finding]
    verdict: Verdict
    timeline: list[Event]
    coverage: list[Coverage]
    observers: list[Observed]
    resolvers: list[ResolverUse]
    tunnels: list[TunnelUse]
    exits: list[Exit]
    clients: list[Network]
    """The client's own addresses, inside tunnels and out."""
    claims: list[Claim]
    """What the verdict hangs on, with its witnesses."""
