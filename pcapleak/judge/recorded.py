"""What the captures of a run could see of the policy's matter, and what they lack."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.dissect.dissector import CUT_HEADERS
from pcapleak.judge.columns import tally
from pcapleak.judge.context import Recorded, Scene, single
from pcapleak.judge.judgement import (
    INSIDE_TUNNEL,
    LOCAL,
    PROXY,
    TUNNEL,
    TUNNEL_TRANSPORT,
    UNASSESSED,
)
from pcapleak.judge.sides import is_called
from pcapleak.policy.policy import Network
from pcapleak.values.addresses import far_network, firsts_of_far_networks, is_public
from pcapleak.values.filters import keeps_all
from pcapleak.values.packets import IPAddress, Service
from pcapleak.values.words import count, listed

MAX_OTHERS = 3
MAX_BEYOND = 3
"""Networks named of those beyond the client's own."""


def recorded(scene: Scene) -> Recorded:
    """What the captures of this run could see of the policy's matter."""
    columns = scene.columns
    both = (columns.packets > columns.sent_packets) & (columns.sent_packets > 0)
    ways = np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL, TUNNEL_TRANSPORT, PROXY))
    gaps = [
        (
            f"{count(interface.drops, 'packet was', 'packets were')} dropped while recording "
            f"{interface.label}"
        )
        for interface in scene.state.interfaces
        if interface.drops
    ]
    gaps += [
        (
            f"{count(facts.drops, 'packet')} arrived faster than the watch on {facts.path} could "
            "process"
        )
        for facts in scene.state.captures
        if facts.drops
    ]
    gaps += [gap for facts in scene.state.captures for gap in facts.gaps]
    gaps += [
        f"only packets that match '{facts.filter}' were taken from {facts.path}"
        for facts in scene.state.captures
        if facts.filter is not None and not keeps_all(facts.filter)
    ]
    gaps += [
        f"only packets that match '{interface.filter}' were recorded on {interface.label}"
        for interface in scene.state.interfaces
        if interface.filter and interface.id in scene.outside and not keeps_all(interface.filter)
    ]
    gaps += [f"the uplink {name} was not recorded" for name in _lost(scene)]
    gaps += [
        f"of {count(short, 'packet')} too little was recorded to tell whose they are ({why}); "
        "record whole packets (tcpdump -s 0)"
        for why in CUT_HEADERS.values()
        if (short := scene.state.skipped.get(why, 0))
    ]
    gaps += _older_requests(scene)
    return Recorded(
        outside=bool(columns.on(scene.outside).any()),
        ours=bool((columns.on(scene.outside) & columns.inside(columns.near, own(scene))).any()),
        carried=bool((both & ways).any()),
        gaps=gaps,
        others=(others := _others(scene)),
        beyond=(beyond := _beyond(scene)),
        limits=[*_limits(scene, others), *([beyond] if beyond else [])],
    )


def _lost(scene: Scene) -> list[str]:
    """Uplinks of the policy that were not recorded, where interfaces have names."""
    interfaces = [
        one for one in scene.state.interfaces if one.parent is None or one.index is not None
    ]
    if not interfaces or any(one.name is None and one.description is None for one in interfaces):
        return []
    return [
        name
        for name in scene.policy.uplinks
        if not any(is_called(interface, name) for interface in interfaces)
    ]


def own(scene: Scene) -> list[Network]:
    """The client's addresses outside and inside."""
    return [*scene.clients, *scene.inner]


def _others(scene: Scene) -> list[IPAddress]:
    """Private addresses, none of them the client's, that sent to public ones: where a network
    was recorded, or where the client was taken for another host. Busiest first."""
    if not scene.has_policy:
        return []
    columns = scene.columns
    sent = columns.on(scene.outside) & (scene.path == UNASSESSED) & (columns.encapsulation == 0)
    sent &= columns.public(columns.resp) & ~columns.public(columns.orig)
    known = [*own(scene), *(single(proxy.endpoint.address) for proxy in scene.proxies)]
    sent &= ~columns.special(columns.orig) & ~columns.inside(columns.orig, known)
    # What nobody answered may be this host's, from a second address.
    sent &= columns.flows.resp_packets > 0
    found: list[IPAddress] = []
    for version in (4, 6):
        rows = sent & (columns.version == version)
        (heaviest,) = tally(
            version, columns.orig.hi[rows], columns.orig.lo[rows], columns.packets[rows]
        )
        found += [address for address, _ in heaviest]
    return found


def no_outside(scene: Scene) -> str:
    """Why nothing outside was recorded: no such interface, or no packet on it."""
    silent = ", ".join(dict.fromkeys(map(scene.label, scene.outside)))
    return (
        f"no packet was seen on {silent}" if silent else "the physical interface was not recorded"
    )


def _limits(scene: Scene, others: list[IPAddress]) -> Iterator[str]:
    state, columns = scene.state, scene.columns
    if others:
        yield (
            f"other hosts were recorded ({listed(others, MAX_OTHERS)}); they are judged only if "
            "--client names them"
        )
    for facts in state.captures:
        if facts.truncated:
            yield (
                f"the file {facts.path} is truncated: whatever followed its last packet is unknown"
            )
        if facts.cut:
            yield (
                f"packets in {facts.path} are incomplete: the recorder kept only the beginning "
                f"of {facts.cut:,} of {facts.packets:,} (snap length)"
            )
    if scene.has_policy and not columns.on(scene.outside).any():
        yield f"{no_outside(scene)}: traffic outside the tunnel or proxy cannot be seen"
    for tunnel in scene.tunnels:
        if not tunnel.interfaces:
            yield (
                f"traffic inside {tunnel.label} is unknown: the tunnel itself was not recorded"
                f"{_other_names(scene)}"
            )
        if tunnel.confidence == "low":
            yield (
                f"the carrier of {tunnel.label} is a guess: name its endpoint with --vpn-endpoint"
            )
    if len(columns) and not (columns.packets > columns.sent_packets).any():
        yield "only one direction of the traffic was recorded"
    if any(
        scene.roles[interface.id].role == "any"
        and interface.link_type == 113
        and interface.parent is not None
        for interface in state.interfaces
    ):
        yield (
            "the recording does not tell interfaces apart; recording as SLL2 does (tcpdump -y "
            "LINUX_SLL2)"
        )
    yield from scene.left
    yield from _unheard(scene)
    yield from _unasked(scene)
    for tracker, what in (
        (state.ice.forgotten, "STUN messages"),
        (state.names.forgotten, "multicast names"),
        (state.names.details_forgotten, "addresses and queriers of multicast names"),
        (state.resolvers.dropped, "DNS queries"),
        (state.tunnels.dropped, "tunnel and proxy messages"),
        (state.signalling.forgotten, "candidate lines"),
        (state.ice.details_forgotten, "usernames, peers and priorities"),
        (state.ice.relays_forgotten, "TURN allocations and channels"),
        (state.streams_dropped, "TCP connections"),
        (state.server_names_dropped, "server names"),
        (state.network.dropped, "leases, routers and what they declare"),
        (state.claims.forgotten, "claims of languages, browsers and time zones"),
        (state.ice.browsers.forgotten, "messages in which clients name their browsers"),
    ):
        if tracker:
            yield f"{tracker:,} {what} exceeded the memory limits and were not kept"
    if state.flows.merged:
        yield (
            f"{state.flows.merged} packets belong to conversations beyond the first "
            f"{state.flows.single:,}, which are distinguished only by their hosts"
        )


def _unheard(scene: Scene) -> Iterator[str]:
    """That a page's names may have been missed, where WebRTC was seen without any."""
    state = scene.state
    mine = [network.network_address for network in scene.clients]
    gathered = any(link.bare is not None for link in state.ice.links.values())
    if gathered and mine and not state.mdns_names and not state.multicast.is_whole(mine):
        yield (
            "not all multicast traffic of the client was recorded: names that a page announced "
            "may be missing"
        )


def _beyond(scene: Scene) -> str:
    """Private destinations beyond the client's own networks: nothing shows that they are meant to
    be reached outside."""
    columns = scene.columns
    if not scene.has_policy:
        return ""
    rows = columns.on(scene.outside) & (scene.path == LOCAL) & (columns.sent_packets > 0)
    rows &= ~columns.special(columns.far) & ~columns.special(columns.near)
    rows &= ~columns.public(columns.far) & ~columns.loopback(columns.far)
    rows &= ~columns.inside(columns.far, [*scene.lans, *own(scene)])
    rows &= ~columns.serving(Service.DHCP)
    if not rows.any():
        return ""
    packets = int(columns.sent_packets[rows].sum())
    places = np.flatnonzero(rows)
    firsts = firsts_of_far_networks(
        columns.version[rows], columns.far.hi[rows], columns.far.lo[rows]
    )
    networks = [far_network(columns.far_endpoint(row).address) for row in places[firsts].tolist()]
    return (
        f"{count(packets, 'packet')} went to private networks beyond the client's own "
        f"({listed(networks, MAX_BEYOND)}), which are taken to be local; the routes of a policy "
        "say what must go inside"
    )


def _older_requests(scene: Scene) -> Iterator[str]:
    """Answers outside that came just after the beginning, without a request, and that would be a
    leak with one: it went before, or a stranger sent the answer."""
    if not scene.has_policy:
        return
    outside = set(scene.outside)
    for key, link in scene.state.ice.links.items():
        if key.layers or key.interface not in outside:
            continue
        for held in link.held:
            if not held.lately or not scene.is_client(key.destination.address):
                continue
            mapped = held.message.mapped_address
            if mapped is None:
                continue
            if is_public(mapped.address) and not scene.is_exit(mapped.address):
                yield (
                    f"a STUN answer from {key.source} (frame {held.context.frame}) tells "
                    f"{key.destination} that its public address is {mapped.address}, but the "
                    "request was sent before the recording began, or never; start recording "
                    "before the call"
                )
                return


def _unasked(scene: Scene) -> Iterator[str]:
    """What strangers may have sent, which no host takes."""
    state = scene.state
    stun = state.ice.unasked
    if stun is not None and stun.count:
        yield (
            f"{count(stun.count, 'STUN answer')} arrived unsolicited (first in frame "
            f"{stun.frames[0]}) and {'was' if stun.count == 1 else 'were'} not used as evidence"
        )
    for number, what, others in (
        (state.network.unasked_leases, "unsolicited DHCP answer", None),
        (
            state.network.invalid,
            "router advertisement that no host accepts",
            "router advertisements that no host accepts",
        ),
        (state.resolvers.unasked, "unsolicited DNS answer", None),
    ):
        if number:
            used = "was" if number == 1 else "were"
            yield f"{count(number, what, others)} arrived and {used} not used as evidence"


def _other_names(scene: Scene) -> str:
    """The recorded tunnels that the policy does not name, one of which may be meant."""
    used = scene.inside_ids
    names = [
        scene.label(number)
        for number in scene.ids("tunnel")
        if number not in used and scene.columns.on([number]).any()
    ]
    return f" ({', '.join(dict.fromkeys(names))} was, but is not in the policy)" if names else ""
