"""Where the client's traffic comes out of its tunnels and proxies: whoever it reaches sees this."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcapleak.judge.context import Scene, Source
from pcapleak.judge.endpoints import carrier_rows
from pcapleak.track.ice.links import Link
from pcapleak.values.addresses import inside, is_public, unmapped
from pcapleak.values.claims import Strength
from pcapleak.values.packets import IPAddress


def exit_sources(scene: Scene) -> Iterator[Source]:
    """Addresses that traffic comes out at, each with what says so and how surely."""
    tunnelled = set(scene.inside_ids)
    shown: set[IPAddress] = set()
    outside = _told_outside(scene)
    for key, link in scene.state.ice.links.items():
        if scene.only_arrives([link.flow]):
            continue
        if key.interface in tunnelled:
            how = "STUN inside the tunnel"
        elif {"socks", "http-connect"} & set(key.layers):
            how = "TURN through the proxy"
        else:
            continue
        told = {mapped: sighting.frames[0] for mapped, sighting in link.answers.items()}
        for allocation in link.allocations:
            if allocation.mapped is not None:
                told.setdefault(allocation.mapped, link.seen.frames[0])
        for mapped, frame in told.items():
            address = unmapped(mapped.address)
            if is_public(address) and address not in shown and address not in outside:
                shown.add(address)
                reason = f"{how} shows it (frame {frame})"
                yield Source(address, reason, "certain", Strength.PROVEN)
    for proxy in scene.proxies:
        for seen in proxy.seen:
            for bound in seen.bound:
                if is_public(bound.address) and bound.address not in outside:
                    reason = "the proxy says it sends from there"
                    yield Source(bound.address, reason, "high", Strength.PROVEN)
    # Where a tunnel or proxy ends is mostly where its traffic comes out.
    for tunnel in scene.tunnels:
        for rule in tunnel.endpoints:
            if rule.network is not None and rule.network.num_addresses == 1:
                address = rule.network.network_address
                yield Source(address, f"the endpoint of {tunnel.label}", "medium")
    for proxy in scene.proxies:
        yield Source(proxy.endpoint.address, "the proxy's own address", "medium")


def _told(link: Link) -> Iterator[IPAddress]:
    """The receiver's public addresses as servers told them."""
    for mapped in (*link.answers, *(a.mapped for a in link.allocations if a.mapped is not None)):
        address = unmapped(mapped.address)
        if is_public(address):
            yield address


def _told_outside(scene: Scene) -> set[IPAddress]:
    """What answers outside tell the client of its addresses: its own, and nobody's exit."""
    carried = np.zeros(len(scene.columns), np.bool_)
    for tunnel in scene.tunnels:
        carried |= carrier_rows(scene, tunnel)
    outside = set(scene.outside)
    return {
        address
        for key, link in scene.state.ice.links.items()
        if key.interface in outside and not key.layers and not carried[link.flow]
        if not scene.only_arrives([link.flow])
        if inside(key.destination.address, scene.clients)
        for address in _told(link)
    }
