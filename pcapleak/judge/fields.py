"""Fields of the policy as it was judged: given, found with reasons, or empty."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.judge.context import Source
from pcapleak.judge.judgement import PolicyField, PolicyValue
from pcapleak.values.evidence import weakest


def given_field(values: Sequence[PolicyValue]) -> PolicyField:
    """A field that the policy gave, or nobody."""
    return PolicyField(list(values), "given" if values else "default")


def found_field(sources: list[Source]) -> PolicyField:
    """A field that the capture gave."""
    if not sources:
        return PolicyField([], "default")
    surely = weakest(*(confidence for _, _, confidence in sources))
    return PolicyField(
        list(dict.fromkeys(value for value, _, _ in sources)),
        "inferred",
        surely,
        list(dict.fromkeys(f"{value}: {reason}" for value, reason, _ in sources)),
    )
