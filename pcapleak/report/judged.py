"""What was judged, as the report's schema has it."""

from __future__ import annotations

from collections.abc import Iterable

from pcapleak.judge import judgement as judged
from pcapleak.policy.policy import Rule
from pcapleak.report import document
from pcapleak.report.document import Time
from pcapleak.values import findings
from pcapleak.values.claims import Claim, Strength, Witness

_STRENGTHS: dict[Strength, document.ClaimStrength] = {
    Strength.TYPICAL: "typical",
    Strength.CONSERVED: "conserved",
    Strength.PROVEN: "proven",
    Strength.TOLD: "told",
}


def verdict_entry(verdict: findings.Verdict) -> document.Verdict:
    """The verdict."""
    exposed = [str(one) for one in verdict.exposed]
    return document.Verdict(verdict.result, verdict.reason, exposed, verdict.servers)


def finding_entry(finding: findings.Finding) -> document.Finding:
    """One finding."""
    evidence = finding.evidence
    return document.Finding(
        id=finding.kind.id,
        name=finding.kind.name,
        severity=finding.severity,
        confidence=finding.confidence,
        interface=finding.interface,
        subject=finding.subject,
        message=finding.message,
        remedy=finding.remedy,
        first_time=time_entry(evidence.first_ns),
        last_time=time_entry(evidence.last_ns),
        frames=evidence.frames,
        frame_count=evidence.frame_count,
        display_filter=finding.display_filter,
        flow=evidence.flow,
        flow_count=evidence.flow_count,
        bytes=evidence.bytes,
        addresses=[str(address) for address in finding.addresses],
        reasons=list(finding.reasons),
    )


def time_entry(ns: int | None) -> Time | None:
    """A time that may not be known."""
    return None if ns is None else Time(ns)


def policy_entry(policy: judged.JudgedPolicy, sha256: str) -> document.PolicyEntry:
    """What was judged by; `sha256` is of what was given."""
    return document.PolicyEntry(
        kind=policy.kind,
        fields={
            name: document.PolicyField(
                [str(value) for value in one.value],
                one.source,
                one.confidence,
                list(one.reasons),
            )
            for name, one in policy.fields.items()
        },
        sha256=sha256,
    )


def resolver_entry(used: judged.ResolverUse) -> document.ResolverEntry:
    """One resolver that was asked."""
    return document.ResolverEntry(
        address=str(used.address),
        transport=used.transport,
        queries=used.queries,
        interface=used.interface,
        path=used.path,
        frames=list(used.frames),
    )


def tunnel_entry(tunnel: judged.TunnelUse) -> document.TunnelEntry:
    """One tunnel or proxy."""
    return document.TunnelEntry(
        kind=tunnel.kind,
        endpoint=", ".join(
            one.text if isinstance(one, Rule) else str(one) for one in tunnel.endpoints
        ),
        interface=tunnel.interface,
        up=[Time(ns) for ns in tunnel.up],
        down=[Time(ns) for ns in tunnel.down],
        confirmed=tunnel.confirmed,
        reasons=list(tunnel.reasons),
        completeness=tunnel.completeness,
    )


def event_entry(event: judged.Event) -> document.TimelineEvent:
    """One event of the timeline."""
    return document.TimelineEvent(
        time=Time(event.ts_ns),
        kind=event.kind,
        subject=event.subject,
        text=event.text,
        until=time_entry(event.until_ns),
        bytes=event.bytes,
    )


def coverage_entry(coverage: judged.Coverage) -> document.CoverageEntry:
    """One kind of traffic that could have leaked."""
    paths: dict[str, int] = dict(coverage.paths.items())
    programs = list(coverage.programs)
    return document.CoverageEntry(
        coverage.kind, coverage.seen, paths, coverage.note, programs, coverage.provoke
    )


def claim_entry(claim: Claim) -> document.ClaimEntry:
    """One answer with its witnesses."""
    return document.ClaimEntry(
        question=claim.question,
        subject=claim.subject,
        answer=claim.answer,
        strength=_STRENGTHS[claim.strength],
        witnesses=_witnesses(claim.witnesses),
        against=_witnesses(claim.against),
        settled_by=claim.settled_by,
    )


def _witnesses(witnesses: Iterable[Witness]) -> list[document.WitnessEntry]:
    ranked = sorted(witnesses, key=lambda one: -one.strength)
    return [document.WitnessEntry(_STRENGTHS[one.strength], one.says) for one in ranked]


def observer_entry(observed: judged.Observed) -> document.Observer:
    """One fact that became known."""
    return document.Observer(observed.fact, observed.learned_by, observed.through, observed.frames)
