"""Entries of the report in a line of text each."""

from __future__ import annotations

from pcapleak.judge.judgement import NONE_SEEN
from pcapleak.report.document import (
    BrowserEntry,
    CaptureEntry,
    ClaimEntry,
    CoverageEntry,
    Document,
    Finding,
    FlowEntry,
    MdnsName,
    NatProfile,
    PageRow,
    PlaceEntry,
    PolicyEntry,
    TunnelEntry,
    Vector,
)
from pcapleak.report.text import (
    endpoint,
    flow_ends,
    frames_text,
    local_span,
    local_time,
    safe,
)
from pcapleak.values.words import count, duration, size


def policy_line(policy: PolicyEntry) -> str:
    """What should have held, and who said so."""
    if policy.kind == "none":
        return (
            "none given and none inferred; state what should hold with --proxy, --tunnel or "
            "--policy"
        )
    parts = []
    for name in ("proxies", "tunnels", "vpn_endpoints", "exits"):
        field = policy.fields.get(name)
        if field is not None and field.value:
            value = ", ".join(safe(item) for item in field.value)
            source: str = field.source
            if name == "vpn_endpoints" and source == "given" and field.reasons:
                source = "; ".join([source, *map(safe, field.reasons)])
            parts.append(f"{_POLICY_WORDS[name]} {value} ({source})")
    return "; ".join(parts) or policy.kind


def claim_line(claim: ClaimEntry) -> str:
    """What something is taken for, and what speaks for it and against it."""
    parts = [f"{one.strength}: {safe(one.says, 1000)}" for one in claim.witnesses]
    parts += [f"against it, {one.strength}: {safe(one.says, 1000)}" for one in claim.against]
    line = f"{safe(claim.answer)} ({'; '.join(parts)})" if parts else safe(claim.answer)
    return f"{line}; to settle it, {safe(claim.settled_by)}" if claim.settled_by else line


_POLICY_WORDS = {
    "proxies": "proxy",
    "tunnels": "tunnel",
    "vpn_endpoints": "VPN server",
    "exits": "exit",
}


def capture_line(capture: CaptureEntry) -> str:
    """One input: what it is, how much, and when."""
    text = f"{safe(capture.path)}: {capture.format}, {count(capture.packets, 'packet')}"
    if capture.first_time is not None and capture.last_time is not None:
        span = duration(capture.last_time - capture.first_time)
        text += f" in {span} from {local_time(capture.first_time, date=True)}"
    return text + (", truncated" if capture.truncated else "")


SEEN_BY = {"both": "both", "page": "page only", "wire": "packets only"}
"""Who saw a candidate, in words."""


def page_line(row: PageRow) -> str:
    """A candidate of page-side evidence."""
    address = safe(row.address or "?")
    text = f"{safe(row.type)} {endpoint(address, row.port) if row.port is not None else address}"
    text += f" {safe(row.protocol)}"
    if row.path is not None:
        text += f" in {safe(row.path)}"
    return "; ".join([text, *map(safe, row.reasons)])


def browser_line(browser: BrowserEntry) -> str:
    """An engine, and what tells it."""
    frames = frames_text(browser.frames, browser.frame_count)
    return f"{browser.engine}: {safe(browser.reason)} · {frames}"


def name_addresses(name: MdnsName) -> str:
    """What a name stands for."""
    return ", ".join(safe(address) for address in name.addresses) or "no address"


def name_line(name: MdnsName) -> str:
    """A name, where it was announced, and who asked for it."""
    text = safe(name.name)
    if name.interfaces:
        text += f" on {', '.join(safe(interface) for interface in name.interfaces)}"
    if name.goodbye:
        text += ", withdrawn"
    if name.queried_by:
        text += f", asked for by {', '.join(safe(asker) for asker in name.queried_by)}"
    return text + f" · {frames_text(name.frames, name.frame_count)}"


def flow_line(flow: FlowEntry) -> str:
    """A flow: its ends, what it carried, how much."""
    text = f"{flow.protocol} {flow_ends(flow)}"
    if flow.server_name:
        text += f" {safe(flow.server_name)}"
    if flow.services:
        text += f" {'/'.join(flow.services)}"
    if flow.interface:
        text += f" on {safe(flow.interface)}"
    packets = flow.orig_packets + flow.resp_packets
    return text + f" · {count(packets, 'packet')}, {size(flow.orig_bytes + flow.resp_bytes)}"


def tunnel_word(tunnel: TunnelEntry) -> str:
    """What kind of tunnel or proxy it is, as far as that is known."""
    return "tunnel" if tunnel.kind == "unknown" else tunnel.kind


def tunnel_line(tunnel: TunnelEntry) -> str:
    """A tunnel or proxy, and when it was up."""
    text = safe(tunnel.endpoint)
    if tunnel.interface:
        text += f" on {safe(tunnel.interface)}"
    for word, times in (("up", tunnel.up), ("down", tunnel.down)):
        if times:
            text += f", {word} {', '.join(local_time(time) for time in times[:4])}"
            if len(times) > 4:
                text += f" and {len(times) - 4} more"
    if not tunnel.confirmed and tunnel.kind != "unknown":
        text += ", recognised by the shape of its packets"
    return text.strip() or "given, but not in the capture"


def how_to_test(entry: CoverageEntry) -> str:
    """How to provoke a kind of traffic that was not seen, after what is special about it."""
    note = "" if entry.note == NONE_SEEN else safe(entry.note)
    return "; ".join(filter(None, [note, safe(entry.provoke)]))


def coverage_line(entry: CoverageEntry) -> str:
    """Where one kind of traffic that was seen went."""
    paths = ", ".join(f"{number:,} {path}" for path, number in entry.paths.items())
    by = f", by {', '.join(map(safe, entry.programs))}" if entry.programs else ""
    return paths + by + (f" ({safe(entry.note)})" if entry.note else "")


def vector_line(vector: Vector) -> str:
    """A sign of where the client is: its value, its places, and what told it."""
    parts = []
    for place in vector.places[:4]:
        where = " or ".join(map(safe, place.countries)) or safe(place.note) or "nowhere known"
        name = f"AS{place.asn} {safe(place.organisation or '')}".rstrip()
        network = f", {name}" if place.asn is not None else ""
        kind = f", {place.kind}" if place.kind != "unknown" else ""
        sure = f" ({place_sureness(place)})" if place.countries else ""
        parts.append(f"{safe(place.address)} {where}{sure}{network}{kind}")
    text = "; ".join(parts) or safe(vector.value or "not known")
    return f"{text} · {safe(vector.provenance, 400)}"


def place_sureness(place: PlaceEntry) -> str:
    """What the confidence of a country rests on: how many sources say so, no more."""
    if place.confidence == "certain":
        return "a map of yours"
    if len(place.countries) > 1:
        return "the sources differ"
    return "the sources agree" if len(place.sources) > 1 else "one source"


def nat_line(nat: NatProfile) -> str:
    """A NAT as far as STUN shows it."""
    ports = {True: "ports kept", False: "ports changed", None: ""}[nat.port_preservation]
    shared = f"CGNAT {nat.cgnat}"
    why = "; ".join(map(safe, nat.reasons))
    return ", ".join(filter(None, [f"{nat.mapping} mapping", ports, shared])) + f" ({why})"


def seen_line(finding: Finding) -> str:
    """How surely, where and when a finding was seen."""
    parts = [f"{finding.confidence}: {frames_text(finding.frames, finding.frame_count)}"]
    if not finding.frames:
        parts = [finding.confidence]
    if finding.interface:
        parts.append(f"on {safe(finding.interface)}")
    if finding.first_time is not None:
        parts.append(local_span(finding.first_time, finding.last_time))
    if finding.flow_count > 1:
        parts.append(count(finding.flow_count, "flow"))
    if finding.bytes:
        parts.append(size(finding.bytes))
    return ", ".join(filter(None, parts))


def not_shown(document: Document) -> str:
    """What was exposed where the capture shows no address."""
    servers = document.verdict.servers
    if not servers:
        return "no address"
    return (
        f"the client's public address (not readable in this capture), to {count(servers, 'server')}"
    )
