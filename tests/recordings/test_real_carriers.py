"""Real tunnel programs in namespaces: a clean tunnel is never a leak, whatever carries it, whether
it was recorded from before it came up or joined late; with one thing beside it, it always is."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import need_tool

from captures.lab.carriers import CARRIERS, LEAKS, record
from captures.lab.tunnels import Tunnel
from pcapleak.pipeline.analyze import analyze
from pcapleak.policy.policy import Policy

PROGRAMS = {
    "PlainWireGuard": ("wireguard-go", "wg"),
    "WrappedWireGuard": ("wireguard-go", "wg"),
    "OpenVpn": ("openvpn",),
    "OpenVpnTcp": ("openvpn",),
    "OpenConnect": ("ocserv", "ocpasswd", "openconnect"),
    "OpenConnectTls": ("ocserv", "ocpasswd", "openconnect"),
    "QuicLike": (),
    "TlsLike": (),
    "Tinc": ("tincd",),
    "Fastd": ("fastd",),
    "N2n": ("edge", "supernode"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", CARRIERS, ids=lambda kind: kind.__name__)
def test_a_clean_tunnel_is_no_leak_and_one_packet_beside_it_is(
    kind: type[Tunnel], root_network: None, tmp_path: Path
) -> None:
    for program in ("turnserver", "dnsmasq", "dumpcap", "nft", *PROGRAMS[kind.__name__]):
        need_tool(program)
    made = record(kind, tmp_path)
    ways = (
        {},
        {"tunnel": [made.device]},
        {"vpn_endpoint": [made.endpoint]},
        {"tunnel": [made.device], "vpn_endpoint": [made.endpoint]},
    )
    for whole in (made.early, made.late):
        for leak in (None, *LEAKS):
            path = made.cut(whole, tmp_path / "cut.pcapng", leak)
            for options in ways:
                verdict = analyze(path, Policy.from_options(**options)).verdict
                assert (verdict.result == "leak") == (leak is not None), (
                    whole.stem, leak, options, verdict.reason,
                )  # fmt: skip
