"""What judging answers, why, and how surely: an answer is as good as its witnesses."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple

Question = Literal["client", "tunnel address", "side", "carrier", "local", "exit"]


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


class Claim(NamedTuple):
    """An answer to one question: whose, which side, what carries, what is local, which exit."""

    question: Question
    subject: str
    """An address, a network, an interface or a server."""
    answer: str
    """What it is taken for."""
    witnesses: tuple[Witness, ...]
    against: tuple[Witness, ...] = ()
    """What contradicts it."""
    settled_by: str = ""
    """The option that would tell it, filled in, where nothing better than habit does."""

    @property
    def strength(self) -> Strength:
        """That of its strongest witness; `TYPICAL` without any."""
        return max((witness.strength for witness in self.witnesses), default=Strength.TYPICAL)

    @property
    def is_weak(self) -> bool:
        """Whether typical witnesses alone speak for it: never enough for `no-leak`, nor for a
        finding of confidence `certain`."""
        return self.strength is Strength.TYPICAL
