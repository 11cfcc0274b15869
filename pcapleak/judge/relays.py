"""Where a SOCKS proxy relays UDP, where the recording began after that was agreed upon."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.columns import TCP, UDP
from pcapleak.judge.context import Scene, SceneProxy, single
from pcapleak.judge.paths import SYN
from pcapleak.policy.policy import Rule
from pcapleak.values.packets import Endpoint, Service

MAX_SUPPOSED = 64
"""Endpoints at a proxy's address looked at: a proxy has one for each of its clients' programs."""

_OTHERS = Service.STUN | Service.DNS | Service.QUIC | Service.DTLS | Service.RTP | Service.NTP
"""What a relay's datagrams, whose header comes first, are not taken for."""


def find_relays(scene: Scene, proxy: SceneProxy) -> None:
    """Add the relays that show by what is inside their datagrams, and those that may be some.

    A request that went before the recording left its connection open (RFC 1928 section 7): where
    none is that old, there was no such request.
    """
    if not proxy.scheme.startswith("socks"):
        return
    address = proxy.endpoint.address
    for key, link in scene.state.ice.links.items():
        if scene.only_arrives([link.flow]):
            continue
        if key.layers[:1] == ("socks",) and key.transport == "udp" and link.outer is not None:
            for end in link.outer:
                if end.address == address and end not in proxy.relays:
                    proxy.relays.append(end)
    for used in scene.state.resolvers.resolvers():
        if scene.only_arrives(used.flows):
            continue
        if used.layers[:1] == ("socks",) and used.transport == "udp":
            for row in used.flows:
                flows = scene.columns.flows
                for end in (flows.orig(row), flows.resp(row)):
                    if end.address == address and end not in proxy.relays:
                        proxy.relays.append(end)
    if proxy.given and not proxy.relays and _is_older(scene, proxy):
        proxy.supposed = _supposed(scene, proxy)


def _is_older(scene: Scene, proxy: SceneProxy) -> bool:
    """Whether a connection to the proxy was open when the recording began."""
    columns = scene.columns
    there = [single(proxy.endpoint.address)]
    asked = columns.inside(columns.resp, there) & (columns.resp_port == proxy.endpoint.port)
    told = columns.inside(columns.orig, there) & (columns.orig_port == proxy.endpoint.port)
    rows = columns.on(scene.outside) & (columns.protocol == TCP) & (asked | told)
    return bool((columns.flows.tcp_flags[rows] & SYN == 0).any())


def _supposed(scene: Scene, proxy: SceneProxy) -> list[Endpoint]:
    columns = scene.columns
    there = [single(proxy.endpoint.address)]
    rows = columns.on(scene.outside) & (columns.protocol == UDP) & ~columns.serving(_OTHERS)
    ends = columns.touching(there)
    found: dict[Endpoint, None] = {}
    for row in np.flatnonzero(rows & ends)[:MAX_SUPPOSED].tolist():
        for end in (columns.flows.orig(row), columns.flows.resp(row)):
            if end.address == proxy.endpoint.address:
                found[end] = None
    return [end for end in found if not any(_allows(rule, end) for rule in scene.policy.allow)]


def _allows(rule: Rule, end: Endpoint) -> bool:
    """Whether the policy says what goes there already."""
    return (
        rule.network is not None
        and end.address in rule.network
        and rule.port in (None, end.port)
        and rule.protocol in (None, "udp")
    )
