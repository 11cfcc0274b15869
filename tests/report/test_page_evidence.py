"""What browsers' own tools say of candidates, read and held against packets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ice_support import state_of

from pcapleak.decode.ice.page import PageCandidate, read_page
from pcapleak.report.document import IceSession, PageRow
from pcapleak.report.webrtc import page_entry, session_entry
from pcapleak.track.ice.reconcile import reconcile

HOST = (
    "candidate:2817654186 1 udp 2113937151 d53cb8b5-d726-4340-9e3d-48af8fdcc046.local 42597 "
    "typ host generation 0 ufrag Io8/ network-cost 999"
)
SRFLX = "candidate:461748467 1 udp 1677729535 203.0.113.7 42597 typ srflx raddr 0.0.0.0 rport 0"


def test_a_description_gives_its_lines_the_username_fragment() -> None:
    sdp = f"v=0\r\na={SRFLX}\r\na=ice-ufrag:Io8/\r\na=ice-pwd:x\r\n"
    (candidate,) = read_page(sdp)
    assert (candidate.type, candidate.address, candidate.port) == ("srflx", "203.0.113.7", 42597)
    assert candidate.username_fragment == "Io8/"
    assert candidate.side == "unknown"


def test_a_webrtc_internals_dump_tells_own_candidates_from_the_peers() -> None:
    remote = HOST.replace("42597", "49216").replace("2817654186", "222397749")
    dump = {
        "PeerConnections": {
            "12-1": {
                "updateLog": [
                    {"type": "icecandidate", "value": f"sdpMid: 0, candidate: {HOST}, url: x"},
                    {"type": "addIceCandidate", "value": f"sdpMid: 0, candidate: {remote}"},
                    {"type": "setLocalDescription", "value": f"type: offer, sdp: a={SRFLX}\r\n"},
                ]
            }
        }
    }
    found = read_page(json.dumps(dump))
    assert [(one.port, one.side) for one in found] == [
        (42597, "local"),
        (49216, "remote"),
        (42597, "local"),
    ]


def test_statistics_do_not_repeat_lines() -> None:
    stats = {
        "type": "local-candidate",
        "candidateType": "srflx",
        "address": "203.0.113.7",
        "port": 42597,
        "priority": 1677729535,
        "protocol": "udp",
        "foundation": "461748467",
    }
    (candidate,) = read_page(json.dumps({"sdp": f"a={SRFLX}\r\n", "stats": [stats]}))
    assert candidate.line is not None
    assert candidate.side == "local"


def test_statistics_of_a_hidden_address_have_none() -> None:
    stats = {"type": "local-candidate", "candidateType": "host", "address": "", "port": 5}
    (candidate,) = read_page(json.dumps([stats]))
    assert candidate.address is None
    assert candidate.text == "candidate:? ? udp ? ? 5 typ host"


def test_about_webrtc_text_is_read() -> None:
    found = read_page("pair 192.0.2.1:4711/udp(host)|198.51.100.9:3478/udp(srflx) [2001:db8::1]")
    assert [(one.type, one.address, one.port) for one in found] == [
        ("host", "192.0.2.1", 4711),
        ("srflx", "198.51.100.9", 3478),
    ]


@pytest.mark.parametrize("text", ["", "null", "[1, true, {}]", "candidate: none", "[" * 5000])
def test_text_without_candidates_gives_none(text: str) -> None:
    assert read_page(text) == []


def held_against(
    capture: Path, told: list[PageCandidate]
) -> tuple[list[PageRow], list[IceSession]]:
    """Rows and sessions of a report on a capture and a page."""
    state = state_of(capture)
    sessions = state.ice.sessions(state)
    rows = [page_entry(row) for row in reconcile(sessions, {"page.txt": told})]
    return rows, [session_entry(session, state.interfaces) for session in sessions]


def test_each_row_of_a_real_page_is_seen_by_both_or_explained(browser: Path) -> None:
    browser = browser
    answer = json.loads((browser / "ffdirect.json").read_text())
    told = read_page("\n".join(one["line"] for one in answer["candidates"]))
    rows, _ = held_against(browser / "ffdirect.pcapng", told)
    seen = {row.line: row.seen_by for row in rows}
    for one in answer["candidates"]:
        assert seen[one["line"]] == ("page" if one["showable"] == "no" else "both")
    assert all(row.reasons for row in rows)


def test_a_page_completes_what_packets_left_open(browser: Path) -> None:
    told = read_page(
        "candidate:0 1 UDP 2122187007 9e793408-c657-49f1-843b-28ea2cf13921.local 56094 typ host"
    )
    _, sessions = held_against(browser / "ffdirect.pcapng", told)
    host = next(one for one in sessions[0].candidates if one.type == "host")
    assert host.mdns_name == "9e793408-c657-49f1-843b-28ea2cf13921.local"
    assert host.address == "192.168.50.42"
    assert (host.priority, host.priority_source) == (2122187007, "signalled")


def test_a_spoofed_candidate_is_the_pages_alone(browser: Path) -> None:
    spoofed = "candidate:1 1 udp 1677729535 192.0.2.99 35835 typ srflx raddr 0.0.0.0 rport 0"
    rows, _ = held_against(browser / "direct.pcapng", read_page(spoofed))
    assert rows[0].seen_by == "page"
    assert "no packet supports it" in rows[0].reasons[0]
    assert {row.seen_by for row in rows[1:]} == {"wire"}


def test_a_foundation_from_the_page_names_the_hidden_address(browser: Path) -> None:
    browser = browser
    rows, _ = held_against(browser / "loop.pcapng", read_page(HOST))
    assert rows[0].seen_by == "both"
    assert "foundation 2817654186 confirms 192.168.50.42" in rows[0].reasons
