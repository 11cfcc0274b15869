"""Detectors: functions of what was tracked and of the policy, ending in a verdict."""

from __future__ import annotations

from msgspec.structs import replace

from pcapleak.judge.before import before_tunnel
from pcapleak.judge.beside import beside
from pcapleak.judge.causes import explained
from pcapleak.judge.claims import claims
from pcapleak.judge.context import Scene
from pcapleak.judge.coverage import coverage
from pcapleak.judge.findings import found
from pcapleak.judge.infer import infer
from pcapleak.judge.judgement import PATHS, UNASSESSED, InterfaceRole, Judgement
from pcapleak.judge.observers import observers
from pcapleak.judge.paths import assign_paths
from pcapleak.judge.recorded import recorded
from pcapleak.judge.remedies import tailored
from pcapleak.judge.rows import exit_evidence, resolver_entries, tunnel_entries
from pcapleak.judge.timeline import timeline, tunnel_lives
from pcapleak.judge.verdict import verdict
from pcapleak.policy.policy import Policy
from pcapleak.track.state import State
from pcapleak.values.claims import Claim
from pcapleak.values.findings import Finding

__all__ = ["PATHS", "InterfaceRole", "Judgement", "judge"]


def _as_sure(scene: Scene, claims: list[Claim], finding: Finding) -> Finding:
    """A finding no surer than whose traffic it is, and that there is a tunnel or proxy: names,
    shares and habits prove nothing."""
    carriers = [claim for claim in claims if claim.question == "carrier"]
    is_way_shown = not scene.policy.is_empty or not all(claim.is_weak for claim in carriers)
    if (
        (scene.is_client_shown and is_way_shown)
        or not scene.has_policy
        or finding.confidence != "certain"
    ):
        return finding
    return replace(finding, confidence="high")


def judge(state: State, policy: Policy) -> Judgement:
    """Judge all that was tracked by `policy`, completed with what the capture shows of it.

    A pure function: nothing of `state` is changed, and equal states are judged equally.
    """
    scene = infer(state, policy)
    scene.path = assign_paths(scene)
    scene.before, scene.is_before_shown = before_tunnel(scene)
    scene.path[scene.before] = UNASSESSED
    scene.beside = beside(scene)
    scene.lives = tunnel_lives(scene)
    scene.recorded = recorded(scene)
    findings = sorted(found(scene), key=lambda finding: finding.rank)
    answers = claims(scene)
    findings = [
        _as_sure(scene, answers, tailored(scene, explained(scene, finding))) for finding in findings
    ]
    ledger = coverage(scene)
    return Judgement(
        policy=scene.entry,
        roles=scene.roles,
        path=scene.path,
        findings=findings,
        verdict=verdict(scene, findings, ledger),
        timeline=timeline(scene, findings),
        coverage=ledger,
        observers=observers(scene, findings),
        resolvers=resolver_entries(scene),
        tunnels=tunnel_entries(scene),
        exits=exit_evidence(scene),
        clients=[*scene.clients, *scene.inner],
        claims=answers,
    )
