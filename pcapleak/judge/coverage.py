"""What a capture shows and what it cannot: the coverage ledger."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.judgement import (
    NONE_SEEN,
    PATHS,
    TUNNEL_TRANSPORT,
    UNASSESSED,
    Coverage,
)
from pcapleak.judge.paths import ECHO
from pcapleak.judge.recorded import own
from pcapleak.values.findings import TRAFFIC_KINDS, TrafficKind
from pcapleak.values.packets import Bool, Service

# Frame bytes around an inner packet on an Ethernet with IPv4: 14 Ethernet + 20 IP, then
# WireGuard 8 UDP + 32 (its padding to 16 adds 7.5 on average); OpenVPN with AES-GCM 8 UDP + 24.
_OVERHEAD = {"wireguard": 74.0 + 7.5, "openvpn": 66.0}


_NAMED = Service.QUIC | Service.DTLS | Service.RTP | Service.CHANNEL_DATA | Service.DHCP
"""UDP that has a row of its own, or belongs to WebRTC or to the link."""

PROVOKE: dict[TrafficKind, str] = {
    "stun": "write a test page (pcapleak page test.html), open it and press Start",
    "dns": "look up a name that has not been looked up recently (nslookup NAME)",
    "ipv6": "open a site that supports IPv6",
    "quic": "open a site that supports HTTP/3, twice: the first visit announces it",
    "tcp": "open any site",
    "mdns": "write a test page (pcapleak page test.html), open it and press Start, without the "
    "microphone",
    "udp": "use a program that speaks UDP itself, such as a game or another VPN",
    "icmp": "ping a host on the internet",
}
"""How a person puts a kind of traffic to the test: pcapleak itself sends nothing."""

MAX_PROGRAMS = 5
"""Programs named for a kind of traffic; the flows name all."""


def coverage(scene: Scene) -> list[Coverage]:
    """Each kind of traffic that could have leaked: whether it was seen, and where it went."""
    columns = scene.columns
    kinds = _kinds(scene)
    # What other hosts did puts nothing of the client's to the test.
    # Nor does what carries the tunnel itself.
    judged = (scene.path != UNASSESSED) | columns.inside(columns.near, own(scene))
    judged &= scene.path != TUNNEL_TRANSPORT
    named = dict(scene.state.programs.named())
    entries = []
    for kind in TRAFFIC_KINDS:
        mask = kinds[kind]
        packets = np.bincount(scene.path[mask], columns.packets[mask], len(PATHS))
        ours = mask & judged if scene.has_policy else mask
        seen = bool(ours.any())
        names = dict.fromkeys(name for row in named if ours[row] for name in named[row])
        entries.append(
            Coverage(
                kind=kind,
                seen=seen,
                paths={name: int(packets[i]) for i, name in enumerate(PATHS) if packets[i]},
                note=_note(scene, kind, seen, mask),
                programs=tuple(names)[:MAX_PROGRAMS],
                provoke="" if seen else PROVOKE[kind],
            )
        )
    return entries


def _kinds(scene: Scene) -> dict[TrafficKind, Bool]:
    columns = scene.columns
    mdns = columns.serving(Service.MDNS)
    host = ~columns.special(columns.orig) & ~columns.special(columns.resp)
    stun = columns.serving(Service.STUN | Service.TURN | Service.ICE)
    dns = columns.asking()
    # What a proxy relays is seen in it; of what TLS hides its server's name tells.
    stun[[link.flow for key, link in scene.state.ice.links.items() if key.layers]] = True
    for used in scene.state.resolvers.resolvers():
        dns[used.flows] = True
    return {
        "stun": stun,
        "dns": dns,
        "ipv6": (columns.version == 6) & host,
        "quic": columns.serving(Service.QUIC),
        "tcp": (columns.protocol == 6) & host,
        "mdns": mdns,
        "udp": (columns.protocol == 17) & host & ~(stun | dns | mdns | columns.serving(_NAMED)),
        "icmp": np.isin(columns.protocol, (1, 58)) & host & np.isin(columns.orig_port, ECHO),
    }


def _note(scene: Scene, kind: TrafficKind, seen: bool, mask: Bool) -> str:
    if not seen and mask.any():
        others = (scene.path[mask] != TUNNEL_TRANSPORT).any()
        whose = "from other hosts" if others else "as what carries the tunnel"
        return f"seen only {whose}, so not tested"
    if kind == "stun" and not seen and scene.state.mdns_names:
        return (
            "a WebRTC name was announced, so a page did gather candidates, but not where this "
            "capture could show it"
        )
    if not seen:
        return NONE_SEEN
    if kind == "tcp" and scene.proxies:
        return "including what the proxy's clients send by TCP"
    return ""


def completeness(scene: Scene, tunnel: SceneTunnel, carrier: Bool) -> float | None:
    """The carrier's bytes that the recorded inside explains, as a share of 0 to 1.

    None where one of the two was not recorded. Bytes are compared with each inner packet's
    overhead added; less than 1 means lost packets, keepalives, or traffic of another kind.
    """
    columns = scene.columns
    within = columns.on(tunnel.interfaces)
    outer = int(columns.bytes[carrier].sum())
    packets, size = int(columns.packets[within].sum()), int(columns.bytes[within].sum())
    if not outer or not packets:
        return None
    expected = size + packets * _OVERHEAD.get(tunnel.kind or "", 70.0)
    return round(min(expected, outer) / max(expected, outer), 3)
