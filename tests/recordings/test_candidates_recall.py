"""Over every browser capture: each candidate the page read is found, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ice_support import sessions_of

from pcapleak.report.document import Candidate, IceSession

SCENARIOS = (
    "direct", "ffdirect", "ffsocks", "ffwgsplit", "frame", "gum", "loop", "mode3", "mode4",
    "socks", "tunneldrop", "turntcp", "wgfull", "wgfull6", "wgsplit",
)  # fmt: skip
RECORDINGS = (".pcapng", ".eth0.pcapng", ".any.pcap")

LESS_SHOWN = {
    # No STUN leaves eth0 while the tunnel carries it; the names are announced on eth0 too, so
    # of these candidates the name and address stay, the port does not.
    ("wgfull", ".eth0.pcapng"): {"host": "name", "srflx": "no"},
    ("wgfull6", ".eth0.pcapng"): {"host 10.66.0.2": "name", "srflx 198.51.100.40": "no"},
    # The first session gathered inside the tunnel; eth0 shows its names, and its port later.
    ("tunneldrop", ".eth0.pcapng"): {"srflx 198.51.100.40": "no"},
    # The checks between both IPv6 sockets stay on lo.
    ("loop", ".eth0.pcapng"): {"host 2001:db8:50::42": "name"},
}
"""What a recording of the physical interface cannot show, and why."""


@dataclass
class Expected:
    who: str
    type: str
    address: str
    port: int
    priority: int
    showable: str
    line: str


def expected_of(
    answer: dict[str, Any], recording: str, sessions: list[IceSession]
) -> list[Expected]:
    """What this recording can show of each candidate the page read."""
    hidden = {c.mdns_name: c.address for s in sessions for c in s.candidates if c.mdns_name}
    found = []
    for one in answer["candidates"]:
        showable = one["showable"]
        less = LESS_SHOWN.get((answer["scenario"], recording), {})
        address = hidden.get(one["address"], one["address"])
        for key in (one["type"], f"{one['type']} {address}"):
            showable = less.get(key, showable) if showable == "yes" else showable
        found.append(
            Expected(
                one["who"], one["type"], one["address"], one["port"], one["priority"], showable,
                one["line"],
            )
        )  # fmt: skip
    return found


def matches(expected: Expected, candidate: Candidate) -> bool:
    """Whether this is the candidate, in all that can be shown of it."""
    if candidate.type != expected.type:
        return False
    if expected.showable == "port":
        return candidate.port == expected.port and candidate.mdns_name is None
    shown = candidate.mdns_name or candidate.address
    if shown != expected.address:
        return False
    if candidate.priority not in (None, expected.priority):
        return False
    return candidate.port == (expected.port if expected.showable == "yes" else None)


def assign(
    expected: list[Expected], sessions: list[IceSession]
) -> tuple[list[Expected], list[Candidate]]:
    """What was not found, and what was found beyond: each entry counts once."""
    left = [candidate for session in sessions for candidate in session.candidates]
    missing = []
    for one in expected:
        for candidate in left:
            if matches(one, candidate):
                left.remove(candidate)
                break
        else:
            missing.append(one)
    return missing, left


def test_recall_and_precision_are_one_over_all_recordings(
    browser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, problems = [], []
    for scenario in SCENARIOS:
        answer = json.loads((browser / f"{scenario}.json").read_text())
        for recording in RECORDINGS:
            sessions = sessions_of(browser / f"{scenario}{recording}")
            expected = expected_of(answer, recording, sessions)
            showable = [one for one in expected if one.showable != "no"]
            missing, beyond = assign(showable, sessions)
            # Mode 3 sends what Mode 2 sends where nothing is hidden: the host may be read or not.
            beyond = [one for one in beyond if scenario != "mode3" or one.evidence != "inferred"]
            listed = sum(len(session.candidates) for session in sessions)
            recall = 1 - len(missing) / len(showable) if showable else 1.0
            precision = 1 - len(beyond) / listed if listed else 1.0
            rows.append((scenario, recording, len(showable), listed, recall, precision))
            problems += [f"{scenario}{recording} missing {one.line}" for one in missing]
            problems += [f"{scenario}{recording} beyond {one.line}" for one in beyond]
    with capsys.disabled():
        print(f"\n{'scenario':12} {'recording':13} shown listed recall precision")  # noqa: T201
        for scenario, recording, shown, listed, recall, precision in rows:
            print(  # noqa: T201
                f"{scenario:12} {recording:13} {shown:5} {listed:6} {recall:6.2f} {precision:9.2f}"
            )
    assert not problems


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_engine_and_mode_are_the_browsers(browser: Path, scenario: str, recording: str) -> None:
    expect = json.loads((browser / f"{scenario}.json").read_text())["expect"]
    sessions = sessions_of(browser / f"{scenario}{recording}")
    if scenario == "ffsocks":
        assert sessions == []  # Firefox behind a proxy sends nothing of WebRTC
        return
    assert {session.engine for session in sessions} == {expect["engine"]}
    if "mode" in expect:
        modes = {(one.ip_handling_mode.mode, one.ip_handling_mode.confidence) for one in sessions}
        if scenario == "mode3":  # told from a Mode 2 that hides nothing by no packet
            assert modes == {(2, "low")}
            return
        assert {mode for mode, _ in modes} == {expect["mode"]}
