"""Redaction of other people's captures: every container, link type and tunnel there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_redact import KEY, ROOT, facts

import pcapleak
from pcapleak.redact import Renamer, redact_capture

PUBLIC = [
    path
    for path in sorted((ROOT.parent / "shared" / "captures" / "public").glob("*"))
    if path.suffix != ".snoop"
]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.name)
def test_findings_are_equal_up_to_renaming(path: Path, tmp_path: Path) -> None:
    """No capture is refused, and one thing alone is not found again: that the file was cut off,
    for the redacted one is not."""
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    before.write_bytes(path.read_bytes())
    redact_capture(before, after, KEY)
    one, other = (pcapleak.analyze(file).document for file in (before, after))
    one.findings[:] = [f for f in one.findings if not f.subject.endswith("is cut off")]
    assert facts(other, None, "") == facts(one, Renamer(KEY), "")
    assert other.statistics.packets == one.statistics.packets
    assert sum(other.statistics.skipped.values()) <= sum(one.statistics.skipped.values())
