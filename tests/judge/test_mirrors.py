"""Recordings of a mirror port: each packet inside another one, judged as the packet itself."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from lab_truth import CAPTURES, compare, compare_document, read_truth
from mutations import packets_of

import pcapleak
from pcapleak.capture import PcapngWriter
from pcapleak.judge import mirrors
from pcapleak.policy.policy import Policy

SWITCH, COLLECTOR = bytes((10, 99, 0, 1)), bytes((10, 99, 0, 2))
ETHERNET = 1


def copied(frame: bytes, kind: str) -> bytes:
    """An Ethernet frame as a mirror sends it on."""
    if kind == "gre":
        protocol, body = 47, b"\0\0\x65\x58" + frame
    else:
        vxlan = b"\x08\0\0\0\0\0\x2a\0" + frame
        protocol, body = 17, struct.pack("!HHHH", 54321, 4789, 8 + len(vxlan), 0) + vxlan
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
    return bytes(12) + b"\x08\0" + head + SWITCH + COLLECTOR + body


def mirrored(name: str, kind: str, path: Path) -> Path:
    """A recording of the lab with what crossed the physical interface as a mirror's copies."""
    interfaces, packets = packets_of(CAPTURES / f"{name}.pcapng")
    with PcapngWriter(path) as writer:
        for number, ts_ns, data, size in packets:
            physical = interfaces[number].link_type == ETHERNET
            sent = copied(data, kind) if physical else data
            writer.write(interfaces[number], ts_ns, sent, size + len(sent) - len(data))
    return path


@pytest.mark.parametrize("kind", ["gre", "vxlan"])
@pytest.mark.parametrize(
    "name",
    ["socks", "full-tunnel", "openvpn", "native-ipv6", "firefox-split-tunnel", "tunnel-restored"],
)
def test_a_mirrors_recording_is_judged_as_what_it_copies(
    name: str, kind: str, tmp_path: Path
) -> None:
    path = mirrored(name, kind, tmp_path / "mirror.pcapng")
    assert compare(path, read_truth(CAPTURES / f"{name}.json")).problems == []


def test_a_tunnel_that_the_policy_names_is_no_mirror(tmp_path: Path) -> None:
    path = mirrored("socks", "gre", tmp_path / "mirror.pcapng")
    policy = Policy.from_options(vpn_endpoint=["10.99.0.2"])
    document = pcapleak.analyze(path, policy).document
    assert {flow.path for flow in document.flows} <= {"tunnel", "inside-tunnel", "tunnel-transport"}


def test_more_pairs_than_a_mirror_has_are_a_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "MAX_MIRRORS", 0)
    path = mirrored("full-tunnel", "vxlan", tmp_path / "mirror.pcapng")
    truth = read_truth(CAPTURES / "full-tunnel.json")
    policy = Policy.from_options(**{key: [value] for key, value in truth["policy"].items()})
    document = pcapleak.analyze(path, policy).document
    assert compare_document(document, truth).problems
