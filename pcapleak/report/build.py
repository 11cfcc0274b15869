"""Puts what was tracked and judged into the report's document."""

from __future__ import annotations

import numpy as np

from pcapleak import __version__
from pcapleak.dissect import Dissector
from pcapleak.judge import PATHS, Judgement
from pcapleak.judge.coherence.assess import assess
from pcapleak.policy.policy import Policy
from pcapleak.report.coherence import coherence_entry
from pcapleak.report.document import (
    SCHEMA_VERSION,
    CaptureEntry,
    Document,
    EndpointEntry,
    Finding,
    FlowEntry,
    Generator,
    InterfaceEntry,
    Malformed,
    Statistics,
    Time,
)
from pcapleak.report.judged import (
    claim_entry,
    coverage_entry,
    event_entry,
    finding_entry,
    observer_entry,
    policy_entry,
    resolver_entry,
    time_entry,
    tunnel_entry,
    verdict_entry,
)
from pcapleak.report.webrtc import browser_entry, name_entry, page_entry, session_entry
from pcapleak.track.state import MAX_MALFORMED, CaptureFacts, State
from pcapleak.values import findings
from pcapleak.values.packets import Int64, Interface, Service
from pcapleak.values.registries import LINK_TYPE_NAMES, PROTOCOL_NAMES

MAX_FLOWS = 200
"""Flows listed unless all are asked for: a page a person can read, about 100 kB of JSON."""

WEBRTC = Service.STUN | Service.TURN | Service.ICE | Service.CHANNEL_DATA | Service.DTLS
OF_INTEREST = (
    WEBRTC
    | Service.DNS
    | Service.DOT
    | Service.WIREGUARD_HANDSHAKE
    | Service.OPENVPN
    | Service.IKE
    | Service.SOCKS
    | Service.HTTP_CONNECT
)


def assemble(
    state: State,
    dissector: Dissector,
    judgement: Judgement,
    policy: Policy,
    *,
    all_flows: bool = False,
) -> Document:
    """The document of a run; it holds only facts of the captures, nothing of the machine."""
    coherence, more = assess(state, judgement, policy)
    listed = _rows_that_matter(state, judgement, None if all_flows else MAX_FLOWS)
    return Document(
        schema_version=SCHEMA_VERSION,
        generator=Generator("pcapleak", __version__),
        captures=[
            _capture(number, facts, state.interfaces, judgement)
            for number, facts in enumerate(state.captures)
        ],
        policy=policy_entry(judgement.policy, policy.digest()),
        verdict=verdict_entry(judgement.verdict),
        findings=[
            _finding(one, state, judgement)
            for one in sorted((*judgement.findings, *more), key=lambda finding: finding.rank)
        ],
        ice_sessions=[session_entry(one, state.interfaces) for one in state.sessions],
        page_rows=[page_entry(row) for row in state.page_rows],
        browsers=[browser_entry(one) for one in state.ice.browsers.listed(state.sessions)],
        mdns_names=[name_entry(one, state.interfaces) for one in state.mdns_names],
        flows=[flow_entry(state, judgement, int(row)) for row in listed],
        resolvers=[resolver_entry(one) for one in judgement.resolvers],
        tunnels=[tunnel_entry(one) for one in judgement.tunnels],
        timeline=[event_entry(one) for one in judgement.timeline],
        coverage=[coverage_entry(one) for one in judgement.coverage],
        claims=[claim_entry(one) for one in judgement.claims],
        observers=[observer_entry(one) for one in judgement.observers],
        coherence=coherence_entry(coherence),
        malformed=_malformed(state, dissector),
        statistics=_statistics(state, dissector, judgement, len(listed)),
    )


def _finding(finding: findings.Finding, state: State, judgement: Judgement) -> Finding:
    """A finding, with what is known of its first flow."""
    entry = finding_entry(finding)
    row = entry.flow
    if row is not None:
        entry.process = state.programs.text(row)
        if _unanswered(state, judgement, row):
            address, named = state.flows.resp(row).address, state.server_names[row]
            entry.reasons.append(
                f"no DNS answer was seen for {address}, which the client calls {named}"
            )
    return entry


def _capture(
    number: int, facts: CaptureFacts, interfaces: list[Interface], judgement: Judgement
) -> CaptureEntry:
    return CaptureEntry(
        path=facts.path,
        format=facts.format,
        packets=facts.packets,
        bytes=facts.bytes,
        first_time=time_entry(facts.first_ns),
        last_time=time_entry(facts.last_ns),
        truncated=facts.truncated,
        interfaces=[
            InterfaceEntry(
                id=interface.id,
                name=interface.name,
                link_type=LINK_TYPE_NAMES.get(interface.link_type, str(interface.link_type)),
                packets=interface.packets,
                role=judgement.roles[interface.id].role,
                role_reason=judgement.roles[interface.id].reason,
                addresses=list(interface.addresses),
                drops=interface.drops,
                description=interface.description,
                hardware=interface.hardware,
                system=interface.system,
                mac=interface.mac,
                filter=interface.filter,
            )
            for interface in interfaces
            if interface.capture == number
        ],
        problems=list(facts.problems),
        sha256=facts.sha256,
    )


def _rows_that_matter(state: State, judgement: Judgement, limit: int | None) -> Int64:
    """Rows of the flow table, worst and largest first."""
    flows = state.flows
    bypass = judgement.path == PATHS.index("bypass")
    interesting = bypass | ((flows.services & int(OF_INTEREST)) != 0)
    if limit is None:
        interesting[:] = True
    rows = np.flatnonzero(interesting)
    size = flows.orig_bytes[rows] + flows.resp_bytes[rows]
    webrtc = (flows.services[rows] & int(WEBRTC)) != 0
    order = np.lexsort((rows, -size, ~webrtc, ~bypass[rows]))
    return rows[order][:limit]


def flow_entry(state: State, judgement: Judgement, row: int) -> FlowEntry:
    """One flow of the report."""
    flows = state.flows
    orig, resp = flows.orig(row), flows.resp(row)
    services = Service(int(flows.services[row]))
    protocol = flows.protocol_of(row)
    return FlowEntry(
        id=row,
        community_id=flows.community_id(row),
        protocol=PROTOCOL_NAMES.get(protocol, str(protocol)),
        orig=EndpointEntry(str(orig.address), orig.port),
        resp=EndpointEntry(str(resp.address), resp.port),
        interface=state.interfaces[flows.interface_of(row)].label,
        services=[service.name.lower().replace("_", "-") for service in services if service.name],
        orig_packets=int(flows.orig_packets[row]),
        orig_bytes=int(flows.orig_bytes[row]),
        resp_packets=int(flows.resp_packets[row]),
        resp_bytes=int(flows.resp_bytes[row]),
        first_time=Time(int(flows.first_ns[row])),
        last_time=Time(int(flows.last_ns[row])),
        path=PATHS[int(judgement.path[row])],
        process=state.programs.text(row),
        server_name=state.server_names.get(row),
        unanswered=_unanswered(state, judgement, row),
    )


def _unanswered(state: State, judgement: Judgement, row: int) -> bool:
    """Whether a bypassing flow's server was named by the client, yet by no DNS answer."""
    if PATHS[int(judgement.path[row])] != "bypass" or row not in state.server_names:
        return False
    address = state.flows.resp(row).address
    own_name = state.server_names[row].strip("[]") == str(address)
    return not own_name and state.resolvers.name_of(address) is None


def _malformed(state: State, dissector: Dissector) -> list[Malformed]:
    """Headers and messages that contradict themselves, in the order of their frames."""
    both = sorted([*dissector.malformed, *state.malformed.entries], key=lambda entry: entry[0])
    return [
        Malformed(frame, error.protocol, error.place, error.offset, error.reason)
        for frame, error in both[:MAX_MALFORMED]
    ]


def _statistics(
    state: State, dissector: Dissector, judgement: Judgement, listed: int
) -> Statistics:
    flows = state.flows
    packets = np.bincount(judgement.path, flows.orig_packets + flows.resp_packets, len(PATHS))
    size = np.bincount(judgement.path, flows.orig_bytes + flows.resp_bytes, len(PATHS))
    return Statistics(
        packets=sum(facts.packets for facts in state.captures),
        bytes=sum(facts.wire_bytes for facts in state.captures),
        flows=len(flows),
        protocols=dict(sorted((dissector.counters | state.messages).items())),
        paths={name: int(packets[code]) for code, name in enumerate(PATHS) if packets[code]},
        path_bytes={name: int(size[code]) for code, name in enumerate(PATHS) if packets[code]},
        skipped=dict(sorted(dissector.skipped.items())),
        malformed=state.malformed.total + dissector.malformed_total,
        flows_listed=listed,
    )
