"""VPN servers that a policy names: their addresses, from DNS answers at hand or the hosts file.

Nothing is looked up on the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from pcapleak.policy.policy import Policy, Tunnel
from pcapleak.policy.values import NamedServer, Rule
from pcapleak.values.endpoints import IPAddress

HOSTS = Path("/etc/hosts")

MAX_HOSTS = 4_000_000
"""Bytes read of /etc/hosts; the long lists that block advertisements have 1 to 3 million."""


def server_names(policy: Policy) -> list[str]:
    """The names among the policy's VPN servers, in lower case, each once."""
    rules = (rule for tunnel in policy.tunnels for rule in tunnel.endpoints)
    return list(dict.fromkeys(rule.name for rule in rules if isinstance(rule, NamedServer)))


def with_hosts(policy: Policy, path: Path = HOSTS) -> Policy:
    """The policy with what the hosts file says of the servers it names.

    A file that is missing or unreadable says nothing.
    """
    names = set(server_names(policy))
    if not names:
        return policy
    try:
        with path.open("rb") as file:
            text = file.read(MAX_HOSTS).decode("utf-8", "replace")
    except OSError:
        return policy
    return replace(policy, hosts=tuple(dict.fromkeys(_lines(text, names))))


def _lines(text: str, names: set[str]) -> Iterator[tuple[str, IPAddress]]:
    for line in text.splitlines():
        address, *called = line.partition("#")[0].split() or [""]
        for name in called:
            if name.lower().rstrip(".") in names:
                try:
                    yield name.lower().rstrip("."), ip_address(address)
                except ValueError:
                    continue


def resolved(policy: Policy, answers: Callable[[str], Sequence[IPAddress]]) -> Policy:
    """The policy with addresses in place of the servers it names.

    `answers` gives the addresses that DNS answers at hand have for a name; where they have none
    the hosts file's count. A name that neither knows stays a name, which matches nothing.
    """
    found: dict[str, list[IPAddress]] = {}
    known_by: list[str] = []
    for name in server_names(policy):
        told = list(answers(name))
        addresses = told or [address for known, address in policy.hosts if known == name]
        if addresses:
            found[name] = addresses
            source = "DNS answers in the capture" if told else str(HOSTS)
            known_by.append(f"{name} is {', '.join(map(str, addresses))} according to {source}")
    if not found:
        return policy
    tunnels = tuple(_with_addresses(tunnel, found) for tunnel in policy.tunnels)
    return replace(policy, tunnels=tunnels, known_by=(*policy.known_by, *known_by))


def _with_addresses(tunnel: Tunnel, found: dict[str, list[IPAddress]]) -> Tunnel:
    rules: list[Rule] = []
    for rule in tunnel.endpoints:
        if isinstance(rule, NamedServer) and rule.name in found:
            rules += [rule.at(address) for address in found[rule.name]]
        else:
            rules.append(rule)
    return replace(tunnel, endpoints=tuple(dict.fromkeys(rules)))
