"""Detectors: functions of what was tracked and of the policy, ending in a verdict."""

from __future__ import annotations

from pcapleak.judge.causes import explain_causes
from pcapleak.judge.coverage import coverage, incompleteness, recorded
from pcapleak.judge.findings.names import name_findings
from pcapleak.judge.findings.traffic import traffic_findings
from pcapleak.judge.findings.tunnel import tunnel_findings
from pcapleak.judge.findings.webrtc import webrtc_findings
from pcapleak.judge.infer import infer
from pcapleak.judge.judgement import PATHS, InterfaceRole, Judgement
from pcapleak.judge.observers import observers
from pcapleak.judge.paths import assign_paths
from pcapleak.judge.rows import exit_evidence, resolver_entries, tunnel_entries
from pcapleak.judge.timeline import timeline, tunnel_lives
from pcapleak.judge.verdict import rank, verdict
from pcapleak.policy.policy import Policy
from pcapleak.track.state import State

__all__ = ["PATHS", "InterfaceRole", "Judgement", "judge"]


def judge(state: State, policy: Policy) -> Judgement:
    """Judge all that was tracked by `policy`, completed with what the capture shows of it.

    A pure function: nothing of `state` is changed, and equal states are judged equally.
    """
    scene = infer(state, policy)
    scene.path = assign_paths(scene)
    lives = tunnel_lives(scene)
    seen = recorded(scene)
    findings = sorted(
        (
            *webrtc_findings(scene),
            *traffic_findings(scene),
            *tunnel_findings(scene, lives),
            *name_findings(scene),
            *incompleteness(scene, seen),
        ),
        key=rank,
    )
    explain_causes(scene, lives, findings)
    ledger = coverage(scene)
    return Judgement(
        policy_entry=scene.entry,
        roles=scene.roles,
        path=scene.path,
        findings=findings,
        verdict=verdict(scene, findings, seen, ledger),
        timeline=timeline(scene, lives, findings),
        coverage=ledger,
        observers=observers(scene, findings),
        resolvers=resolver_entries(scene),
        tunnels=tunnel_entries(scene, lives),
        exits=exit_evidence(scene),
        clients=[*scene.clients, *scene.inner],
    )
