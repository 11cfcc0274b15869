"""The page that `pcapleak page` writes, run by real browsers while the lab records them: every
candidate it reads is held against the packets of that very run."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest
from conftest import need_tool
from places import CAPTURES

from captures.lab.expected import PROXY
from captures.lab.own_page import OWN_PAGES, OwnPage, record_own_page
from pcapleak import Policy, analyze
from pcapleak.report.document import Document, PageRow

QTWEBENGINE = Path("/usr/lib/python3/dist-packages/PyQt6/QtWebEngineCore.abi3.so")

CALLS_OUT = "a TCP candidate that only connects sends nothing until a peer listens"
NO_SERVER = "no packet left this port, and its name was not announced"


def judged(capture: Path, reading: Path, story: OwnPage) -> Document:
    return analyze(capture, Policy.from_options(**story.policy), pages=[reading]).document


def sent_nothing(row: PageRow, story: OwnPage) -> bool:
    """Whether a candidate caused no packet, as it must: one that only calls out, and Firefox's
    of a family whose servers were not asked."""
    firefox = story.browser == "firefox" and story.name.endswith("tunnel")
    return row.reasons[0] == CALLS_OUT or (firefox and row.reasons[0] == NO_SERVER)


@pytest.mark.parametrize("story", OWN_PAGES, ids=lambda story: story.name)
def test_every_candidate_the_page_reads_is_in_the_packets(
    story: OwnPage, root_network: None, tmp_path: Path
) -> None:
    for tool in ("turnserver", "dnsmasq", "dumpcap", "nft"):
        need_tool(tool)
    if story.browser == "qtwebengine" and not QTWEBENGINE.exists():
        pytest.skip("python3-pyqt6.qtwebengine is not installed (scripts/lab-stacks)")
    elif story.browser != "qtwebengine":
        need_tool("chromium" if story.browser == "chromium" else "firefox-esr")
    need_tool("microsocks" if "proxy" in story.policy else "wireguard-go")
    run = record_own_page(story, tmp_path)
    assert run.loaded == []
    reading = json.loads(run.reading.read_text())
    assert reading["mode"]["number"] == story.mode
    assert all(one["complete"] for one in reading["connections"])
    silent = {error["server"] for one in reading["connections"] for error in one["errors"]}
    assert ("stun:198.51.100.99:3478" in silent) == ("silent" in story.name)
    document = judged(run.capture, run.reading, story)
    rows = document.page_rows
    told = [row for row in rows if row.seen_by != "wire"]
    assert any(row.seen_by == "both" for row in told)
    assert [row for row in told if row.seen_by == "page" and not sent_nothing(row, story)] == []
    assert not any(finding.id == "PL407" for finding in document.findings)
    modes = {session.ip_handling_mode.mode for session in document.ice_sessions}
    assert modes == {story.mode} or story.mode is None
    vectors = {one.name: one for one in document.coherence.vectors}
    assert vectors["time zone"].value == reading["time_zone"]
    assert "pcapleak-reading.json" in vectors["time zone"].provenance
    if story.name == "page-socks":
        lies_are_named(run.capture, run.reading, story)
    if story.name == "page-full-tunnel":
        only_webrtc_spoke(document)


def only_webrtc_spoke(document: Document) -> None:
    """Nothing went to anybody but the STUN server, the tunnel's own and the LAN's multicast."""
    far = {flow.resp.address for flow in document.flows}
    named = {address for address in far if not ip_address(address).is_multicast}
    assert named <= {"198.51.100.10", "198.51.100.40", "192.168.50.42"}


def lies_are_named(capture: Path, reading: Path, story: OwnPage) -> None:
    """The same reading with the public address changed."""
    lying = reading.with_name("lying.json")
    lying.write_text(reading.read_text().replace("203.0.113.7", "192.0.2.99"))
    findings = [one for one in judged(capture, lying, story).findings if one.id == "PL407"]
    assert [one for one in findings if "192.0.2.99" in one.subject and "203.0.113.7" in one.message]


@pytest.mark.parametrize(("name", "alone"), [("socks", 2), ("mode-3", None)])
def test_a_recorded_reading_completes_its_packets(name: str, alone: int | None) -> None:
    """The same without a browser: what the notebook shows."""
    capture, reading = (CAPTURES / "page" / f"{name}{end}" for end in (".pcapng", ".json"))
    policy = Policy.from_options(**PROXY)
    (session,) = analyze(capture, policy).document.ice_sessions
    assert session.ip_handling_mode.mode == alone
    document = analyze(capture, policy, pages=[reading]).document
    assert {row.seen_by for row in document.page_rows} == {"both"}
    (session,) = document.ice_sessions
    assert session.ip_handling_mode.mode == json.loads(reading.read_text())["mode"]["number"]
    assert document.verdict.result == "leak"


def raw_reading(tmp_path: Path, microphone: str) -> Path:
    """The recorded reading of a browser that had hidden nothing."""
    reading = json.loads((CAPTURES / "page" / "socks.json").read_text())
    for one in reading["connections"][0]["candidates"]:
        if one["type"] == "host":
            address = "192.168.50.42" if one["candidate"].split()[3] == "2113937151" else None
            raw = address or "2001:db8:50::42"
            one["candidate"] = one["candidate"].replace(one["address"], raw)
    reading["microphone"] = microphone
    path = tmp_path / "raw.json"
    path.write_text(json.dumps(reading))
    return path


@pytest.mark.parametrize(("microphone", "found"), [("off", ["PL107"]), ("granted", [])])
def test_a_private_address_read_without_a_permission(
    microphone: str, found: list[str], tmp_path: Path
) -> None:
    document = analyze(
        CAPTURES / "page" / "socks.pcapng",
        Policy.from_options(**PROXY),
        pages=[raw_reading(tmp_path, microphone)],
    ).document
    assert [one.id for one in document.findings if one.id == "PL107"] == found
    assert not any(one.id == "PL407" for one in document.findings)
    assert document.verdict.result == "leak"
    observers = [who for one in document.observers for who in one.learned_by]
    assert "everyone on the signalling's way" not in observers


def test_what_is_given_outweighs_the_reading() -> None:
    capture, reading = (CAPTURES / "page" / f"socks{end}" for end in (".pcapng", ".json"))
    policy = Policy.from_options(**PROXY, timezone="Asia/Tokyo", language=["ja"])
    vectors = analyze(capture, policy, pages=[reading]).document.coherence.vectors
    told = {one.name: (one.value, one.provenance) for one in vectors}
    assert told["time zone"] == ("Asia/Tokyo", "the policy")
    assert told["language"] == ("ja", "the policy")
