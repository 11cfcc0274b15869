"""PL301 to PL304: what `.local` names and foundations give away."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from pcapleak.decode.ice.candidate import CandidateLine
from pcapleak.decode.ice.foundation import salted_base, unsalted_base
from pcapleak.judge.addresses import classify, inside, is_public
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import Evidence, make, on_interface
from pcapleak.report.document import Confidence, Finding
from pcapleak.track.names import NameRecord
from pcapleak.track.sightings import Sighting, merge_frames
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.packets import IPAddress

MAX_TIE_BREAKERS = 16
MAX_LINES = 64
MAX_BASES = 1024
"""Addresses tried for one line: with 16 tie-breakers and 64 lines a million hashes, a second."""

_PRIVATE = ("private IPv4", "unique local IPv6", "shared (CGNAT)", "link-local")


def name_findings(scene: Scene) -> Iterator[Finding]:
    """PL301 to PL304."""
    records = sorted(
        (record for record in scene.state.names.records.values() if record.uuid is not None),
        key=lambda record: (record.first_ns or 0, record.name),
    )
    yield from _unmasked(scene, records)
    yield from _crossed(scene, records)
    yield from _foundations(scene)


def _seen(sightings: list[Sighting]) -> Evidence:
    frames, count = merge_frames(sightings)
    return Evidence(
        frames,
        count,
        min(sighting.first_ns for sighting in sightings),
        max(sighting.last_ns for sighting in sightings),
    )


def _unmasked(scene: Scene, records: list[NameRecord]) -> Iterator[Finding]:
    """PL301: one finding for each address; a page makes new names for it on every visit."""
    found: dict[IPAddress, list[NameRecord]] = {}
    for record in records:
        for address in record.addresses:
            if not address.is_unspecified:
                found.setdefault(address, []).append(record)
    for address, named in found.items():
        names = [record.name for record in named]
        interfaces = sorted({interface for record in named for interface, _, _ in record.placed})
        announcers = sorted({str(one) for record in named for one in record.announcers})
        yield make(
            "PL301",
            subject=str(address),
            message=f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''} "
            f"{'stands' if len(names) == 1 else 'stand'} for {address}: announced by "
            f"{', '.join(announcers[:4])} on "
            f"{', '.join(scene.label(number) for number in interfaces)}.",
            evidence=_seen([record.addresses[address] for record in named]),
            interface=scene.label(interfaces[0]),
            display_filter=f"mdns and dns.{'a' if address.version == 4 else 'aaaa'} == {address}",
            addresses=[address],
            reasons=names[3:],
        )


def _crossed(scene: Scene, records: list[NameRecord]) -> Iterator[Finding]:
    """Names that carry an address of one network into another."""
    within, outside = set(scene.inside_ids), set(scene.outside)
    found: dict[tuple[str, int, IPAddress], list[tuple[NameRecord, Sighting]]] = {}
    for record in records:
        for (interface, announcer, address), sighting in record.placed.items():
            if address.is_unspecified:
                continue
            if interface in outside and _of_tunnel(scene, address, announcer):
                found.setdefault(("PL302", interface, address), []).append((record, sighting))
            elif (
                interface in within
                and not inside(address, scene.inner)
                and (
                    inside(address, scene.clients)
                    or (classify(address) in _PRIVATE and address != announcer)
                )
            ):
                found.setdefault(("PL303", interface, address), []).append((record, sighting))
    for (id, interface, address), shown in found.items():
        names = list(dict.fromkeys(record.name for record, _ in shown))
        label = scene.label(interface)
        sure = inside(address, scene.inner) and address not in scene.suspected
        confidence: Confidence = "certain" if sure or id == "PL303" else "medium"
        what = (
            f"the tunnel's address {address}: the local network learns it"
            if id == "PL302"
            else f"the local address {address}: whoever runs the tunnel learns it"
        )
        reasons = [f"{len(names)} names: {', '.join(names[:4])}"] if len(names) > 1 else []
        if confidence == "medium":
            reasons.append("it is no address of the sender's network; the tunnel was not recorded")
        yield make(
            id,
            subject=f"{address} on {label}",
            message=f"{names[0]} was announced on {label} with {what}.",
            evidence=_seen([sighting for _, sighting in shown]),
            interface=label,
            display_filter=on_interface(
                scene,
                interface,
                f"mdns and dns.{'a' if address.version == 4 else 'aaaa'} == {address}",
            ),
            confidence=confidence,
            addresses=[address],
            reasons=reasons,
        )


def _of_tunnel(scene: Scene, address: IPAddress, announcer: IPAddress) -> bool:
    """Whether an address announced outside is one inside a tunnel."""
    if inside(address, scene.inner):
        return not _is_another(scene, announcer)
    if not scene.tunnels or scene.inner:
        return False
    return (
        classify(address) in ("private IPv4", "unique local IPv6", "shared (CGNAT)")
        and address.version == announcer.version
        and address != announcer
        and not inside(address, scene.lans)
        and not inside(address, scene.clients)
        and inside(announcer, scene.clients)
    )


def _is_another(scene: Scene, announcer: IPAddress) -> bool:
    """Whether it is known not to be the client: VPNs give many customers the same address."""
    mine = [*scene.clients, *scene.inner]
    return (
        announcer.version == 4
        and any(network.version == 4 for network in scene.clients)
        and not inside(announcer, mine)
    )


def _foundations(scene: Scene) -> Iterator[Finding]:
    """PL304. Addresses the capture shows are tried first, then those of the local network."""
    lines = [entry for entry in scene.state.signalling.lines()[:MAX_LINES] if _hidden(entry.line)]
    if not lines:
        return
    ties = {tie for session in scene.state.sessions for tie in session.tie_breakers}
    known = {
        str(address)
        for link in scene.state.ice.links
        for address in (link.source.address, link.destination.address)
        if not is_public(address)
    }
    for record in scene.state.names.records.values():
        known |= {str(address) for address in record.addresses}
    around = {
        str(address)
        for network in scene.lans
        if isinstance(network, IPv4Network) and network.num_addresses <= MAX_BASES
        for address in network.hosts()
    }
    found: dict[str, list[tuple[SignalledLine, int | None]]] = {}
    for entry in lines:
        base, tie = _base_of(entry.line, known, around, ties)
        if base is not None:
            found.setdefault(base, []).append((entry, tie))
    for base, entries in found.items():
        first, tie = entries[0]
        proven = base in known
        how = "" if tie is None else f" with the tie-breaker {tie:016x} that checks show"
        yield make(
            "PL304",
            subject=f"{base} in signalling",
            message=f"The foundation {first.line.foundation} of {first.line.address} is that of "
            f"{base}{how}: "
            + ("it proves the address." if proven else "it gives the address away."),
            evidence=_seen([entry.seen for entry, _ in entries]),
            interface=None,
            display_filter=f'frame contains "{first.line.foundation}"',
            confidence="certain" if proven else "high",
            reasons=[
                f"{entry.line.address} sent by {entry.sender} over {entry.channel}"
                for entry, _ in entries
            ],
        )


def _hidden(line: CandidateLine) -> bool:
    return line.type == "host" and line.address.endswith(".local")


def _base_of(
    line: CandidateLine, known: set[str], around: set[str], ties: set[int]
) -> tuple[str | None, int | None]:
    """The address behind a hidden host candidate, and the tie-breaker that salts it."""
    protocol = line.transport.lower()
    base = unsalted_base(line.foundation, "host", protocol, known | around)
    if base is not None:
        return base, None
    for bases in (known, around):
        found = salted_base(line.foundation, "host", protocol, bases, ties)
        if found is not None:
            return found
    return None, None
