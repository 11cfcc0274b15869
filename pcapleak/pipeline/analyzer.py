"""The pipeline on one page: record batches in, the report out.

batch → packets → flows and decoders → messages → trackers → (at any time) judgement → document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, assert_never

import numpy as np

from pcapleak.capture import CaptureSource
from pcapleak.capture.batches import Tally, tally
from pcapleak.capture.machine_notes import (
    apply_interfaces,
    device_changes,
    gaps,
    read_policy_note,
)
from pcapleak.decode.datagrams import Datagrams
from pcapleak.decode.dns.message import DnsMessage
from pcapleak.decode.lan.dhcp import DhcpMessage
from pcapleak.decode.lan.ndp import RouterAdvertisement
from pcapleak.decode.media.dtls import DtlsHello
from pcapleak.decode.messages import ICMP_QUOTE, Event
from pcapleak.decode.streams.tcp import TcpStreams
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.table import protocol_of
from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.sip import SipMessage
from pcapleak.decode.web.tls import ClientHello
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.judge import Judgement, judge
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.policy.policy import Policy
from pcapleak.report.build import assemble
from pcapleak.report.document import Document
from pcapleak.track.beginnings import Beginnings
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.ice import IceTracker
from pcapleak.track.names import NameTracker
from pcapleak.track.network import NetworkTracker
from pcapleak.track.resolvers import ResolverTracker
from pcapleak.track.signalling import SignallingTracker
from pcapleak.track.state import CaptureFacts, MalformedLog, State
from pcapleak.track.tunnels import TunnelTracker
from pcapleak.values.packets import (
    Context,
    DeviceChange,
    Int64,
    Interface,
    Packets,
    RecordBatch,
    Service,
)
from pcapleak.values.programs import Program

if TYPE_CHECKING:
    from pcapleak.decode.ice.page import PageCandidate, PageFacts

MAX_SERVER_NAMES = 100_000
"""Server names remembered, of at most 255 characters: 35 MB at the most."""
MAX_NAME = 255


class Analyzer:
    """Takes the batches of one timeline; gives the report at any moment."""

    def __init__(self, policy: Policy | None = None, interfaces: list[Interface] | None = None):
        self.policy = policy if policy is not None else Policy()
        self.dissector = Dissector(interfaces if interfaces is not None else [])
        self.streams = TcpStreams()
        self.pages: dict[str, list[PageCandidate]] = {}
        """Page-side evidence by the file that holds it."""
        self.began = Beginnings(self.dissector.interfaces)
        self.state = State(
            interfaces=self.dissector.interfaces,
            captures=[],
            encapsulations=self.dissector.encapsulations,
            both_ways=self.dissector.both_ways,
            skipped=self.dissector.skipped,
            flows=FlowTable(),
            ice=IceTracker(self.began),
            names=NameTracker(),
            resolvers=ResolverTracker(),
            tunnels=TunnelTracker(),
            network=NetworkTracker(self.began),
            signalling=SignallingTracker(),
            malformed=MalformedLog(),
        )
        self.datagrams = Datagrams(self.state.flows)

    def add(self, batch: RecordBatch) -> tuple[Int64, Int64]:
        """Take the next records of the timeline; the rows that hold packets, and their flows."""
        self._count(tally(batch))
        packets = self.dissector.dissect(batch)
        services, decoder = recognise(packets)
        flow, forward = self.state.flows.update(packets)
        self.state.flows.mark(flow, services)
        self._programs(packets, flow, batch.programs)
        self.state.windows.update(packets, flow, forward, self.state.flows)
        events = self.datagrams.update(packets, flow, forward, decoder)
        if streamed := self.streams.update(packets, flow, forward, self.state.flows):
            events += streamed
            events.sort(key=_frame)
        checked = self._dispatch(events)
        ice = np.fromiter(checked, np.int64, len(checked))
        self.state.flows.mark(ice, np.full(len(ice), Service.ICE.value, np.uint32))
        return packets.row, flow

    def add_page(self, path: str, candidates: list[PageCandidate], facts: PageFacts) -> None:
        """Take what a file of page-side evidence tells, in place of what it told before."""
        self.pages[path] = candidates
        self.state.page_facts[path] = facts

    def document(self, *, all_flows: bool = False) -> Document:
        """Judge what has been seen so far, and report."""
        return self.report(self.judge(), all_flows=all_flows)

    def report(self, judgement: Judgement, *, all_flows: bool = False) -> Document:
        """What was judged, as a document."""
        return assemble(self.state, self.dissector, judgement, self.policy, all_flows=all_flows)

    def judge(self) -> Judgement:
        """Judge what has been seen so far."""
        state = self.state
        state.streams_dropped = self.streams.dropped
        state.mdns_names = state.names.names()
        state.sessions = state.ice.sessions(state)
        if self.pages:
            from pcapleak.track.ice.page_modes import told_by_pages
            from pcapleak.track.ice.reconcile import reconcile

            state.page_rows = reconcile(state.sessions, self.pages)
            told = told_by_pages(state.page_rows, state.page_facts)
            if told:
                state.sessions = state.ice.sessions(state, told)
                state.page_rows = reconcile(state.sessions, self.pages)
        return judge(state, self.policy)

    def add_decrypted(self, context: Context, channel: str, text: bytes) -> None:
        """Take a message that TLS hid, after the packets that carried it.

        Its `context` need not know who opened the connection: the flow table does.
        """
        forward = self.state.flows.sent_by_orig(context.source, context.destination)
        context = context._replace(forward=forward)
        if not self.state.claims.field(context, channel, text.decode("utf-8", "replace")):
            self.state.signalling.text(context, channel, text)

    def _count(self, tallies: Iterable[Tally]) -> None:
        for part in tallies:
            interface = self.state.interfaces[part.interface]
            interface.packets += part.packets
            facts = self.state.captures[interface.capture]
            facts.packets += part.packets
            facts.wire_bytes += part.wire_bytes
            facts.cut += part.cut
            first, last = part.first_ns, part.last_ns
            self.began.take(interface.capture, first)
            facts.first_ns = first if facts.first_ns is None else min(first, facts.first_ns)
            facts.last_ns = last if facts.last_ns is None else max(last, facts.last_ns)

    def _dispatch(self, events: Iterable[Event]) -> set[int]:
        """Hand each message to the trackers that own what it tells; gives the flows of ICE."""
        state = self.state
        checked: set[int] = set()
        counts = state.messages
        for context, message in events:
            match message:
                case DnsMessage() if ICMP_QUOTE in context.layers:
                    if message.questions:
                        state.quoted_dns.add(context.flow)
                    counts[ICMP_QUOTE] = counts.get(ICMP_QUOTE, 0) + 1
                    continue
                case DnsMessage():
                    self._dns(context, message)
                case StunMessage():
                    if context.layers and ICMP_QUOTE in context.layers:
                        counts[ICMP_QUOTE] = counts.get(ICMP_QUOTE, 0) + 1
                        continue
                    state.ice.add(context, message)
                    if message.is_ice:
                        checked.add(context.flow)
                case DecodeError():
                    state.malformed.add(context.frame, message)
                    continue
                case ChannelData() | DtlsHello():
                    state.ice.add(context, message)
                case WireGuardMessage() | OpenVpnMessage() | IkeMessage():
                    state.tunnels.add(context, message)
                case SocksRequest():
                    state.tunnels.add(context, message)
                    state.ice.add(context, message)
                    self._name(context, str(message.destination))
                case SocksReply():
                    state.tunnels.add(context, message)
                case HttpRequest():
                    state.tunnels.add(context, message)
                    state.signalling.add(context, message)
                    state.claims.add(context, message)
                    state.ice.add(context, message)
                    self._name(context, message.server_name)
                case HttpResponse():
                    state.tunnels.add(context, message)
                    state.signalling.add(context, message)
                case WebSocketMessage():
                    state.signalling.add(context, message)
                    state.claims.add(context, message)
                case SipMessage():
                    state.signalling.add(context, message)
                case DhcpMessage() | RouterAdvertisement():
                    state.network.add(context, message, state.flows.encapsulation_of(context.flow))
                case ClientHello() | QuicInitial():
                    state.ice.add(context, message)
                    state.resolvers.add(context, message)
                    self._name(context, message.server_name)
                case _:
                    assert_never(message)
            counted = protocol_of(message).counted
            counts[counted] = counts.get(counted, 0) + 1
        return checked

    def _programs(self, packets: Packets, flow: Int64, programs: dict[int, Program]) -> None:
        known = self.state.programs
        if programs:
            for row, number in zip(packets.row.tolist(), flow.tolist(), strict=True):
                if row in programs:
                    known.add(number, programs[row])
        trailers = self.dissector.trailers
        for place, program in trailers.take():
            known.add(int(flow[place]), program, trailer_of=int(packets.interface[place]))
        for interface in trailers.take_refused():
            known.refuse(interface)

    def _dns(self, context: Context, message: DnsMessage) -> None:
        state = self.state
        if message.protocol == "dns":
            state.resolvers.add(context, message)
            if not message.is_response:
                state.ice.browsers.asked(context, message)
        elif message.protocol == "mdns":
            state.names.add(context, message)

    def _name(self, context: Context, name: str | None) -> None:
        """The server a flow is for: as a proxy was first asked for it, or TLS or HTTP said it."""
        if not name:
            return
        names = self.state.server_names
        if len(names) < MAX_SERVER_NAMES:
            names.setdefault(context.flow, name[:MAX_NAME])
        else:
            self.state.server_names_dropped += context.flow not in names


def _frame(event: Event) -> int:
    return event[0].frame


def read_captures(
    sources: Sequence[CaptureSource],
    batches: Iterable[RecordBatch],
    policy: Policy | None = None,
) -> Analyzer:
    """An analyzer that has taken one timeline: the batches of one source, or of several merged."""
    analyzer = Analyzer(policy, sources[0].interfaces)
    facts = [CaptureFacts(source.path, source.format) for source in sources]
    analyzer.state.captures.extend(facts)
    with rare_collection():
        for batch in batches:
            analyzer.add(batch)
    for fact, source in zip(facts, sources, strict=True):
        _recall(analyzer, fact, source)
    for fact, source in zip(facts, sources, strict=True):
        fact.bytes = source.bytes_read
        fact.truncated = source.truncated
        fact.problems = list(source.problems)
    return analyzer


def _recall(analyzer: Analyzer, facts: CaptureFacts, source: CaptureSource) -> None:
    """Take in what the watch that made a recording knew; what is asked for now stands above it."""
    notes = source.machine
    if not notes:
        return
    own = [one for one in source.interfaces if one.capture == source.capture]
    apply_interfaces(notes, own)
    state = analyzer.state
    state.device_changes = sorted({*state.device_changes, *device_changes(notes)}, key=_noticed)
    facts.gaps += gaps(notes)
    if analyzer.policy.is_empty and analyzer.policy.infer:
        found = [policy for note in notes if (policy := read_policy_note(note)) is not None]
        if found:
            analyzer.policy = found[-1].merged(analyzer.policy)


def _noticed(change: DeviceChange) -> int:
    return change.ts_ns
