"""One ICE candidate on the terminal page."""

from __future__ import annotations

from rich.text import Text

from pcapleak.report.document import Candidate
from pcapleak.report.text import frames_text, safe


def candidate_text(candidate: Candidate, *, verbose: bool) -> Text:
    """Its address, what hides or tells it, and where it was seen; `verbose` adds why."""
    address = "?" if candidate.address is None else safe(candidate.address)
    if ":" in address:
        address = f"[{address}]"
    port = "?" if candidate.port is None else str(candidate.port)
    text = Text.assemble((f"{address}:{port}", "bold"), f" {candidate.protocol}")
    if candidate.mdns_name:
        text.append(f", hidden as {safe(candidate.mdns_name)}")
    if candidate.base_address and candidate.type != "host":
        text.append(f", base {safe(candidate.base_address)}:{candidate.base_port or '?'}")
    if candidate.server:
        text.append(f", told by {safe(candidate.server)}")
    if candidate.priority is not None:
        text.append(f", priority {candidate.priority} {candidate.priority_source or ''}".rstrip())
    if candidate.evidence != "observed":
        text.append(f", {candidate.evidence}")
    if candidate.frames:
        text.append(f" · {frames_text(candidate.frames, candidate.frame_count)}", style="dim")
    if verbose:
        for detail in (candidate.line, *candidate.reasons):
            text.append(f"\n{safe(detail, 1000)}" if detail else "", style="dim")
    return text
