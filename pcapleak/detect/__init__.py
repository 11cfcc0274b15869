"""Detectors: functions of what was tracked and of the policy, ending in a verdict."""

from __future__ import annotations

import numpy as np

from pcapleak.detect.judgement import PATHS, UNASSESSED, InterfaceRole, Judgement
from pcapleak.document import PolicyEntry, Verdict
from pcapleak.policy import Policy
from pcapleak.tracking.state import State

__all__ = ["PATHS", "InterfaceRole", "Judgement", "judge"]


def judge(state: State, policy: Policy) -> Judgement:
    """Judge all that was tracked by `policy`, completed with what the capture shows of it."""
    return Judgement(
        policy_entry=PolicyEntry("none"),
        roles=[InterfaceRole("unknown", "") for _ in state.interfaces],
        path=np.full(len(state.flows), UNASSESSED, np.uint8),
        findings=[],
        verdict=Verdict("no-policy", "nothing to judge by"),
        timeline=[],
        coverage=[],
        observers=[],
        resolvers=[],
        tunnels=[],
    )
