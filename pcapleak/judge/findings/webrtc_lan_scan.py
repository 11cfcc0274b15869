"""PL502: checks to many hosts or ports of the local network that are nobody's candidates."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from pcapleak.judge.columns import TCP
from pcapleak.judge.context import Scene, single
from pcapleak.judge.finding_builder import make, on_interface, rows_of, sightings_evidence
from pcapleak.judge.paths import PSH
from pcapleak.judge.webrtc_flows import living_sessions, pair_of, told_links
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.values.addresses import Network, classify, far_network, inside, unmapped
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Endpoint, IPAddress, Service
from pcapleak.values.words import count

KIND = FindingKind(
    id="PL502",
    name="webrtc-lan-scan",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("STUN to the local network", ("the page",)),
    has_causes=False,
    when=(
        "One socket or session probes many hosts or ports on the local network that neither "
        "answer nor signalled anything."
    ),
    meaning=(
        "A page gave the browser made-up candidates or servers, to learn from timing and "
        "answers which hosts and services the local network has: routers, cameras, printers. "
        "Browsers guard web requests to the local network, but not WebRTC."
    ),
    confirm=(
        "Filter for stun.type == 0x0001 and look at the destinations of one source port: many "
        "hosts or ports, one after the other, and no answer."
    ),
    remedy=(
        "Close the page. In Chromium-based browsers WebRtcIPHandling disable_non_proxied_udp "
        "sends no such packets; a firewall can also drop UDP from the browser to the local "
        "network."
    ),
    sources=("RFC 8445 section 19.5.1", "RFC 8826 section 4.2.1"),
    weaknesses=(
        "A closed TCP port shows only a connection attempt, with nothing of WebRTC in it; such "
        "attempts count only together with others that got as far as STUN. Candidates of a peer "
        "that never answered look alike, but are few. Hosts that do not exist are asked for by "
        "ARP and get no STUN, so they are not counted."
    ),
)

MIN_HOSTS = 8
MIN_ENDPOINTS = 16
"""Unanswered hosts, or hosts and ports, from which on it is a scan: one peer's candidates are
its own addresses, a handful, or a dozen where containers have networks of their own. A session
that lives excuses its peer's others, but not so many in one network: a page may call itself."""

MIN_EVERYWHERE = 32
"""Unanswered hosts in whatever networks that are no addresses of one peer either."""

AROUND_NS = 5_000_000_000
MAX_ATTEMPTS = 4096
"""TCP connections looked at around a scan."""

_LOCAL = ("private IPv4", "unique local IPv6", "link-local", "shared (CGNAT)")


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each scanning address on each interface."""
    alive = living_sessions(scene)
    signalled = _signalled(scene)
    # What is sent once checks were answered, also where a recording has one direction alone.
    spoken = scene.columns.serving(Service.DTLS | Service.RTP)
    found: dict[tuple[int, IPAddress], list[tuple[LinkKey, Link]]] = {}
    excused: dict[tuple[int, IPAddress, frozenset[str]], list[tuple[LinkKey, Link]]] = {}
    answered: dict[tuple[int, IPAddress], list[Endpoint]] = {}
    for key, link in told_links(scene):
        target = unmapped(key.destination.address)
        if key.layers or not link.asks or not _is_local(scene, target):
            continue
        if target == unmapped(key.source.address):
            continue
        place = key.interface, key.source.address
        if Endpoint(target, key.destination.port) in signalled or spoken[link.flow]:
            continue
        if link.back is not None:
            if not alive.isdisjoint(map(pair_of, link.usernames)):
                continue
            answered.setdefault(place, []).append(key.destination)
        else:
            pair = next((one for one in map(pair_of, link.usernames) if one in alive), None)
            if pair is None:
                found.setdefault(place, []).append((key, link))
            else:
                excused.setdefault((*place, pair), []).append((key, link))
    for (interface, source, _), peers in excused.items():
        if too_many := list(_beyond_one_peer(peers)):
            found.setdefault((interface, source), []).extend(too_many)
    for (interface, source), shown in found.items():
        attempts = _attempts(scene, interface, source, shown)
        endpoints = {key.destination for key, _ in shown} | attempts
        hosts = {one.address for one in endpoints}
        if not _is_many(endpoints):
            continue
        evidence = sightings_evidence(
            [link.seen for _, link in shown], [link.flow for _, link in shown]
        )
        assert evidence.first_ns is not None
        assert evidence.last_ns is not None
        took_s = (evidence.last_ns - evidence.first_ns) / 1e9
        rate = f"{len(endpoints) / took_s:.0f} per second" if took_s >= 0.1 else "at once"
        ports = sorted({one.port for one in endpoints})
        answers = sorted({str(one) for one in answered.get((interface, source), [])})
        yield make(
            KIND,
            subject=f"{source} on {scene.label(interface)}",
            message=f"{source} sent STUN to {count(len(hosts), 'host')} on the local network, "
            f"{count(len(endpoints), 'address and port', 'addresses and ports')} in "
            f"{took_s:.1f} s ({rate}), none of which answered or had been signalled"
            + (f"; {count(len(answers), 'other')} answered" if answers else "")
            + ".",
            evidence=evidence,
            interface=scene.label(interface),
            display_filter=on_interface(
                scene,
                interface,
                f"stun.type.class == 0 and ip{'v6' * (source.version == 6)}.src == {source}",
            ),
            confidence="high",
            facts=[f"hosts on the local network that answer STUN: {', '.join(answers[:8])}"]
            if answers
            else (),
            reasons=[
                f"ports {', '.join(map(str, ports[:8]))}{', ...' if len(ports) > 8 else ''}",
                f"from {count(len({key.source for key, _ in shown}), 'socket')}",
                *(
                    [f"{count(len(attempts), 'TCP connection')} that carried nothing"]
                    if attempts
                    else []
                ),
                *(f"{one} answered" for one in answers[:4]),
            ],
        )


def _beyond_one_peer(peers: list[tuple[LinkKey, Link]]) -> Iterator[tuple[LinkKey, Link]]:
    """Of what one living session checked in vain, what one peer cannot have: hosts of one network,
    or of many."""
    networks: dict[Network, set[Endpoint]] = {}
    for key, _ in peers:
        network = far_network(unmapped(key.destination.address))
        networks.setdefault(network, set()).add(key.destination)
    many = {network for network, ends in networks.items() if _is_many(ends, network.version)}
    everywhere = len({key.destination.address for key, _ in peers}) >= MIN_EVERYWHERE
    for key, link in peers:
        if everywhere or far_network(unmapped(key.destination.address)) in many:
            yield key, link


def _is_many(endpoints: set[Endpoint], version: int = 4) -> bool:
    """Whether these are more than a peer's candidates; a host may have an IPv6 address for each
    of several days (RFC 8981 section 3.4)."""
    hosts = {one.address for one in endpoints}
    return (version == 4 and len(hosts) >= MIN_HOSTS) or len(endpoints) >= MIN_ENDPOINTS


def _attempts(
    scene: Scene, interface: int, source: IPAddress, shown: list[tuple[LinkKey, Link]]
) -> set[Endpoint]:
    """Where TCP connections went that carried nothing, around those that carried STUN: a closed
    port never gets as far as that."""
    over_tcp = [link.seen for key, link in shown if key.transport == "tcp"]
    if not over_tcp:
        return set()
    columns = scene.columns
    first = min(seen.first_ns for seen in over_tcp) - AROUND_NS
    last = max(seen.last_ns for seen in over_tcp) + AROUND_NS
    mask = (columns.protocol == TCP) & columns.on([interface])
    mask &= columns.inside(columns.orig, [single(source)]) & ~columns.public(columns.resp)
    mask &= (columns.flows.tcp_flags & PSH == 0) & (columns.first_ns >= first)
    mask &= columns.first_ns <= last
    ends = (columns.flows.resp(row) for row in rows_of(mask)[:MAX_ATTEMPTS].tolist())
    return {end for end in ends if _is_local(scene, end.address)}


def _is_local(scene: Scene, address: IPAddress) -> bool:
    return classify(address) in _LOCAL or inside(address, scene.lans)


def _signalled(scene: Scene) -> set[Endpoint]:
    """Addresses that candidate lines name."""
    found = set()
    for entry in scene.state.signalling.lines():
        try:
            found.add(Endpoint(ip_address(entry.line.address), entry.line.port))
        except ValueError:
            continue
    return found
