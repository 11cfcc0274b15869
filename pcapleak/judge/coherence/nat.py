"""The NAT in front of each client, told from ordinary STUN answers (RFC 4787, RFC 5780)."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, NamedTuple

from pcapleak.track.ice.links import Link
from pcapleak.track.state import State
from pcapleak.values.addresses import classify, is_public, range_kind
from pcapleak.values.evidence import MAX_FRAMES
from pcapleak.values.packets import Endpoint, IPAddress

Mapping = Literal[
    "none", "endpoint-independent", "address-dependent", "address-and-port-dependent", "unknown"
]

MAX_CLIENTS = 64
"""Clients told of: a network's recording may hold thousands."""
MAX_LISTED = 16
MAX_TOLD = 64
"""Servers of one socket that are compared with each other: 64 x 64 pairs at the most."""


Told = dict[Endpoint, dict[Endpoint, Endpoint]]
"""By a client's socket: what each server told of it."""


class NatProfile(NamedTuple):
    """How the network in front of a client translates addresses, from STUN answers alone."""

    client: IPAddress
    interface: str
    mapping: Mapping
    """Mapping behaviour (RFC 4787 section 4.1); none: the address is not translated."""
    port_preservation: bool | None
    """Whether ports stay what they are (RFC 4787 section 4.2.1)."""
    cgnat: Literal["likely", "unlikely", "unknown"]
    """Whether a provider shares the public address among customers."""
    public_addresses: list[IPAddress]
    """What servers saw."""
    servers: list[Endpoint]
    reasons: list[str]
    frames: list[int]


def nat_profiles(state: State, inside: set[int]) -> list[NatProfile]:
    """A profile for each client address that STUN servers answered outside tunnels.

    `inside` are the interfaces of tunnels: what is seen there is the exit's doing.
    """
    clients: dict[tuple[int, IPAddress], list[Link]] = {}
    for key, link in state.ice.links.items():
        told = link.answers or link.allocations
        if not told or key.layers or key.interface in inside or key.transport != "udp":
            continue
        client = (key.interface, key.destination.address)
        if client in clients or len(clients) < MAX_CLIENTS:
            clients.setdefault(client, []).append(link)
    return [
        _profile(address, state.interfaces[interface].label, links)
        for (interface, address), links in clients.items()
    ]


def _profile(client: IPAddress, interface: str, links: list[Link]) -> NatProfile:
    told: Told = defaultdict(dict)
    frames: list[int] = []
    public: dict[IPAddress, None] = {}
    for link in links:
        mapped = [*link.answers, *(one.mapped for one in link.allocations if one.mapped)]
        for endpoint in mapped:
            # The latest mapping counts where one timed out.
            by = told[link.key.destination]
            if link.key.source in by or len(by) < MAX_TOLD:
                by[link.key.source] = endpoint
            public.setdefault(endpoint.address)
        frames += link.seen.frames
    mapping, why = _mapping(client, told)
    kept = [base.port == seen.port for base, by in told.items() for seen in by.values()]
    if mapping == "none":
        preserved = None
    else:
        preserved = all(kept)
        number = sum(kept)
        why.append(f"{number} of {len(kept)} mappings keep the port")
    shared, reason = _cgnat(client, list(public), told)
    return NatProfile(
        client=client,
        interface=interface,
        mapping=mapping,
        port_preservation=preserved,
        cgnat=shared,
        public_addresses=list(public)[:MAX_LISTED],
        servers=list(dict.fromkeys(link.key.source for link in links))[:MAX_LISTED],
        reasons=[*why, reason],
        frames=sorted(set(frames))[:MAX_FRAMES],
    )


def _mapping(client: IPAddress, told: Told) -> tuple[Mapping, list[str]]:
    """RFC 4787 section 4.1, from sockets that several servers answered."""
    if all(seen == base for base, by in told.items() for seen in by.values()):
        return "none", [f"servers see {client} unchanged"]
    several = {base: by for base, by in told.items() if len(by) > 1}
    if not several:
        return "unknown", ["no socket queried more than one server"]
    base = next(iter(several))
    if all(len(set(by.values())) == 1 for by in several.values()):
        return "endpoint-independent", [
            f"{len(several[base])} servers see {base} as {next(iter(several[base].values()))}"
        ]
    compared = False
    for base, by in several.items():
        for one, seen in by.items():
            for other, otherwise in by.items():
                compared |= one.address == other.address and one != other
                if one.address == other.address and seen != otherwise:
                    why = f"ports {one.port} and {other.port} of {one.address} see {base} as "
                    return "address-and-port-dependent", [f"{why}{seen} and {otherwise}"]
    base, by = next((base, by) for base, by in several.items() if len(set(by.values())) > 1)
    (one, seen), (other, otherwise) = _differing(by)
    why = f"{one} sees {base} as {seen}, {other} as {otherwise}"
    return "address-dependent", [why] if compared else [
        why,
        "no two ports of one server were queried",
    ]


def _differing(
    by: dict[Endpoint, Endpoint],
) -> tuple[tuple[Endpoint, Endpoint], tuple[Endpoint, Endpoint]]:
    first, *rest = by.items()
    return first, next(one for one in rest if one[1] != first[1])


def _cgnat(
    client: IPAddress, public: list[IPAddress], told: Told
) -> tuple[Literal["likely", "unlikely", "unknown"], str]:
    """Whether a provider's NAT is in front. 100.64.0.0/10 is also what mesh VPNs number by, so
    it is never more than likely."""
    if range_kind(client) == "shared (CGNAT)":
        return "likely", f"the client's own {client} is in the range for shared addresses"
    shared = [address for address in public if range_kind(address) == "shared (CGNAT)"]
    if shared:
        return "likely", f"a server sees {shared[0]}, in the range for shared addresses"
    several = [by for by in told.values() if len({seen.address for seen in by.values()}) > 1]
    if several and client.version == 4:
        return "likely", "one socket is seen under several addresses: a pool (RFC 4787 section 4.1)"
    if is_public(client) and client in public:
        return "unlikely", f"the client has the public address {client} itself"
    return "unknown", f"one NAT or two in front of {classify(client)} {client} look the same"
