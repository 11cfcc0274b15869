"""PL407: a page that read what packets contradict, and pages that only look so."""

from __future__ import annotations

import json

import pytest
from places import CAPTURES

from pcapleak.capture import open_capture
from pcapleak.decode.ice.page import read_page
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Finding
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import Interface


def lines_of(name: str) -> list[str]:
    return [
        one["line"] for one in json.loads((CAPTURES / f"{name}.json").read_text())["candidates"]
    ]


def contradictions(name: str, lines: list[str]) -> list[Finding]:
    """PL407 of a lab recording and what its page is said to have read."""
    path = CAPTURES / f"{name}.pcapng"
    interfaces: list[Interface] = []
    with open_capture(path, interfaces=interfaces) as source:
        analyzer = Analyzer(Policy(), interfaces)
        analyzer.state.captures.append(CaptureFacts(str(path), source.format))
        for batch in source:
            analyzer.add(batch)
    analyzer.pages["page.txt"] = read_page("\n".join(lines))
    document = analyzer.document()
    if name == "direct":  # no contradiction is a leak
        assert document.verdict.result == "no-policy"
    return [one for one in document.findings if one.id == "PL407"]


@pytest.mark.parametrize(
    "name", ["direct", "firefox-direct", "turn-udp", "relay-only", "loop", "native-ipv6", "mode-3"]
)
def test_what_the_page_really_read_contradicts_nothing(name: str) -> None:
    assert contradictions(name, lines_of(name)) == []


def test_a_spoofed_reflexive_address_at_the_sockets_port() -> None:
    lines = [line.replace("203.0.113.7", "192.0.2.99") for line in lines_of("direct")]
    (finding,) = contradictions("direct", lines)
    assert (finding.severity, finding.confidence) == ("medium", "high")
    assert "192.0.2.99" in finding.subject
    assert "203.0.113.7" in finding.message
    assert finding.frames


def test_a_spoofed_reflexive_address_at_another_port() -> None:
    """The true one is not read, and the host candidate tells whose page it is."""
    lines = [
        line.replace("203.0.113.7", "192.0.2.99").replace(" typ srflx", "1 typ srflx")
        if " srflx " in line
        else line
        for line in lines_of("direct")
    ]
    port = next(line.split()[5] for line in lines_of("direct") if " srflx " in line)
    lines = [line.replace(f"{port}1 typ", "4711 typ") for line in lines]
    (finding,) = contradictions("direct", lines)
    assert finding.confidence == "medium"


def test_a_host_address_that_only_the_nat_has() -> None:
    line = "candidate:1 1 udp 2122260223 203.0.113.7 51000 typ host generation 0"
    (finding,) = contradictions("direct", [*lines_of("direct"), line])
    assert finding.subject.startswith("host 203.0.113.7")


def test_a_relay_that_is_told_as_the_browsers_own_address() -> None:
    lines = [line.replace(" typ relay", " typ srflx") for line in lines_of("relay-only")]
    (finding,) = contradictions("relay-only", lines)
    assert finding.confidence == "high"
    assert "allocated it as a relay" in finding.message


def test_a_relay_that_was_never_allocated() -> None:
    line = "candidate:1 1 udp 41885439 198.51.100.10 50000 typ relay raddr 203.0.113.7 rport 40000"
    (finding,) = contradictions("direct", [*lines_of("direct"), line])
    assert "198.51.100.10" in finding.message


@pytest.mark.parametrize(
    "line",
    [
        # A server that was asked on a way that was not recorded, by a socket of its own.
        "candidate:1 1 udp 1677729535 192.0.2.99 40404 typ srflx raddr 0.0.0.0 rport 0",
        # A NAT gives its address another port towards another server.
        "candidate:1 1 udp 1677729535 203.0.113.7 40404 typ srflx raddr 0.0.0.0 rport 0",
        # A relay of a server that TLS or another interface may have hidden.
        "candidate:1 1 udp 41885439 192.0.2.77 50000 typ relay raddr 203.0.113.7 rport 40000",
        # A socket that sent nothing, on an address of its own.
        "candidate:1 1 udp 2122260223 172.17.0.1 51000 typ host generation 0",
    ],
)
def test_what_caused_no_packet_contradicts_nothing(line: str) -> None:
    assert contradictions("direct", [*lines_of("direct"), line]) == []
