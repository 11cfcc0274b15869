"""A tunnel's device that goes and comes while it is watched: real WireGuard, real sockets."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from live_support import CLIENT, VPN_SERVER, Watching, counter, machine, requests, wireguard


def test_a_tunnel_device_vanishes_and_returns(root_network: None, tmp_path: Path) -> None:
    """No packet of eth0 is lost, both moments are told, and the leak falls between them."""
    with machine() as (client, server):
        tunnel = wireguard(client, server, tmp_path)
        tunnel.up()
        watching = Watching(client, "--json", "-", "--vpn-endpoint", f"{VPN_SERVER}:51820/udp",
                            "--tunnel", "wg0")  # fmt: skip
        before = [counter(client, "eth0", f"{way}_packets") for way in ("rx", "tx")]
        sending = requests(client, 100)
        time.sleep(1.5)
        gone_ns = time.time_ns()
        tunnel.down()
        time.sleep(1.5)
        tunnel.up()
        back_ns = time.time_ns()
        sending.wait(20)
        time.sleep(0.5)
        after = [counter(client, "eth0", f"{way}_packets") for way in ("rx", "tx")]
        report = json.loads(watching.stop(signal.SIGTERM)[0])
    packets = {i["name"]: i["packets"] for i in report["captures"][0]["interfaces"]}
    assert packets["eth0"] == sum(after) - sum(before)
    assert packets["wg0"] > 50
    events = {event["kind"]: event for event in report["timeline"] if event["subject"] == "wg0"}
    assert {"interface-gone", "interface-back", "tunnel-lost", "tunnel-back"} <= set(events)
    lost = events["tunnel-lost"]
    assert gone_ns - 100_000_000 < lost["time_ns"] < gone_ns + 200_000_000
    assert back_ns - 1_000_000_000 < lost["until_ns"] < back_ns + 200_000_000
    findings = {finding["id"]: finding for finding in report["findings"]}
    assert {"PL104", "PL205"} <= set(findings)
    assert lost["time_ns"] < findings["PL205"]["first_time_ns"] < lost["until_ns"]
    assert lost["time_ns"] < findings["PL104"]["first_time_ns"] < lost["until_ns"]
    assert report["verdict"]["result"] == "leak"
    assert any(CLIENT in finding["message"] for finding in report["findings"])


def test_the_policy_is_learned_from_the_machine(root_network: None, tmp_path: Path) -> None:
    """No option at all: the default route through wg0 and its peer's endpoint tell what holds."""
    with machine() as (client, server):
        tunnel = wireguard(client, server, tmp_path)
        tunnel.up()
        watching = Watching(client, "--json", "-")
        requests(client, 10).wait(20)
        time.sleep(0.5)
        report = json.loads(watching.stop(signal.SIGTERM)[0])
    assert report["verdict"]["result"] == "no-leak"
    tunnels = report["policy"]["fields"]["tunnels"]
    assert tunnels["value"] == ["wg0"]
    assert tunnels["source"] == "inferred"
    assert "default route" in tunnels["reasons"][0]
