"""The address behind a foundation, confirmed or searched for."""

from __future__ import annotations

import json
import random
from ipaddress import ip_address
from pathlib import Path

import pytest

from pcapleak.decode.ice.candidate import parse_candidate
from pcapleak.decode.ice.foundation import libwebrtc_foundation
from pcapleak.track.ice.foundations import PRIVATE_NETWORKS, bases_of_line, find_bases

TIE_BREAKER = 0xD40D_F413_F0EB_E133


@pytest.mark.parametrize("network", PRIVATE_NETWORKS, ids=str)
@pytest.mark.parametrize("salt", [TIE_BREAKER, None])
def test_a_planted_address_is_found_in_each_private_range(network, salt) -> None:
    rng = random.Random(str(network))
    for at in (0, network.num_addresses - 1, rng.randrange(network.num_addresses)):
        planted = network[at]
        foundation = libwebrtc_foundation("host", str(planted), "udp", "", salt)
        found = find_bases(foundation, "host", tie_breakers=[TIE_BREAKER])
        assert (planted, salt) in [(base.address, base.tie_breaker) for base in found]
        assert not any(base.known for base in found)


def test_a_known_address_is_confirmed_without_a_search() -> None:
    foundation = libwebrtc_foundation("host", "2001:db8::7", "udp", "", TIE_BREAKER)
    found = find_bases(
        foundation,
        "host",
        addresses=[ip_address("192.0.2.1"), ip_address("2001:db8::7")],
        tie_breakers=[1, TIE_BREAKER],
    )
    assert found == [(ip_address("2001:db8::7"), TIE_BREAKER, True)]


def test_the_spelling_of_older_releases_is_tried() -> None:
    foundation = libwebrtc_foundation("local", "10.1.2.3", "udp", "", None)
    assert (ip_address("10.1.2.3"), None, False) in find_bases(foundation, "host")


@pytest.mark.parametrize("foundation", ["0", "a+b/", "99999999999", "٣"])
def test_other_engines_foundations_give_nothing_away(foundation: str) -> None:
    assert find_bases(foundation, "host", networks=[]) == []


def test_a_wildcard_base_is_told_from_a_hidden_one() -> None:
    line = parse_candidate("candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx")
    assert [(str(base.address), base.tie_breaker) for base in bases_of_line(line, [], [])] == [
        ("0.0.0.0", None)
    ]


def test_the_page_foundations_of_a_real_session_prove_its_addresses(browser: Path) -> None:
    answer = json.loads((browser / "loop.json").read_text())
    ties = {"a": 0xD40DF413F0EBE133, "b": 0x256307E5B514FC5B}
    for one in answer["candidates"]:
        line = parse_candidate(one["line"])
        bases = bases_of_line(line, [ip_address("2001:db8:50::42")], [ties[one["who"]]])
        hidden = {"host": {"192.168.50.42", "2001:db8:50::42"}, "srflx": {"0.0.0.0"}}
        assert len(bases) == 1
        assert str(bases[0].address) in hidden[line.type]
        assert bases[0].tie_breaker == ties[one["who"]]
