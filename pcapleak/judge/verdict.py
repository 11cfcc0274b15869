"""The verdict: leak, no leak, inconclusive, or no policy to judge by."""

from __future__ import annotations

import numpy as np

from pcapleak.judge.carriers import likely_carrier
from pcapleak.judge.columns import count_addresses
from pcapleak.judge.context import Recorded, Scene, SceneProxy, single
from pcapleak.judge.exemptions import vpn_services
from pcapleak.judge.hints import allow_options, endpoint_options
from pcapleak.judge.judgement import (
    BYPASS,
    INSIDE_TUNNEL,
    PROXY,
    TUNNEL,
    TUNNEL_TRANSPORT,
    UNASSESSED,
    Coverage,
)
from pcapleak.judge.misnamed import misnamed, not_recorded
from pcapleak.judge.nat64 import seen_by_nat64_alone
from pcapleak.judge.paths import local_traffic
from pcapleak.judge.recorded import MAX_OTHERS, no_outside
from pcapleak.judge.unplaced import other_tunnels, unplaced
from pcapleak.track.tunnels import TUNNEL_NAMES
from pcapleak.values.addresses import is_public
from pcapleak.values.findings import Finding, Severity, Verdict
from pcapleak.values.packets import Endpoint, IPAddress
from pcapleak.values.words import count, listed, sentences, series

MAX_WAYS = 3
"""Tunnels and proxies named in the reason; the policy has all."""


def exposed_addresses(scene: Scene, findings: list[Finding]) -> tuple[IPAddress, ...]:
    """The client's public addresses that findings show reaching someone outside.

    What a policy calls information (TCP beside a proxy, say) exposes nothing it protects.
    """
    found = {
        address
        for finding in findings
        if finding.severity > Severity.INFO or not scene.has_policy
        for address in finding.exposes
        if is_public(address) and not scene.is_exit(address)
    }
    if any(address.version == 6 for address in found):
        local = local_traffic(scene)
        found -= {address for address in found if seen_by_nat64_alone(scene, address, local)}
    return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def verdict(scene: Scene, findings: list[Finding], ledger: list[Coverage]) -> Verdict:
    """What `findings` and what was recorded come to."""
    seen, exposed = scene.recorded, exposed_addresses(scene, findings)
    if not scene.has_policy and (tried := _never_up(scene)):
        return Verdict("inconclusive", sentences(tried), exposed)
    if not scene.has_policy:
        return Verdict("no-policy", sentences(_no_policy(scene)), exposed)
    meant = misnamed(scene)
    if meant is not None:
        return Verdict("inconclusive", sentences(meant), exposed)
    leaks = [finding for finding in findings if finding.is_leak]
    if leaks:
        return _leak(scene, leaks, exposed)
    obstacle = _obstacle(scene, seen, ledger)
    if obstacle is not None:
        return Verdict("inconclusive", sentences(_not_recorded(scene), obstacle), exposed)
    tested = [_NAMES[entry.kind] for entry in ledger if entry.seen]
    missing = [_NAMES[entry.kind] for entry in ledger if not entry.seen]
    left = any(finding.kind.is_leak for finding in findings)
    reason = sentences(
        "" if tested else "nothing was tested: the capture holds no traffic that could leak",
        f"nothing that matters bypassed {_ways(scene)} (see the findings)"
        if left
        else f"no traffic bypassed {_ways(scene)}",
        f"tested: {', '.join(tested)}" if tested else "",
        f"not tested (none in the capture): {', '.join(missing)}" if tested and missing else "",
        _before(scene),
        _not_recorded(scene),
        seen.beyond,
        f"other hosts ({listed(seen.others, MAX_OTHERS)}) are not judged" if seen.others else "",
    )
    return Verdict("no-leak", reason, exposed)


_NAMES = {
    "stun": "STUN",
    "dns": "DNS",
    "ipv6": "IPv6",
    "quic": "QUIC",
    "tcp": "TCP",
    "mdns": "mDNS",
    "udp": "other UDP",
    "icmp": "ICMP",
}


def _leak(scene: Scene, leaks: list[Finding], exposed: tuple[IPAddress, ...]) -> Verdict:
    """The worst finding, of several the one with most traffic, and how much went outside."""
    worst = min(leaks, key=lambda one: one.rank)
    columns = scene.columns
    rows = np.flatnonzero((scene.path == BYPASS) & (columns.sent_packets > 0))
    servers = count_addresses(columns.far.hi[rows], columns.far.lo[rows])
    others = ""
    if len(leaks) > 1:
        more = count(len(leaks) - 1, "more finding")
        packets = count(int(columns.sent_packets[rows].sum()), "packet")
        others = f"there {'is' if len(leaks) == 2 else 'are'} {more}"
        if servers:
            others += f"; altogether, {packets} went outside, to {count(servers, 'server')}"
    return Verdict("leak", sentences(worst.message, others, _not_recorded(scene)), exposed, servers)


def _before(scene: Scene) -> str:
    """What left before the tunnel came up, counted."""
    left = int(scene.before.sum())
    if not left:
        return ""
    packets = int(scene.columns.sent_packets[scene.before].sum())
    since = "came up" if scene.is_before_shown else "was first heard of"
    return (
        f"before the tunnel {since}, {count(left, 'flow')} ({count(packets, 'packet')}) went "
        f"outside it; only --always-on judges {'that' if left == 1 else 'them'}"
    )


def _never_up(scene: Scene) -> str | None:
    """A tunnel that was tried again and again and never answered, where no other one was up."""
    seen = [one for one in scene.state.tunnels.tunnels() if one.interface in scene.outside]
    tried = [one for one in seen if len(one.attempts) > 1 and is_public(one.server.address)]
    if not tried or any(one.confirmed for one in seen):
        return None
    most = max(tried, key=lambda one: len(one.attempts))
    return (
        f"a tunnel ({TUNNEL_NAMES[most.kind]}) to {most.server} was attempted "
        f"{len(most.attempts)} times and never came up; to judge what left meanwhile, name it with "
        f"--vpn-endpoint {most.server}"
    )


def _not_recorded(scene: Scene) -> str:
    """That a tunnel which the policy names was not recorded, and what was."""
    absent = not_recorded(scene)
    recorded = dict.fromkeys(
        scene.label(number)
        for number in range(len(scene.roles))
        if scene.columns.on([number]).any()
    )
    if not absent or not recorded:
        return ""
    servers = dict.fromkeys(
        rule.text for tunnel in scene.tunnels if not tunnel.interfaces for rule in tunnel.endpoints
    )
    carried = f"; its carrier is taken to go to {', '.join(servers)}" if servers else ""
    return (
        f"the tunnel {', '.join(absent)} was not recorded, only {listed(recorded, MAX_WAYS)}"
        f"{carried}"
    )


def _no_policy(scene: Scene) -> str:
    """Why there is nothing to judge by, and what may have been meant, filled in."""
    if not len(scene.columns):
        return "the capture holds no IP packet"
    nothing = (
        "no tunnel or proxy was given or found in the capture, so there is nothing to bypass; "
    )
    proxies = scene.state.tunnels.proxies()
    proxy = next((one for one in proxies if one.confirmed and not one.layers), None)
    if proxy is not None:
        scheme = "socks5" if proxy.kind == "socks" else "http"
        option = f"--proxy {scheme}://{proxy.server}"
        return f"{nothing}if {proxy.server} is the proxy, name it with {option}"
    outside = set(scene.outside)
    tunnels = [one for one in scene.state.tunnels.tunnels() if one.interface in outside]
    tunnel = max(tunnels, key=lambda one: (one.confirmed, len(one.handshakes)), default=None)
    if tunnel is not None:
        seen = "came up" if tunnel.confirmed else "was tried"
        return (
            f"no tunnel was given, and the one to {tunnel.server} ({TUNNEL_NAMES[tunnel.kind]}) "
            f"that {seen} here is not clearly meant for all traffic; if it is, name it with "
            f"--vpn-endpoint {tunnel.server}"
        )
    found = likely_carrier(scene)
    if found is not None:
        option = endpoint_options(found.endpoints)
        return f"{nothing}if {found.label} is the VPN server, name it with {option}"
    return f"{nothing}name one with --tunnel or --proxy"


def _local_proxy(scene: Scene, proxy: SceneProxy) -> str:
    """What the way out of a proxy on this host may be."""
    name = f"{proxy.scheme}://{proxy.endpoint}"
    if not proxy.servers:
        return (
            f"what carries {name} out of this host was not seen; record every interface "
            "(tcpdump -i any)"
        )
    servers = ", ".join(map(str, proxy.servers))
    return (
        f"what carries {name} out of this host is a guess ({servers}); if it is right, confirm "
        f"it with {allow_options(scene, proxy.servers)}"
    )


def _way_out_missing(scene: Scene) -> bool:
    """Whether something was answered inside tunnels, and none of them is carried by anything that
    was recorded."""
    columns = scene.columns
    answered = (columns.packets > columns.sent_packets) & (columns.sent_packets > 0)
    within = np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL)) & (columns.encapsulation == 0)
    carried = (scene.path == TUNNEL_TRANSPORT) | (scene.path == PROXY)
    if scene.policy.allow:
        # The policy may name its carrier as an exception.
        carried |= (scene.path == UNASSESSED) & columns.inside(columns.near, scene.clients)
    apart = columns.on(scene.inside_ids)
    return bool((within & apart & answered).any()) and not carried.any()


def _is_used(scene: Scene, end: Endpoint) -> bool:
    """Whether the client sent to what may be a proxy's relay."""
    columns = scene.columns
    there = columns.inside(columns.far, [single(end.address)]) & (columns.far_port == end.port)
    return bool((there & (scene.path == PROXY) & (columns.sent_packets > 0)).any())


def _went_inside(scene: Scene) -> bool:
    """Whether something went through a tunnel's inside, or to a proxy and back."""
    columns = scene.columns
    world = ~columns.special(columns.far)
    both = (columns.packets > columns.sent_packets) & (columns.sent_packets > 0)
    return bool((np.isin(scene.path, (TUNNEL, INSIDE_TUNNEL, PROXY)) & world & both).any())


def _ways(scene: Scene) -> str:
    ways = [tunnel.label for tunnel in scene.tunnels]
    ways += [f"{proxy.scheme}://{proxy.endpoint}" for proxy in scene.proxies]
    return listed(ways, MAX_WAYS) if len(ways) > MAX_WAYS else series(ways)


def _obstacle(scene: Scene, seen: Recorded, ledger: list[Coverage]) -> str | None:
    """Why no leak cannot be said, where it cannot."""
    if not seen.outside:
        mend = "record while it is in use" if scene.outside else "record it too (tcpdump -i any)"
        return f"{no_outside(scene)}, so traffic outside {_ways(scene)} cannot be seen; {mend}"
    local = any(proxy.endpoint.address.is_loopback for proxy in scene.proxies)
    if local and not scene.ids("loopback", "any"):
        return (
            f"the proxy {_ways(scene)} listens on the loopback interface, which was not recorded; "
            "record it too (tcpdump -i any)"
        )
    if not seen.carried:
        return (
            f"no traffic was seen in {_ways(scene)}, so it proves nothing that none bypassed it; "
            "record while it is in use"
        )
    guarded = any(facts.guarded for facts in scene.state.captures)
    if guarded and not _went_inside(scene):
        return (
            f"nothing but the carrier of {_ways(scene)} was seen while the command ran, so it "
            "proves nothing that no traffic bypassed it"
        )
    if scene.rivals:
        names = ", ".join(map(str, scene.rivals))
        if scene.policy.clients:
            return (
                f"it is unclear whether {names} also belongs to the client; if it does, name it "
                f"with --client {scene.rivals[0]}"
            )
        return (
            f"it is unclear whose traffic to judge: {names} fit equally well; name the client, "
            f"such as --client {scene.rivals[0]}"
        )
    if not seen.ours:
        whose = ", ".join(map(str, scene.clients))
        return (
            f"no packet of the client ({whose}) was recorded on the physical interface; find its "
            "address there and name it with --client"
            if whose
            else "it is unclear which of the recorded hosts to judge; name the client with --client"
        )
    if _way_out_missing(scene):
        names = ", ".join(dict.fromkeys(map(scene.label, scene.outside)))
        return (
            f"traffic goes into {_ways(scene)}, but its carrier leaves over none of {names}: "
            "another interface leads outside; record it too (tcpdump -i any)"
        )
    if loose := unplaced(scene):
        label = scene.label(loose[0])
        return (
            f"what left through {label} went into a tunnel or past it, which only its name or kind "
            f"tells; name it with --tunnel {label} or --uplink {label}"
        )
    if others := other_tunnels(scene):
        label = scene.label(others[0])
        return (
            f"traffic to the world went into {label}, which is a tunnel, but not {_ways(scene)}; "
            f"if it may go there too, name it with --tunnel {label}, and if not, with "
            f"--uplink {label}"
        )
    if seen.gaps:
        return f"packets are missing: {'; '.join(seen.gaps)}"
    tunnels = (*scene.tunnels, *scene.around)
    guessed = [tunnel for tunnel in tunnels if tunnel.confidence == "low"]
    if guessed:
        names = ", ".join(tunnel.label for tunnel in guessed)
        rules = [rule for tunnel in guessed for rule in tunnel.endpoints]
        reasons = "; ".join(dict.fromkeys(why for tunnel in guessed for why in tunnel.reasons[-1:]))
        return (
            f"what carries {names} is a guess ({reasons}); if it is right, confirm it with "
            f"{endpoint_options(rules)}"
        )
    for proxy in scene.proxies:
        if proxy.confidence == "low" and proxy.given:
            return _local_proxy(scene, proxy)
        used = [end for end in proxy.supposed if _is_used(scene, end)]
        if used:
            options = " ".join(f"--allow {end}/udp" for end in used[:MAX_WAYS])
            return (
                f"whether {proxy.scheme}://{proxy.endpoint} relays what goes to its host by UDP "
                f"was agreed upon before the recording; if it does, say so with {options}"
            )
    if not scene.is_client_shown:
        whose = ", ".join(str(network.network_address) for network in scene.clients)
        reasons = "; ".join(scene.entry.fields["clients"].reasons[:MAX_WAYS])
        return (
            f"that {whose} is the client is a guess ({reasons}); if it is right, say so with "
            f"--client {scene.clients[0].network_address}"
        )
    named = np.flatnonzero(vpn_services(scene)[1]).tolist()
    if named:
        servers = dict.fromkeys(scene.columns.far_endpoint(row).address for row in named)
        return (
            f"only its name suggests that {scene.state.server_names[named[0]]} is the VPN's own; "
            f"if it is, confirm it with {allow_options(scene, list(servers))}"
        )
    if scene.before.any() and not scene.is_before_shown:
        return (
            f"it is unclear whether {_ways(scene)} came up when it was first heard of, or had "
            f"been up but silent; {_before(scene)}"
        )
    unseen = [entry for entry in ledger if entry.kind in scene.policy.require and not entry.seen]
    if unseen:
        kinds = ", ".join(entry.kind for entry in unseen)
        ways = "; ".join(dict.fromkeys(entry.provoke for entry in unseen))
        return f"required (--require), but not seen: {kinds} traffic; to test it, {ways}"
    return None
