"""Sessions, candidates, names and browsers, as the report's schema has them."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.report import document
from pcapleak.report.candidate_line import candidate_line
from pcapleak.track.ice.browsers import Browser
from pcapleak.track.ice.session import Candidate, Integrity, PageRow, Session
from pcapleak.track.names import NameRecord
from pcapleak.track.sightings import merge_frames
from pcapleak.values.evidence import Inference
from pcapleak.values.packets import Interface


def session_entry(session: Session, interfaces: Sequence[Interface]) -> document.IceSession:
    """One session."""
    mode, shape = session.mode, session.shape
    return document.IceSession(
        id=session.id,
        client_addresses=[str(address) for address in session.client_addresses],
        engine=session.engine,
        engine_reason=session.engine_reason,
        engine_confidence=session.engine_confidence,
        username_fragments=list(session.username_fragments),
        peer_username_fragments=list(session.peer_username_fragments),
        tie_breakers=[f"{tie:016x}" for tie in session.tie_breakers],
        first_time=document.Time(session.first_ns),
        last_time=document.Time(session.last_ns),
        ip_handling_mode=document.Mode(mode.mode, mode.confidence, list(mode.reasons)),
        candidate_set_shape=document.CandidateSetShape(shape.shape, list(shape.reasons)),
        candidates=[_candidate(one, session, interfaces) for one in session.candidates],
        role=session.role,
        checks=session.checks,
        nominated=[f"{local} {remote}" for local, remote in session.nominated],
        integrity=_integrity(session.integrity),
        flows=list(session.flows),
    )


def _candidate(
    candidate: Candidate, session: Session, interfaces: Sequence[Interface]
) -> document.Candidate:
    return document.Candidate(
        type=candidate.type,
        protocol=candidate.protocol,
        address=_text(candidate.address),
        port=candidate.port,
        base_address=_text(candidate.base_address),
        base_port=candidate.base_port,
        related_address=_text(candidate.related_address),
        related_port=candidate.related_port,
        mdns_name=candidate.mdns_name,
        mdns_link=_inference(candidate.mdns_link),
        priority=candidate.priority,
        priority_source=candidate.priority_source,
        server=_text(candidate.server),
        interface=_label(interfaces, candidate.interface),
        username_fragment=candidate.username_fragment,
        evidence=candidate.evidence,
        frames=list(candidate.frames),
        frame_count=candidate.frame_count,
        line=candidate_line(candidate, session),
        reasons=list(candidate.reasons),
    )


def page_entry(row: PageRow) -> document.PageRow:
    """One row of page-side evidence held against packets."""
    told, candidate, session = row.told, row.candidate, row.session
    owner = None if session is None else session.id
    if told is not None:
        return document.PageRow(
            seen_by="page" if candidate is None else "both",
            path=row.path,
            type=told.type,
            protocol=told.protocol,
            address=told.address,
            port=told.port,
            line=told.text,
            session=owner,
            reasons=list(row.reasons),
        )
    assert candidate is not None
    assert session is not None
    return document.PageRow(
        seen_by="wire",
        path=None,
        type=candidate.type,
        protocol=candidate.protocol,
        address=_text(candidate.address),
        port=candidate.port,
        line=candidate_line(candidate, session),
        session=owner,
        reasons=list(row.reasons),
    )


def browser_entry(browser: Browser) -> document.BrowserEntry:
    """One browser at one address."""
    agent = browser.statement.how == "user-agent"
    frames, count = merge_frames(browser.seen)
    return document.BrowserEntry(
        address=str(browser.address),
        engine=browser.statement.engine,
        reason=f"User-Agent {browser.example!r}" if agent else f"asks {browser.example}",
        webrtc=browser.webrtc,
        first_time=document.Time(min(seen.first_ns for seen in browser.seen)),
        last_time=document.Time(max(seen.last_ns for seen in browser.seen)),
        frames=frames,
        frame_count=count,
    )


def name_entry(record: NameRecord, interfaces: Sequence[Interface]) -> document.MdnsName:
    """One name that hides an address."""
    seen = record.sightings
    frames, count = merge_frames(seen)
    return document.MdnsName(
        name=record.name,
        uuid=record.uuid,
        addresses=[str(address) for address in record.addresses],
        announcer=_text(record.announcer),
        interfaces=[_label(interfaces, number) or "" for number in sorted(record.interfaces)],
        ttl_s=record.ttl_s,
        first_time=document.Time(min(one.first_ns for one in seen)) if seen else None,
        last_time=document.Time(max(one.last_ns for one in seen)) if seen else None,
        goodbye=record.goodbye_ns is not None,
        queried_by=sorted(str(asker) for asker in record.askers),
        frames=frames,
        frame_count=count,
    )


def _integrity(integrity: Integrity | None) -> document.Integrity | None:
    if integrity is None:
        return None
    return document.Integrity(integrity.state, list(integrity.reasons))


def _inference(inference: Inference | None) -> document.Inference | None:
    if inference is None:
        return None
    return document.Inference(inference.confidence, list(inference.reasons))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _label(interfaces: Sequence[Interface], number: int | None) -> str | None:
    """The interface's name, or `#id` where the capture does not tell it."""
    if number is None:
        return None
    name = interfaces[number].name if number < len(interfaces) else None
    return name or f"#{number}"
