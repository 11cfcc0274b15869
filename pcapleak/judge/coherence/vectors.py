"""The five signs by which an observer guesses where a client is, with where each is from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from operator import itemgetter
from typing import Literal

from msgspec import Struct, field

from pcapleak.judge.coherence.languages import language_countries, parse_languages
from pcapleak.judge.coherence.zones import canonical_zone, zone_countries
from pcapleak.judge.judgement import Judgement
from pcapleak.policy.policy import Network, Policy
from pcapleak.track.client_hints import Claim, ClaimKind
from pcapleak.track.ice.session import Candidate
from pcapleak.track.public_resolvers import operator_named
from pcapleak.track.state import State
from pcapleak.values.addresses import inside, is_public, unmapped
from pcapleak.values.evidence import MAX_FRAMES, Confidence
from pcapleak.values.packets import Endpoint, IPAddress

VectorName = Literal["exit", "webrtc", "time zone", "language", "resolver"]
VECTORS: tuple[VectorName, ...] = ("exit", "webrtc", "time zone", "language", "resolver")

MAX_ADDRESSES = 8
"""Addresses of one vector: a resolver file names three, a page gathers a handful."""


class Sign(Struct):
    """One vector as it was found."""

    name: VectorName
    addresses: list[IPAddress] = field(default_factory=list)
    ranges: list[Network] = field(default_factory=list)
    """Of the exit: all that may be seen as it."""
    text: str | None = None
    """A time zone, or a list of languages."""
    tags: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    """Of a time zone or of languages; addresses are located later."""
    provenance: str = ""
    confidence: Confidence | None = None
    details: dict[str, str] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    seen_in: dict[IPAddress, list[int]] = field(default_factory=dict)
    """The frames that show one of the addresses, where packets do."""
    subnets: dict[IPAddress, Network] = field(default_factory=dict)
    """Of the resolver: those addresses that are client subnets of its queries."""
    operators: dict[IPAddress, str] = field(default_factory=dict)
    """Of the resolver: who runs the public ones, by the name they were asked under."""
    encrypted: set[IPAddress] = field(default_factory=set)
    """Of the resolver: those asked over TLS or QUIC alone."""

    @property
    def guessed(self) -> bool:
        """Whether it is an exit that is only thought to be where the tunnel or proxy ends."""
        return self.name == "exit" and self.confidence == "medium"

    def text_of(self, address: IPAddress) -> str:
        """An address as it is told: a client subnet with its length."""
        return str(self.subnets.get(address, address))

    @property
    def known(self) -> bool:
        """Whether anything told it."""
        return self.text is not None or bool(self.addresses)


def find_signs(
    state: State, judgement: Judgement, policy: Policy
) -> tuple[dict[VectorName, Sign], list[str]]:
    """The five vectors, and the hosts they come from where those are several."""
    hosts: dict[str, None] = {}
    signs: dict[VectorName, Sign] = {
        "exit": _exit(state, judgement),
        "webrtc": _webrtc(state, judgement, hosts),
        "time zone": _time_zone(state, judgement, policy, hosts),
        "language": _language(state, judgement, policy, hosts),
        "resolver": _resolver(state, judgement, hosts),
    }
    return signs, _several(hosts, judgement)


def _several(hosts: Iterable[str], judgement: Judgement) -> list[str]:
    """The hosts of a network's recording, where nobody said which one is the client."""
    if judgement.clients:
        return []
    own = [host for host in hosts if ":" not in host]
    return own if len(own) > 1 else []


def _is_client(judgement: Judgement, address: IPAddress) -> bool:
    return not judgement.clients or inside(address, judgement.clients)


def _exit(state: State, judgement: Judgement) -> Sign:
    """What was seen or given; an endpoint counts only where nothing better is known."""
    best = judgement.exits[0].confidence if judgement.exits else None
    kept = [one for one in judgement.exits if one.confidence == best]
    if not kept:
        why = (
            "no tunnel or proxy was given or found"
            if judgement.policy.kind == "none"
            else "nothing shows where the tunnel or proxy exits"
        )
        return Sign("exit", provenance=f"unknown: {why}; give --exit-ip")
    networks = [one.network for one in kept]
    addresses = [network.network_address for network in networks]
    reasons = "; ".join(
        f"{network.network_address if network.num_addresses == 1 else network}: {reason}"
        for network, reason, _ in kept
    )
    sign = Sign("exit", addresses[:MAX_ADDRESSES], networks, confidence=best)
    sign.provenance = f"guessed from {reasons}" if sign.guessed else reasons
    for answers in _told(state).values():
        for address in answers.keys() & sign.addresses:
            sign.seen_in[address] = _first([*sign.seen_in.get(address, ()), *answers[address]])
    sign.frames = _first(frame for frames in sign.seen_in.values() for frame in frames)
    changing = {one: seen[0] for one, seen in sign.seen_in.items() if one.version == 4}
    if len(changing) > 1:
        sign.details["changes"] = ", then ".join(
            f"{one} (frame {frame})" for one, frame in sorted(changing.items(), key=itemgetter(1))
        )
    return sign


def _told(state: State) -> dict[Endpoint, dict[IPAddress, list[int]]]:
    """Public addresses that servers' answers told clients' sockets of themselves, with frames."""
    told: dict[Endpoint, dict[IPAddress, list[int]]] = {}
    for key, link in state.ice.links.items():
        for mapped, sighting in link.answers.items():
            address = unmapped(mapped.address)
            if is_public(address):
                seen = told.setdefault(key.destination, {}).setdefault(address, [])
                seen += sighting.frames
    return told


def _webrtc(state: State, judgement: Judgement, hosts: dict[str, None]) -> Sign:
    """Public addresses of the client's own candidates: what servers saw, and global IPv6; and
    what the same sockets were told later, where that changed."""
    found: dict[IPAddress, str] = {}
    frames: dict[IPAddress, list[int]] = {}
    answers = _told(state)
    for session in state.sessions:
        clients = session.client_addresses
        if judgement.clients and not any(_is_client(judgement, one) for one in clients):
            continue
        for candidate in session.candidates:
            address = _shown(candidate)
            if address is None or not is_public(address) or len(found) >= MAX_ADDRESSES:
                continue
            if address not in found:
                where = f"told by {candidate.server}" if candidate.server else "its own packets"
                found[address] = f"{candidate.type}, {where}"
                frames[address] = list(candidate.frames)
                hosts.update(dict.fromkeys(map(str, clients)))
        bases = {
            Endpoint(one.base_address, one.base_port): None
            for one in session.candidates
            if one.base_address is not None and one.base_port is not None
        }
        for base in bases:
            for address, seen in answers.get(base, {}).items():
                if address not in found and len(found) < MAX_ADDRESSES:
                    found[address] = f"srflx, reported later in frame {seen[0]}"
                    frames[address] = seen
    if not found:
        return Sign("webrtc", provenance="unknown: no candidate shows a public address")
    return _seen("webrtc", found, frames)


def _shown(candidate: Candidate) -> IPAddress | None:
    """The client's own address that a candidate shows a page; none behind a name or a relay."""
    hidden = candidate.type == "host" and candidate.mdns_name is not None
    if candidate.address is None or candidate.type == "relay" or hidden:
        return None
    return unmapped(candidate.address)


def _time_zone(state: State, judgement: Judgement, policy: Policy, hosts: dict[str, None]) -> Sign:
    sign = Sign("time zone")
    told = _page_fact(state, "timezone")
    claim = _claim(state, judgement, "time zone", hosts)
    if policy.timezone is not None:
        sign.text, sign.provenance, sign.confidence = policy.timezone, "the policy", "certain"
    elif told is not None:
        sign.text, sign.provenance, sign.confidence = told[1], told[0], "high"
    elif claim is not None:
        sign.text, sign.provenance = claim.value, _packets(claim)
        sign.confidence, sign.frames = "high", _first(claim.seen.frames)
    if sign.text is None:
        return Sign(
            "time zone", provenance="unknown: packets seldom show it; give --timezone or --page"
        )
    known = canonical_zone(sign.text)
    if known is None:
        why = f"{sign.provenance} says {sign.text[:64]!r}, which is not a zone of the tz database"
        return Sign("time zone", provenance=f"unknown: {why}")
    sign.text = known
    sign.countries = zone_countries(sign.text)
    return sign


def _language(state: State, judgement: Judgement, policy: Policy, hosts: dict[str, None]) -> Sign:
    sign = Sign("language")
    told = _page_fact(state, "languages")
    claim = _claim(state, judgement, "language", hosts)
    if policy.languages:
        sign.text, sign.provenance = ",".join(policy.languages), "the policy"
        sign.confidence = "certain"
    elif told is not None:
        sign.text, sign.provenance, sign.confidence = told[1], told[0], "high"
    elif claim is not None:
        sign.text, sign.provenance = claim.value, _packets(claim)
        sign.confidence, sign.frames = "high", _first(claim.seen.frames)
        browser = _claim(state, judgement, "browser", {})
        if browser is not None:
            sign.details["browser"] = browser.value
    sign.tags = parse_languages(sign.text or "")
    if not sign.tags:
        return Sign(
            "language",
            provenance="unknown: no unencrypted request shows it; give --language or --page",
        )
    sign.text = ", ".join(sign.tags)
    sign.countries = language_countries(sign.tags)
    return sign


def _resolver(state: State, judgement: Judgement, hosts: dict[str, None]) -> Sign:
    """Public resolvers the client asked, and the client subnets its queries passed on.

    Name servers that a resolver of the client's own asks see the exit: none of them is a resolver.
    """
    found: dict[IPAddress, str] = {}
    frames: dict[IPAddress, list[int]] = {}
    plain: set[IPAddress] = set()
    sign = Sign("resolver")
    private: list[str] = []
    itself = False
    for used in state.resolvers.resolvers():
        if not used.queries or not _is_client(judgement, used.client):
            continue
        if not used.recursive:
            itself = True
            continue
        server = used.endpoint.address
        if used.transport in ("udp", "tcp"):
            plain.add(server)
        else:
            named = next(filter(None, map(operator_named, used.names)), None)
            if named is not None:
                sign.operators[server] = named
            sign.encrypted.add(server)
        told = [(server, f"queried over {used.transport}")]
        for text in used.client_subnets:
            subnet = ip_network(text, strict=False)
            if subnet.prefixlen and subnet.network_address not in found:
                told.append((subnet.network_address, f"client subnet in queries to {server}"))
                sign.subnets[subnet.network_address] = subnet
        for address, why in told:
            if not is_public(address):
                private.append(str(address))
            elif address in found or len(found) < MAX_ADDRESSES:
                found.setdefault(address, why)
                frames.setdefault(address, []).extend(used.frames)
                hosts.setdefault(str(used.client))
    sign.encrypted -= plain
    if not found:
        near = ", ".join(dict.fromkeys(private[:MAX_ADDRESSES]))
        why = (
            f"{near} forwards the queries, and nothing shows to whom"
            if near
            else "the client asks name servers itself, without recursion"
            if itself
            else "none was queried"
        )
        return Sign("resolver", provenance=f"unknown: {why}")
    seen = _seen("resolver", found, frames, sign.subnets)
    seen.subnets, seen.operators, seen.encrypted = sign.subnets, sign.operators, sign.encrypted
    return seen


def _page_fact(state: State, name: Literal["timezone", "languages"]) -> tuple[str, str] | None:
    for path, facts in state.page_facts.items():
        value = facts.timezone if name == "timezone" else facts.languages
        if value is not None:
            return f"page file {path}", value
    return None


def _claim(
    state: State, judgement: Judgement, kind: ClaimKind, hosts: dict[str, None]
) -> Claim | None:
    """The claim that the client makes most often: one program's own does not outweigh it."""
    claims = [
        claim
        for claim in state.claims.claims()
        if claim.kind == kind and _is_client(judgement, claim.client)
    ]
    hosts.update(dict.fromkeys(str(claim.client) for claim in claims))
    return max(claims, key=lambda one: (one.seen.count, -one.seen.first_ns), default=None)


def _packets(claim: Claim) -> str:
    what = "Accept-Language" if claim.kind == "language" else "a message"
    return f"{what} of {claim.client} in frame {claim.seen.frames[0]}"


def _seen(
    name: VectorName,
    found: Mapping[IPAddress, str],
    frames: dict[IPAddress, list[int]],
    subnets: Mapping[IPAddress, Network] | None = None,
) -> Sign:
    """Addresses that packets show, each with how."""
    told = [f"{(subnets or {}).get(address, address)}: {why}" for address, why in found.items()]
    return Sign(
        name,
        list(found),
        provenance=f"packets: {'; '.join(told)}",
        confidence="certain",
        frames=_first(frame for some in frames.values() for frame in some),
        seen_in={address: _first(some) for address, some in frames.items()},
    )


def _first(frames: Iterable[int]) -> list[int]:
    return sorted(set(frames))[:MAX_FRAMES]
