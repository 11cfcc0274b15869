"""The grey zone: traffic outside that is information with a reason, not a leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pcapleak.judge.columns import TCP, UDP
from pcapleak.judge.context import Scene, single
from pcapleak.judge.endpoints import alien, carrier_rows
from pcapleak.judge.judgement import BYPASS
from pcapleak.judge.paths import SYN, answered
from pcapleak.values.packets import Bool, Int64, Service

CONNECTIVITY_CHECKS = frozenset(
    {
        "captive.apple.com",
        "captive.g.aaplimg.com",
        "clients3.google.com",
        "connectivity-check.ubuntu.com",
        "connectivitycheck.android.com",
        "connectivitycheck.cbg-app.huawei.com",
        "connectivitycheck.gstatic.com",
        "connectivitycheck.platform.hicloud.com",
        "detectportal.firefox.com",
        "detectportal.brave-http-only.com",
        "dns.msftncsi.com",
        "fedoraproject.org",
        "ipv6.msftconnecttest.com",
        "network-test.debian.org",
        "networkcheck.kde.org",
        "nmcheck.gnome.org",
        "ping.archlinux.org",
        "www.msftconnecttest.com",
        "www.msftncsi.com",
    }
)
"""Hosts that operating systems and browsers ask to find captive portals."""

HTTPS = 443
_FIN, _RST = 1, 4
TAIL_BYTES = 120
"""Mean frame length up to which packets carry hardly more than their headers."""
KEEPALIVE_BYTES = 64
"""A NAT keepalive is one byte (RFC 3948 section 2.3), in a frame of at most this length."""


MAX_SOCKETS = 100
"""A carrier's flows whose sockets are looked at."""


def benign_name(name: str) -> bool:
    """Whether a name is asked for connectivity checks, or by Avahi for the link's own domain."""
    return name.rstrip(".").lower() in CONNECTIVITY_CHECKS | {"local"}


def own_names(scene: Scene) -> set[str]:
    """Names that were asked for to find the VPN's server or the proxy."""
    servers = [
        rule.network.network_address
        for tunnel in scene.tunnels
        for rule in tunnel.endpoints
        if rule.network is not None and rule.network.num_addresses == 1
    ]
    servers += [proxy.endpoint.address for proxy in scene.proxies]
    found = map(scene.state.resolvers.name_of, servers)
    return {name.rstrip(".").lower() for name in found if name is not None}


def own_lookups(scene: Scene, rows: Int64) -> Bool:
    """Which of some flows of DNS ask for nothing but the name of the VPN's server or the proxy."""
    own = own_names(scene)
    found = np.zeros(len(rows), np.bool_)
    if own:
        for place, row in enumerate(rows.tolist()):
            asked = scene.state.resolvers.asked_on(row)
            found[place] = asked is not None and all(name in own for name in asked[0])
    return found


def from_carrier_socket(scene: Scene) -> Bool:
    """Flows from the very sockets of a tunnel's carrier: no other program sends from them."""
    columns = scene.columns
    found = np.zeros(len(columns), np.bool_)
    carrying = np.zeros(len(columns), np.bool_)
    for tunnel in scene.tunnels:
        # What is only guessed to be a carrier may be a call.
        if tunnel.confidence != "low":
            carrying |= carrier_rows(scene, tunnel)
    carriers = np.flatnonzero(carrying & (columns.protocol == UDP))
    beside = np.flatnonzero((scene.path == BYPASS) & (columns.protocol == UDP))
    if not len(carriers) or not len(beside):
        return found
    beside = beside[np.isin(columns.near_port[beside], columns.near_port[carriers])]
    sockets = {columns.near_endpoint(row) for row in carriers[:MAX_SOCKETS].tolist()}
    found[[row for row in beside.tolist() if columns.near_endpoint(row) in sockets]] = True
    return found


def vpn_services(scene: Scene) -> tuple[Bool, Bool]:
    """TLS to the VPN's own services: at addresses that its carrier's sockets spoke to, and for
    names beside those that such a server was called by."""
    columns, names = scene.columns, scene.state.server_names
    rows = np.flatnonzero(from_carrier_socket(scene)).tolist()
    known = {columns.far_endpoint(row).address for row in rows}
    there, beside = np.zeros((2, len(columns)), np.bool_)
    if not known:
        return there, beside
    tls = (scene.path == BYPASS) & (columns.protocol == TCP) & (columns.far_port == HTTPS)
    there = tls & columns.inside(columns.far, [single(address) for address in known])
    there &= ~alien(scene, there)
    domains = {_domain(names[row]) for row in np.flatnonzero(there).tolist() if row in names}
    others = [row for row in np.flatnonzero(tls & ~there).tolist() if row in names]
    beside[[row for row in others if _domain(names[row]) in domains - {""}]] = True
    return there, beside


def _domain(name: str) -> str:
    """What a server's name belongs to; empty for a name right below a top-level domain."""
    rest = name.rstrip(".").lower().partition(".")[2]
    return rest if "." in rest else ""


ANSWERED = "answered"


class Grey(NamedTuple):
    """Why traffic outside is information."""

    label: str
    reason: str

    @property
    def served(self) -> bool:
        """Whether this host was the server: its own port tells what was asked."""
        return self.label == ANSWERED


def grey_parts(scene: Scene, rows: Int64) -> Iterator[tuple[Grey | None, Int64]]:
    """`rows` parted by why they are no leak; None for those that may be one."""
    left = np.zeros(len(scene.columns), np.bool_)
    left[rows] = True
    for label, reason, mask in _reasons(scene):
        part = left & mask
        if part.any():
            yield Grey(label, reason), np.flatnonzero(part).astype(np.int64)
            left &= ~part
    if left.any():
        yield None, np.flatnonzero(left).astype(np.int64)


def _reasons(scene: Scene) -> Iterator[tuple[str, str, Bool]]:
    columns = scene.columns
    yield (
        "before the tunnel",
        "ended before the tunnel's first sign of life; with --always-on it is a leak",
        scene.before,
    )
    servers = [
        rule.network
        for tunnel in scene.tunnels
        for rule in tunnel.endpoints
        if rule.network is not None
    ]
    own = columns.inside(columns.far, servers) & (
        ((columns.protocol == TCP) & (columns.far_port == HTTPS)) | columns.serving(Service.ICMP)
    )
    yield "VPN server", "the VPN client talks to its own server", own & ~alien(scene, own)
    yield "VPN client", "the socket that carries the tunnel", from_carrier_socket(scene)
    there, beside = vpn_services(scene)
    yield "VPN service", "the tunnel's own socket talks to this server too", there
    yield "VPN service", "named like the VPN's other servers, which is no proof", beside
    yield (
        ANSWERED,
        "the far end began it; this host only answered",
        answered(columns) & columns.public(columns.far),
    )
    yield (
        "clock",
        "clocks are often set outside tunnels on purpose",
        columns.serving(Service.NTP) & (columns.far_port == 123),
    )
    checks = np.zeros(len(columns), np.bool_)
    state = scene.state
    for row, name in state.server_names.items():
        if benign_name(name):
            checks[row] = True
    addresses = state.resolvers.addresses_of(CONNECTIVITY_CHECKS)
    # An address that serves more than the check is told apart by the name said to it.
    named = np.zeros(len(columns), np.bool_)
    named[list(state.server_names)] = True
    # They are HTTP; whoever answers for the name chooses what else is there.
    checks |= ~named & columns.inside(columns.far, [single(address) for address in addresses])
    checks &= columns.protocol == TCP
    yield "connectivity check", "a connectivity check of the system or browser", checks
    yield (
        "keepalive",
        "a NAT keepalive without data",
        (columns.protocol == UDP)
        & (columns.far_port == 4500)
        & (columns.bytes <= KEEPALIVE_BYTES * columns.packets),
    )
    flags = columns.flows.tcp_flags
    yield (
        "old connection",
        "the end of a connection older than the recording",
        (columns.protocol == TCP)
        & (flags & SYN == 0)
        & (flags & (_FIN | _RST) != 0)
        & (columns.bytes <= TAIL_BYTES * columns.packets),
    )
