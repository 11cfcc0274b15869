"""What redaction must not change, and the recordings it is held to."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address, ip_network

from places import CAPTURES

from pcapleak.redact import Renamer
from pcapleak.report.document import Document, Finding

KEY = bytes(range(32))
LAB = sorted(CAPTURES.glob("*.pcapng"))
CASES = sorted((CAPTURES / "cases").glob("*.pcap*"))
BROWSERS = sorted((CAPTURES / "browser").glob("*.pcap*"))

_ADDRESS = re.compile(
    r"(?<![\w.:])((?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*:[0-9a-fA-F.]*)(/\d+)?"
)
_INTERFACE = re.compile(r"(?<![\w-])(?:enx|wlx)?[0-9a-f]{12}(?![0-9a-z-])|NPF_\{[0-9A-F-]{36}\}")
_HIDDEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.local")


def renamed(renamer: Renamer | None, text: str) -> str:
    """The text with each address and mDNS name renamed, all in one way of writing."""

    def one(match: re.Match[str]) -> str:
        host, width = match.group(1), match.group(2) or ""
        try:
            if width and renamer is not None:
                return str(renamer.network(ip_network(host + width)))
            address = ip_address(host.rstrip("."))
        except ValueError:
            return match.group()
        new = address if renamer is None else renamer.address(address)
        return new.exploded + width

    text = _ADDRESS.sub(one, text)
    if renamer is None:
        return text
    text = _INTERFACE.sub(lambda match: renamer.interface(match.group()), text)
    return _HIDDEN.sub(lambda match: renamer.host(match.group()), text)


def fingerprint(finding: Finding, renamer: Renamer | None) -> tuple[object, ...]:
    return (
        finding.id,
        finding.severity,
        finding.confidence,
        renamed(renamer, finding.interface or ""),
        renamed(renamer, finding.subject.replace("before.pcapng", "after.pcapng")),
        tuple(finding.frames),
        finding.frame_count,
        finding.flow_count,
        tuple(sorted(renamed(renamer, address) for address in finding.addresses)),
    )


CANDIDATE = (
    "type", "protocol", "address", "port", "base_address", "base_port", "related_address",
    "related_port", "mdns_name", "priority", "priority_source", "server", "interface", "evidence",
    "frames",
)  # fmt: skip


ABUSES = {"PL501", "PL502", "PL503"}


def facts(document: Document, renamer: Renamer | None, leave_out: str) -> tuple[object, ...]:
    """All of a report that redaction must not change."""
    return (
        document.verdict.result,
        sorted(renamed(renamer, text) for text in document.verdict.exposed_addresses),
        Counter(
            fingerprint(finding, renamer)
            for finding in document.findings
            if finding.id != leave_out
        ),
        sorted(
            (session.engine, session.ip_handling_mode.mode or 0, len(session.candidates))
            for session in document.ice_sessions
        ),
        sorted(
            renamed(renamer, " ".join(str(getattr(candidate, name)) for name in CANDIDATE))
            for session in document.ice_sessions
            for candidate in session.candidates
        ),
        [
            renamed(
                renamer, f"{interface.id} {interface.name} {interface.role} {interface.packets}"
            )
            for capture in document.captures
            for interface in capture.interfaces
        ],
        sorted(
            renamed(renamer, f"{tunnel.kind} {tunnel.endpoint} {tunnel.interface}")
            for tunnel in document.tunnels
        ),
        document.statistics.flows,
        document.statistics.paths,
    )
