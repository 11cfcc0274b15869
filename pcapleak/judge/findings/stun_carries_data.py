"""PL503: STUN that carries more than ICE and TURN need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

from pcapleak.decode.stun.attributes import (
    ALTERNATE_DOMAIN,
    DATA,
    ERROR_CODE,
    NONCE,
    PADDING,
    REALM,
    SOFTWARE,
    USERNAME,
    attribute_name,
)
from pcapleak.decode.stun.attributes import ATTRIBUTES as KNOWN
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import (
    address_filter,
    make,
    on_interface,
    sightings_evidence,
)
from pcapleak.judge.stun_payload import is_data, is_foreign, is_identifier, shown
from pcapleak.judge.webrtc_flows import told_links
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.track.sightings import Sighting
from pcapleak.values.addresses import is_public, unmapped
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity
from pcapleak.values.packets import IPAddress, Service
from pcapleak.values.words import count

KIND = FindingKind(
    id="PL503",
    name="stun-carries-data",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("data in STUN", ("the STUN or TURN server", "everyone along the path")),
    has_causes=False,
    when=(
        "USERNAME or other attributes carry more than ICE or TURN needs, and it changes from "
        "message to message."
    ),
    meaning=(
        "A page chooses the username fragments and TURN credentials that its browser sends, and "
        "reads what servers answer (error texts, mapped addresses). Together they form a "
        "channel into and out of the page that no content policy, proxy or web filter sees."
    ),
    confirm=(
        "Filter for stun and read stun.att.username, stun.att.software or the unknown "
        "attributes of consecutive messages: fragments have 4 to 32 letters, digits, + and /, "
        "and stay the same for a session."
    ),
    remedy=(
        "Use the flow to find the page or program, and block its server. Where WebRTC is not "
        "needed, turn it off (Firefox: set media.peerconnection.enabled to false)."
    ),
    sources=("RFC 8839 section 5.4", "RFC 8489 section 14", "RFC 8445 section 7.1.1"),
    weaknesses=(
        "Data cut into pieces that look like fragments, one per session, cannot be told from "
        "many sessions. Special-purpose programs may put anything into attributes of their own; "
        "it is data all the same. Credentials that a TURN server grants are not counted where it "
        "then relays, or where they are few: services make some for each call."
    ),
)

MIN_ODD = 3
"""Different usernames between two hosts that are none by alphabet or length."""
MIN_CHANGES = 6
"""Different usernames on one pair of sockets: an ICE restart makes one more, twice in a call."""
MIN_TOKENS = 5
"""Different TURN usernames from one host to one server, of `MIN_TOKEN` bytes at least without
the time they begin with (a page that is given credentials uses them for all it opens)."""
MIN_GRANTED = 10
"""Such usernames where each was granted an allocation that then relayed nothing: services that
make credentials for each call have their calls relayed, or are not called so often."""
MIN_TOKEN = 24
MIN_VALUES = 4
"""Different values of one attribute that says the same in every message, or is not known."""
MIN_OPAQUE = 16
"""Bytes of unknown values: shorter ones are counters, times and sequence numbers."""
MIN_BLOB = 32
"""Bytes of unknown values that are no text."""
MIN_SPREAD = 6
"""Different values of one attribute over several pairs of sockets, each of which has one or two:
a service may have as many servers behind one address, which name themselves each."""
MIN_MAPPED = 4
"""Different addresses that one server told one socket of itself."""
MIN_NETWORKS = 6
"""Networks of addresses that one server told several sockets of a host: a provider's NAT may use
several addresses, but of one network or two."""

_TIMED = re.compile(r"\d{9,11}:")
"""How usernames of TURN's REST credentials begin: when they expire."""


class _Carried(NamedTuple):
    """Values between two hosts."""

    what: str
    values: dict[str | bytes, list[Sighting]]
    flows: list[int]
    why: str
    sure: bool


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each kind of value between two hosts on each interface."""
    between: dict[tuple[int, IPAddress, IPAddress], list[Link]] = {}
    for key, link in told_links(scene):
        if not _said(link):
            continue
        if (not key.layers or key.layers == ("turn",)) and not _is_unasked(scene, key, link):
            place = key.interface, key.source.address, key.destination.address
            between.setdefault(place, []).append(link)
    for (interface, source, destination), links in between.items():
        # Nothing is told of fewer values.
        if sum(map(_said, links)) < MIN_ODD:
            continue
        for carried in _all(scene, links):
            sightings = [one for seen in carried.values.values() for one in seen]
            total = sum(one.count for one in sightings)
            yield make(
                KIND,
                subject=f"{carried.what} from {source} to {destination}",
                message=f"{source} sent {count(len(carried.values), 'different value')} of "
                f"{carried.what} to {destination} in {count(total, 'message')}, {carried.why}: "
                f"{shown(carried.values)}.",
                evidence=sightings_evidence(sightings, carried.flows),
                interface=scene.label(interface),
                display_filter=on_interface(
                    scene,
                    interface,
                    f"(stun or classicstun) and {address_filter(source, 'src')} and "
                    f"{address_filter(destination, 'dst')}",
                ),
                confidence="high" if carried.sure else "medium",
                facts=[f"data in {carried.what}: {shown(carried.values)}"],
            )


def _said(link: Link) -> int:
    """How many values there are that could carry something."""
    told = len(link.answers) + len(link.check_answers)
    return len(link.usernames) + len(link.carried) + told


def _is_unasked(scene: Scene, key: LinkKey, link: Link) -> bool:
    """Whether the world sent it to a host that sent it nothing: anybody can."""
    return (
        not key.layers
        and link.back is None
        and is_public(key.source.address)
        and (not is_public(key.destination.address) or scene.is_client(key.destination.address))
    )


def _all(scene: Scene, links: list[Link]) -> Iterator[_Carried]:
    names = _usernames(scene, links)
    if names is not None:
        yield names
    tokens = _tokens(scene, links)
    if tokens is not None:
        yield tokens
    yield from _attributes(links)
    mapped = _mapped(links)
    if mapped is not None:
        yield mapped


def _mapped(links: list[Link]) -> _Carried | None:
    """Addresses that a server says the client has."""
    everywhere: dict[str | bytes, list[Sighting]] = {}
    networks = set()
    for link in links:
        told: dict[str | bytes, list[Sighting]] = {}
        for table in (link.answers, link.check_answers):
            for endpoint, sighting in table.items():
                address = unmapped(endpoint.address)
                told.setdefault(str(address), []).append(sighting)
                networks.add(ip_network((address, 16 if address.version == 4 else 32), False))
        if len(told) >= MIN_MAPPED:
            why = "although one socket has one address at one server"
            return _Carried("XOR-MAPPED-ADDRESS", told, [link.flow], why, sure=False)
        for text, sightings in told.items():
            everywhere.setdefault(text, []).extend(sightings)
    if len(networks) < MIN_NETWORKS:
        return None
    why = f"of {len(networks)} networks, although a host has one address at one server"
    flows = [link.flow for link in links]
    return _Carried("XOR-MAPPED-ADDRESS", everywhere, flows, why, sure=False)


def _usernames(scene: Scene, links: list[Link]) -> _Carried | None:
    """Usernames of checks."""
    odd: dict[str | bytes, list[Sighting]] = {}
    changing: dict[str | bytes, list[Sighting]] = {}
    flows = []
    for link in links:
        here = {name: seen for name, seen in link.usernames.items() if is_data(name)}
        back = link.back
        # Media goes to who answered, also where a recording has one direction alone.
        answered = (back is not None and bool(back.check_answers)) or (
            bool(here) and scene.columns.serves(link.flow, Service.DTLS | Service.RTP)
        )
        for name, sighting in here.items():
            # A long fragment may be a server's own, which then answers to it.
            if is_foreign(name) or not answered or len(here) >= MIN_ODD:
                odd.setdefault(name, []).append(sighting)
        if len(link.usernames) >= MIN_CHANGES:
            for name, sighting in link.usernames.items():
                changing.setdefault(name, []).append(sighting)
        if here or len(link.usernames) >= MIN_CHANGES:
            flows.append(link.flow)
    if len(odd) >= MIN_ODD:
        return _Carried("USERNAME", odd, flows, "none of which ICE uses", sure=True)
    if changing:
        return _Carried(
            "USERNAME", changing, flows, "where a session keeps the same one", sure=False
        )
    return None


def _tokens(scene: Scene, links: list[Link]) -> _Carried | None:
    """Usernames of TURN's long-term credentials."""
    refused: dict[str | bytes, list[Sighting]] = {}
    granted: dict[str | bytes, list[Sighting]] = {}
    flows: list[int] = []
    for link in links:
        names = {
            _TIMED.sub("", value.decode("utf-8", "backslashreplace"), count=1): sighting
            for (type_, value), sighting in link.carried.items()
            if type_ == USERNAME
        }
        back = link.back
        is_granted = back is not None and len(back.allocations) >= len(names)
        # Permissions are asked for once there is an allocation.
        if link.permissions and (is_granted or len(names) == 1):
            continue
        if is_granted and not link.allocates:
            continue
        for name, sighting in names.items():
            if len(name) >= MIN_TOKEN and not is_identifier(name):
                (granted if is_granted else refused).setdefault(name, []).append(sighting)
                flows.append(link.flow)
    found = refused | granted if len(granted) >= MIN_GRANTED else refused
    if len(found) < MIN_TOKENS:
        return None
    why = "where a page uses the same credentials for everything it opens"
    return _Carried("USERNAME (TURN)", found, flows, why, sure=False)


def _attributes(links: list[Link]) -> Iterator[_Carried]:
    """Attributes that say one thing in all messages of a sender, or are not known."""
    found: dict[int, dict[str | bytes, list[Sighting]]] = {}
    spread: dict[int, dict[str | bytes, list[Sighting]]] = {}
    flows: dict[int, list[int]] = {}
    for link in links:
        here: dict[int, list[tuple[bytes, Sighting]]] = {}
        for (type_, value), sighting in link.carried.items():
            here.setdefault(type_, []).append((value, sighting))
        for type_, values in here.items():
            if type_ == USERNAME or not _is_told(type_, values):
                continue
            kept = found if len(values) >= MIN_VALUES else spread
            if kept is spread and type_ not in _SERVERS_OWN:
                continue
            flows.setdefault(type_, []).append(link.flow)
            for value, sighting in values:
                text = value[4:] if type_ == ERROR_CODE else value
                kept.setdefault(type_, {}).setdefault(text, []).append(sighting)
    for type_, few in spread.items():
        lengths = sum(map(len, few))
        if len(few) >= MIN_SPREAD and lengths >= MIN_OPAQUE * len(few) and _is_single(few):
            found.setdefault(type_, {}).update(few)
    for type_, told in found.items():
        if len(told) >= MIN_VALUES:
            why = (
                "an unregistered attribute"
                if type_ not in KNOWN
                else "which does not belong in this message"
                if type_ == DATA
                else "which is short and has no spaces"
                if type_ == NONCE
                else "which stays the same for everything a program sends"
            )
            yield _Carried(attribute_name(type_), told, flows[type_], why, sure=type_ in KNOWN)


_SERVERS_OWN = frozenset((ALTERNATE_DOMAIN, ERROR_CODE, NONCE, REALM, SOFTWARE))
"""What names a server or its refusal, whoever asks. Of the others ORIGIN names a page, and what
vendors add is of one session."""


def _is_single(values: dict[str | bytes, list[Sighting]]) -> bool:
    """Whether most of the values were said on one pair of sockets alone."""
    return 2 * sum(len(seen) == 1 for seen in values.values()) > len(values)


def _is_told(type_: int, values: list[tuple[bytes, Sighting]]) -> bool:
    """Whether the values are more than a program's own counters."""
    if type_ in KNOWN and type_ not in (DATA, PADDING):
        return True
    mean = sum(len(value) for value, _ in values) / len(values)
    text = all(32 <= byte < 127 for value, _ in values for byte in value)
    return mean >= (MIN_OPAQUE if text else MIN_BLOB)
