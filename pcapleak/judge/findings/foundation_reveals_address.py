"""PL304: a candidate's foundation gives away the address behind its name."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address

from pcapleak.decode.ice.candidate import CandidateLine
from pcapleak.decode.ice.foundation import salted_base, unsalted_base
from pcapleak.judge.context import Scene
from pcapleak.judge.finding_builder import make, sightings_evidence
from pcapleak.track.signalling import SignalledLine
from pcapleak.values.addresses import is_public
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

MAX_TIE_BREAKERS = 16

MAX_LINES = 64

MAX_BASES = 1024
"""Addresses tried for one line: with 16 tie-breakers and 64 lines a million hashes, a second."""

KIND = FindingKind(
    id="PL304",
    name="foundation-reveals-address",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers(
        "foundation of a candidate", ("the page", "everyone on the signalling path")
    ),
    has_causes=False,
    tested_by=("mdns", "stun"),
    when="A candidate's foundation proves or reveals the address behind its name.",
    meaning=(
        "libwebrtc computes the foundation from the base address and, since 2022, from the "
        "session's tie-breaker, which every check shows unencrypted. Anyone who sees a "
        "candidate line and a check can try all private addresses and find the one behind the "
        ".local name."
    ),
    confirm=(
        "Read the candidate line and the ICE-CONTROLLING or ICE-CONTROLLED attribute, then "
        'compute CRC-32 of "host", the address, "udp" and the tie-breaker in decimal.'
    ),
    remedy="Users can only choose Mode 3 or 4 of RFC 8828; this is a property of libwebrtc.",
    sources=("RFC 8445 section 5.1.1.3", "libwebrtc p2p/base/port.cc, ComputeFoundation"),
    weaknesses=(
        "CRC-32 is short: a 16-bit search yields a chance match once in 65,000 names. An "
        "address that the capture also shows elsewhere turns the match into proof."
    ),
)


def find(scene: Scene) -> Iterator[Finding]:
    """One finding for each address; the capture's are tried before the local network's."""
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
        how = "" if tie is None else f" and the tie-breaker {tie:016x} seen in checks"
        evidence = sightings_evidence([entry.seen for entry, _ in entries])
        yield make(
            KIND,
            subject=f"{base} in signalling",
            message=f"The foundation {first.line.foundation} of {first.line.address} is the one "
            f"computed from {base}{how}: "
            + ("this proves the address." if proven else "this reveals the address."),
            evidence=evidence,
            interface=None,
            # WebSocket's mask and TLS hide the line from a search of the frame's bytes.
            display_filter=f"frame.number in {{{', '.join(map(str, evidence.frames))}}}",
            confidence="certain" if proven else "high",
            addresses=[ip_address(base)],
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
