"""A hundred ordinary clients, of whom nothing is said, and a hundred with one foreign vector."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import CLIENT, ETH0, TUNNEL_POLICY, WG0, Recording, dns_query, judged
from places import VECTORS

from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document

COHERENCE = {"PL401", "PL402", "PL403", "PL404", "PL405", "PL406"}

PUBLIC_RESOLVERS = (
    "1.1.1.2", "8.8.4.4", "9.9.9.11", "208.67.220.123", "94.140.14.140", "45.90.28.99",
    "76.76.2.22", "194.242.2.3", "185.228.168.168", "4.2.2.2", "64.6.64.6", "77.88.8.2",
    "223.5.5.5", "193.110.81.0", "74.82.42.42", "185.222.222.222", "149.112.121.10", "8.26.56.26",
    "103.86.99.100", "86.54.11.1", "156.154.70.5", "119.29.29.29", "114.114.114.114",
    "101.101.101.101", "80.67.169.12",
)  # fmt: skip


class Person(NamedTuple):
    """Where somebody lives, and what is of that country: found once in the embedded tables, each
    address by its system and where both sources agree on the country."""

    country: str
    zone: str
    languages: str
    home: str
    resolver: str
    """Of the home's provider."""
    exit: str
    """Of a hosting company, in the same country."""
    beside: str
    """Another address of that company there."""


PEOPLE = [
    Person(*line.split("\t"))
    for line in (VECTORS / "people.tsv").read_text().splitlines()
    if not line.startswith("#")
]
BY_COUNTRY = {person.country: person for person in PEOPLE}


def abroad(person: Person) -> Person:
    """Somebody with another clock and language."""
    return BY_COUNTRY["PL" if person.country in ("JP", "SG", "AU") else "JP"]


def stated(zone: str, languages: str) -> Policy:
    return Policy(timezone=zone, languages=tuple(languages.split(",")))


def behind_vpn(person: Person, resolver: str, query: bytes = dns_query()) -> Recording:
    """Everything inside the tunnel: what STUN shows there is the exit."""
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, person.exit)
    recording.udp(60, WG0, "10.66.0.2", 40001, resolver, 53, query)
    return recording


def at_home(person: Person, resolver: str) -> Recording:
    recording = Recording()
    recording.stun(50, ETH0, CLIENT, 50000, person.home)
    recording.udp(60, ETH0, CLIENT, 40001, resolver, 53, dns_query())
    return recording


def above_low(document: Document) -> set[str]:
    found = {one.id: one.severity for one in document.findings if one.id in COHERENCE}
    return {number for number, severity in found.items() if severity not in ("info", "low")}


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.country)
def test_of_an_ordinary_client_nothing_is_said(person: Person, tmp_path: Path) -> None:
    """At home with the provider's resolver or a public one, behind a VPN of the country with a
    public resolver or the VPN's own."""
    public = PUBLIC_RESOLVERS[PEOPLE.index(person) % len(PUBLIC_RESOLVERS)]
    own = stated(person.zone, person.languages)
    silent = stated(("UTC", "Atlantic/Reykjavik")[PEOPLE.index(person) % 2], "en-US,en")
    for recording, policy in (
        (at_home(person, person.resolver), own),
        (at_home(person, public), own),
        (behind_vpn(person, public), TUNNEL_POLICY.merged(own)),
        (behind_vpn(person, person.beside), TUNNEL_POLICY.merged(silent)),
    ):
        document = judged(recording, policy, tmp_path)
        assert not above_low(document), [one.message for one in document.findings]
        assert document.coherence.result in ("coherent", "unknown")


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.country)
def test_one_foreign_vector_is_raised_and_named(person: Person, tmp_path: Path) -> None:
    """Behind a VPN of the exit's country: a WebRTC address beside it, the clock, the languages,
    the resolver, each alone."""
    other = abroad(person)
    tunnel = TUNNEL_POLICY.merged(stated(person.zone, person.languages))
    leak = behind_vpn(person, "9.9.9.9")
    leak.stun(70, ETH0, CLIENT, 50001, other.home, transaction_id=b"u" * 12)
    quiet = behind_vpn(person, "9.9.9.9")
    clock = TUNNEL_POLICY.merged(stated(other.zone, person.languages))
    tongue = TUNNEL_POLICY.merged(stated(person.zone, other.languages))
    for name, raised, recording, policy in (
        ("webrtc", {"PL401", "PL402"}, leak, tunnel),
        ("time zone", {"PL403"}, quiet, clock),
        ("language", {"PL404"}, quiet, tongue),
        ("resolver", {"PL405"}, behind_vpn(person, person.resolver), tunnel),
    ):
        document = judged(recording, policy, tmp_path)
        found = {one.id: one for one in document.findings if one.id in COHERENCE - {"PL406"}}
        assert found.keys() == raised
        assert all(f", {name} " in one.subject for one in found.values())
        assert document.coherence.result == "incoherent"


def subnet(text: str) -> bytes:
    """A query with an EDNS client subnet of 24 bits (RFC 7871 section 6)."""
    query = dns_query()
    packed = bytes(map(int, text.split(".")[:3]))
    option = struct.pack("!HHHBB", 8, 7, 1, 24, 0) + packed
    extra = b"\0\0\x29\x10\0\0\0\0\0" + struct.pack("!H", len(option)) + option
    return query[:10] + b"\0\1" + query[12:] + extra


def test_a_client_that_is_its_own_resolver_has_none(tmp_path: Path) -> None:
    """The name servers of the root and of domains, asked without recursion, see the exit."""
    recording = behind_vpn(BY_COUNTRY["DE"], "9.9.9.9")
    query = dns_query()
    for number, server in enumerate(("198.41.0.4", "192.5.6.30", "194.0.0.53")):
        iterative = query[:2] + b"\0\0" + query[4:]
        recording.udp(70 + number, WG0, "10.66.0.2", 41000 + number, server, 53, iterative)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert not above_low(document)
    resolver = document.coherence.vectors[-1]
    assert resolver.value == "9.9.9.9"
    recording.packets = [
        packet for packet in recording.packets if b"\x09\x09\x09\x09" not in packet[2]
    ]
    resolver = judged(recording, TUNNEL_POLICY, tmp_path).coherence.vectors[-1]
    assert (resolver.value, resolver.provenance) == (
        None,
        "unknown: the client asks name servers itself, without recursion",
    )


@pytest.mark.parametrize("person", PEOPLE[:6], ids=lambda person: person.country)
def test_a_client_subnet_that_is_not_the_exits_is_told_and_shown(
    person: Person, tmp_path: Path
) -> None:
    """The public resolver it is sent to does not hide it; the exit's own is nobody's secret."""
    network = f"{person.home.rpartition('.')[0]}.0/24"
    document = judged(behind_vpn(person, "8.8.8.8", subnet(person.home)), TUNNEL_POLICY, tmp_path)
    finding = next(one for one in document.findings if one.id == "PL405")
    assert f"the client's own network {network}" in finding.message
    pair = next(
        one for one in document.coherence.contradictions if one.vectors == ["exit", "resolver"]
    )
    assert pair.sentence.startswith(f"exit {person.exit}, client subnet {network}: ")
    calm = judged(behind_vpn(person, "8.8.8.8", subnet(person.exit)), TUNNEL_POLICY, tmp_path)
    assert not above_low(calm)
    pair = next(one for one in calm.coherence.contradictions if one.vectors == ["exit", "resolver"])
    assert pair.verdict == "agree"


def test_the_exits_of_both_families_are_held_against_each_other(tmp_path: Path) -> None:
    for new, planted in (("2a01:4f8::1", set()), ("2600:1f18::1", {"PL401"})):
        recording = behind_vpn(BY_COUNTRY["DE"], "9.9.9.9")
        recording.stun(70, WG0, "fd66::2", 50001, new, "2001:db8::1", b"u" * 12)
        document = judged(recording, TUNNEL_POLICY, tmp_path)
        assert above_low(document) == planted
    finding = next(one for one in document.findings if one.id == "PL401")
    assert "IPv6 exit in the United States" in finding.message
    page = next(one for one in document.coherence.conclusions if "exit" in one.sees)
    assert "its IPv4 and IPv6 traffic exits in different countries" in page.conclusion
    assert finding.frames


def test_an_exit_that_changes_is_shown_with_its_frames(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "144.76.128.7", transaction_id=b"a" * 12)
    recording.stun(5000, WG0, "10.66.0.2", 50000, "146.70.1.7", transaction_id=b"b" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    exit_, webrtc = document.coherence.vectors[:2]
    frames = [int(part.split(")")[0]) for part in exit_.details["changes"].split("frame ")[1:]]
    assert len(set(frames)) == 2
    for frame, address in zip(frames, ("144.76.128.7", "146.70.1.7"), strict=True):
        assert f"{address}: STUN inside the tunnel shows it (frame {frame})" in exit_.provenance
        assert address in (webrtc.value or "")
    assert "that changes" in document.coherence.sentence


def test_nothing_is_coherent_beside_an_exposed_address(tmp_path: Path) -> None:
    """One provider's two lines in one country: the network does not differ, the line does."""
    person = BY_COUNTRY["DE"]
    recording = behind_vpn(person._replace(exit=person.resolver), "9.9.9.9")
    recording.stun(70, ETH0, CLIENT, 50001, person.home, transaction_id=b"u" * 12)
    coherence = judged(recording, TUNNEL_POLICY, tmp_path).coherence
    pair = next(one for one in coherence.contradictions if one.vectors == ["exit", "webrtc"])
    assert "same provider, a different line" in pair.sentence
    assert coherence.result == "uncertain"
    assert f"{person.home} is visible outside it." in coherence.sentence


def test_an_exit_that_is_guessed_is_worded_as_a_guess(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.udp(60, WG0, "10.66.0.2", 40001, "9.9.9.9", 53, dns_query())
    coherence = judged(recording, TUNNEL_POLICY, tmp_path).coherence
    assert "an exit (a guess: the endpoint's address)" in coherence.sentence
    assert coherence.vectors[0].provenance.startswith("guessed from ")
