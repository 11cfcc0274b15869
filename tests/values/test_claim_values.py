"""Claims: answers with their witnesses."""

from __future__ import annotations

from pcapleak.values.claims import Claim, Strength, Witness


def test_the_strongest_witness_decides() -> None:
    name = Witness(Strength.TYPICAL, "its name is usual for a tunnel")
    packets = Witness(Strength.PROVEN, "its packets reappear in the carrier")
    assert Claim("side", "wg0", "inside", (name, packets)).strength is Strength.PROVEN
    assert Claim("side", "wg0", "inside", (name,)).strength is Strength.TYPICAL


def test_what_nobody_witnesses_is_no_more_than_typical() -> None:
    assert Claim("side", "eth0", "outside", ()).strength is Strength.TYPICAL
