"""PL501 to PL504 are raised where the list says, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from abuse_list import LISTED, kept, raised

PUBLIC = {one._replace(why="") for one in LISTED if ".pcap" in one.capture}
OWN = {one._replace(why="") for one in LISTED if ".pcap" not in one.capture}


def test_abuse_is_found_in_captures_of_it_and_in_no_others() -> None:
    """Calls between two tabs, two programs, hosts of a LAN and by relays are none."""
    assert {one for path in kept() for one in raised(path)} == OWN


def test_public_captures_hold_no_abuse(corpus: Path) -> None:
    paths = sorted((corpus / "public").iterdir())
    assert len(paths) == 496
    assert {one for path in paths for one in raised(path)} == PUBLIC
