"""What should hold on this machine, inferred from how it is set up."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import NamedTuple

from pcapleak.errors import PolicyError
from pcapleak.live.devices import Device
from pcapleak.live.machine import Machine
from pcapleak.policy.policy import Network, Policy, Proxy, Rule, Tunnel, parse_proxy
from pcapleak.values.addresses import is_public


class MachinePolicy(NamedTuple):
    """A policy, and what it rests on."""

    policy: Policy
    notes: list[str]
    """What was found and not used, and what is to be known about the rest."""


def infer_policy(machine: Machine, given: Policy) -> MachinePolicy:
    """`given`, completed by what the machine shows.

    Where no tunnel or proxy is given (and inference is not off), the devices with a default
    route and the proxies of the settings are taken; a given tunnel gets the endpoints and
    addresses of its device where it has none.
    """
    notes = list(machine.notes)
    if given.infer and given.is_empty:
        given = replace(given, tunnels=_tunnels(machine, notes), proxies=_proxies(machine, notes))
    by_name = {device.name: device for device in machine.devices}
    tunnels = tuple(
        _completed(tunnel, by_name[tunnel.interface], machine)
        if tunnel.interface in by_name
        else tunnel
        for tunnel in given.tunnels
    )
    notes += [
        f"{tunnel.interface} does not exist yet: it is watched from the moment it appears"
        for tunnel in given.tunnels
        if tunnel.interface is not None and tunnel.interface not in by_name
    ]
    return MachinePolicy(replace(given, tunnels=tunnels), notes)


def _tunnels(machine: Machine, notes: list[str]) -> tuple[Tunnel, ...]:
    """Each tunnel device that is the way out, or the way to some public addresses."""
    found = []
    for device in machine.devices:
        if device.kind != "tunnel":
            continue
        routes = [route.network for route in machine.routes_of(device)]
        public = tuple(network for network in routes if _is_public(network))
        if machine.is_default(device):
            reason = f"{device.reason}, and the default route leads through it"
            found.append(Tunnel(interface=device.name, reasons=(reason,)))
        elif public:
            reason = f"{device.reason}, and {len(public)} routes to public addresses lead through"
            found.append(Tunnel(interface=device.name, routes=public, reasons=(reason,)))
        else:
            shown = ", ".join(map(str, routes[:4])) or "nothing"
            notes.append(
                f"{device.name} is {device.reason}, but leads only to {shown}: it is not taken "
                f"for the way out (--tunnel {device.name} does)"
            )
    return tuple(found)


def _completed(tunnel: Tunnel, device: Device, machine: Machine) -> Tunnel:
    """`tunnel` with the endpoints of its device's peers, and the device's addresses."""
    endpoints = tunnel.endpoints or tuple(
        dict.fromkeys(
            Rule(ip_network(peer.address), peer.port, "udp", f"{peer}/udp")
            for peer in machine.peers.get(device.name, ())
        )
    )
    if not endpoints and device.name not in machine.peers:
        endpoints = _pinned(machine, device)
    addresses = tunnel.addresses or tuple(
        ip_network(ip_interface(text).ip)
        for text in device.addresses
        if not ip_interface(text).ip.is_link_local
    )
    protocol = tunnel.protocol or ("wireguard" if device.name in machine.peers else None)
    return replace(tunnel, endpoints=endpoints, addresses=addresses, protocol=protocol)


def _pinned(machine: Machine, tunnel: Device) -> tuple[Rule, ...]:
    """The server that a host route past the tunnel keeps reachable, if there is just one.

    OpenVPN's redirect-gateway and IKE clients write such a route, because the carrier must
    not enter its own tunnel.
    """
    if not machine.is_default(tunnel):
        return ()
    outside = {device.index for device in machine.devices if device.kind == "physical"}
    hosts = {
        route.network
        for route in machine.routes
        if route.device in outside
        and route.gateway is not None
        and route.network.num_addresses == 1
        and _is_public(route.network)
    }
    return tuple(Rule(host, None, None, str(host.network_address)) for host in hosts) * (
        len(hosts) == 1
    )


def _proxies(machine: Machine, notes: list[str]) -> tuple[Proxy, ...]:
    found: dict[str, Proxy] = {}
    for setting in machine.proxies:
        try:
            proxy = parse_proxy(setting.url, setting.origin)
        except PolicyError as error:
            notes.append(f"{error}; or give it with --proxy")
            continue
        found.setdefault(str(proxy), replace(proxy, reasons=(setting.origin,)))
    return tuple(found.values())


def _is_public(network: Network) -> bool:
    return network.prefixlen > 0 and is_public(network.network_address)


def describe(result: MachinePolicy, machine: Machine) -> list[str]:
    """Lines that say what will be judged by, for a person, before the watch starts."""
    policy = result.policy
    lines = []
    for tunnel in policy.tunnels:
        parts = [f"tunnel {tunnel.interface or tunnel.endpoints[0].text}"]
        if tunnel.interface is not None:
            ends = ", ".join(rule.text for rule in tunnel.endpoints)
            parts.append(f"to {ends}" if ends else "(endpoint not known yet)")
        if tunnel.routes:
            parts.append(f"for {', '.join(map(str, tunnel.routes[:4]))}")
        why = "; ".join(tunnel.reasons)
        lines.append(" ".join(parts) + (f" ({why})" if why else " (given)"))
    for proxy in policy.proxies:
        lines.append(f"proxy {proxy} ({'; '.join(proxy.reasons) or 'given'})")
    if policy.is_empty:
        lines.append(
            "no tunnel or proxy: give one with --tunnel or --proxy"
            + (", or one is learned from the traffic" if policy.infer else "")
        )
    by_index = {device.index: device.name for device in machine.devices}
    ways = dict.fromkeys(
        by_index[route.device]
        for route in machine.routes
        if route.is_default and route.device in by_index
    )
    lines.append(f"default route: {', '.join(ways) or 'none'}")
    resolvers = ", ".join(str(address) for address, _ in machine.resolvers)
    lines.append(f"resolvers: {resolvers or 'none found'}")
    return [*lines, *(f"note: {note}" for note in result.notes)]
