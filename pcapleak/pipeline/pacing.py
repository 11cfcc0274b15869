"""How much a watch takes at a time, and what it leaves out when more comes than it can take."""

from __future__ import annotations

STEP_S = 0.1
"""Of work between two looks at signals and the clock: a step takes no more packets than that."""
SHORT_STEP_S = 0.04
"""The same where something is left out: judgements begin and end between two steps."""
STEP_PACKETS = 1024
"""At least, because a step has its fixed cost."""
BEHIND_S = 0.35
GROWTH_S = 0.05
"""A watch that is further behind, and then falls behind further by so much, takes the latest part
only of what would take it longer than a step, and counts the rest as lost, as the kernel does where
its buffer is full: a leak that goes on is told in time, and not after a minute of what a stranger
has sent. Two judgements and their packets have to fit into the rest of a second."""
STOPPED_S = 0.5
"""A watch that did not run for so long at once was stopped: what came meanwhile is no flood."""
SHARED_S = 1.0
"""What a watch may be behind because others had the processor, in many short turns."""
CATCH_UP_S = 10.0
"""What a watch has to make up for having been stopped."""
FLOOD_BEHIND_S = 0.2
"""How far behind a watch may be that has had to leave something out in the last `CATCH_UP_S`: it
need not find out again that there is too much."""
CAUGHT_UP_S = 0.05
"""A watch that leaves something out does so until it is no further behind than this."""


class Pacing:
    """What a watch has time for. Times are in seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self.packet_s = 0.0
        """Work for one packet, as last measured."""
        self._late: tuple[float, float] | None = None
        """Since when the watch is behind, and the least that it was since."""
        self._stopped_s = 0.0
        """For how long it was stopped, and has not caught up since."""
        self._shared_s = 0.0
        """For how long it did not run in short turns since then."""
        self._looked: tuple[float, float] | None = None
        self._left_s: float | None = None
        """When it last left something out."""
        self._leaving = False
        self._behind_s = 0.0

    @property
    def step(self) -> int:
        """The packets that a step has time for."""
        time_s = SHORT_STEP_S if self._leaving else STEP_S
        count = int(time_s / self.packet_s) if self.packet_s else STEP_PACKETS
        return max(STEP_PACKETS, count)

    def took(self, packets: int, work_s: float) -> None:
        """Learn from a step: a small one says little."""
        if packets >= STEP_PACKETS:
            self.packet_s = work_s / packets

    def flooded(self, now_s: float) -> bool:
        """Whether something was left out lately."""
        return self._left_s is not None and now_s < self._left_s + CATCH_UP_S

    @property
    def is_behind(self) -> bool:
        """Whether packets wait that work of another kind would keep waiting longer."""
        return self._behind_s > FLOOD_BEHIND_S

    def hurries(self, now_s: float) -> bool:
        """Whether work beside the watch must not give way, for it would come too late: the watch
        is behind, whatever keeps it, or was flooded."""
        return self.is_behind or self.flooded(now_s)

    def falls_behind(self, behind_s: float, now_s: float, ran_s: float) -> bool:
        """Whether there is more than a watch can take, and not only what waited while it was
        stopped. To be asked in each step; `ran_s` is processor time, with what children took."""
        looked_s, looked_ran_s = self._looked or (now_s, ran_s)
        idle_s = now_s - looked_s - (ran_s - looked_ran_s)
        self._looked = now_s, ran_s
        self._behind_s = behind_s
        if behind_s <= CAUGHT_UP_S:
            self._stopped_s = self._shared_s = 0.0
        elif idle_s > STOPPED_S:
            self._stopped_s += idle_s
        else:
            self._shared_s = min(SHARED_S, self._shared_s + max(0.0, idle_s))
        if not self.packet_s:
            return False
        unexcused_s = behind_s - self._stopped_s
        unshared_s = unexcused_s - self._shared_s
        if unshared_s <= BEHIND_S:
            self._late = None
        if self._leaving:
            self._leaving = behind_s > CAUGHT_UP_S
        elif self.flooded(now_s):
            self._leaving = unexcused_s > FLOOD_BEHIND_S
        elif unshared_s > BEHIND_S:
            since_s, least_s = self._late or (now_s, unshared_s)
            grown = unshared_s > least_s + GROWTH_S
            self._leaving = grown or now_s > since_s + CATCH_UP_S
            self._late = since_s, min(least_s, unshared_s)
        if self._leaving:
            self._left_s = now_s
        return self._leaving
