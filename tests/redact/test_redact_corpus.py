"""Redaction of other people's captures: every container, link type and tunnel there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT
from redaction_facts import KEY, facts

import pcapleak
from pcapleak.redact import Renamer, redact_capture

PUBLIC = [
    path
    for path in sorted((ROOT.parent / "shared" / "captures" / "public").glob("*"))
    if path.suffix != ".snoop" and "pktap" not in path.name.lower()
]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.name)
def test_findings_are_equal_up_to_renaming(path: Path, tmp_path: Path) -> None:
    """No capture is refused. What the recording lacks is not found again (PL901): the redacted
    one is not cut off, and what could not be read is blank in it. PKTAP becomes what it wraps."""
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    before.write_bytes(path.read_bytes())
    redact_capture(before, after, KEY)
    one, other = (pcapleak.analyze(file).document for file in (before, after))
    assert facts(other, None, "PL901") == facts(one, Renamer(KEY), "PL901")
    assert other.statistics.packets == one.statistics.packets
    assert sum(other.statistics.skipped.values()) <= sum(one.statistics.skipped.values())
