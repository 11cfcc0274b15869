"""The NAT in front of a client, from STUN answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    NO_POLICY,
    TUNNEL_POLICY,
    WG0,
    Recording,
    binding_request,
    binding_success,
    judged,
)

from pcapleak.report.document import NatProfile

ONE, TWO = ("198.51.100.10", 3478), ("198.51.100.11", 3478)
OTHER_PORT = ("198.51.100.10", 3479)

Answer = tuple[tuple[str, int], str, int]
"""A server, and which address and port it saw."""


def profile(tmp_path: Path, answers: list[Answer], client: str = CLIENT) -> NatProfile:
    """The profile of one socket, 50000, that these servers answered."""
    recording = Recording()
    for i, ((server, port), seen, seen_port) in enumerate(answers):
        transaction = b"%12d" % i
        messages = binding_request(transaction), binding_success(seen, seen_port, transaction)
        recording.exchange(10 * i, ETH0, client, 50000, server, port, *messages)
    (found,) = judged(recording, NO_POLICY, tmp_path).coherence.nat
    assert found.client == client
    assert found.interface == "eth0"
    assert found.frames
    return found


@pytest.mark.parametrize(
    ("answers", "mapping", "preserved"),
    [
        ([(ONE, "203.0.113.7", 50000)], "unknown", True),
        ([(ONE, "203.0.113.7", 61000)], "unknown", False),
        (
            [(ONE, "203.0.113.7", 50000), (TWO, "203.0.113.7", 50000)],
            "endpoint-independent",
            True,
        ),
        (
            [(ONE, "203.0.113.7", 61000), (TWO, "203.0.113.7", 61000)],
            "endpoint-independent",
            False,
        ),
        (
            [(ONE, "203.0.113.7", 61000), (TWO, "203.0.113.7", 61001)],
            "address-dependent",
            False,
        ),
        (
            [
                (ONE, "203.0.113.7", 61000),
                (OTHER_PORT, "203.0.113.7", 61000),
                (TWO, "203.0.113.7", 61001),
            ],
            "address-dependent",
            False,
        ),
        (
            [(ONE, "203.0.113.7", 61000), (OTHER_PORT, "203.0.113.7", 61001)],
            "address-and-port-dependent",
            False,
        ),
    ],
)
def test_mapping_is_named_as_rfc_4787_does(
    tmp_path: Path, answers: list[Answer], mapping: str, preserved: bool
) -> None:
    found = profile(tmp_path, answers)
    assert (found.mapping, found.port_preservation) == (mapping, preserved)
    assert len(found.servers) == len(answers)


def test_no_translation_is_no_mapping(tmp_path: Path) -> None:
    server = ("2001:db8:ffff::10", 3478)
    found = profile(tmp_path, [(server, CLIENT6, 50000)], CLIENT6)
    assert (found.mapping, found.port_preservation) == ("none", None)
    assert found.cgnat == "unlikely"


@pytest.mark.parametrize(
    ("client", "seen", "cgnat"),
    [
        (CLIENT, ["203.0.113.7"], "unknown"),
        ("100.64.0.5", ["203.0.113.7"], "likely"),
        (CLIENT, ["100.64.0.5"], "likely"),
        (CLIENT, ["203.0.113.7", "203.0.113.8"], "likely"),
        ("192.0.2.42", ["192.0.2.42"], "unlikely"),
    ],
    ids=["private", "own", "seen", "pool", "public"],
)
def test_a_shared_address_is_never_more_than_likely(
    tmp_path: Path, client: str, seen: list[str], cgnat: str
) -> None:
    answers = [((f"198.51.100.{10 + i}", 3478), text, 50000) for i, text in enumerate(seen)]
    found = profile(tmp_path, answers, client)
    assert found.cgnat == cgnat
    assert found.reasons[-1]


def test_answers_inside_the_tunnel_tell_of_the_exit_not_of_the_client(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, "10.66.0.2", 50000, "198.51.100.40")
    assert judged(recording, TUNNEL_POLICY, tmp_path).coherence.nat == []
