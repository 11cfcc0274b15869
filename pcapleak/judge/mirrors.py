"""Recordings made of a mirror: switches and clouds send copies of packets inside other ones."""

from __future__ import annotations

from ipaddress import ip_network

import numpy as np

from pcapleak.dissect.tunnels import PORT_LAYERS
from pcapleak.judge.columns import Columns
from pcapleak.policy.policy import Policy
from pcapleak.track.state import State
from pcapleak.values.packets import distinct
from pcapleak.values.registries import GRE, UDP

_KINDS = frozenset({"capwap", "geneve", "gre", "tzsp", "vxlan"})
"""What copies come in: ERSPAN is GRE, cloud mirrors are VXLAN or GENEVE."""

_SHARE = 0.9
"""Of an interface's packets that the copies make up; the rest is the recorder's own."""


MAX_MIRRORS = 64
"""Pairs of ends that copies may come between: each is compared with all flows. A mirror has one
for each host that is copied; a recording of more is a network's."""


def open_mirrors(state: State, columns: Columns, policy: Policy) -> frozenset[int]:
    """Take packets that came as copies for recorded where they were copied; gives the
    encapsulations that were opened.

    Encapsulations of a policy's tunnels are no mirrors. Neither is what arrives at a host that
    speaks to the world itself: anybody can send it, and more of it than that host sends.
    """
    named = [rule.network for tunnel in policy.tunnels for rule in tunnel.endpoints if rule.network]
    if any(tunnel.protocol in _KINDS for tunnel in policy.tunnels):
        return frozenset()
    copies: list[int] = []
    # A copy of what is no IP, ARP say, stands between the mirror's ends as it came. Anything
    # else between them is a conversation, in whose name a stranger may send.
    ports = np.asarray(list(PORT_LAYERS))
    carrying = (columns.protocol == UDP) & (
        np.isin(columns.orig_port, ports) | np.isin(columns.resp_port, ports)
    )
    carrying |= columns.protocol == GRE
    came = np.zeros(len(columns), np.bool_)
    for number, outer in enumerate(state.encapsulations):
        if outer is None or outer.kind not in _KINDS:
            continue
        addresses = outer.source.address, outer.destination.address
        if any(address in network for address in addresses for network in named):
            continue
        if len(copies) == MAX_MIRRORS:
            return frozenset()
        copies.append(number)
        ends = [ip_network(address) for address in addresses]
        between = columns.inside(columns.orig, ends) & columns.inside(columns.resp, ends)
        came |= between & carrying
    if not copies:
        return frozenset()
    opened = np.isin(columns.encapsulation, np.asarray(copies, np.int64))
    came = opened | (came & (columns.encapsulation == 0))
    world = columns.public(columns.orig) | columns.public(columns.resp)
    found: set[int] = set()
    for interface in distinct(columns.interface[opened]):
        here = columns.interface == interface
        if (here & ~came & world).any():
            continue
        if columns.packets[here & came].sum() >= _SHARE * columns.packets[here].sum():
            found.update(distinct(columns.encapsulation[here & opened]))
            columns.encapsulation = np.where(here & opened, 0, columns.encapsulation)
    return frozenset(found)
