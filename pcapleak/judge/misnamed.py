"""What a policy names that is not there, beside what was probably meant."""

from __future__ import annotations

from ipaddress import ip_network

from pcapleak.judge.carriers import carried_outside
from pcapleak.judge.context import Scene, SceneTunnel
from pcapleak.judge.endpoints import beside, networks_of, take_endpoint
from pcapleak.judge.hints import endpoint_options
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.sides import is_called
from pcapleak.values.claims import Strength


def misnamed(scene: Scene) -> str | None:
    """What to say where a tunnel or a server is named that the recording lacks, and another one
    is there that does what it would."""
    return _interface(scene) or _server(scene)


def not_recorded(scene: Scene) -> list[str]:
    """Tunnels that the policy names and no recording has, not even without a packet."""
    return [
        tunnel.label
        for tunnel in scene.tunnels
        if tunnel.given and tunnel.is_named and not tunnel.interfaces
        if not any(is_called(interface, tunnel.label) for interface in scene.state.interfaces)
    ]


def _interface(scene: Scene) -> str | None:
    """What to say where a tunnel is named that was not recorded, and another one was, by more
    than its name."""
    absent = not_recorded(scene)
    others = [
        number
        for number in scene.ids("tunnel")
        if number not in scene.inside_ids and scene.roles[number].strength > Strength.TYPICAL
    ]
    if not absent or not others:
        return None
    label = scene.label(others[0])
    return (
        f"the tunnel {', '.join(absent)} was not recorded, but {label} was, and it is one: "
        f"{scene.roles[others[0]].reason}; if you meant that one, name it with --tunnel {label}"
    )


def _server(scene: Scene) -> str | None:
    """What to say where nothing goes to the servers that the policy names, and what leaves beside
    them is no more than what carries the tunnel's recorded inside."""
    told = [rule for tunnel in scene.policy.tunnels for rule in tunnel.endpoints]
    columns = scene.columns
    sent = columns.on(scene.outside) & (columns.sent_packets > 0)
    left = sent & (scene.path == BYPASS)
    known = networks_of([rule for tunnel in scene.tunnels for rule in tunnel.endpoints])
    if not told or not left.any() or (sent & columns.inside(columns.far, known)).any():
        return None
    carrier = _carrier(scene)
    if carrier is None:
        return None
    carried = left & columns.inside(columns.far, networks_of(carrier.endpoints))
    if (left & ~carried).any() or beside(scene, carried, carrier.conserved).any():
        return None
    servers = ", ".join(rule.text for rule in told)
    inside = ", ".join(dict.fromkeys(map(scene.label, carrier.interfaces)))
    return (
        f"nothing was sent to {servers}, and what goes into {inside} leaves for another server; "
        f"if it is the VPN's, name it with {endpoint_options(carrier.endpoints)}"
    )


def _carrier(scene: Scene) -> SceneTunnel | None:
    """What carries the recorded insides of a policy's tunnels, told or not."""
    tunnel = SceneTunnel(label="", interfaces=scene.inside_ids)
    tunnel.conserved = carried_outside(scene, tunnel.interfaces, scene.outside)
    if tunnel.conserved is None:
        return None
    columns = scene.columns
    rows = columns.on(scene.outside) & (columns.encapsulation == 0)
    for server in tunnel.conserved.servers:
        network = ip_network(server)
        take_endpoint(tunnel, columns, network, rows & columns.touching([network]))
    return tunnel
