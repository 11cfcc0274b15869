"""The recordings moved to other networks: what is said of them moves with them and no more."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest
from places import CAPTURES

from pcapleak import Policy, analyze
from pcapleak.report.document import Document

COOKIE = 0x2112A442

PUBLIC = {
    "203.0.113.7": "91.64.12.34",
    "198.51.100.10": "74.125.250.129",
    "198.51.100.20": "151.101.1.140",
    "198.51.100.30": "185.220.101.5",
    "198.51.100.40": "185.65.135.66",
}
NETWORKS = {
    "home": {"192.168.50.42": "10.0.0.42", "192.168.50.1": "10.0.0.1", "10.66.0.2": "10.8.0.2"},
    "office": {
        "192.168.50.42": "172.20.3.9",
        "192.168.50.1": "172.20.3.1",
        "10.66.0.2": "10.2.0.2",
    },
    "carrier": {
        "192.168.50.42": "100.72.3.4",
        "192.168.50.1": "100.72.3.1",
        "10.66.0.2": "10.64.22.9",
    },
    "shared": {
        "192.168.50.42": "192.168.1.7",
        "192.168.50.1": "192.168.1.1",
        "10.66.0.2": "100.64.9.9",
    },
}
"""Local and tunnel addresses of other households; the public ones are alike in all."""


def moved(data: bytes, names: dict[str, str]) -> bytes:
    """A capture with addresses renamed, also where STUN hides them; checksums become wrong."""
    for old, new in names.items():
        before, after = ip_address(old), ip_address(new)
        data = data.replace(before.packed, after.packed)
        masked = [(int(one) ^ COOKIE).to_bytes(4, "big") for one in (before, after)]
        data = data.replace(*masked)
    return data


def facts(document: Document, names: dict[str, str]) -> dict[str, object]:
    """What a report says, with `names` put for addresses."""

    def named(text: str | None) -> str | None:
        return names.get(text, text) if text else text

    sessions = [one for one in document.ice_sessions if one.candidates]
    return {
        "verdict": document.verdict.result,
        "exposed": {named(address) for address in document.verdict.exposed_addresses},
        # What geography says of real networks is another matter.
        "findings": {one.id for one in document.findings if not one.id.startswith("PL4")},
        "engines": [one.engine for one in sessions],
        "modes": [one.ip_handling_mode.mode for one in sessions],
        "candidates": [
            (one.type, named(one.mdns_name or one.address), one.port, one.priority)
            for session in sessions
            for one in session.candidates
        ],
    }


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "name",
    ["socks", "microphone", "mode-4", "firefox-http-proxy", "full-tunnel", "split-tunnel",
     "firefox-split-tunnel", "native-ipv6", "tunnel-restored", "openvpn"],
)  # fmt: skip
@pytest.mark.parametrize("given", [True, False])
def test_a_report_moves_with_the_network(
    tmp_path: Path, name: str, network: str, given: bool
) -> None:
    names = PUBLIC | NETWORKS[network]
    path = CAPTURES / f"{name}.pcapng"
    elsewhere = tmp_path / path.name
    elsewhere.write_bytes(moved(path.read_bytes(), names))
    policy = json.loads(path.with_suffix(".json").read_text())["policy"] if given else {}
    there = {
        key: value.replace(host, names[host])
        for key, value in policy.items()
        for host in [next((old for old in PUBLIC if old in value), "198.51.100.10")]
    }
    assert facts(
        analyze(elsewhere, Policy.from_options(**{k: [v] for k, v in there.items()})).document, {}
    ) == facts(
        analyze(path, Policy.from_options(**{k: [v] for k, v in policy.items()})).document, names
    )
