"""A verdict is of what was seen, not of how it was told: captures told otherwise keep theirs.

`leak` never becomes `no-leak`, nor the other way; `PCAPLEAK_METAMORPHIC=all` tries everything, and
both print how often each variant turned what into what.
"""

from __future__ import annotations

import json
import os
import random
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

import pytest
import variants
from case_keys import CASES, policy_of, runs
from conftest import ROOT
from msgspec.structs import replace
from variants import Recording

import pcapleak
from pcapleak.report.document import Document
from pcapleak.report.writers.json import to_json

ALL = os.environ.get("PCAPLEAK_METAMORPHIC") == "all"
CUTS = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95) if ALL else (10, 50)
"""Where recordings begin, in hundredths of their packets."""
SAMPLE = (
    "full-tunnel", "split-tunnel", "openvpn", "mode-4", "w-awg2", "w-masque",
    "b-project-openvpn-from-30", "b-stun-at-vpn-server", "f-own-v6-same-mac",
    "r06-singbox-fakeip-hysteria",
)  # fmt: skip
LOUD = ("critical", "high")


class Judged(NamedTuple):
    """A recording with its verdict, and what is known to be right."""

    name: str
    recording: Recording
    document: Document
    truth: str


class Turn(NamedTuple):
    """What one variant made of a verdict."""

    name: str
    variant: str
    truth: str
    before: str
    after: str
    reason: str

    @property
    def is_wrong(self) -> bool:
        certain = self.after in ("leak", "no-leak") and self.after != self.before
        return certain and self.after != self.truth != ""


def judge(recording: Recording, folder: Path) -> Document:
    path = folder / "variant.pcapng"
    recording.write(path)
    return pcapleak.analyze(path, policy_of(list(recording.options))).document


def inputs() -> Iterator[tuple[str, Path, list[str], list[str]]]:
    """Names, captures, options and the verdicts that their keys allow."""
    for path in sorted((ROOT / "captures").glob("*.pcapng")):
        key = json.loads(path.with_suffix(".json").read_text())
        given = {name.replace("_", "-"): value for name, value in key["policy"].items()}
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        leak = key["expect"].get("leak")
        yield path.stem, path, options, [] if leak is None else ["leak" if leak else "no-leak"]
        if options:
            yield path.stem, path, [], []
    for run in runs():
        name = run.capture.name.split(".")[0]
        yield name, run.capture, run.wanted["options"], run.wanted["verdict"]


def judged(folder: Path, wanted: tuple[str, ...]) -> Iterator[Judged]:
    for name, path, options, allowed in inputs():
        if not ALL and name not in wanted:
            continue
        recording = variants.read(path, options)
        document = judge(recording, folder)
        certain = [one for one in allowed if one in ("leak", "no-leak")]
        # A verdict that says what is not known may become right; of others it is the measure.
        truth = certain[0] if len(certain) == 1 else ""
        if not allowed and document.verdict.result in ("leak", "no-leak"):
            truth = document.verdict.result
        yield Judged(name, recording, document, truth)


def clients(document: Document) -> list[str]:
    field = document.policy.fields.get("clients")
    return [] if field is None else [value.split("/")[0] for value in field.value]


def told_otherwise(one: Judged) -> Iterator[tuple[str, Recording]]:
    """The variants of a recording in which all that left is still to be seen."""
    recording, mine = one.recording, clients(one.document)
    chance = random.Random(one.name)
    for rename in (variants.scrambled, variants.misleading, variants.nameless):
        made = rename(recording, chance)
        if made is not None:
            yield f"names {rename.__name__}", made
    macs = variants.own_macs(recording, set(mine))
    for link in variants.LINKS if macs else ():
        # Without link-layer addresses, what several hosts sent cannot be told apart.
        if link not in variants.WITHOUT_HOSTS or variants.senders(recording) <= 2:
            yield f"link {link}", variants.relinked(recording, link, macs)
    numbers = variants.Numbering(zlib.crc32(one.name.encode()))
    text = to_json(one.document) + " ".join(recording.options)
    yield "renumbered", variants.renumbered(recording, variants.literals(text), numbers)
    four = next((address for address in mine if ":" not in address), None)
    if four and macs:
        other = str(ip_network((four, 24), strict=False)[77 if four.split(".")[3] != "77" else 78])
        number, own = next(iter(macs.items()))
        if recording.interfaces[number].link_type == variants.ETHERNET:
            donor = variants.read(ROOT / "captures" / "firefox-direct.pcapng")
            yield "other host", variants.joined(recording, donor, "192.168.50.42", other, own)


def begun_later(one: Judged) -> Iterator[tuple[str, Recording]]:
    size = len(one.recording.packets)
    for percent in CUTS:
        if 0 < (first := size * percent // 100) < size:
            yield f"begun at {percent}%", variants.begun_at(one.recording, first)


def leaking_ways(document: Document) -> set[tuple[str, str, str, int]]:
    """Client, server, transport and the server's port of the flows that leaks were found in: its
    other ports may be the carrier's."""
    mine = set(clients(document))
    loud = {one.flow for one in document.findings if one.severity in LOUD}
    found = set()
    for flow in document.flows:
        if flow.id in loud:
            near, far = flow.orig, flow.resp
            if far.address in mine and near.address not in mine:
                near, far = far, near
            found.add((near.address, far.address, flow.protocol, far.port))
    return found


def goes_on(one: Judged, cut: Recording, after: Document) -> bool:
    """Whether the client still says something in a leaking flow after the tunnel's first sign of
    life: what it says before that is information (judgement, "Before the tunnel")."""
    ways = leaking_ways(one.document)
    carried = [
        flow.first_time
        for flow in after.flows
        if flow.path in ("tunnel-transport", "tunnel", "inside-tunnel", "proxy")
    ]
    since = 0 if "--always-on" in cut.options else min(carried, default=0)
    return any(
        packet.ts_ns >= since and variants.spoken(packet, cut.interfaces) in ways
        for packet in cut.packets
    )


def turns(folder: Path, wanted: tuple[str, ...]) -> Iterator[Turn]:
    for one in judged(folder, wanted):
        before = one.document.verdict.result
        for variant, made in told_otherwise(one):
            after = judge(made, folder).verdict
            yield Turn(one.name, variant, one.truth, before, after.result, after.reason)
        for variant, made in begun_later(one):
            document = judge(made, folder)
            after = document.verdict
            # What is over when a recording begins it cannot show.
            over = one.truth == "leak" and not goes_on(one, made, document)
            truth = "" if over else one.truth
            yield Turn(one.name, variant, truth, before, after.result, after.reason)


@pytest.fixture(autouse=True)
def _among_the_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies name files beside the cases."""
    monkeypatch.chdir(CASES)


def test_no_verdict_turns_where_a_capture_is_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = list(turns(tmp_path, SAMPLE))
    counts = Counter(
        (turn.variant, turn.before, turn.after + ("" if turn.truth else " (may be)"))
        for turn in made
    )
    with capsys.disabled():
        for (variant, before, after), count in sorted(counts.items()):
            sys.stdout.write(f"\n{count:6} {variant}: {before} -> {after}")
    assert len(made) > 200
    assert [turn for turn in made if turn.is_wrong] == []


def test_other_addresses_keep_what_they_share() -> None:
    number = variants.Numbering(5)
    texts = ["192.168.50.42", "192.168.50.1", "8.8.8.8", "185.65.135.66", "185.65.135.70",
             "2001:db8:50::42", "fe80::1", "224.0.0.251", "64:ff9b::b941:8742"]  # fmt: skip
    new = {text: number(text) for text in texts}
    assert len(set(new.values())) == len(texts)
    assert (new["8.8.8.8"], new["fe80::1"]) == ("8.8.8.8", "fe80::1")
    assert new["224.0.0.251"] == "224.0.0.251"
    for one, other in (("192.168.50.42", "192.168.50.1"), ("185.65.135.66", "185.65.135.70")):
        assert new[one] != one
        assert ip_address(new[one]).packed[:3] == ip_address(new[other]).packed[:3]
    translated = ip_address(new["64:ff9b::b941:8742"]).packed
    assert translated[12:] == ip_address(new["185.65.135.66"]).packed


@pytest.mark.parametrize("percent", [60, 80])
def test_a_carrier_joined_late_is_no_leak_beside_an_inside_that_is_silent(
    tmp_path: Path, percent: int
) -> None:
    """Of what nearly all goes to, an inside without a word shows no more than none at all."""
    name = "b-project-openvpn-from-30.pcapng"
    recording = variants.read(CASES / name, ["--tunnel", "tun0"])
    late = variants.begun_at(recording, len(recording.packets) * percent // 100)
    verdict = judge(late, tmp_path).verdict
    assert verdict.result == "inconclusive"
    assert "--vpn-endpoint 198.51.100.40:1194" in verdict.reason


def test_an_answer_inside_whose_carrier_came_before_the_recording_makes_no_leak(
    tmp_path: Path,
) -> None:
    recording = variants.read(CASES / "w-awg2.pcapng")
    late = variants.begun_at(recording, len(recording.packets) * 60 // 100)
    assert judge(late, tmp_path).verdict.result == "inconclusive"


@pytest.mark.parametrize(
    ("client", "result"),
    [([], "leak"), (["2a02:8070:1234:5600::20"], "leak"), (None, "inconclusive")],
)
def test_what_nothing_ties_to_a_given_client_is_asked_about(
    tmp_path: Path, client: list[str] | None, result: str
) -> None:
    """Without link-layer addresses nobody knows whose the other version's address is."""
    given = ["192.168.1.20", *(client or [])] if client != [] else []
    options = [word for address in given for word in ("--client", address)]
    recording = variants.read(next(CASES.glob("f-own-v6-same-mac.pcap*")), options)
    bare = variants.relinked(recording, "raw", {})
    verdict = judge(bare, tmp_path).verdict
    assert verdict.result == result
    if client is None:
        assert "--client 2a02:8070:1234:5600::20" in verdict.reason


def test_the_only_interface_over_which_the_proxy_is_spoken_to_is_outside(tmp_path: Path) -> None:
    options = ["--proxy", "socks5://198.51.100.30:1080"]
    recording = variants.read(ROOT / "captures" / "socks.pcapng", options)
    names: list[str | None] = [f"tun{one.id}" for one in recording.interfaces]
    called = variants.renamed(recording, names)
    assert called is not None
    assert judge(called, tmp_path).verdict.result == judge(recording, tmp_path).verdict.result
    # Not so where the tunnel is given: the proxy may be reached through it.
    told = replace(called, options=(*options, "--tunnel", "tun0"))
    assert judge(told, tmp_path).verdict.result == "inconclusive"


def test_what_a_tunnels_device_hands_on_is_no_carrier(tmp_path: Path) -> None:
    """An exit node's guests go on from the same ports to the same far ends: forwarded."""
    recording = variants.read(CASES / "r08-exit-node-any-capture.pcapng")
    late = variants.begun_at(recording, len(recording.packets) // 2)
    assert judge(late, tmp_path).verdict.result != "leak"


@pytest.mark.parametrize("percent", [30, 60, 80])
def test_a_proxys_relay_is_known_by_what_is_in_its_datagrams(tmp_path: Path, percent: int) -> None:
    """What was asked of the proxy came before the recording."""
    options = ["--proxy", "socks5://185.199.110.30:1081"]
    recording = variants.read(CASES / "b-socks-udp-stun.pcapng", options)
    late = variants.begun_at(recording, len(recording.packets) * percent // 100)
    assert judge(late, tmp_path).verdict.result != "leak"


def test_the_hosts_other_interfaces_have_other_link_layer_addresses(tmp_path: Path) -> None:
    """An address that speaks on its own link too is the client's where it leaves by another."""
    options = ["--proxy", "socks5://185.199.110.30:1080"]
    recording = variants.read(CASES / "b-nics-mode1.pcapng", options)
    late = variants.begun_at(recording, len(recording.packets) * 60 // 100)
    assert judge(late, tmp_path).verdict.result == "leak"


def test_answers_that_are_sent_into_a_tunnel_were_handed_on(tmp_path: Path) -> None:
    recording = variants.read(CASES / "r08-exit-node-any-capture.pcapng")
    late = variants.begun_at(recording, len(recording.packets) * 60 // 100)
    assert judge(late, tmp_path).verdict.result == "no-leak"


def test_a_carriers_last_words_are_no_leak(tmp_path: Path) -> None:
    recording = variants.read(CASES / "b-openconnect-start.pcapng", ["--tunnel", "tun0"])
    late = variants.begun_at(recording, len(recording.packets) * 95 // 100)
    assert judge(late, tmp_path).verdict.result == "inconclusive"
