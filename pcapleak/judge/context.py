"""The policy completed by what the capture shows: what detectors judge by."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

import numpy as np
from msgspec import Struct, field

from pcapleak.judge.columns import Columns
from pcapleak.judge.conservation import Conserved
from pcapleak.judge.judgement import InterfaceRole, JudgedPolicy, PolicyValue
from pcapleak.judge.outers import Outers
from pcapleak.judge.tunnel_life import TunnelLife
from pcapleak.policy.policy import Network, Policy, Rule
from pcapleak.track.network import Lease, Router
from pcapleak.track.proxies import Proxy as SeenProxy
from pcapleak.track.state import State
from pcapleak.track.tunnels import Tunnel as SeenTunnel
from pcapleak.values.addresses import inside
from pcapleak.values.claims import Strength
from pcapleak.values.evidence import Confidence
from pcapleak.values.packets import Bool, Endpoint, Int64, IPAddress, UInt8


class Source(NamedTuple):
    """A value found, why, and how surely."""

    value: PolicyValue
    says: str
    confidence: Confidence
    strength: Strength = Strength.TYPICAL


class SceneTunnel(Struct):
    """One tunnel, given or found, with all that is known of it."""

    label: str
    """The interface's name, or the endpoint where there is no interface."""
    kind: str | None = None
    given: bool = True
    is_named: bool = True
    """Whether `label` is an interface's name."""
    interfaces: list[int] = field(default_factory=list)
    """Recorded interfaces of it; none where only its carrier was recorded."""
    endpoints: list[Rule] = field(default_factory=list)
    addresses: list[Network] = field(default_factory=list)
    """The client's addresses inside."""
    resolvers: list[IPAddress] = field(default_factory=list)
    exits: list[Network] = field(default_factory=list)
    routes: list[Network] = field(default_factory=list)
    seen: list[SeenTunnel] = field(default_factory=list)
    """Its handshakes."""
    conserved: Conserved | None = None
    """The servers that what went inside came out to."""
    carrier: Bool = field(default_factory=lambda: np.zeros(0, np.bool_))
    """By row: whether the flow carries it; empty until paths are assigned."""
    reasons: list[str] = field(default_factory=list)
    confidence: Confidence = "certain"


class SceneProxy(Struct):
    """One proxy, given or found."""

    scheme: str
    endpoint: Endpoint
    given: bool = True
    relays: list[Endpoint] = field(default_factory=list)
    """Where it relays UDP for its clients."""
    supposed: list[Endpoint] = field(default_factory=list)
    """Where it may: what was agreed upon came before the recording."""
    exits: list[Network] = field(default_factory=list)
    seen: list[SeenProxy] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    confidence: Confidence = "certain"
    servers: list[IPAddress] = field(default_factory=list)
    """Of a proxy on this host: where its way out leads."""
    conserved: Conserved | None = None


class Recorded(NamedTuple):
    """What a run could see."""

    outside: bool
    """A physical interface was recorded and has packets."""
    ours: bool
    """Something of the client's was recorded there."""
    carried: bool
    """The tunnel or proxy was seen carrying traffic both ways."""
    gaps: list[str]
    """Packets that are missing in the middle, one sentence each."""
    others: list[IPAddress]
    """Hosts of the recorded networks that spoke to the world and are not judged."""
    beyond: str
    """Private destinations outside, beyond the client's own networks, in a sentence."""
    limits: list[str]
    """What else limits the verdict."""


class Beside(NamedTuple):
    """Flows that the client sent outside, by row, each in one part.

    Those of WebRTC over IPv6 beside a tunnel of IPv4 alone stand in two.
    """

    webrtc: Bool
    ipv6: Bool
    """Native IPv6, where the tunnel carries none."""
    dns: Bool
    udp: Bool
    """Everything else that is not TCP."""
    tcp: Bool


class Scene(Struct):
    """A run's state, seen with the eyes of its policy."""

    state: State
    policy: Policy
    columns: Columns
    roles: list[InterfaceRole]
    tunnels: list[SceneTunnel] = field(default_factory=list)
    proxies: list[SceneProxy] = field(default_factory=list)
    around: list[SceneTunnel] = field(default_factory=list)
    """Tunnels through which the proxies of a policy without tunnels are spoken to: as outside as
    the interfaces that carry them."""
    clients: list[Network] = field(default_factory=list)
    """The client's addresses on physical interfaces."""
    is_client_shown: bool = True
    """Whether more than shares and habits says whose they are."""
    inner: list[Network] = field(default_factory=list)
    """The client's addresses inside tunnels."""
    mirrors: frozenset[int] = frozenset()
    """Encapsulations that are a mirror's copies, as if there were none."""
    carriers: Outers | None = None
    """The ends of all encapsulations, once they were asked for."""
    arriving: frozenset[int] | None = None
    """Rows inside packets that one end alone sent, once they were asked for."""
    rivals: list[IPAddress] = field(default_factory=list)
    """Addresses of several hosts that are as likely the client's: none was taken."""
    left: list[str] = field(default_factory=list)
    """What was more than judging looks at, one sentence each."""
    suspected: list[IPAddress] = field(default_factory=list)
    """Among `inner`, those only taken for a tunnel's: it was not recorded, nor they given."""
    lans: list[Network] = field(default_factory=list)
    exits: list[Network] = field(default_factory=list)
    sources: dict[str, list[Source]] = field(default_factory=dict)
    """By field of the policy: the values that were not given, why, and how surely."""
    resolvers: list[IPAddress] = field(default_factory=list)
    """Resolvers that the policy lets be asked outside."""
    entry: JudgedPolicy = field(default_factory=lambda: JudgedPolicy("none"))
    before: Bool = field(default_factory=lambda: np.zeros(0, np.bool_))
    """By row: the client's flows outside that were over before the tunnel came up."""
    is_before_shown: bool = True
    """Whether the recording shows the tunnel coming up; else it may have been up, and silent."""
    path: UInt8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    """By row: a code of `PATHS`."""
    beside: Beside = field(default_factory=lambda: Beside(*[np.zeros(0, np.bool_)] * 5))
    lives: list[TunnelLife] = field(default_factory=list)
    """Of each of `tunnels`."""
    recorded: Recorded = field(
        default_factory=lambda: Recorded(
            outside=False, ours=False, carried=False, gaps=[], others=[], beyond="", limits=[]
        )
    )

    @property
    def has_policy(self) -> bool:
        """Whether there is anything to judge by."""
        return bool(self.tunnels or self.proxies)

    @property
    def is_proxy_only(self) -> bool:
        """Proxies and no tunnel: only what programs hand to them is protected."""
        return bool(self.proxies) and not self.tunnels

    def ids(self, *roles: str) -> list[int]:
        """Interfaces of the given roles."""
        return [number for number, role in enumerate(self.roles) if role.role in roles]

    @property
    def outside(self) -> list[int]:
        """Interfaces on which traffic is outside: physical ones, and what may be one."""
        within = set(self.inside_ids)
        return [number for number in self.ids("physical", "unknown", "any") if number not in within]

    @property
    def inside_ids(self) -> list[int]:
        """Recorded interfaces of the policy's tunnels."""
        return [number for tunnel in self.tunnels for number in tunnel.interfaces]

    def leases(self) -> list[Lease]:
        """Leases as the network gave them; nobody leases inside of what a stranger sends."""
        return [one for one in self.state.network.leases() if self._is_plain(one.carrier)]

    def routers(self) -> list[Router]:
        """Routers as the network has them."""
        return [one for one in self.state.network.routers() if self._is_plain(one.carrier)]

    def _is_plain(self, carrier: int) -> bool:
        return not carrier or carrier in self.mirrors

    @property
    def arriving_rows(self) -> frozenset[int]:
        """Flows inside packets that one end alone sent."""
        if self.arriving is None:
            mutual = [0, *self.state.both_ways]
            rows = ~np.isin(self.columns.encapsulation, np.asarray(mutual, np.int64))
            self.arriving = frozenset(np.flatnonzero(rows).tolist())
        return self.arriving

    def only_arrives(self, flows: Sequence[int]) -> bool:
        """Whether some of these flows are inside packets that one end alone sent."""
        return not self.arriving_rows.isdisjoint(flows)

    def own_carriers(self) -> Int64:
        """Encapsulations that the client sends: what only arrives in one is anybody's.

        Where none of a carrier's ends is the client, but the policy names it, that is inside.
        """
        sent = self.outers.sent_by(self.clients, told=bool(self.policy.clients))
        found: Int64 = np.flatnonzero(sent) + 1
        return found

    @property
    def outers(self) -> Outers:
        """The ends of all encapsulations."""
        if self.carriers is None:
            self.carriers = Outers(self.state)
        return self.carriers

    @property
    def sub_interfaces(self) -> list[int]:
        """Interfaces told apart inside an `any` recording."""
        return [one.id for one in self.state.interfaces if one.parent is not None]

    def label(self, interface: int) -> str:
        """The interface's name, or `#id`."""
        return self.state.interfaces[interface].label

    def is_exit(self, address: IPAddress) -> bool:
        """Whether the world is meant to see this address as the client's."""
        return inside(address, self.exits)

    def is_client(self, address: IPAddress) -> bool:
        """Whether it is one of the client's addresses, inside or out."""
        return inside(address, self.clients) or inside(address, self.inner)


def single(address: IPAddress) -> Network:
    """An address as a network of its own."""
    return ip_network(address)
