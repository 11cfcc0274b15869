"""PL201 to PL204: traffic other than WebRTC beside a tunnel or proxy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.addresses import far_network, is_public
from pcapleak.judge.columns import TCP, UDP, Columns
from pcapleak.judge.context import Scene, single
from pcapleak.judge.exemptions import Grey, benign_name, grey_parts, own_names
from pcapleak.judge.finding_builder import (
    Column,
    address_filter,
    amount,
    by_address,
    far_keys,
    flow_evidence,
    groups,
    make,
    near_addresses,
    on_interface,
    one_network,
    plural,
    rows_of,
)
from pcapleak.judge.findings.webrtc import webrtc_flows
from pcapleak.judge.judgement import BYPASS, INSIDE_TUNNEL, TUNNEL
from pcapleak.judge.paths import answered
from pcapleak.report.document import Confidence, Finding, Severity
from pcapleak.track.resolvers import DOT_PORT, Resolver, ResolverTransport
from pcapleak.values.packets import Bool, Int64, Service, UInt32

_NAMED = (
    (Service.QUIC, "QUIC"),
    (Service.NTP, "NTP"),
    (Service.WIREGUARD_HANDSHAKE, "WireGuard"),
    (Service.OPENVPN, "OpenVPN"),
    (Service.IKE, "IKE"),
    (Service.ESP, "IPsec"),
    (Service.WIREGUARD, "WireGuard-like"),
    (Service.SIP, "SIP"),
    (Service.L2TP, "L2TP"),
    (Service.GRE, "GRE"),
    (Service.ICMP, "ICMP"),
    (Service.TLS, "TLS"),
    (Service.HTTP, "HTTP"),
)


def traffic_findings(scene: Scene) -> Iterator[Finding]:
    """PL201, PL202, PL203 and PL204."""
    if not scene.has_policy:
        return
    columns = scene.columns
    bypass = (scene.path == BYPASS) & (columns.sent_packets > 0)
    served = answered(columns)
    dns = _dns(scene) & ~served
    webrtc = webrtc_flows(columns)
    ipv6 = bypass & _ipv6_bypass(scene) & ~served
    if ipv6.any():
        yield from _ipv6(scene, rows_of(ipv6), webrtc)
    yield from _dns_findings(scene, bypass & dns)
    yield from _other_resolvers(scene)
    rest = bypass & ~dns & ~webrtc & ~ipv6
    yield from _flows(scene, "PL201", rest & (columns.protocol != TCP))
    yield from _flows(scene, "PL204", rest & (columns.protocol == TCP))


def _dns(scene: Scene) -> Bool:
    columns = scene.columns
    dns = columns.asking()
    rows: list[int] = []
    for used in scene.state.resolvers.resolvers():
        # DNS over HTTPS beside a proxy is TCP beside a proxy.
        if not used.layers and not (used.transport == "doh" and scene.is_proxy_only):
            rows += used.flows
    dns[np.array(rows, np.int64)] = True
    return dns


def _ipv6_bypass(scene: Scene) -> Bool:
    """IPv6 flows, where there are tunnels and none is known to carry IPv6."""
    columns = scene.columns
    none = np.zeros(len(columns), np.bool_)
    if not scene.tunnels:
        return none
    within = np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL)) & (columns.version == 6)
    within &= ~columns.special(columns.orig) & ~columns.special(columns.resp)
    if within.any() or any(network.version == 6 for network in scene.inner):
        return none
    six: Bool = (columns.version == 6) & ~columns.special(columns.orig)
    return six & ~columns.special(columns.resp)


def _ipv6(scene: Scene, rows: Int64, webrtc: Bool) -> Iterator[Finding]:
    recorded = bool(scene.inside_ids)
    given = any(tunnel.addresses for tunnel in scene.policy.tunnels)
    confidence: Confidence = "high" if recorded or given else "medium"
    reasons = [
        "no IPv6 packet was seen inside the tunnel"
        if recorded
        else "the policy gives the tunnel IPv4 addresses only"
        if given
        else "nothing shows that the tunnel carries IPv6; it was not recorded"
    ]
    for part in groups(rows, [scene.columns.interface[rows]], scene.columns.bytes[rows]):
        interface = int(scene.columns.interface[part[0]])
        addresses = [address for address in near_addresses(scene, part) if is_public(address)]
        evidence = flow_evidence(scene, part)
        kinds = _kinds(scene, part, webrtc)
        yield make(
            "PL202",
            subject=f"IPv6 on {scene.label(interface)}",
            message=f"Native IPv6 leaves {scene.label(interface)} beside the IPv4-only tunnel: "
            f"{plural(len(part), 'flow')} ({kinds}), {amount(evidence.bytes)}, from "
            f"{', '.join(map(str, addresses[:4])) or 'this host'}.",
            evidence=evidence,
            interface=scene.label(interface),
            display_filter=on_interface(
                scene, interface, "ipv6 and not ipv6.dst == ff00::/8 and not ipv6.dst == fe80::/10"
            ),
            confidence=confidence,
            addresses=addresses,
            reasons=reasons,
        )


def _kinds(scene: Scene, rows: Int64, webrtc: Bool) -> str:
    columns = scene.columns
    names = []
    if webrtc[rows].any():
        names.append("WebRTC")
    if (columns.services[rows] & int(Service.DNS | Service.DOT)).any():
        names.append("DNS")
    rest = rows[~webrtc[rows]]
    ports = columns.far_port
    names += sorted({_service(scene, row, int(ports[row])) for row in rest[:1000].tolist()})
    return ", ".join(names[:6])


def _service(scene: Scene, row: int, port: int) -> str:
    """What a flow is, by its protocol or the server's port."""
    services = int(scene.columns.services[row])
    for service, name in _NAMED:
        if services & service:
            return name
    protocol = int(scene.columns.protocol[row])
    if protocol in (TCP, UDP):
        name = "TCP" if protocol == TCP else "UDP"
        return f"{name} port {port}"
    return f"IP protocol {protocol}"


def _dns_findings(scene: Scene, mask: Bool) -> Iterator[Finding]:
    columns = scene.columns
    rows = rows_of(mask)
    if not len(rows):
        return
    own = own_names(scene)
    uses: dict[tuple[int, object], list[Resolver]] = {}
    for used in scene.state.resolvers.resolvers():
        uses.setdefault((used.interface, used.endpoint.address), []).append(used)
    for interface, resolver, part in by_address(scene, rows, columns.far):
        mine = uses.get((interface, resolver), [])
        queries = sum(used.queries for used in mine) or int(columns.sent_packets[part].sum())
        names = list(dict.fromkeys(name for used in mine for name in used.names))
        transports = sorted({used.transport for used in mine} or _by_ports(columns, part))
        plain = {"udp", "tcp"} & set(transports)
        # Of what is encrypted no query can be counted.
        what = plural(queries, "query", "queries") if plain else "Encrypted DNS"
        whom = "the network and the resolver's operator" if plain else "the resolver's operator"
        shown = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
        where = "the proxy" if scene.is_proxy_only else "the tunnel"
        severity: Severity | None = None
        reasons = [f"over {', '.join(transports)}"]
        if names and all(benign_name(name) for name in names):
            severity = "info"
            reasons.append("only names of connectivity checks and of the link itself were asked")
        elif names and all(benign_name(name) or name in own for name in names):
            severity = "info"
            reasons.append("only the name of the VPN's server or the proxy was asked")
        addresses = [a for a in near_addresses(scene, part) if is_public(a)]
        yield make(
            "PL203",
            subject=f"DNS to {resolver} on {scene.label(interface)}",
            message=f"{what}{shown} went to {resolver} on "
            f"{scene.label(interface)}, outside {where}: {whom} can read "
            f"{'them' if plain else 'it'}.",
            evidence=flow_evidence(scene, part),
            interface=scene.label(interface),
            display_filter=on_interface(
                scene,
                interface,
                f"{address_filter(resolver)} and (dns or tcp.port == 853 or udp.port == 853)",
            ),
            severity=severity,
            addresses=addresses,
            reasons=reasons,
        )


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
            yield make(
                "PL203",
                subject=f"DNS to {resolver} in {tunnel.label}",
                message=f"Inside {tunnel.label} {resolver} was asked, which is not the tunnel's "
                f"resolver ({', '.join(map(str, tunnel.resolvers))}).",
                evidence=flow_evidence(scene, part),
                interface=scene.label(interface),
                display_filter=on_interface(
                    scene, interface, f"{address_filter(resolver)} and dns"
                ),
            )


def _flows(scene: Scene, id: str, mask: Bool) -> Iterator[Finding]:
    """Flows gathered by interface, service and far network."""
    columns = scene.columns
    rows = rows_of(mask)
    lenient = id == "PL204" and scene.is_proxy_only and not scene.policy.strict
    for grey, part in grey_parts(scene, rows):
        service = _service_keys(columns.services[part])
        served = grey is not None and grey.served
        ports = np.where(service == 0, columns.far_port[part], 0).astype(np.int64)
        if served:
            ports = columns.near_port[part].astype(np.int64)
        keys: list[Column] = [columns.interface[part], service, ports]
        # Strangers knock from everywhere: that is one fact for each thing they ask for.
        keys += () if served else far_keys(scene, part)
        for group in groups(part, keys, columns.bytes[part]):
            yield _flow_finding(scene, id, group, grey, lenient)


def _service_keys(services: UInt32) -> Int64:
    """For each flow the number of its first named service, 0 for none."""
    conditions = [(services & np.uint32(service)) != 0 for service, _ in _NAMED]
    return np.select(conditions, range(1, len(_NAMED) + 1), 0).astype(np.int64)


def _flow_finding(scene: Scene, id: str, rows: Int64, grey: Grey | None, lenient: bool) -> Finding:
    columns = scene.columns
    interface = int(columns.interface[rows[0]])
    alone = one_network(scene, rows)
    served = grey is not None and grey.served
    ports = columns.near_port[rows] if served else columns.far_port[rows]
    # Beyond the bound of `groups` what is left is of all kinds.
    alike = alone or (served and bool((ports == ports[0]).all()))
    service = _service(scene, int(rows[0]), int(ports[0])) if alike else "various services"
    address = columns.far_endpoint(int(rows[0])).address
    network = far_network(address)
    where = str(network) if alone else "many networks"
    names = sorted(
        {
            name
            for row in rows[:1000].tolist()
            for name in [
                scene.state.server_names.get(row)
                or scene.state.resolvers.name_of(columns.far_endpoint(row).address)
            ]
            if name
        }
    )
    named = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
    evidence = flow_evidence(scene, rows)
    beside = "the proxy" if scene.is_proxy_only else "the tunnel"
    kind = {TCP: "tcp", UDP: "udp"}.get(int(columns.protocol[rows[0]]))
    if alone:
        shown = address_filter(network)
        if kind is not None:
            shown += f" and {kind}.port == {int(ports[0])}"
    else:
        shown = kind or "ip or ipv6"
    reasons = _other_tunnel(scene, rows)
    suffix = ""
    if grey is not None:
        reasons.insert(0, grey.reason)
        suffix = f" ({grey.label})"
    elif lenient:
        reasons.append("a proxy is often meant for one program only; --strict makes this a leak")
    return make(
        id,
        subject=f"{service} to {where} on {scene.label(interface)}{suffix}",
        message=f"{plural(len(rows), 'flow')} of {service} to {where}{named} left "
        f"{scene.label(interface)} outside {beside}: {plural(evidence.frame_count, 'packet')} "
        f"sent, {amount(evidence.bytes)} in all.",
        evidence=evidence,
        interface=scene.label(interface),
        display_filter=on_interface(scene, interface, shown),
        severity="info" if grey is not None or lenient else None,
        addresses=[a for a in near_addresses(scene, rows) if is_public(a)],
        reasons=reasons,
    )


def _other_tunnel(scene: Scene, rows: Int64) -> list[str]:
    """Servers of tunnels among the far ends: a reconnection may have moved to another one."""
    here = set(rows[:1000].tolist())
    return [
        f"a {seen.kind} handshake was completed with {seen.server}: if it is another server of "
        "the same tunnel, name it with --vpn-endpoint"
        for seen in scene.state.tunnels.tunnels()
        if seen.confirmed and here & set(seen.flows)
    ]
