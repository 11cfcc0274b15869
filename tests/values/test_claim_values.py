"""Claims: answers with their witnesses."""

from __future__ import annotations

from pcapleak.values.claims import Claim, Strength, Witness


def test_the_strongest_witness_decides_and_is_named_first() -> None:
    claim = Claim("wg0")
    claim.add(Strength.TYPICAL, "its name is usual for a tunnel")
    claim.add(Strength.PROVEN, "its packets reappear in the carrier", 7)
    claim.add(Strength.PROVEN, "its packets reappear in the carrier", 9)
    assert claim.strength is Strength.PROVEN
    assert claim.reasons == [
        "its packets reappear in the carrier",
        "its name is usual for a tunnel",
    ]
    assert not claim.is_weak


def test_a_claim_without_witnesses_or_with_typical_ones_is_weak() -> None:
    claim = Claim("eth0")
    assert claim.is_weak
    claim.add(Strength.TYPICAL, "physical interfaces are called like eth0")
    assert claim.is_weak


def test_equals_that_disagree_are_a_conflict_and_the_weaker_are_not() -> None:
    claim = Claim("192.0.2.1", [Witness(Strength.CONSERVED, "bytes agree")])
    assert not claim.is_contested
    claim.against.append(Witness(Strength.TYPICAL, "it answers on a server's port"))
    assert not claim.is_contested
    claim.against.append(Witness(Strength.CONSERVED, "192.0.2.9 fits as well"))
    assert claim.is_contested
