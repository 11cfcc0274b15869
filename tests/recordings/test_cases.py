"""Situations that verdicts were wrong about, or could be, each held to its right answer."""

from __future__ import annotations

from typing import Any

import pytest
from case_keys import Run, faults, report_of, runs


def guesses(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What only names, ports, shapes and shares say of carriers, and of whose traffic it is: an
    address more of a client that is known otherwise apart."""
    of = {
        question: [one for one in report["claims"] if one["question"] == question]
        for question in ("carrier", "client")
    }
    weak = {
        question: [one for one in claims if one["strength"] == "typical"]
        for question, claims in of.items()
    }
    return weak["carrier"] + (weak["client"] if weak["client"] == of["client"] else [])


FALLS_SHORT: dict[str, str] = {
    "f-other-hosts-dns": "the client does ask in it: frame 37 is its query for leak.example.com",
    "b-ff-no-host --vpn-endpoint 146.70.112.2:51820": "packets do not tell it from a Firefox that "
    "shows its default address alone, which is a case too",
}
"""Runs that are not yet as they should be, and why; one that mends itself fails here."""


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.name)
def test_a_case_is_judged_as_its_key_says(run: Run) -> None:
    report = report_of(run)
    found = faults(run, report)
    if report["verdict"]["result"] == "no-leak":
        assert not guesses(report), "habit alone never makes it"
    if run.name in FALLS_SHORT:
        assert found, "as it should be now: take it off the list"
    else:
        assert not found, (run.key["about"], found)
