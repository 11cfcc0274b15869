"""The commands that fixes give are taken by the firewall, with what the capture shows filled in."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from builders import CLIENT, ETH0, PUBLIC, TUNNEL_POLICY, VPN, behind_tunnel, judged, of
from conftest import need_tool

from pcapleak.judge.findings import KINDS

FILLED = {
    "INTERFACE": "eth0",
    "VPN_SERVER": "198.51.100.40",
    "TUNNEL_ADDRESS": "10.66.0.2",
    "TUNNEL": "wg0",
}


def commands() -> list[str]:
    """Every command that starts with nft in any fix, filled in."""
    found: dict[str, None] = {}
    for kind in KINDS:
        for remedy in (kind.remedy, kind.proxy_remedy, kind.tunnel_remedy):
            for command in re.findall(r"`(nft [^`]+)`", remedy or ""):
                for word, value in FILLED.items():
                    command = re.sub(rf"\b{word}\b", value, command)
                found[command] = None
    return list(found)


def test_the_firewall_takes_every_command(root_network: None) -> None:
    nft = need_tool("nft")
    table = f"{nft} add table inet filter && {nft} add chain inet filter output " + (
        "'{ type filter hook output priority 0; }'"
    )
    assert len(commands()) > 4
    for command in commands():
        subprocess.run(
            [need_tool("unshare"), "-n", "sh", "-ec", f"{table}\n{command}"],
            check=True,
            capture_output=True,
            timeout=30,
        )


def test_what_a_vpn_needs_lets_no_ipv6_out() -> None:
    """`ip daddr != SERVER drop` would say nothing of IPv6."""
    assert not [command for command in commands() if re.search(r"ip daddr != .* drop", command)]


def test_a_fix_names_the_server_and_the_interface(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(500, ETH0, CLIENT, 50000, PUBLIC)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL101")
    rule = "nft add rule inet filter output oifname eth0"
    assert f"`{rule} ip daddr {VPN} accept && {rule} drop`" in finding.remedy
