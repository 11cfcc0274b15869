"""What judging answers, why, and how surely: an answer is as good as its witnesses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

_Answer = TypeVar("_Answer")


class Strength(IntEnum):
    """How much a witness is worth; the stronger decides."""

    TYPICAL = 1
    """Hardware type, name, port, protocol shape, share of packets, who began."""
    CONSERVED = 2
    """Bytes and times agree: what goes in here comes out there, both ways."""
    PROVEN = 3
    """What only the right answer can produce: a completed handshake, the same packet seen inside
    and outside, the recorder's direction mark, the client's link-layer address."""
    TOLD = 4
    """By the policy, by the capture file itself, or, while watching, by the kernel."""


class Witness(NamedTuple):
    """One thing that speaks for or against an answer."""

    strength: Strength
    says: str
    """In words, as it stands in a report after the answer and a colon."""
    frame: int | None = None
    """The first frame that shows it, where one does."""


@dataclass(slots=True)
class Claim(Generic[_Answer]):
    """An answer to one question: whose, which side, what carries, what is local, which exit."""

    what: _Answer
    witnesses: list[Witness] = field(default_factory=list)
    against: list[Witness] = field(default_factory=list)
    """What contradicts it."""

    @property
    def strength(self) -> Strength:
        """That of its strongest witness; `TYPICAL` without any."""
        return _strongest(self.witnesses)

    @property
    def is_contested(self) -> bool:
        """Whether what contradicts it is at least as strong: what hangs on it is inconclusive."""
        return bool(self.against) and _strongest(self.against) >= self.strength

    @property
    def is_weak(self) -> bool:
        """Whether typical witnesses alone speak for it: never enough for `no-leak`, nor for a
        finding of confidence `certain`."""
        return self.strength is Strength.TYPICAL

    @property
    def reasons(self) -> list[str]:
        """What its witnesses say, the strongest first."""
        ranked = sorted(self.witnesses, key=lambda one: -one.strength)
        return list(dict.fromkeys(witness.says for witness in ranked))

    def add(self, strength: Strength, says: str, frame: int | None = None) -> None:
        """One witness more, unless it said so already."""
        witness = Witness(strength, says, frame)
        if not any(one.says == says for one in self.witnesses):
            self.witnesses.append(witness)


def _strongest(witnesses: Iterable[Witness]) -> Strength:
    return max((witness.strength for witness in witnesses), default=Strength.TYPICAL)
