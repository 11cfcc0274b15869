"""Whose the flows are: the programs that a capture or a watch names."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.values.programs import Program

MAX_FLOWS = 100_000
"""Flows whose programs are remembered: about 150 bytes each, of which most are shared, 15 MB."""

MAX_OF_A_FLOW = 4
"""Programs told of one flow: both ends of a connection within a host, and what took over."""


class ProgramTracker:
    """Programs by flow, in the order in which they were first named."""

    def __init__(self) -> None:
        self._flows: dict[int, list[Program]] = {}
        self._trailers: dict[int, int] = {}
        """The interface by flow whose program only trailers of its frames name."""
        self._listening: dict[int, Program] = {}
        self.dropped = 0
        """Programs beyond what is kept."""

    def __len__(self) -> int:
        return len(self._flows)

    def add(self, flow: int, program: Program, *, trailer_of: int | None = None) -> None:
        """Take what one packet of a flow was said to belong to; `trailer_of` is the interface
        where a trailer said it, which `refuse` may take back."""
        if not program.name and program.pid is None and not program.user:
            return
        known = self._flows.get(flow)
        if known is None:
            if len(self._flows) >= MAX_FLOWS:
                self.dropped += 1
                return
            self._flows[flow] = [program]
            if trailer_of is not None:
                self._trailers[flow] = trailer_of
            return
        for place, other in enumerate(known):
            if other is program or other == program:
                return
            if other.is_same(program):
                known[place] = other.completed(program)
                return
        if len(known) < MAX_OF_A_FLOW:
            known.append(program)
        else:
            self.dropped += 1

    def listens(self, flow: int, program: Program) -> None:
        """Take which program of this machine a flow was sent to."""
        self.add(flow, program)
        if flow in self._flows:
            self._listening[flow] = program

    def listener(self, flow: int) -> Program | None:
        """The program that a flow within a machine was sent to, as its watch saw it."""
        return self._listening.get(flow)

    def refuse(self, interface: int) -> None:
        """Forget what trailers of an interface's frames said: some other frame has none."""
        for flow in [flow for flow, number in self._trailers.items() if number == interface]:
            del self._flows[flow], self._trailers[flow]

    def of(self, flow: int) -> tuple[Program, ...]:
        """The programs of a flow."""
        return tuple(self._flows.get(flow, ()))

    def text(self, flow: int) -> str | None:
        """The programs of a flow in words; None where none is known."""
        return " and ".join(map(str, self._flows.get(flow, ()))) or None

    def named(self) -> Iterator[tuple[int, list[str]]]:
        """The flows whose programs have names, and these."""
        for flow, programs in self._flows.items():
            names = [program.name for program in programs if program.name]
            if names:
                yield flow, names

    def called(self, name: str) -> Iterator[int]:
        """The flows of which every program has this name."""
        for flow, programs in self._flows.items():
            if all(program.is_called(name) for program in programs):
                yield flow
