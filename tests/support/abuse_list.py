"""Where PL501 to PL504 are raised on recordings that are kept, and why each is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from places import ROOT

import pcapleak
from pcapleak.errors import PcapleakError

IDS = ("PL501", "PL502", "PL503", "PL504")
CAPTURES = ROOT / "captures"


class Raised(NamedTuple):
    """One finding of a recording."""

    capture: str
    id: str
    severity: str
    why: str = ""


LISTED = (
    Raised("l-loopback-channel", "PL501", "high",
           "a cookie's value in checks to six ports of `127.0.0.1`"),
    Raised("loopback-channel", "PL501", "high",
           "a page's value in checks and TURN to `127.0.0.1`, `::1` and the host's own address, a "
           "finding each"),
    Raised("firefox-loopback-channel", "PL501", "high",
           "the same page: Firefox sends to the host's own address alone"),
    Raised("l-lan-scan", "PL502", "medium", "one socket checks 58 hosts in three seconds"),
    Raised("lan-scan", "PL502", "medium",
           "a page checks 12 hosts of the LAN at 30 ports by candidates, STUN and TURN servers"),
    Raised("firefox-lan-scan", "PL502", "medium",
           "the same page: ports below 1024 too, 32 in all"),
    Raised("stun-data", "PL503", "medium",
           "48 characters in each of six usernames, to a peer in checks and to a relay in "
           "credentials that it refuses, a finding each"),
    Raised("firefox-stun-data", "PL503", "medium", "the same page and findings"),
    Raised("l-turn-pivot", "PL504", "medium",
           "permissions for `127.0.0.1`, `169.254.169.254` and `0.0.0.0`"),
    Raised("ndpi__stun.pcap", "PL504", "info",
           "libwebrtc's own loopback candidate for TCP, which its peer asked the relay for beside "
           "a public one: no abuse"),
)  # fmt: skip
"""In `captures`, in `captures/cases` and `captures/browser`, and in the public ones."""


def raised(path: Path) -> set[Raised]:
    """What is raised on one capture without a policy; nothing where it cannot be read."""
    try:
        findings = pcapleak.analyze(path).document.findings
    except PcapleakError:
        return set()
    name = path.name if path.parent.name == "public" else path.name.split(".pcap")[0]
    return {Raised(name, one.id, str(one.severity)) for one in findings if one.id in IDS}


def kept() -> Iterator[Path]:
    """All captures of this project."""
    for folder in (CAPTURES, CAPTURES / "cases", CAPTURES / "browser"):
        yield from sorted(folder.glob("*.pcap*"))


def section() -> list[str]:
    """The part of `docs/results.md` that lists them."""
    counts = Counter(one.id for one in LISTED if one.severity != "info")
    own = sum(1 for _ in kept())
    lines = [
        "## What a page does with STUN, and what only looks so",
        "",
        f"{', '.join(f'{id_} on {counts[id_]}' for id_ in IDS)} of {own} captures of this project",
        "(the lab's, browsers' and cases), above information; on 496 public captures of other",
        "projects, calls by Teams, WhatsApp, Zoom, Meet, Discord and Telegram among them, on none.",
        "`tests/recordings/test_abuse_list.py` holds all of them to this list:",
        "",
        "| recording | finding | severity | why |",
        "|---|---|---|---|",
    ]
    return lines + [f"| {one.capture} | {one.id} | {one.severity} | {one.why} |" for one in LISTED]
