"""What should hold is read from the machine itself, in namespaces set up like VPN clients do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import need_tool
from netns import Host, hosts, join

CLIENT = "192.168.50.42"
SERVER = "198.51.100.40"

WIREGUARD = """
mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && wireguard-go wg0
wg genkey > /run/wireguard/key
wg set wg0 private-key /run/wireguard/key peer "$(wg genkey | wg pubkey)" \
  endpoint 198.51.100.40:51820 allowed-ips 0.0.0.0/0
ip addr add 10.66.0.2/32 dev wg0 && ip link set wg0 up
ip route add default dev wg0 table 51820
%s
"$0" -m pcapleak interfaces
"""


@pytest.fixture
def client(root_network: None) -> Iterator[Host]:
    with hosts(2) as (client, router):
        join(client, "eth0", f"{CLIENT}/24", router, "eth0", "192.168.50.1/24")
        client.run("ip", "route", "add", "default", "via", "192.168.50.1")
        yield client


def interfaces(host: Host, **environment: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, sys.executable, "-m", "pcapleak", "interfaces"],
        capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], "COLUMNS": "160", **environment},
    )  # fmt: skip
    return done.stdout


def test_a_plain_machine_has_no_tunnel(client: Host) -> None:
    text = interfaces(client)
    assert "default route: eth0" in text
    assert "no tunnel or proxy" in text
    assert "Capture: ready" in text


def test_a_tunnel_with_both_halves_of_the_default_route_is_the_way_out(client: Host) -> None:
    """As OpenVPN sets it up: two halves, and a host route that keeps the server reachable."""
    client.run("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    client.run("ip", "addr", "add", "10.8.0.2/24", "dev", "tun0")
    client.run("ip", "link", "set", "tun0", "up")
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        client.run("ip", "route", "add", half, "dev", "tun0")
    # A device nobody has opened has no carrier; its routes still say what was meant.
    client.run("ip", "route", "add", f"{SERVER}/32", "via", "192.168.50.1")
    text = interfaces(client)
    assert f"tunnel tun0 to {SERVER} (a tun/tap device, and the default route" in text


def test_a_tunnel_to_private_networks_only_is_not_the_way_out(client: Host) -> None:
    client.run("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    client.run("ip", "addr", "add", "10.8.0.2/24", "dev", "tun0")
    client.run("ip", "link", "set", "tun0", "up")
    text = interfaces(client)
    assert "tun0 is a tun/tap device, but leads only to 10.8.0.0/24" in text
    assert "no tunnel or proxy" in text


def test_wireguard_tells_its_peers_endpoint(client: Host) -> None:
    """A default route in a table of its own counts, with the rule that wg-quick writes."""
    for tool in ("wireguard-go", "wg"):
        need_tool(tool)
    rule = "ip rule add not fwmark 51820 table 51820"
    text = client.run("sh", "-c", WIREGUARD % rule, sys.executable)
    assert f"tunnel wg0 to {SERVER}:51820/udp (a tun/tap device" in text
    assert "10.66.0.2/32" in text


def test_a_table_that_no_rule_leads_to_is_no_way_out(client: Host) -> None:
    for tool in ("wireguard-go", "wg"):
        need_tool(tool)
    text = client.run("sh", "-c", WIREGUARD % "", sys.executable)
    assert "wg0 is a tun/tap device, but leads only to nothing" in text
    assert "default route: eth0" in text


def test_proxy_variables_are_read_and_names_are_not_looked_up(client: Host) -> None:
    text = interfaces(
        client,
        ALL_PROXY="socks5h://user:secret@127.0.0.1:9050",
        https_proxy="proxy.example.net:3128",
    )
    assert "proxy socks5h://127.0.0.1:9050 (ALL_PROXY of the environment)" in text
    assert "'proxy.example.net' is not an IP address" in text
    assert "secret" not in text
