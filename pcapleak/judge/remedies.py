"""Remedies that fit what is in use, with what the capture shows filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from pcapleak.judge.context import Scene
from pcapleak.values.findings import Finding
from pcapleak.values.packets import IPAddress

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
"""Interfaces' names that a shell takes as they are: a capture may name one as it likes."""

MAX_FILLED = 4
"""Addresses filled in for one word; beyond that the word stands."""


def tailored(scene: Scene, finding: Finding) -> Finding:
    """The finding with the remedy for a proxy or for a tunnel, its words in capitals filled in."""
    kind, remedy = finding.kind, finding.remedy
    if remedy == kind.remedy and scene.has_policy:
        special = kind.proxy_remedy if scene.is_proxy_only else kind.tunnel_remedy
        remedy = special or remedy
    for word, values in (
        ("VPN_SERVER", _servers(scene)),
        ("TUNNEL_ADDRESS", _inner(scene)),
    ):
        remedy = _fill_addresses(remedy, word, values)
    for word, name in (("INTERFACE", _outside(scene, finding)), ("TUNNEL", _tunnel(scene))):
        if name is not None and _PLAIN_NAME.fullmatch(name):
            remedy = re.sub(rf"\b{word}\b", name, remedy)
    return finding if remedy == finding.remedy else replace(finding, remedy=remedy)


def _fill_addresses(remedy: str, word: str, addresses: list[IPAddress]) -> str:
    """`ip saddr WORD` and the like with these addresses; unchanged unless all are of one family."""
    versions = {address.version for address in addresses}
    if len(versions) != 1 or len(addresses) > MAX_FILLED:
        return remedy
    listed = ", ".join(map(str, addresses))
    value = f"{{ {listed} }}" if len(addresses) > 1 else listed
    family = "ip" if versions == {4} else "ip6"
    return re.sub(rf"\bip ([sd]addr (?:!= )?){word}\b", rf"{family} \g<1>{value}", remedy)


def _servers(scene: Scene) -> list[IPAddress]:
    networks = [
        rule.network
        for tunnel in scene.tunnels
        if tunnel.confidence != "low"
        for rule in tunnel.endpoints
    ]
    if not all(network is not None and network.num_addresses == 1 for network in networks):
        return []
    return list(dict.fromkeys(one.network_address for one in networks if one is not None))


def _inner(scene: Scene) -> list[IPAddress]:
    inner = [network for tunnel in scene.tunnels for network in tunnel.addresses]
    if not all(network.num_addresses == 1 for network in inner):
        return []
    return list(dict.fromkeys(network.network_address for network in inner))


def _outside(scene: Scene, finding: Finding) -> str | None:
    """The physical interface: the finding's own, or the only one."""
    names = list(dict.fromkeys(_names(scene)))
    if finding.interface in names:
        return finding.interface
    return names[0] if len(names) == 1 else None


def _names(scene: Scene) -> Iterator[str]:
    for number in scene.outside:
        name = scene.state.interfaces[number].name
        if name is not None and scene.roles[number].role != "any":
            yield name


def _tunnel(scene: Scene) -> str | None:
    names = [tunnel.label for tunnel in scene.tunnels if tunnel.is_named]
    return names[0] if len(names) == 1 else None
