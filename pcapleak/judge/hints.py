"""Options that would settle what a capture leaves open, filled in."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import numpy as np

from pcapleak.judge.columns import TCP, UDP
from pcapleak.judge.context import Scene, single
from pcapleak.policy.policy import Rule
from pcapleak.values.packets import Bool, Endpoint, IPAddress

MAX_NAMED = 3
"""Options of one kind in a hint; a server with more ports is named without."""


def endpoint_options(rules: Iterable[Rule]) -> str:
    """`--vpn-endpoint SERVER:PORT` for what these rules name."""
    servers: dict[str, dict[int | None, None]] = {}
    for rule in rules:
        if rule.network is not None:
            servers.setdefault(str(rule.network), {})[rule.port] = None
    return " ".join(
        f"--vpn-endpoint {_written(network, port)}"
        for network, ports in list(servers.items())[:MAX_NAMED]
        for port in (ports if None not in ports and len(ports) <= MAX_NAMED else (None,))
    )


def _written(network: str, port: int | None) -> str:
    address, _, length = network.partition("/")
    if length not in ("32", "128"):
        return network if port is None else f"{network}:{port}"
    return address if port is None else str(Endpoint(ip_address(address), port))


def allow_options(scene: Scene, servers: Iterable[IPAddress]) -> str:
    """`--allow SERVER:PORT/PROTOCOL` for what goes to a proxy's servers outside."""
    columns = scene.columns
    found: list[str] = []
    for server in servers:
        rows = np.flatnonzero(_reached(scene, server))
        pairs = {(int(columns.protocol[row]), int(columns.far_port[row])) for row in rows.tolist()}
        if len(pairs) > MAX_NAMED or not all(protocol in (TCP, UDP) for protocol, _ in pairs):
            found.append(f"--allow {server}")
            continue
        found += [
            f"--allow {Endpoint(server, port)}/{'tcp' if protocol == TCP else 'udp'}"
            for protocol, port in sorted(pairs)
        ]
    return " ".join(found)


def _reached(scene: Scene, server: IPAddress) -> Bool:
    columns = scene.columns
    return columns.on(scene.outside) & columns.inside(columns.far, [single(server)])
