"""On which side of a tunnel an interface is, as far as the traffic itself tells.

What carries a tunnel's handshake, or the bytes that went into another interface, is outside,
whatever it is called and whatever kind of device it is; what comes out again elsewhere is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import numpy as np

from pcapleak.judge.clients import ends_on
from pcapleak.judge.columns import Columns
from pcapleak.judge.conservation import OF_TUNNELS, Conserved, conserving, host_inside
from pcapleak.judge.judgement import InterfaceRole
from pcapleak.judge.sides import CARRIERS, NO_LINK_LAYER, has_link_layer
from pcapleak.policy.policy import Policy
from pcapleak.track.state import State
from pcapleak.track.windows import HostKey
from pcapleak.values.addresses import AddressClass, is_public
from pcapleak.values.claims import Strength
from pcapleak.values.packets import IPAddress, distinct

MAX_COMPARED = 16
"""Interfaces that are compared with the others, those with most packets first."""

_SILENT: frozenset[AddressClass] = frozenset(("multicast", "link-local", "loopback", "reserved"))


def settle(
    state: State, columns: Columns, policy: Policy, roles: Sequence[InterfaceRole]
) -> list[InterfaceRole]:
    """The roles that names and kinds of devices gave, corrected by what the traffic shows."""
    settled = list(roles)
    settled = _carrying(state, columns, policy, settled)
    settled = _to_proxies(state, columns, policy, settled)
    return _coming_out(state, columns, policy, settled)


def _carrying(
    state: State, columns: Columns, policy: Policy, roles: list[InterfaceRole]
) -> list[InterfaceRole]:
    """Put interfaces that carry a tunnel outside, where none of those that are called so does.

    A tunnel may go through another one, whose interface then carries its handshake.
    """
    ends = [rule.network for tunnel in policy.tunnels for rule in tunnel.endpoints if rule.network]
    told = columns.touching(ends)
    told &= columns.encapsulation == 0
    spoken = distinct(columns.interface[told])
    proven = dict.fromkeys(spoken, "traffic to the tunnel's endpoint leaves through it")
    for seen in state.tunnels.tunnels():
        if seen.confirmed and not columns.encapsulation[seen.flows].any():
            proven[seen.interface] = f"the tunnel's handshake with {seen.server} leaves through it"
    shaped = columns.serving(CARRIERS) & (columns.flows.resp_packets > 0)
    shaped &= columns.public(columns.orig) | columns.public(columns.resp)
    shaped &= columns.encapsulation == 0
    alike = distinct(columns.interface[shaped])
    shapes = dict.fromkeys(alike, "traffic shaped like a tunnel's carrier leaves through it")
    for found, strength in ((proven, Strength.PROVEN), (shapes, Strength.TYPICAL)):
        right = [n for n in found if roles[n].role in ("physical", "any")]
        if right:
            for number in right:
                if strength > roles[number].strength:
                    roles[number] = roles[number].confirmed(strength, found[number])
            break
        wrong = [n for n in found if roles[n].strength < Strength.TOLD]
        if wrong:
            for number in wrong:
                roles[number] = _outer(state, number, found[number], strength, roles[number])
            break
    return roles


def _to_proxies(
    state: State, columns: Columns, policy: Policy, roles: list[InterfaceRole]
) -> list[InterfaceRole]:
    """Put the interfaces over which a given proxy is spoken to outside, where nothing else is:
    one that is only called like a tunnel's is the way out all the same."""
    used = distinct(columns.interface)
    if any(roles[number].role in ("physical", "any", "unknown") for number in used):
        return roles
    for proxy in policy.proxies:
        address, port = proxy.endpoint
        ends = [ip_network(address)]
        spoken = columns.inside(columns.orig, ends) & (columns.orig_port == port)
        spoken |= columns.inside(columns.resp, ends) & (columns.resp_port == port)
        for number in distinct(columns.interface[spoken]):
            if roles[number].role == "tunnel" and roles[number].strength < Strength.TOLD:
                reason = f"traffic to the proxy {proxy.endpoint} leaves through it"
                roles[number] = _outer(state, number, reason, Strength.PROVEN, roles[number])
    return roles


def _outer(
    state: State, number: int, reason: str, strength: Strength, before: InterfaceRole
) -> InterfaceRole:
    """The role of an interface that carries a tunnel, whatever it was taken for before."""
    interface = state.interfaces[number]
    if interface.parent is not None and interface.index is None and interface.name is None:
        # All devices of its kind, tunnels as well, stand for one here.
        return InterfaceRole("any", f"{reason}; interfaces of its kind cannot be told apart")
    return _corrected(before, InterfaceRole("physical", reason, strength))


def _corrected(before: InterfaceRole, now: InterfaceRole) -> InterfaceRole:
    """A role that the traffic shows; what made it another one stands against it."""
    return now._replace(against=before.reason) if before.role != now.role else now


def _coming_out(
    state: State, columns: Columns, policy: Policy, roles: list[InterfaceRole]
) -> list[InterfaceRole]:
    """Put interfaces inside whose bytes come out again on others, where names do not tell it."""
    packets = np.bincount(columns.interface, columns.packets, len(roles))
    there = [n for n, role in enumerate(roles) if role.role != "loopback" and packets[n]]
    is_outside = any(roles[number].role in ("physical", "any") for number in there)
    told = [n for n in there if roles[n].role == "tunnel" and roles[n].strength is Strength.TOLD]
    free = [n for n in there if _is_open(state, policy, roles, n, is_outside)]
    # Where all are called like tunnels, that which carries a given one is the way out.
    free += [] if is_outside else told
    free.sort(key=lambda number: (-packets[number], number))
    for number in free[:MAX_COMPARED]:
        if roles[number].strength > Strength.TYPICAL and (number not in told or is_outside):
            continue
        others = [other for other in there if other != number]
        fit = _comes_out(state, columns, number, others)
        if fit is None:
            continue
        servers = ", ".join(map(str, fit.servers))
        if number not in told:
            reason = f"{fit.reason} ({servers})"
            now = InterfaceRole("tunnel", reason, Strength.CONSERVED)
            roles[number] = _corrected(roles[number], now)
        for other in others:
            keys = [HostKey(other, server) for server in fit.servers]
            carries = any(state.windows.windows(key) is not None for key in keys)
            if carries and roles[other].role != "any" and roles[other].strength < Strength.PROVEN:
                reason = f"what enters {state.interfaces[number].label} leaves through it"
                now = InterfaceRole("physical", reason, Strength.CONSERVED)
                roles[other] = _corrected(roles[other], now)
    return roles


def _is_open(
    state: State, policy: Policy, roles: Sequence[InterfaceRole], number: int, is_outside: bool
) -> bool:
    """Whether names and kinds of devices leave open what an interface is; `is_outside` says that
    some other one with packets is outside by them."""
    role, interface = roles[number], state.interfaces[number]
    if role.strength > Strength.TYPICAL or role.role == "any":
        return False
    if role.role == "tunnel":
        names = {one.name for one in state.interfaces}
        missing = any(t.interface is not None and t.interface not in names for t in policy.tunnels)
        return missing or not is_outside
    # A device without a link layer may be called like an uplink, and a tunnel have one.
    return role.role == "unknown" or interface.link_type in NO_LINK_LAYER or not role.is_by_name


def _comes_out(state: State, columns: Columns, number: int, others: list[int]) -> Conserved | None:
    """The servers on other interfaces that one's traffic comes out to."""
    if not others:
        return None
    keys = [HostKey(number, end[0]) for end in ends_on(columns, [number]) if end is not None]
    inside = host_inside(state.windows, [number], keys, _SILENT)
    if inside is None:
        return None
    # What both have as an end was handed on, not carried.
    here = {key.address: size for key, size in state.windows.hosts([number])}
    world = {address: size for address, size in here.items() if is_public(address)}
    linked = {n for n in others if has_link_layer(state.interfaces[n])}
    for other in others if has_link_layer(state.interfaces[number]) else set(others) - linked:
        both = [key.address for key, _ in state.windows.hosts([other]) if key.address in world]
        if 2 * sum(world[address] for address in both) > sum(world.values()):
            return None
    servers: list[IPAddress] = [
        address
        for address in dict.fromkeys(key.address for key, _ in state.windows.hosts(others))
        if address not in here and is_public(address)
    ]
    for one in (inside, inside.turned):
        fit = conserving(state.windows, others, one, servers, OF_TUNNELS[:1])
        # The inside is the smaller one.
        if fit is not None and len(fit.servers) == 1 and fit.has_grown:
            return fit
    return None
