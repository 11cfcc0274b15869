"""The recorded browsers: each scenario, each of its recordings, judged as its answer key says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from builders import ids, judged, of

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document

SCENARIOS = (
    "direct", "ffdirect", "ffsocks", "ffwgsplit", "frame", "gum", "loop", "mode3", "mode4",
    "socks", "tunneldrop", "turntcp", "wgfull", "wgfull6", "wgsplit",
)  # fmt: skip
RECORDINGS = (".pcapng", ".eth0.pcapng", ".any.pcap")

NOT_SHOWN = {
    ("tunneldrop", ".eth0.pcapng", "PL104"): "without the tunnel's inside nobody knows which port "
    "was used there, so that it moved is not to be seen; what it did outside is",
}
"""What a recording cannot show, and why: its report must not claim it."""


def policy_of(key: dict[str, Any]) -> Policy:
    return Policy.from_options(**{name: [value] for name, value in key["policy"].items()})


@cache
def report(folder: Path, name: str, recording: str) -> tuple[dict[str, Any], Document]:
    key = json.loads((folder / f"{name}.json").read_text())
    path = folder / f"{name}{recording}"
    return key, judged(path, policy_of(key), path)


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_verdict_and_exposed_addresses_are_the_keys(
    browser: Path, name: str, recording: str
) -> None:
    key, document = report(browser, name, recording)
    expect = key["expect"]
    if not key["policy"]:
        assert document.verdict.result == "no-policy"
        assert all(finding.severity in ("info", "low") for finding in document.findings)
        return
    assert document.verdict.result == ("leak" if expect["leak"] else "no-leak")
    assert sorted(document.verdict.exposed_addresses) == sorted(expect["exposed_addresses"])


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", ["ffsocks", "ffwgsplit", "tunneldrop", "wgfull"])
def test_the_keys_finding_is_made_where_the_recording_shows_it(
    browser: Path, name: str, recording: str
) -> None:
    key, document = report(browser, name, recording)
    finding = key["expect"]["finding"]
    assert (finding in ids(document)) == ((name, recording, finding) not in NOT_SHOWN)


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", ["wgfull", "ffwgsplit"])
def test_the_tunnels_address_is_found_on_the_physical_link(
    browser: Path, name: str, recording: str
) -> None:
    key, document = report(browser, name, recording)
    address = key["expect"]["tunnel_address_on_physical"]
    (finding,) = of(document, "PL302") + of(document, "PL206")
    assert finding.addresses == [address]
    certain = finding.confidence == "certain"
    assert certain == (recording != ".eth0.pcapng"), "only a recorded tunnel proves its address"


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_lan_address_announced_into_the_tunnel_needs_the_tunnel_recorded(
    browser: Path, recording: str
) -> None:
    _, document = report(browser, "wgsplit", recording)
    found = of(document, "PL303")
    if recording == ".eth0.pcapng":
        assert found == []
        assert "PL901" in ids(document), "the report says that the inside was not recorded"
    else:
        assert found[0].addresses == ["192.168.50.42"]


@pytest.mark.parametrize("name", ["wgfull", "wgfull6", "wgsplit", "tunneldrop", "ffwgsplit"])
def test_a_physical_recording_says_that_the_tunnel_is_missing(browser: Path, name: str) -> None:
    _, document = report(browser, name, ".eth0.pcapng")
    assert any(
        "inside wg0 is unknown: the tunnel itself was not recorded" in finding.message
        for finding in of(document, "PL901")
    )


@pytest.mark.parametrize("name", ["socks", "ffsocks", "mode4", "wgfull", "wgsplit", "tunneldrop"])
@pytest.mark.parametrize("recording", [".pcapng", ".any.pcap"])
def test_without_a_policy_the_capture_itself_gives_the_same_verdict(
    browser: Path, name: str, recording: str
) -> None:
    key, given = report(browser, name, recording)
    path = browser / f"{name}{recording}"
    inferred = judged(path, Policy(), path)
    assert inferred.verdict.result == given.verdict.result
    assert inferred.verdict.exposed_addresses == given.verdict.exposed_addresses
    assert inferred.policy.kind == given.policy.kind
    field = inferred.policy.fields["proxies" if "proxy" in key["policy"] else "tunnels"]
    assert field.source == "inferred"
    assert field.reasons


def test_modes_that_ask_per_family_are_not_taken_for_enumeration(browser: Path) -> None:
    """IPv6 beside an IPv4-only tunnel is Mode 2 with two routes, not Mode 1."""
    _, document = report(browser, "wgfull6", ".pcapng")
    assert "PL103" not in ids(document)
    assert "PL202" in ids(document)


def test_the_dropped_tunnels_timeline_places_the_leak_after_the_loss(browser: Path) -> None:
    _, document = report(browser, "tunneldrop", ".pcapng")
    (lost,) = (event for event in document.timeline if event.kind == "tunnel-lost")
    leaks = [event for event in document.timeline if event.kind == "leak"]
    assert leaks
    assert all(event.time > lost.time for event in leaks)
    assert all("after it was lost" in event.text for event in leaks)
    moved = next(event for event in leaks if event.subject.startswith("PL104"))
    assert moved.until is not None
    assert moved.until > moved.time


@pytest.mark.parametrize("name", ["wgfull", "wgsplit", "ffwgsplit"])
def test_carrier_and_inside_account_for_each_other(browser: Path, name: str) -> None:
    _, document = report(browser, name, ".any.pcap")
    (tunnel,) = document.tunnels
    assert tunnel.completeness is not None
    assert tunnel.completeness > 0.95


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_finding_is_one_fact(browser: Path, name: str, recording: str) -> None:
    """Identifier and subject name a finding: what repeats is gathered under them."""
    _, document = report(browser, name, recording)
    keys = [(finding.id, finding.subject) for finding in document.findings]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "engine", "webrtc"),
    [("ffsocks", "firefox", False), ("socks", "chromium", True), ("ffwgsplit", "firefox", True)],
)
def test_a_browser_that_speaks_for_itself_is_listed(
    browser: Path, name: str, engine: str, webrtc: bool
) -> None:
    """Where it sent no WebRTC too."""
    _, document = report(browser, name, ".pcapng")
    assert {one.engine for one in document.browsers} == {engine}
    assert any(one.webrtc for one in document.browsers) == webrtc
