"""Fields of the policy as it was judged: given, found with reasons, or empty."""

from __future__ import annotations

from collections.abc import Sequence

from pcapleak.judge.context import Source
from pcapleak.judge.judgement import PolicyField, PolicyValue
from pcapleak.values.evidence import weakest


def given_field(values: Sequence[PolicyValue]) -> PolicyField:
    """A field that the policy gave, or nobody."""
    return PolicyField(list(values), "given" if values else "default")


def found_field(sources: Sequence[Source]) -> PolicyField:
    """A field that the capture gave."""
    if not sources:
        return PolicyField([], "default")
    return PolicyField(
        list(dict.fromkeys(one.value for one in sources)),
        "inferred",
        weakest(*(one.confidence for one in sources)),
        list(dict.fromkeys(f"{one.value}: {one.says}" for one in sources)),
    )
