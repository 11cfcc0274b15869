"""What a verdict hangs on, as the report tells it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.values.claims import Question

ClaimStrength = Literal["told", "proven", "conserved", "typical"]


class WitnessEntry(Struct):
    """One thing that speaks for or against an answer."""

    strength: ClaimStrength
    """How much it is worth; the stronger decides."""
    says: str
    """In words."""


class ClaimEntry(Struct):
    """One answer that the verdict hangs on."""

    question: Question
    """Whose traffic, on which side, carried by what, local or not, coming out where."""
    subject: str
    """The address, network, interface or server."""
    answer: str
    """What it is taken for."""
    strength: ClaimStrength
    """That of the strongest witness."""
    witnesses: list[WitnessEntry] = field(default_factory=list)
    against: list[WitnessEntry] = field(default_factory=list)
    """What contradicts it."""
    settled_by: str = ""
    """The option that would tell it, filled in; empty where it is better known."""
