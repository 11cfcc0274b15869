"""Whose traffic it is: the client's own addresses, as far as a capture gives them away."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_interface, ip_network

import numpy as np
from msgspec import Struct, field

from pcapleak.judge.columns import Columns, tally
from pcapleak.judge.context import Source
from pcapleak.judge.hosts import Host, Own
from pcapleak.policy.policy import Network
from pcapleak.values.addresses import classify, inside, is_public
from pcapleak.values.claims import Strength
from pcapleak.values.evidence import Confidence
from pcapleak.values.packets import Bool, Interface, IPAddress, UInt16, distinct

MAX_MORE = 8
"""Further addresses of one host looked for: temporary IPv6 addresses, a second private one."""

MAIN_SHARE = 0.3
"""Share of a family's packets below which no address stands out: a network's recording."""

EQUAL = 0.8
"""Of the foremost end's share, from which on another one fits as well."""

MAX_RIVALS = 4

HOST_SHARE = 0.8
"""Share of unicast packets with one end at a known address, from which on a recording is
taken for one host's own and not for a network's."""


SERVER_PORTS = (1080, 1194, 3128, 3478, 5349, 8080, 9050, 19302, 51820)
_SERVED = np.isin(np.arange(1 << 16), (*range(1024), *SERVER_PORTS))

MAX_STRANGERS = 2
"""Second private addresses of one host looked for; a network's recording has more."""


class Known(Struct):
    """Addresses and why they are the client's."""

    networks: list[Network] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    """One for each network; a network of one address as that address."""
    rivals: list[IPAddress] = field(default_factory=list)
    """Addresses of several hosts that are as likely the client's."""

    @property
    def strength(self) -> Strength:
        """Of the strongest witness of any address: the others are the same host's."""
        return max((one.strength for one in self.sources), default=Strength.TYPICAL)

    def add(
        self,
        address: IPAddress | Network,
        reason: str,
        confidence: Confidence,
        strength: Strength = Strength.PROVEN,
    ) -> None:
        """Take one address, for the first reason that there is."""
        network = ip_network(address) if isinstance(address, IPAddress) else address
        if network not in self.networks:
            self.networks.append(network)
            value = network.network_address if network.num_addresses == 1 else network
            self.sources.append(Source(value, reason, confidence, strength))


def interface_addresses(interfaces: list[Interface], ids: list[int]) -> list[IPAddress]:
    """The addresses the capture file itself gives for interfaces."""
    return [ip_interface(text).ip for number in ids for text in interfaces[number].addresses]


def complete_clients(
    known: Known,
    columns: Columns,
    ids: list[int],
    host: Host,
    *,
    others: Sequence[Network],
    own: bool = False,
) -> list[Own]:
    """Add to `known` what the traffic of the physical interfaces `ids` shows.

    What the recorder marked as sent and what comes from the host's link-layer addresses is its
    own, `others` apart; where neither is known, the end that most conversations share is it.
    `own` says that the recorder was the host itself. Returns private addresses that the same
    host sends from, of other networks than its known ones: these may be a tunnel's.
    """
    plain = columns.on(ids) & (columns.encapsulation == 0)
    plain &= ~columns.special(columns.orig) & ~columns.special(columns.resp)
    marked = [one for one in host.sent() if not inside(one.address, others)]
    suspected = _take(known, marked, Strength.PROVEN)
    suspected += _take(known, host.same_frames(known.networks, others))
    for version in (4, 6):
        if host.is_known or any(network.version == version for network in known.networks):
            continue
        _most_common(known, columns, plain & (columns.version == version), version)
        suspected += _take(known, host.same_frames(known.networks, others))
    if not host.is_known:
        further = _further(known, columns, plain, own)
        suspected += [Own(one, "a second private address of the same host") for one in further]
    linked = host.linked(columns) if host.links else columns.on(ids)
    _link_local(known, columns, linked & columns.on(ids), own or bool(host.links))
    return suspected


def _take(known: Known, found: list[Own], strength: Strength = Strength.TYPICAL) -> list[Own]:
    """Add addresses to the known ones; gives the private ones of other networks."""
    suspected = []
    for one in found:
        nets = [network for network in known.networks if network.version == 4]
        private = one.address.version == 4 and not is_public(one.address)
        if private and nets and not beside(one.address, nets):
            suspected.append(one)
        else:
            known.add(one.address, one.says, "high", strength)
    return suspected


def beside(address: IPAddress, networks: Sequence[Network]) -> bool:
    """Whether an IPv4 address is of the same 24 bits as one of the networks."""
    return any(
        address in ip_network((network.network_address, 24), strict=False)
        for network in networks
        if network.version == 4
    )


def add_other_uplinks(known: Known, columns: Columns, ids: list[int]) -> None:
    """Add to `known` the host's address on each physical interface of `ids` where none of its
    addresses was seen: a host may have several ways out.

    Without link-layer addresses nobody else is there: so it is for each IP version by itself.
    What a router hands on shows on two interfaces, from one port to one far end: hosts behind
    it are not the client.
    """
    for number in ids:
        rows = columns.on([number]) & (columns.encapsulation == 0)
        rows &= ~columns.special(columns.orig) & ~columns.special(columns.resp)
        mine = columns.inside(columns.orig, known.networks)
        mine |= columns.inside(columns.resp, known.networks)
        mine &= rows
        if mine.any() and not _is_bare(columns, rows):
            continue
        # Of a recording that began late the answer may come first.
        answered = server_port(columns.orig_port) & ~server_port(columns.resp_port)
        elsewhere = columns.socket_keys(np.flatnonzero(columns.interface != number))
        for version in (4, 6):
            same = rows & (columns.version == version)
            if not same.any() or (mine & same).any():
                continue
            handed = np.isin(columns.socket_keys(np.flatnonzero(same)), elsewhere)
            if handed.mean() >= 1 - HOST_SHARE:
                continue
            hi = np.where(answered, columns.resp.hi, columns.orig.hi)[same]
            lo = np.where(answered, columns.resp.lo, columns.orig.lo)[same]
            packets = columns.packets[same]
            (began,) = tally(version, hi, lo, packets)
            if began and began[0][1] >= HOST_SHARE * packets.sum():
                share = began[0][1] / int(packets.sum())
                reason = f"began {share:.0%} of the IPv{version} traffic on its interface"
                known.add(began[0][0], reason, "medium", Strength.TYPICAL)


def _is_bare(columns: Columns, rows: Bool) -> bool:
    """Whether flows have no link-layer addresses: a modem's, or a point-to-point link's."""
    flows = columns.flows
    return not (flows.orig_link[rows].any() or flows.resp_link[rows].any())


def most_common_end(columns: Columns, rows: Bool, version: int) -> tuple[IPAddress, float] | None:
    """The address that most packets of these flows have as an end, and its share of them."""
    ranked = common_ends(columns, rows, version)
    return ranked[0] if ranked else None


def ends_on(columns: Columns, ids: Sequence[int]) -> list[tuple[IPAddress, float] | None]:
    """`most_common_end` of IPv4 and of IPv6 between hosts beyond the link, on some interfaces."""
    key = tuple(ids)
    if key not in columns.ends:
        rows = columns.on(ids) & ~columns.special(columns.orig) & ~columns.special(columns.resp)
        columns.ends[key] = [most_common_end(columns, rows, version) for version in (4, 6)]
    return columns.ends[key]


def common_ends(columns: Columns, rows: Bool, version: int) -> list[tuple[IPAddress, float]]:
    """The addresses that may be the client's, by the share of these flows' packets that have
    them as an end: private ones before public ones; who began only breaks ties."""
    rows = rows & (columns.version == version)
    if not rows.any():
        return []
    # Several rules ask for the same flows, one soon after the other.
    for known, found in columns.common:
        if np.array_equal(known, rows):
            return found
    found = _common_ends(columns, rows, version)
    columns.common.append((rows, found))
    return found


def _common_ends(columns: Columns, rows: Bool, version: int) -> list[tuple[IPAddress, float]]:
    weight = columns.packets[rows]
    hi = np.concatenate((columns.orig[0][rows], columns.resp[0][rows]))
    lo = np.concatenate((columns.orig[1][rows], columns.resp[1][rows]))
    # Of a recording that began late the answer may come first.
    answered = server_port(columns.orig_port[rows]) & ~server_port(columns.resp_port[rows])
    beginnings = np.concatenate((weight * ~answered, weight * answered))
    serves = np.concatenate((weight * answered, weight * _answers(columns, rows)))
    flows = columns.flows
    sends = np.concatenate((flows.orig_packets[rows], flows.resp_packets[rows]))
    both = np.concatenate((weight, weight))
    took, began, served, sent = map(dict, tally(version, hi, lo, both, beginnings, serves, sends))
    total = int(weight.sum())
    # What began nothing and answers on a server's port is no client, however many speak to it.
    able = [one for one in took if one in began or 2 * served.get(one, 0) < took[one]]
    # Nor is what never sent anything, unless one direction is all there is.
    able = [one for one in able if one in sent] or able
    ranked = sorted(
        able,
        key=lambda one: (
            is_public(one) or took[one] < MAIN_SHARE * total,
            -took[one],
            -began.get(one, 0),
            int(one),
        ),
    )
    return [(one, took[one] / total) for one in ranked]


def _answers(columns: Columns, rows: Bool) -> Bool:
    """Flows whose resp is asked at a server's port."""
    return server_port(columns.resp_port[rows]) & ~server_port(columns.orig_port[rows])


def server_port(port: UInt16) -> Bool:
    """Ports that servers listen at and clients do not send from."""
    found: Bool = _SERVED[port]
    return found


def _most_common(known: Known, columns: Columns, rows: Bool, version: int) -> None:
    ranked = common_ends(columns, rows, version)
    if not ranked:
        return
    address, share = ranked[0]
    # Two ends of the same conversations have more than all packets together.
    equals = [one for one, also in ranked[1:] if EQUAL * share <= also <= 1 - share]
    equals = [one for one in equals if is_public(one) == is_public(address)]
    if equals or share < MAIN_SHARE:
        if (rows & (columns.public(columns.orig) | columns.public(columns.resp))).any():
            known.rivals += [address, *equals][:MAX_RIVALS]
        return
    known.add(
        address,
        f"takes part in {share:.0%} of the IPv{version} packets",
        "high" if share >= 0.9 else "medium",
        Strength.TYPICAL,
    )


def _further(known: Known, columns: Columns, rows: Bool, own: bool) -> list[IPAddress]:
    mine = columns.inside(columns.orig, known.networks)
    mine |= columns.inside(columns.resp, known.networks)
    links = [
        ip_network((network.network_address, 64), strict=False)
        for network in known.networks
        if network.version == 6
    ]
    beside = columns.inside(columns.orig, links)
    strangers = rows & ~mine & columns.public(columns.resp)
    total = int(columns.packets[rows].sum())
    ours = rows & (mine | beside | _second_address(known, columns, strangers))
    if not own and columns.packets[ours].sum() < HOST_SHARE * total:
        return []
    others: list[IPAddress] = []
    for version in (4, 6):
        left = strangers & (columns.version == version)
        (sent,) = tally(
            version, columns.orig[0][left], columns.orig[1][left], columns.packets[left]
        )
        for address, _ in sent[:MAX_MORE]:
            if inside(address, links):
                reason = "sends from the same /64 as the client"
                known.add(address, reason, "medium", Strength.TYPICAL)
            elif not is_public(address):
                others.append(address)
    return others


def _link_local(known: Known, columns: Columns, rows: Bool, own: bool) -> None:
    """The client's link-local address, where a resolver was asked from it: routers announce
    themselves as resolvers by their own (RFC 8106)."""
    rows = rows & columns.asking() & (columns.version == 6)
    rows &= columns.linked(columns.orig)
    rows &= ~columns.multicast(columns.resp) & server_port(columns.resp_port)
    (askers,) = tally(6, columns.orig.hi[rows], columns.orig.lo[rows], columns.packets[rows])
    for address, _ in askers[:MAX_MORE] if own or len(askers) == 1 else ():
        reason = "asks a resolver from its link-local address"
        known.add(address, reason, "medium", Strength.TYPICAL)


def _second_address(known: Known, columns: Columns, strangers: Bool) -> Bool:
    """Unanswered flows from a private address of another network than the client's, where it is
    one.

    No other host of the link has it; a router that sees many networks sees many of them.
    """
    nets = [
        ip_network((n.network_address, 24), strict=False) for n in known.networks if n.version == 4
    ]
    foreign: Bool = strangers & (columns.version == 4)
    foreign &= ~columns.public(columns.orig) & ~columns.inside(columns.orig, nets)
    foreign &= columns.flows.resp_packets == 0
    if not nets or len(distinct(columns.orig.lo[foreign])) > MAX_STRANGERS:
        foreign[:] = False
    return foreign


def lan_guess(clients: list[Network]) -> list[tuple[Network, str, Confidence]]:
    """The networks around the client's addresses, where nothing tells them better."""
    found: list[tuple[Network, str, Confidence]] = []
    for network in clients:
        address = network.network_address
        if network.num_addresses > 1:
            continue
        if classify(address) in ("private IPv4", "shared (CGNAT)"):
            found.append(
                (ip_network((address, 24), strict=False), f"the /24 around {address}", "low")
            )
        elif address.version == 6 and not address.is_link_local:
            found.append(
                (ip_network((address, 64), strict=False), f"the /64 of {address}", "medium")
            )
    return list(dict.fromkeys(found))
