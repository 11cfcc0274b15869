"""What a candidate set looks like beside a consumer browser's."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.track.ice.session import Candidate, SetShape


def candidate_set_shape(candidates: Sequence[Candidate]) -> SetShape:
    """Name the shape of a session's candidates."""
    kinds = {candidate.type for candidate in candidates}
    if not kinds:
        return SetShape("none", ["no candidate was seen"])
    if kinds == {"relay"}:
        return SetShape("relay-only", ["only relayed candidates"])
    for candidate in candidates:
        address = candidate.address
        if candidate.type != "srflx" or address is None or address != candidate.base_address:
            continue
        if address.version == 4:
            reason = f"a server sees {address}, the interface's own address: no NAT"
            return SetShape("srflx-equals-interface", [reason])
    if any(one.type == "host" and _is_open(one) for one in candidates):
        return SetShape("unknown", ["no packet shows whether the page reads host candidates"])
    raw = [one for one in candidates if one.type == "host" and not _is_named(one)]
    if raw:
        addresses = ", ".join(sorted({str(one.address or "?") for one in raw}))
        return SetShape("raw-host", [f"host candidates show {addresses} and hide nothing"])
    if kinds == {"srflx"}:
        return SetShape("srflx-only", ["no host candidate: Mode 3 or a policy"])
    if kinds == {"host"}:
        return SetShape("host-only", ["no server answered, or none was asked"])
    if any(one.type == "host" and one.mdns_name is None for one in candidates):
        reason = "host addresses taken for hidden, of which no name was seen, and what servers saw"
        return SetShape("consumer", [reason])
    return SetShape("consumer", ["hidden host addresses and what servers saw"])


def _is_open(candidate: Candidate) -> bool:
    """Whether it is not known what the page reads of this host candidate, if anything."""
    if candidate.mdns_name is not None or candidate.is_hidden:
        return False
    return candidate.is_hidden is None or candidate.evidence == "inferred"


def _is_named(candidate: Candidate) -> bool:
    return candidate.is_hidden or candidate.mdns_name is not None
