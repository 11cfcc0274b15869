"""What a candidate set looks like beside a consumer browser's."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from pcapleak.report.document import Candidate, CandidateSetShape


def candidate_set_shape(candidates: Sequence[Candidate]) -> CandidateSetShape:
    """Name the shape of a session's candidates."""
    kinds = {candidate.type for candidate in candidates}
    if not kinds:
        return CandidateSetShape("none", ["no candidate was seen"])
    if kinds == {"relay"}:
        return CandidateSetShape("relay-only", ["only relayed candidates"])
    raw = [
        candidate
        for candidate in candidates
        if candidate.type == "host"
        and candidate.mdns_name is None
        and "?.local" not in candidate.line
    ]
    for candidate in candidates:
        address = candidate.address
        if candidate.type != "srflx" or address is None or address != candidate.base_address:
            continue
        if ip_address(address).version == 4:
            reason = f"a server sees {address} as the interface has it: no NAT"
            return CandidateSetShape("srflx-equals-interface", [reason])
    if raw:
        addresses = ", ".join(sorted({candidate.address or "?" for candidate in raw}))
        return CandidateSetShape("raw-host", [f"host candidates show {addresses} itself"])
    if kinds == {"srflx"}:
        return CandidateSetShape("srflx-only", ["no host candidate: Mode 3 or a policy"])
    if kinds == {"host"}:
        return CandidateSetShape("host-only", ["no server answered, or none was asked"])
    return CandidateSetShape("consumer", ["hidden host addresses and what servers saw"])
