"""What a client sent beside its tunnel or proxy: parted by kind, gathered into findings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.columns import TCP, UDP, Columns
from pcapleak.judge.context import Beside, Scene
from pcapleak.judge.exemptions import Grey, grey_parts
from pcapleak.judge.finding_builder import (
    Column,
    address_filter,
    far_keys,
    flow_evidence,
    groups,
    make,
    near_addresses,
    on_interface,
    one_network,
    rows_of,
)
from pcapleak.judge.hints import allow_options
from pcapleak.judge.judgement import BYPASS, INSIDE_TUNNEL, TUNNEL
from pcapleak.judge.paths import answered
from pcapleak.judge.webrtc_flows import webrtc_flows
from pcapleak.values.addresses import far_network, is_public
from pcapleak.values.findings import Finding, FindingKind, Severity
from pcapleak.values.packets import Bool, Endpoint, Int64, Service, UInt32
from pcapleak.values.words import count, size

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
    (Service.DNS, "DNS"),
    (Service.STUN, "STUN"),
)


def beside(scene: Scene) -> Beside:
    """Flows that the client sent outside, each in one part; none without a policy."""
    columns = scene.columns
    none = np.zeros(len(columns), np.bool_)
    if not scene.has_policy:
        return Beside(none, none, none, none, none)
    bypass = (scene.path == BYPASS) & (columns.sent_packets > 0)
    served = answered(columns)
    dns = _dns(scene) & ~served
    webrtc = webrtc_flows(columns)
    ipv6 = bypass & _ipv6_bypass(scene) & ~served
    # What was over before the tunnel came up is information of one kind.
    rest = (bypass & ~dns & ~webrtc & ~ipv6) | (scene.before & (columns.sent_packets > 0))
    return Beside(
        webrtc=bypass & webrtc,
        ipv6=ipv6,
        dns=bypass & dns,
        udp=rest & (columns.protocol != TCP),
        tcp=rest & (columns.protocol == TCP),
    )


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


def service_name(scene: Scene, row: int, port: int) -> str:
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


def flow_findings(
    scene: Scene, kind: FindingKind, mask: Bool, *, lenient: bool = False
) -> Iterator[Finding]:
    """Flows gathered by interface, service and far network."""
    columns = scene.columns
    rows = rows_of(mask)
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
            yield _flow_finding(scene, kind, group, grey, lenient)


def _service_keys(services: UInt32) -> Int64:
    """For each flow the number of its first named service, 0 for none."""
    conditions = [(services & np.uint32(service)) != 0 for service, _ in _NAMED]
    return np.select(conditions, range(1, len(_NAMED) + 1), 0).astype(np.int64)


def _flow_finding(
    scene: Scene, kind: FindingKind, rows: Int64, grey: Grey | None, lenient: bool
) -> Finding:
    columns = scene.columns
    interface = int(columns.interface[rows[0]])
    alone = one_network(scene, rows)
    served = grey is not None and grey.served
    ports = columns.near_port[rows] if served else columns.far_port[rows]
    # Beyond the bound of `groups` what is left is of all kinds.
    alike = alone or (served and bool((ports == ports[0]).all()))
    service = service_name(scene, int(rows[0]), int(ports[0])) if alike else "various services"
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
    transport = {TCP: "tcp", UDP: "udp"}.get(int(columns.protocol[rows[0]]))
    if alone:
        shown = address_filter(network)
        if transport is not None:
            shown += f" and {transport}.port == {int(ports[0])}"
    else:
        shown = transport or "ip or ipv6"
    reasons = _other_tunnel(scene, rows)
    suffix = ""
    if grey is not None:
        reasons.insert(0, grey.reason)
        suffix = f" ({grey.label})"
    elif alone:
        reasons += _option(scene, rows)
    if grey is None and lenient:
        reasons.append("a proxy is often meant for one program only; with --strict this is a leak")
    return make(
        kind,
        subject=f"{service} to {where} on {scene.label(interface)}{suffix}",
        message=f"{count(len(rows), 'flow')} of {service} to {where}{named} left "
        f"{scene.label(interface)} outside {beside}: {count(evidence.frame_count, 'packet')} "
        f"sent, {size(evidence.bytes)} in all.",
        evidence=evidence,
        interface=scene.label(interface),
        display_filter=on_interface(scene, interface, shown),
        severity=Severity.INFO if grey is not None or lenient else None,
        addresses=[a for a in near_addresses(scene, rows) if is_public(a)],
        reasons=reasons,
    )


def _option(scene: Scene, rows: Int64) -> list[str]:
    """The option that would make these flows a carrier, where none of a tunnel or of a proxy on
    this host is known."""
    far = scene.columns.far_endpoint(int(rows[0]))
    alone = [
        f"if {far} is the server of {tunnel.label}, name it with --vpn-endpoint {far}"
        for tunnel in scene.tunnels
        if not tunnel.endpoints
    ]
    if len({scene.columns.far_endpoint(row).address for row in rows[:1000].tolist()}) > 1:
        return []
    return alone + [
        f"if {proxy.scheme}://{proxy.endpoint} goes out there, allow it with "
        f"{allow_options(scene, [far.address])}"
        for proxy in scene.proxies
        if proxy.endpoint.address.is_loopback and not proxy.servers
    ]


def _other_tunnel(scene: Scene, rows: Int64) -> list[str]:
    """Servers of tunnels among the far ends: a reconnection may have moved to another one."""
    here = set(rows[:1000].tolist())
    return [
        f"a {seen.kind} handshake was completed with {seen.server}: if it is another server of "
        "the same tunnel, name it with --vpn-endpoint"
        for seen in scene.state.tunnels.tunnels()
        if seen.confirmed and here & set(seen.flows)
    ]


def both_sides(scene: Scene, among: Bool) -> Iterator[tuple[int, int]]:
    """Flows inside with flows outside of the same port towards the same far end."""
    columns = scene.columns
    inner = rows_of(among & np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL)))
    outer = rows_of(among & (scene.path == BYPASS) & (columns.sent_packets > 0))
    if not len(inner) or not len(outer):
        return
    inner_keys, outer_keys = columns.socket_keys(inner), columns.socket_keys(outer)
    inside_by: dict[tuple[int, int, Endpoint], int] = {}
    for row in inner[np.isin(inner_keys, outer_keys)].tolist():
        key = _socket(columns, row)
        if key not in inside_by or columns.first_ns[row] < columns.first_ns[inside_by[key]]:
            inside_by[key] = row
    for row in outer[np.isin(outer_keys, inner_keys)].tolist():
        before = inside_by.get(_socket(columns, row))
        if before is not None:
            yield before, row


def _socket(columns: Columns, row: int) -> tuple[int, int, Endpoint]:
    return int(columns.protocol[row]), int(columns.near_port[row]), columns.far_endpoint(row)
