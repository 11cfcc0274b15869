"""Whose the flows of a watch are: asked of the machine while the flows are new."""

from __future__ import annotations

from ipaddress import ip_interface

import numpy as np

from pcapleak.live.processes import Processes
from pcapleak.track.programs import MAX_FLOWS
from pcapleak.track.state import State
from pcapleak.values.packets import Int64
from pcapleak.values.programs import Program

ASKED_AT_ONCE = 100
"""New flows whose processes are asked for together."""
MAX_UNASKED = 1000
"""New flows that wait to be asked for; beyond them the oldest are not."""


class FlowPrograms:
    """Names the programs of new flows in what is known of a watch, and of the packets of a step.

    Without `processes` nothing is asked, and the programs are those that the packets name.
    """

    def __init__(self, state: State, processes: Processes | None) -> None:
        self._state = state
        self._processes = processes
        self._asked = 0
        """Flows whose processes were asked for, or never will be."""
        self._turn = 0
        self.step: tuple[Int64, Int64] | None = None
        """Rows and flows of the packets of the last step."""

    def notes(self) -> list[str]:
        """What could not be told, and why."""
        return [] if self._processes is None else self._processes.notes()

    def ask(self) -> None:
        """Whose the flows are that are new, as many as may be asked for at once."""
        state, processes = self._state, self._processes
        known = len(state.flows)
        if processes is None or known == self._asked or not processes.ready:
            return
        skipped = known - self._asked - MAX_UNASKED
        if skipped > 0:
            self._asked += skipped
            processes.skip(skipped)
        room = min(ASKED_AT_ONCE, MAX_FLOWS - len(state.programs))
        rows = range(self._asked, min(known, self._asked + max(0, room)))
        self._asked = rows.stop
        flows = state.flows
        protocols = flows.protocol[rows.start : rows.stop].tolist()
        asked = [
            (protocol, flows.orig(row), flows.resp(row))
            for row, protocol in zip(rows, protocols, strict=True)
        ]
        here = {
            ip_interface(address).ip
            for interface in state.interfaces
            for address in interface.addresses
        }
        for row, whose in zip(rows, processes.describe(asked, here), strict=True):
            if whose.program is not None:
                state.programs.add(row, whose.program)
            if whose.listener is not None:
                state.programs.listens(row, whose.listener)

    def named(self) -> list[tuple[int, int, Program]]:
        """Of what the last step took: one row, the flow and its program for each flow whose
        program is known; where it has several they take turns."""
        programs = self._state.programs
        if self.step is None or not len(programs):
            return []
        rows, flow = self.step
        self._turn += 1
        found = []
        numbers, firsts = np.unique(flow, return_index=True)
        for number, first in zip(numbers.tolist(), firsts.tolist(), strict=True):
            told = programs.of(number)
            if told:
                found.append((int(rows[first]), number, told[self._turn % len(told)]))
        return found
