"""The answers that a verdict hangs on, each with its witnesses: `values.claims`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from itertools import islice

import numpy as np

from pcapleak.judge.context import Scene, SceneProxy, SceneTunnel, Source
from pcapleak.judge.hints import MAX_NAMED, allow_options, endpoint_options
from pcapleak.judge.judgement import InterfaceRole, PolicyValue, Role
from pcapleak.policy.policy import Proxy, Tunnel
from pcapleak.track.tunnels import TUNNEL_NAMES
from pcapleak.values.claims import Claim, Question, Strength, Witness

MAX_CLAIMS = 100
"""Claims of one question: a recording may have thousands of interfaces."""

_SIDES: dict[Role, str] = {
    "physical": "outside",
    "tunnel": "inside",
    "loopback": "loopback, inside this host",
    "any": "every interface of this host, not told apart",
    "unknown": "unknown",
}
_GIVEN = "the policy names it"


def claims(scene: Scene) -> list[Claim]:
    """What each of the five questions was answered, and by which witnesses."""
    found = (
        _clients(scene),
        _listed(scene, "tunnel_addresses", "tunnel address", "the client's address inside"),
        _sides(scene),
        _carriers(scene),
        _lans(scene),
        _listed(scene, "exits", "exit", "the exit", "--exit-ip"),
    )
    return [claim for part in found for claim in islice(part, MAX_CLAIMS)]


def _clients(scene: Scene) -> Iterator[Claim]:
    yield from _listed(scene, "clients", "client", "the client's address", "--client")
    for address in scene.rivals:
        others = ", ".join(str(one) for one in scene.rivals if one != address)
        fit = "fit" if len(scene.rivals) > 2 else "fits"
        yield Claim(
            "client",
            str(address),
            "perhaps the client's address",
            (Witness(Strength.TYPICAL, "takes part in as much as the client would"),),
            (Witness(Strength.TYPICAL, f"{others} {fit} equally well"),) if others else (),
            f"--client {address}",
        )


def _listed(
    scene: Scene, field: str, question: Question, answer: str, option: str = ""
) -> Iterator[Claim]:
    """One claim for each value of a policy's field, given or found."""
    entry = scene.entry.fields[field]
    if entry.source == "given":
        for value in entry.value:
            text = _plain(value)
            # What was found of the same host stands among what was given.
            also = [why for why in entry.reasons if why.startswith(f"{text}: ")]
            witnesses = [Witness(Strength.PROVEN, why.removeprefix(f"{text}: ")) for why in also]
            told = Witness(Strength.TOLD, _GIVEN)
            yield Claim(question, text, answer, tuple(witnesses) or (told,))
        return
    found: dict[str, list[Source]] = {}
    for one in scene.sources[field]:
        found.setdefault(_plain(one.value), []).append(one)
    for text, sources in found.items():
        claim = Claim(
            question, text, answer, tuple(Witness(one.strength, one.says) for one in sources)
        )
        # What is given replaces what is found: all of it is named, or none.
        if option and claim.is_weak and len(found) <= MAX_NAMED:
            claim = claim._replace(settled_by=" ".join(f"{option} {one}" for one in found))
        yield claim


def _lans(scene: Scene) -> Iterator[Claim]:
    believed = {_plain(network) for network in scene.lans}
    option = "" if scene.policy.no_lan else "--lan"
    for claim in _listed(scene, "lans", "local", "the client's own network", option):
        if claim.subject in believed or scene.policy.lans:
            yield claim
        else:
            against = Witness(Strength.PROVEN, "it holds public addresses")
            yield claim._replace(answer="not believed", against=(against,))


def _plain(value: PolicyValue) -> str:
    """A network of one address as that address."""
    one = isinstance(value, IPv4Network | IPv6Network) and value.num_addresses == 1
    return str(value).partition("/")[0] if one else str(value)


def _sides(scene: Scene) -> Iterator[Claim]:
    """Of the interfaces that have packets, those with most first."""
    packets = np.bincount(scene.columns.interface, scene.columns.packets, len(scene.roles))
    for number in np.argsort(-packets, kind="stable").tolist():
        if not packets[number]:
            return
        role, interface = scene.roles[number], scene.state.interfaces[number]
        option = {"physical": "--uplink", "tunnel": "--tunnel"}.get(role.role, "")
        name = interface.name if role.strength is Strength.TYPICAL else None
        yield Claim(
            "side",
            scene.label(number),
            _SIDES[role.role],
            tuple(_witnesses(role)),
            (Witness(Strength.TYPICAL, role.against),) if role.against else (),
            f"{option} {name}" if option and name else "",
        )


def _witnesses(role: InterfaceRole) -> Iterator[Witness]:
    yield Witness(role.strength, role.reason)
    if role.also:
        yield Witness(Strength.TYPICAL, role.also)


def _carriers(scene: Scene) -> Iterator[Claim]:
    given = {str(one.interface or one.endpoints[0].text): one for one in scene.policy.tunnels}
    for tunnel in (*scene.tunnels, *scene.around):
        yield _tunnel(tunnel, given.get(tunnel.label))
    named = {one.endpoint: one for one in scene.policy.proxies}
    for proxy in scene.proxies:
        yield from _proxy(scene, proxy, named.get(proxy.endpoint))


def _tunnel(tunnel: SceneTunnel, given: Tunnel | None) -> Claim:
    """Which servers carry a tunnel."""
    witnesses = []
    if given is not None and given.endpoints:
        witnesses += [Witness(Strength.TOLD, says) for says in given.reasons or (_GIVEN,)]
    for seen in tunnel.seen:
        if seen.confirmed:
            frame = seen.handshakes[0].frames[-1]
            says = (
                f"{TUNNEL_NAMES[seen.kind]} handshake completed with {seen.server} (frame {frame})"
            )
            witnesses.append(Witness(Strength.PROVEN, says))
    if tunnel.conserved is not None:
        strength = Strength.CONSERVED if tunnel.conserved.is_proof else Strength.TYPICAL
        witnesses.append(Witness(strength, tunnel.conserved.reason))
    told = {witness.says for witness in witnesses} | set(given.reasons if given else ())
    witnesses += [Witness(Strength.TYPICAL, why) for why in tunnel.reasons if why not in told]
    servers = ", ".join(dict.fromkeys(rule.text for rule in tunnel.endpoints))
    answer = f"the carrier of {tunnel.label}" if tunnel.is_named else "the carrier of the tunnel"
    claim = Claim(
        "carrier",
        servers or tunnel.label,
        answer if servers else "a tunnel, carried by no server that was found",
        tuple(dict.fromkeys(witnesses)),
    )
    if servers and claim.is_weak:
        return claim._replace(settled_by=endpoint_options(tunnel.endpoints))
    return claim


def _proxy(scene: Scene, proxy: SceneProxy, given: Proxy | None) -> Iterator[Claim]:
    """What a proxy is, and which servers the way out of one on this host leads to."""
    witnesses = []
    if given is not None:
        witnesses += [Witness(Strength.TOLD, says) for says in given.reasons or (_GIVEN,)]
    for seen in proxy.seen:
        if seen.confirmed:
            says = f"granted {seen.granted} of {seen.requests} requests"
            witnesses.append(Witness(Strength.PROVEN, says))
    name = f"{proxy.scheme}://{proxy.endpoint}"
    told = given.reasons if given else ()
    reasons = [why for why in proxy.reasons if why not in told]
    if not proxy.servers:
        witnesses += [Witness(Strength.TYPICAL, why) for why in reasons]
    yield Claim("carrier", name, "the proxy", tuple(dict.fromkeys(witnesses)))
    if proxy.servers:
        proof = proxy.conserved is not None and proxy.conserved.is_proof
        strength = Strength.CONSERVED if proof else Strength.TYPICAL
        yield Claim(
            "carrier",
            ", ".join(map(str, proxy.servers)),
            f"the way out of {name}",
            tuple(Witness(strength, why) for why in reasons),
            settled_by="" if proof else allow_options(scene, proxy.servers),
        )
