"""What is local: the client's own link and network, unless the policy's routes name it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    VPN,
    Recording,
    behind_tunnel,
    dhcp_ack,
    ids,
    judged,
    mdns_query,
    of,
)

from pcapleak.policy.policy import Policy, Tunnel

TUNNEL = {"tunnel": ["wg0"], "vpn_endpoint": [f"{VPN}:51820"]}
FULL = Policy.from_options(**TUNNEL)
SILENT = Policy.from_options(**TUNNEL, lan=["none"])


def split(*routes: str) -> Policy:
    from ipaddress import ip_network

    return Policy(tunnels=(Tunnel(interface="wg0", routes=tuple(map(ip_network, routes))),))


@pytest.mark.parametrize(
    ("routes", "far", "leaks"),
    [
        (("100.64.0.0/10",), "100.88.10.9", True),
        (("10.0.0.0/8",), "10.20.30.40", True),
        (("10.0.0.0/8",), "172.16.4.4", False),
        (("192.168.50.0/24",), "192.168.50.9", True),
        (("0.0.0.0/0",), "192.168.50.9", False),
        (("0.0.0.0/0",), "198.51.100.77", True),
        (("192.168.0.0/16",), "192.168.50.9", False),
        (("192.168.0.0/16",), "192.168.60.9", True),
    ],
)
def test_what_routes_name_must_be_inside(
    routes: tuple[str, ...], far: str, leaks: bool, tmp_path: Path
) -> None:
    recording = behind_tunnel()
    recording.tcp(500, ETH0, CLIENT, 50000, far, 22, b"hello", b"hello")
    document = judged(recording, split(*routes), tmp_path)
    assert ("PL204" in ids(document)) == leaks


@pytest.mark.parametrize(("near", "leaks"), [(CLIENT, True), ("100.70.1.2", False)])
def test_shared_addresses_are_local_to_those_who_have_one(
    near: str, leaks: bool, tmp_path: Path
) -> None:
    recording = behind_tunnel()
    recording.exchange(500, ETH0, near, 50000, "100.99.1.1", 9000, b"hello", b"hello")
    policy = Policy.from_options(**TUNNEL, client=[near])
    assert ("PL201" in ids(judged(recording, policy, tmp_path))) == leaks


def silent_user() -> Recording:
    """A link's own needs: a lease and neighbour discovery."""
    recording = behind_tunnel()
    recording.exchange(
        300, ETH0, CLIENT, 68, "192.168.50.1", 67, dhcp_ack(CLIENT, b""), dhcp_ack(CLIENT, b"")
    )
    return recording


def test_a_lan_that_must_be_silent(tmp_path: Path) -> None:
    recording = silent_user()
    assert judged(recording, SILENT, tmp_path).verdict.result == "no-leak"
    recording.tcp(500, ETH0, CLIENT, 50000, "192.168.50.9", 445, b"hello", b"hello")
    recording.udp(600, ETH0, CLIENT, 5353, "224.0.0.251", 5353, mdns_query("printer.local"))
    document = judged(recording, SILENT, tmp_path)
    assert document.verdict.result == "leak"
    assert [one.subject for one in of(document, "PL210")] == [
        "192.168.50.9 on eth0",
        "224.0.0.251 on eth0",
    ]
    assert document.verdict.exposed_addresses == []
    assert judged(recording, FULL, tmp_path).verdict.result == "no-leak"


def test_other_hosts_may_talk_on_a_lan_that_must_be_silent(tmp_path: Path) -> None:
    recording = silent_user()
    recording.tcp(500, ETH0, "192.168.50.8", 50000, "192.168.50.9", 445, b"hello", b"hello")
    assert judged(recording, SILENT, tmp_path).verdict.result == "no-leak"
