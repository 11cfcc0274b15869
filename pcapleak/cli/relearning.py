"""A watch's policy, brought up to date as its machine changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from msgspec.structs import replace

from pcapleak.cli.live_options import Via
from pcapleak.cli.live_plan import Plan
from pcapleak.live.asked import Asked
from pcapleak.live.follow import Follower
from pcapleak.live.machine import Machine
from pcapleak.live.machine_policy import infer_policy
from pcapleak.live.peers import PeersBeside
from pcapleak.live.piped import PipedSource
from pcapleak.live.privileges import keep_network_settings
from pcapleak.live.source import LiveSource
from pcapleak.pipeline.watched import Source
from pcapleak.policy.policy import Policy


class _Learned:
    """The policy as the machine told it, asked again where the machine has changed."""

    def __init__(
        self,
        plan: Plan,
        machine: Machine,
        policy: Policy,
        follower: Follower | Asked,
        peers: PeersBeside | None,
    ) -> None:
        self._given = plan.policy
        self._peers = peers
        self._machine = machine
        self._policy = policy
        self._follower = follower
        self._version = follower.version

    def __call__(self) -> Policy | None:
        """The policy, where it is another one now."""
        peers = None if self._peers is None else self._peers.latest()
        if peers is None and self._version == self._follower.version:
            return None
        self._version = self._follower.version
        devices, routes = list(self._follower.devices.values()), self._follower.routes
        known = self._machine.peers if peers is None else peers
        self._machine = replace(self._machine, devices=devices, routes=routes, peers=known)
        now = infer_policy(self._machine, self._given).policy
        before, self._policy = self._policy, self._policy.with_tunnels(now.tunnels)
        return self._policy if self._policy != before else None


def relearning(
    plan: Plan,
    machine: Machine | None,
    policy: Policy,
    source: Source,
    peers: PeersBeside | None,
) -> Callable[[], Policy | None] | None:
    """What gives the policy anew, where the machine tells its changes."""
    if machine is None or not isinstance(source, LiveSource | PipedSource):
        return None
    if source.follower is None:
        return None
    return _Learned(plan, machine, policy, source.follower, peers)


def ask_again(plan: Plan, machine: Machine | None) -> PeersBeside | None:
    """Who asks for WireGuard's servers from now on, where there is the right to."""
    if machine is None or plan.via is not Via.RING:
        return None
    if sys.platform != "linux" or os.geteuid() != 0:
        return None
    if shutil.which("wg") is None:
        return None
    return PeersBeside(machine.peers, keep_network_settings)
