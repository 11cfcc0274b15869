"""Captures whose signs contradict each other, and captures whose signs do not."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    PROXY,
    PROXY_POLICY,
    PUBLIC,
    START_NS,
    STUN,
    TUNNEL_POLICY,
    WG0,
    Recording,
    dns_query,
    ids,
    judged,
)
from lab_truth import CAPTURES, policy_of

import pcapleak
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Coherence, Document

CONTRADICTIONS = {"PL401", "PL402", "PL403", "PL404", "PL405"}

MAP = """
["198.51.100.0/24"]
country = "{exit}"
asn = 64500
organisation = "Example Hosting"
kind = "hosting"

["203.0.113.0/24"]
country = "DE"
asn = 64501
organisation = "Example Access"
kind = "residential"

["192.0.2.0/24"]
country = "DE"
asn = 64501
organisation = "Example Access"
kind = "residential"
"""


@pytest.fixture
def places(tmp_path: Path) -> str:
    """A map with a foreign exit in the Netherlands and a home in Germany."""
    path = tmp_path / "places.toml"
    path.write_text(MAP.format(exit="NL"))
    return str(path)


def found(document: Document) -> set[str]:
    return ids(document) & CONTRADICTIONS


def verdicts(coherence: Coherence) -> dict[tuple[str, ...], str]:
    return {tuple(pair.vectors): pair.verdict for pair in coherence.contradictions}


def page(tmp_path: Path, **facts: object) -> Path:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(facts))
    return path


@pytest.mark.parametrize(
    ("name", "proxy"),
    [("socks", "socks5://198.51.100.30:1080"), ("http-proxy", "http://198.51.100.30:8080")],
)
@pytest.mark.parametrize(
    ("exit_", "facts", "planted"),
    [
        # A foreign proxy, and a clock and languages set to match it.
        ("NL", {"timeZone": "Europe/Amsterdam", "languages": ["nl-NL"]}, {"PL401", "PL402"}),
        # The same, with the user's own clock and languages.
        (
            "US",
            {"timeZone": "Europe/Berlin", "languages": ["de-DE", "de"]},
            {"PL401", "PL402", "PL403", "PL404"},
        ),
        ("US", {"timeZone": "Europe/Berlin", "languages": ["en-US"]}, {"PL401", "PL402", "PL403"}),
        # A proxy in the user's own country: only the network tells.
        ("DE", {"timeZone": "Europe/Berlin", "languages": ["de-DE"]}, {"PL402"}),
        # Nothing told but the addresses.
        ("NL", {}, {"PL401", "PL402"}),
    ],
)
def test_a_browser_behind_a_proxy_gives_exactly_what_is_planted(
    tmp_path: Path, name: str, proxy: str, exit_: str, facts: dict[str, object], planted: set[str]
) -> None:
    places = tmp_path / "places.toml"
    places.write_text(MAP.format(exit=exit_))
    policy = Policy.from_options(proxy=[proxy], geo_map=[str(places)])
    pages = [page(tmp_path, **facts)] if facts else []
    document = pcapleak.analyze(CAPTURES / f"{name}.pcapng", policy, pages=pages).document
    assert found(document) == planted
    assert document.coherence.result == "incoherent"
    for finding in document.findings:
        if finding.id in CONTRADICTIONS:
            assert finding.severity == "medium"
            assert finding.confidence in ("high", "medium")
    assert {finding.frame_count > 0 for finding in document.findings if finding.id == "PL402"} == {
        True
    }


def test_the_sentence_is_one_a_person_understands(tmp_path: Path, places: str) -> None:
    policy = Policy.from_options(
        proxy=[f"socks5://{PROXY}:1080"], geo_map=[places], timezone="Europe/Berlin"
    )
    coherence = pcapleak.analyze(CAPTURES / "socks.pcapng", policy).document.coherence
    assert coherence.sentence == (
        "The page would see an exit in the Netherlands, a WebRTC address in Germany, a clock set "
        "to Europe/Berlin and a browser that asks for en-US, en. 203.0.113.7 is visible outside it."
    )
    told = {one.observer: one.conclusion for one in coherence.conclusions}
    assert "the exit is not where the client is" in told["a page that runs scripts"]
    assert (
        "probably in Germany on the network of Example Access" in told["a page that runs scripts"]
    )
    assert "the exit is not" not in told["a server without scripts"]


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTURES.glob("*.json")))
def test_real_browsers_without_a_map_contradict_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documentation ranges are nowhere; no table is loaded for them."""

    def refuse(table: str) -> None:
        raise AssertionError(f"{table} was loaded")

    monkeypatch.setattr("pcapleak.judge.coherence.places.load_table", refuse)
    truth = json.loads((CAPTURES / f"{name}.json").read_text())
    policy = policy_of(truth) if "policy" in truth else None
    document = pcapleak.analyze(CAPTURES / f"{name}.pcapng", policy).document
    assert not found(document)
    calm = "uncertain" if document.verdict.exposed_addresses else "coherent"
    assert document.coherence.result in ("unknown", calm)
    assert [vector.name for vector in document.coherence.vectors] == [
        "exit",
        "webrtc",
        "time zone",
        "language",
        "resolver",
    ]
    for vector in document.coherence.vectors:
        assert vector.provenance
        assert (vector.value is None) == vector.provenance.startswith("unknown: ")


def test_an_exit_seen_inside_the_tunnel_is_webrtcs_own_address(tmp_path: Path, places: str) -> None:
    """What STUN shows inside is the exit; another endpoint is not held against it."""
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "198.51.100.77")
    document = judged(recording, TUNNEL_POLICY.merged(Policy(geo_maps=(places,))), tmp_path)
    exit_, webrtc = document.coherence.vectors[:2]
    assert (exit_.value, exit_.confidence) == ("198.51.100.77", "certain")
    assert webrtc.value == "198.51.100.77"
    assert verdicts(document.coherence)["exit", "webrtc"] == "agree"
    assert not found(document)


def test_a_leak_beside_the_tunnel_contradicts_the_exit(tmp_path: Path, places: str) -> None:
    """The two addresses of the leak are compared, the one that fits worst is told."""
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "198.51.100.77")
    recording.stun(60, ETH0, CLIENT, 50001, PUBLIC, transaction_id=b"u" * 12)
    document = judged(recording, TUNNEL_POLICY.merged(Policy(geo_maps=(places,))), tmp_path)
    assert found(document) == {"PL401", "PL402"}
    subjects = {one.subject for one in document.findings if one.id in CONTRADICTIONS}
    assert subjects == {f"exit 198.51.100.77, webrtc {PUBLIC}"}
    assert document.verdict.result == "leak"


def test_any_address_of_a_given_range_is_the_exit(tmp_path: Path) -> None:
    """The map has another country for the part of the pool that WebRTC shows."""
    places = tmp_path / "places.toml"
    places.write_text(
        '["198.51.100.0/24"]\ncountry = "NL"\nasn = 64500\n'
        '["198.51.102.0/24"]\ncountry = "SE"\nasn = 64501\n'
    )
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "198.51.102.9")
    for exits, verdict in (("198.51.100.0/22", "agree"), ("198.51.100.0/24", "disagree")):
        given = Policy.from_options(exit_ip=[exits], geo_map=[str(places)])
        document = judged(recording, TUNNEL_POLICY.merged(given), tmp_path)
        assert verdicts(document.coherence)["exit", "webrtc"] == verdict


def opt(subnet: bytes) -> bytes:
    """A query with an EDNS client subnet (RFC 7871 section 6)."""
    query = dns_query()
    option = struct.pack("!HH", 8, len(subnet)) + subnet
    return (
        query[:10]
        + b"\0\1"
        + query[12:]
        + b"\0\0\x29\x10\0\0\0\0\0"
        + (struct.pack("!H", len(option)) + option)
    )


@pytest.mark.parametrize(
    ("resolver", "query", "planted"),
    [
        ("192.0.2.53", dns_query(), {"PL405"}),
        ("198.51.100.53", dns_query(), set()),
        ("10.66.0.1", dns_query(), set()),
        ("10.66.0.1", opt(b"\0\1\x18\0\xc0\0\2"), {"PL405"}),
        ("10.66.0.1", opt(b"\0\1\0\0"), set()),
    ],
    ids=["provider's", "exit's", "tunnel's", "client subnet", "no subnet told"],
)
def test_a_resolver_of_the_users_own_provider_contradicts_the_exit(
    tmp_path: Path, places: str, resolver: str, query: bytes, planted: set[str]
) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "198.51.100.77")
    recording.udp(60, WG0, "10.66.0.2", 40001, resolver, 53, query)
    document = judged(recording, TUNNEL_POLICY.merged(Policy(geo_maps=(places,))), tmp_path)
    assert found(document) == planted


def test_sources_that_differ_are_no_contradiction(tmp_path: Path) -> None:
    places = tmp_path / "places.toml"
    places.write_text(
        '["198.51.100.0/24"]\ncountry = ["NL", "GB"]\n["203.0.113.0/24"]\ncountry = "DE"\n'
    )
    policy = PROXY_POLICY.merged(
        Policy(geo_maps=(str(places),), timezone="Europe/Berlin", languages=("de-DE",))
    )
    recording = Recording()
    recording.socks()
    recording.stun(50, ETH0, CLIENT, 50001, PUBLIC)
    document = judged(recording, policy, tmp_path)
    assert not found(document)
    assert document.coherence.result == "uncertain"
    assert verdicts(document.coherence)["exit", "webrtc"] == "uncertain"


def test_signs_of_several_hosts_are_not_held_against_each_other(
    tmp_path: Path, places: str
) -> None:
    """A network's recording: somebody's clock and somebody else's exit."""
    recording = Recording()
    for i in range(5):
        host, seen, server = f"192.168.50.{42 + i}", f"203.0.113.{i}", f"198.51.100.{10 + i}"
        transaction = b"%12d" % i
        recording.stun(100 * i, ETH0, host, 50000 + i, seen, server, transaction)
    policy = Policy.from_options(
        exit_ip=["198.51.100.77"], geo_map=[places], timezone="America/New_York", infer=False
    )
    document = judged(recording, policy, tmp_path)
    assert not found(document)
    assert "several hosts" in " ".join(pair.sentence for pair in document.coherence.contradictions)
    one = judged(recording, policy.merged(Policy.from_options(client=[CLIENT])), tmp_path)
    assert {"PL401", "PL402", "PL403"} == found(one)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("socks", set()),
        ("mode-3", set()),  # a raw host address may have been read, or none
        ("mode-4", {"relay-only"}),
        ("microphone", {"raw-host"}),
        ("direct", set()),
    ],
)
def test_unusual_candidate_sets_are_told_apart(name: str, shapes: set[str]) -> None:
    """PL406 names the shape; a browser with nothing set has none."""
    document = pcapleak.analyze(CAPTURES / f"{name}.pcapng").document
    told = {one.subject.partition(" of ")[0] for one in document.findings if one.id == "PL406"}
    assert told == shapes


def test_public_addresses_are_located_by_the_tables(tmp_path: Path) -> None:
    """A real exit and a real home, by the embedded data alone, with their sources named."""
    recording = Recording()
    recording.socks()
    recording.stun(50, ETH0, CLIENT, 50001, "80.187.98.68")
    policy = PROXY_POLICY.merged(Policy.from_options(exit_ip=["185.65.134.66"]))
    document = judged(recording, policy, tmp_path)
    assert found(document) == {"PL401", "PL402"}
    exit_, webrtc = document.coherence.vectors[:2]
    assert (exit_.countries, exit_.places[0].asn, exit_.places[0].kind) == (
        ["NL"],
        39351,
        "hosting",
    )
    assert (webrtc.countries, webrtc.places[0].asn) == (["DE"], 3320)
    assert len(document.coherence.sources) == 3
    assert all(source.date and source.licence for source in document.coherence.sources)


def test_clocks_are_read_at_the_time_of_the_capture(tmp_path: Path) -> None:
    """November 2023: the clocks of Berlin and Lagos show one time, so it is uncertain."""
    assert START_NS // 10**9 == 1_700_000_000
    places = tmp_path / "places.toml"
    places.write_text('["198.51.100.0/24"]\ncountry = "NG"\n')
    recording = Recording()
    recording.socks()
    recording.stun(50, ETH0, CLIENT, 50001, PUBLIC, server=STUN)
    policy = PROXY_POLICY.merged(Policy(geo_maps=(str(places),), timezone="Europe/Berlin"))
    document = judged(recording, policy, tmp_path)
    assert verdicts(document.coherence)["exit", "time zone"] == "uncertain"
