"""PL203: DNS to a resolver outside, or to another than the tunnel's."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.columns import TCP, Columns
from pcapleak.judge.context import Scene, single
from pcapleak.judge.exemptions import benign_name, own_names
from pcapleak.judge.finding_builder import (
    address_filter,
    by_address,
    flow_evidence,
    make,
    on_interface,
    public_near,
    rows_of,
)
from pcapleak.judge.finding_words import LAN, PROVIDER
from pcapleak.track.resolvers import DOT_PORT, Resolver, ResolverTransport
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import Int64, Service
from pcapleak.values.words import count

_BY_VPN = (
    "Let the VPN set the resolver, and drop ports 53 and 853 on the physical interface: `nft add "
    "rule inet filter output oifname INTERFACE meta l4proto { tcp, udp } th dport { 53, 853 } "
    "drop`."
)
_BY_PROXY = (
    "In Firefox, set network.proxy.socks_remote_dns to true. Give Chromium a socks5:// proxy, "
    "which also resolves names."
)

KIND = FindingKind(
    id="PL203",
    name="dns-bypass",
    severity=Severity.HIGH,
    is_leak=True,
    exposes=True,
    observers=Observers("DNS outside", (LAN, PROVIDER, "the resolver's operator")),
    has_causes=True,
    tested_by=("dns",),
    when=(
        "DNS (UDP, TCP, or DNS over TLS) to a resolver outside the tunnel or proxy, or to a "
        "resolver that is not the tunnel's."
    ),
    meaning=(
        "The names this host looks up are sent outside. The resolver's operator, and with plain "
        "DNS everyone along the path, can read which sites are visited. A resolver on the local "
        "network merely passes the queries on."
    ),
    confirm="Filter for dns or tcp.port == 853 on the physical interface.",
    remedy=f"For a VPN: {_BY_VPN} For a proxy: {_BY_PROXY}",
    proxy_remedy=_BY_PROXY,
    tunnel_remedy=_BY_VPN,
    sources=("RFC 7858", "RFC 9076 section 5"),
    weaknesses="DNS over HTTPS is recognised only where its server's name is known.",
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each resolver on each interface."""
    if scene.has_policy:
        yield from _outside(scene)
        yield from _other_resolvers(scene)


def _outside(scene: Scene) -> Iterator[Finding]:
    columns = scene.columns
    rows = rows_of(scene.beside.dns)
    if not len(rows):
        return
    own = own_names(scene)
    uses: dict[tuple[int, object], list[Resolver]] = {}
    for used in scene.state.resolvers.resolvers():
        # What other hosts ask is neither counted nor named.
        if scene.is_client(used.client):
            uses.setdefault((used.interface, used.endpoint.address), []).append(used)
    for interface, resolver, part in by_address(scene, rows, columns.far):
        mine = uses.get((interface, resolver), [])
        names, queries = _asked(scene, part, mine)
        transports = sorted({used.transport for used in mine} or _by_ports(columns, part))
        plain = {"udp", "tcp"} & set(transports)
        # Of what is encrypted no query can be counted.
        what = count(queries, "query", "queries") if plain else "Encrypted DNS"
        whom = "the network and the resolver's operator" if plain else "the resolver's operator"
        shown = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
        where = "the proxy" if scene.is_proxy_only else "the tunnel"
        severity: Severity | None = None
        reasons = [f"over {', '.join(transports)}"]
        if names and all(benign_name(name) for name in names):
            severity = Severity.INFO
            reasons.append(
                "only names used for connectivity checks and by the link itself were looked up"
            )
        elif names and all(benign_name(name) or name in own for name in names):
            severity = Severity.INFO
            reasons.append("only the name of the VPN server or the proxy was looked up")
        subject = f"DNS to {resolver} on {scene.label(interface)}"
        yield make(
            KIND,
            subject=subject,
            message=f"{what}{shown} went to {resolver} on "
            f"{scene.label(interface)}, outside {where}: {whom} can read "
            f"{'them' if plain and queries != 1 else 'it'}.",
            evidence=flow_evidence(scene, part),
            interface=scene.label(interface),
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(resolver)} and ({_filter(scene, part)})",
            ),
            severity=severity,
            addresses=public_near(scene, part),
            facts=[f"the names looked up: {subject}"],
            reasons=reasons,
        )


def _asked(scene: Scene, rows: Int64, mine: list[Resolver]) -> tuple[list[str], int]:
    """The names asked on these flows and how many questions there were: neither those of other
    hosts nor of another time."""
    known = [scene.state.resolvers.asked_on(row) for row in rows.tolist()]
    found = [one for one in known if one is not None]
    if len(found) == len(known):
        names = dict.fromkeys(name for listed, _ in found for name in listed if name)
        return list(names), sum(count for _, count in found)
    names = dict.fromkeys(name for used in mine for name in used.names)
    queries = sum(used.queries for used in mine)
    return list(names), queries or int(scene.columns.sent_packets[rows].sum())


def _filter(scene: Scene, rows: Int64) -> str:
    """What shows these flows: of what is encrypted only its ports do."""
    columns = scene.columns
    shown = {"dns"} if columns.serving(Service.DNS)[rows].any() else set()
    hidden = rows[~columns.serving(Service.DNS)[rows]][:1000]
    shown |= {
        f"{'tcp' if columns.protocol[row] == TCP else 'udp'}.port == {columns.far_port[row]}"
        for row in hidden.tolist()
    }
    return " or ".join(sorted(shown)[:MAX_SHOWN]) or "dns"


MAX_SHOWN = 8
"""Ports in a display filter."""


def _by_ports(columns: Columns, rows: Int64) -> set[ResolverTransport]:
    """How resolvers were asked of which no message was read."""
    tcp, own = columns.protocol[rows] == TCP, columns.far_port[rows] == DOT_PORT
    table: list[list[ResolverTransport]] = [["udp", "doq"], ["tcp", "dot"]]
    pairs = zip(tcp.tolist(), own.tolist(), strict=True)
    return {table[over_tcp][encrypted] for over_tcp, encrypted in pairs}


def _other_resolvers(scene: Scene) -> Iterator[Finding]:
    """Inside a tunnel, resolvers other than those the policy gives it."""
    columns = scene.columns
    for tunnel in scene.tunnels:
        if not tunnel.resolvers or not tunnel.interfaces:
            continue
        mask = columns.on(tunnel.interfaces) & columns.asking() & ~columns.multicast(columns.far)
        mask &= ~columns.inside(columns.far, [single(address) for address in tunnel.resolvers])
        for interface, resolver, part in by_address(scene, rows_of(mask), columns.far):
            subject = f"DNS to {resolver} in {tunnel.label}"
            yield make(
                KIND,
                subject=subject,
                message=f"Queries inside {tunnel.label} went to {resolver}, which is not the "
                f"tunnel's resolver ({', '.join(map(str, tunnel.resolvers))}).",
                evidence=flow_evidence(scene, part),
                interface=scene.label(interface),
                display_filter=on_interface(
                    scene, interface, f"{address_filter(resolver)} and dns"
                ),
                facts=[f"the names looked up: {subject}"],
            )
