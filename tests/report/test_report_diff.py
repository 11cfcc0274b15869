"""Comparing reports: `diff`, `--baseline` and `--junit`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    PROXY_POLICY,
    PUBLIC,
    STUN6,
    WEB,
    Recording,
    judged,
    mdns_announcement,
)
from typer.testing import CliRunner

from pcapleak.cli import app
from pcapleak.report.diff import compare, difference_text, new_findings
from pcapleak.report.document import Document
from pcapleak.report.writers.json import to_json
from pcapleak.report.writers.junit import to_junit

PROXY_OPTION = ["--proxy", "socks5://198.51.100.30:1080"]


def recording(*, ipv6: bool = False, port: int = 50000, uuid: str = "1a2b3c4d") -> Recording:
    one = Recording()
    one.socks()
    one.stun(100, ETH0, CLIENT, port, PUBLIC)
    name = f"{uuid}-1111-4222-8333-444455556666.local"
    one.udp(120, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement(name, CLIENT))
    if ipv6:
        one.stun(110, ETH0, CLIENT6, port, CLIENT6, STUN6)
    return one


@pytest.fixture
def plain(tmp_path: Path) -> Document:
    return judged(recording(), PROXY_POLICY, tmp_path)


@pytest.fixture
def worse(tmp_path: Path) -> Document:
    return judged(recording(ipv6=True), PROXY_POLICY, tmp_path)


def test_another_run_of_the_same_is_no_change(plain: Document, tmp_path: Path) -> None:
    """Ports, names and times differ on every run."""
    again = judged(recording(port=51234, uuid="99887766"), PROXY_POLICY, tmp_path)
    difference = compare([plain], [again])
    assert difference.is_empty
    assert difference_text(difference) == "nothing changed\n"


def test_what_is_new_and_what_is_gone(plain: Document, worse: Document) -> None:
    there, back = compare([plain], [worse]), compare([worse], [plain])
    assert {finding.id for finding in there.new} == {"PL101", "PL102"}
    assert there.gone == []
    assert there.exposed == ([CLIENT6], [])
    assert [finding.id for finding in back.gone] == [finding.id for finding in there.new]
    assert difference_text(there).startswith(f"+ exposed {CLIENT6}\n+ PL101 critical: ")


def test_a_severity_that_rises_is_new_and_one_that_falls_is_not(tmp_path: Path) -> None:
    one = recording()
    one.tcp(200, ETH0, CLIENT, 46000, WEB, 443, b"\x16\3\1" + bytes(40), bytes(40))
    lenient = judged(one, PROXY_POLICY, tmp_path)
    strict = judged(one, PROXY_POLICY.merged(type(PROXY_POLICY)(strict=True)), tmp_path)
    assert [finding.id for finding in new_findings([lenient], [strict])] == ["PL204"]
    assert new_findings([strict], [lenient]) == []
    (change,) = compare([lenient], [strict]).changed
    assert change.what == ("severity info -> high",)


def test_the_baseline_forgives_what_it_has(tmp_path: Path, plain: Document) -> None:
    report, capture = tmp_path / "report.json", tmp_path / "again.pcapng"
    report.write_text(to_json(plain))
    command = ["analyze", str(capture), *PROXY_OPTION, "--baseline", str(report), "--quiet"]
    recording(port=51234).write(capture)
    assert CliRunner().invoke(app, command).exit_code == 0
    recording(ipv6=True).write(capture)
    assert CliRunner().invoke(app, command).exit_code == 1


def test_the_diff_command_fails_on_what_is_new(
    tmp_path: Path, plain: Document, worse: Document
) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text(to_json(plain))
    b.write_text(to_json([worse]))
    result = CliRunner().invoke(app, ["diff", str(a), str(b)])
    assert result.exit_code == 1
    assert "+ PL101 critical" in result.output
    assert CliRunner().invoke(app, ["diff", str(b), str(a)]).exit_code == 0


def test_junit_fails_what_is_severe_and_not_in_the_baseline(
    plain: Document, worse: Document
) -> None:
    root = ElementTree.fromstring(to_junit([worse]))
    failed = {
        case.get("name", "")[:5]
        for case in root.iter("testcase")
        if case.find("failure") is not None
    }
    assert failed == {"PL101", "PL102"}
    assert root.get("failures") == "2"
    told = next(case for case in root.iter("testcase") if case.get("name", "").startswith("PL301"))
    assert told.find("system-out") is not None
    again = ElementTree.fromstring(to_junit([worse], baseline=[worse]))
    assert again.get("failures") == "0"
    partly = ElementTree.fromstring(to_junit([worse], baseline=[plain]))
    (first, *_) = (
        case.find("failure") for case in partly.iter("testcase") if case.find("failure") is not None
    )
    assert first is not None
    assert CLIENT6 in first.get("message", "")


def test_an_inconclusive_run_is_an_error_in_junit(tmp_path: Path) -> None:
    silent = Recording()
    silent.udp(0, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_announcement("a.local", CLIENT))
    document = judged(silent, PROXY_POLICY, tmp_path)
    root = ElementTree.fromstring(to_junit([document]))
    assert root.get("errors") == "1"


def test_hostile_names_stay_text_in_junit(plain: Document) -> None:
    plain.captures[0].path = "a\x1b[31m\x00<script>&.pcap"
    plain.findings[0].message = "evil \x07 ]]> <failure/>"
    root = ElementTree.fromstring(to_junit([plain]))
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("name") == "a\\x1b[31m\\x00<script>&.pcap"
