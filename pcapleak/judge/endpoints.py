"""Which flows are a carrier's: those at its servers, but what can be read beside it.

A server that carries a tunnel is trusted with the tunnel. HTTP, DNS, STUN that is answered and
TLS for another's name to the same address went outside of it (CVE-2023-36673).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

import numpy as np

from pcapleak.judge.columns import TCP, UDP, Columns
from pcapleak.judge.conservation import Conserved
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.dns_shaped import domain
from pcapleak.judge.nat64 import LENGTHS, PREFIXES, embedded, resolved_prefixes
from pcapleak.judge.sides import CARRIERS
from pcapleak.policy.policy import Network, Rule, TransportName
from pcapleak.values.packets import Bool, Endpoint, Int64, Service
from pcapleak.values.registries import ESP

MAX_PORTS = 3
"""Ports of a carrier that its endpoint names; one that hops over more is known by its address."""

SHAPED = CARRIERS | Service.WIREGUARD_HANDSHAKE
"""Of tunnels' own protocols."""

_READABLE = Service.HTTP | Service.DNS | Service.NTP | Service.SIP | Service.ICMP
_FRAME_HEADERS = 42
"""Bytes of a frame that are no payload, at the least, but for TCP's longer header."""
_TCP_MORE = 12

_IPSEC_PORTS = (500, 4500)

_NOT_NEEDED = 0.5
"""Where the inside was not recorded: the share of a server's bytes from which on the rest of
them is beside its carrier."""


def carrier_rows(scene: Scene, tunnel: SceneTunnel) -> Bool:
    """The flows that carry a tunnel."""
    columns = scene.columns
    outside = columns.on(scene.outside) & (columns.encapsulation == 0)
    rows = np.zeros(len(columns), np.bool_)
    for rule in tunnel.endpoints:
        there = outside & _named(scene, rule)
        rows |= _of_protocol(scene, there) if rule.port is None and not rule.protocol else there
        if rule.port in _IPSEC_PORTS and rule.protocol != "tcp":
            rows |= outside & _of_ipsec(scene, rule)
    if tunnel.conserved is not None:
        servers = [ip_network(server) for server in tunnel.conserved.servers]
        rows |= outside & columns.inside(columns.far, servers)
    return rows & ~beside(scene, rows, tunnel.conserved)


def _named(scene: Scene, rule: Rule) -> Bool:
    columns = scene.columns
    found = np.ones(len(columns), np.bool_)
    if rule.network is not None:
        found &= columns.inside(columns.far, [rule.network])
    if rule.port is not None:
        found &= columns.far_port == rule.port
    if rule.protocol is not None and rule.protocol != "icmp":
        found &= columns.protocol == (TCP if rule.protocol == "tcp" else UDP)
    return found


def _of_ipsec(scene: Scene, rule: Rule) -> Bool:
    """All that IPsec has with the host of a rule for one of its ports: it begins at 500 and goes
    on at 4500 or as ESP (RFC 7296 section 2.23)."""
    columns = scene.columns
    found = _named(scene, rule._replace(port=None, protocol=None))
    found &= columns.serving(Service.IKE | Service.ESP)
    ports = (columns.protocol == UDP) & np.isin(columns.far_port, _IPSEC_PORTS)
    found &= ports | (columns.protocol == ESP)
    return found


def _of_protocol(scene: Scene, there: Bool) -> Bool:
    """Of what goes to an address where a tunnel's protocol is seen: what goes to its ports."""
    columns = scene.columns
    known = there & columns.serving(SHAPED)
    kinds = columns.far_port.astype(np.int64) << 8 | columns.protocol
    if known.any():
        portless = ~np.isin(columns.protocol, (TCP, UDP))
        here: Bool = np.isin(kinds, kinds[known]) & (known | ~portless)
        return there & here
    return there


def readable(scene: Scene, there: Bool) -> Bool:
    """Of some flows, those that anyone can read: no carrier looks like them unless it is all
    that its server has."""
    columns = scene.columns
    found = columns.serving(_READABLE) & ~_no_echo(scene)
    found |= columns.serving(Service.STUN) & ~columns.serving(SHAPED)
    return (found & there) | alien(scene, there)


def _no_echo(scene: Scene) -> Bool:
    """Flows of ICMP that are answered, but not with what was sent, as echoes are."""
    columns = scene.columns
    flows = columns.flows
    both = (flows.orig_packets > 0) & (flows.resp_packets > 0)
    sent = flows.orig_bytes * flows.resp_packets
    got = flows.resp_bytes * flows.orig_packets
    found: Bool = columns.serving(Service.ICMP) & both & (abs(sent - got) > sent // 10)
    return found


def alien(scene: Scene, there: Bool) -> Bool:
    """Of some flows, those for a name that was looked up and is another server's."""
    found = np.zeros(len(there), np.bool_)
    for row in np.flatnonzero(there).tolist():
        name = scene.state.server_names.get(row)
        if name is not None:
            own = scene.state.resolvers.addresses_of({name.rstrip(".").lower()})
            found[row] = bool(own) and scene.columns.far_endpoint(row).address not in own
    return found


def beside(scene: Scene, there: Bool, fit: Conserved | None) -> Bool:
    """Of the flows at a carrier's servers, those that can be read and that the carrier does
    without: what is left has all that must have come out."""
    columns = scene.columns
    read = readable(scene, there)
    if not read.any():
        return read
    rest = there & ~read
    payload = np.where(columns.protocol == TCP, _TCP_MORE, 0) + _FRAME_HEADERS
    up = np.maximum(columns.sent_bytes - payload * columns.sent_packets, 0)
    got = columns.packets - columns.sent_packets
    down = np.maximum(columns.bytes - columns.sent_bytes - payload * got, 0)
    if fit is not None:
        least_up, least_down = fit.least_up, fit.least_down
    else:
        least_up = int(_NOT_NEEDED * up[there].sum())
        least_down = int(_NOT_NEEDED * down[there].sum())
    had_up, had_down = int(up[rest].sum()), int(down[rest].sum())
    rows = np.flatnonzero(read)
    rows = rows[np.argsort(-columns.bytes[rows], kind="stable")]
    needed: set[_Kind] = set()
    for row in rows.tolist():
        if had_up >= least_up and had_down >= least_down:
            break
        needed.add(_kind(scene, row))
        had_up, had_down = had_up + int(up[row]), had_down + int(down[row])
    read[_alike(scene, rows, needed)] = False
    # What nobody answers at the carrier's own port are decoys.
    port = columns.far_port.astype(np.int64) << 8 | columns.protocol
    own: Bool = np.isin(port, port[there & ~read])
    read[columns.serving(Service.STUN) & (got == 0) & own] = False
    return read


_Kind = tuple[int, int, int, str]
"""Protocol, port, services, and of DNS the domain that was asked about."""


def _kind(scene: Scene, row: int) -> _Kind:
    columns = scene.columns
    asked = scene.state.resolvers.asked_on(row)
    return (
        int(columns.protocol[row]),
        int(columns.far_port[row]),
        int(columns.services[row]),
        "" if asked is None else domain(asked[0]),
    )


def _alike(scene: Scene, rows: Int64, kinds: set[_Kind]) -> list[int]:
    """A carrier may use many connections of one kind."""
    return [row for row in rows.tolist() if _kind(scene, row) in kinds] if kinds else []


class Translated(NamedTuple):
    """An endpoint that an IPv4 one has behind NAT64."""

    rule: Rule
    is_known: bool
    """Whether more tells it than the address that it holds."""


def translated(scene: Scene, rules: list[Rule]) -> list[Translated]:
    """Endpoints that an IPv4 endpoint has behind NAT64, as far as they were recorded."""
    known = {
        rule.network.network_address: rule
        for rule in rules
        if rule.network is not None and rule.network.version == 4 and rule.network.prefixlen == 32
    }
    if not known:
        return []
    wanted = [address.packed for address in known]
    prefixes = resolved_prefixes(scene)
    found: list[Translated] = []
    for key, _ in scene.state.windows.hosts(scene.ids("physical", "unknown", "any")):
        address = key.address
        if not isinstance(address, IPv6Address):
            continue
        octets = address.packed
        shorter = octets[:8] + octets[9:]
        if not any(one in octets or one in shorter for one in wanted):
            continue
        if address.ipv4_mapped is not None:
            continue
        for length in LENGTHS:
            plain = embedded(address, length)
            rule = known.get(plain)
            if rule is not None:
                is_known = _is_translation(scene, address, length, plain, prefixes)
                text = f"{rule.text} as {address}"
                named = rule._replace(network=ip_network(address), text=text)
                if is_known or _stands_alone(scene, plain, named):
                    found.append(Translated(named, is_known))
                break
    return found


def _is_translation(
    scene: Scene, address: IPv6Address, length: int, plain: IPv4Address, prefixes: list[Network]
) -> bool:
    """Whether more tells that an IPv6 address stands for the IPv4 one in it: its prefix, its name
    or what is said to it. Anybody may choose an address."""
    there = scene.columns.touching([ip_network(address)])
    name = scene.state.resolvers.name_of(address)
    return (
        any(address in prefix for prefix in PREFIXES)
        or ip_network((address, length), strict=False) in prefixes
        or (name is not None and name == scene.state.resolvers.name_of(plain))
        or bool((there & scene.columns.serving(SHAPED)).any())
    )


def _stands_alone(scene: Scene, plain: IPv4Address, rule: Rule) -> bool:
    """Whether something goes to a rule's port, and nothing to the IPv4 address it stands for."""
    columns = scene.columns
    there = scene.columns.touching([rule.network]) if rule.network is not None else columns.on([])
    if rule.port is not None:
        there &= (columns.orig_port == rule.port) | (columns.resp_port == rule.port)
    return bool(there.any()) and not scene.columns.touching([ip_network(plain)]).any()


def networks_of(rules: list[Rule]) -> list[Network]:
    """The addresses that rules name."""
    return [rule.network for rule in rules if rule.network is not None]


def take_endpoint(tunnel: SceneTunnel, columns: Columns, network: Network, flows: Bool) -> None:
    """Make a server's flows a tunnel's endpoint: by ports, unless it hops over many."""
    turned = columns.inside(columns.orig, [network])
    port = np.where(turned, columns.orig_port, columns.resp_port)
    rows = np.flatnonzero(flows)
    pairs = set(zip(columns.protocol[rows].tolist(), port[rows].tolist(), strict=True))
    server = network.network_address
    rules = [Rule(network, None, None, str(server))]
    if len(pairs) <= MAX_PORTS and all(protocol in (TCP, UDP) for protocol, _ in pairs):
        rules = []
        for protocol, number in sorted(pairs, reverse=True):
            name: TransportName = "tcp" if protocol == TCP else "udp"
            rules.append(Rule(network, number, name, f"{Endpoint(server, number)}/{name}"))
    tunnel.endpoints += [rule for rule in rules if rule not in tunnel.endpoints]
