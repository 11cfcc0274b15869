"""Detectors: functions of what was tracked and of the policy, ending in a verdict."""

from __future__ import annotations

from pcapleak.detect.causes import explain_causes
from pcapleak.detect.completeness import coverage, incompleteness, recorded
from pcapleak.detect.entries import exit_evidence, resolver_entries, tunnel_entries
from pcapleak.detect.infer import infer
from pcapleak.detect.judgement import PATHS, InterfaceRole, Judgement
from pcapleak.detect.names import name_findings
from pcapleak.detect.observers import observers
from pcapleak.detect.paths import assign_paths
from pcapleak.detect.timeline import timeline, tunnel_lives
from pcapleak.detect.traffic import traffic_findings
from pcapleak.detect.tunnel import tunnel_findings
from pcapleak.detect.verdict import rank, verdict
from pcapleak.detect.webrtc import webrtc_findings
from pcapleak.policy import Policy
from pcapleak.tracking.state import State

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
