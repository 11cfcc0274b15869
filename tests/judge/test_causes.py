"""Why traffic went outside, as far as a recording shows it."""

from __future__ import annotations

from pathlib import Path

from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    PROXY_POLICY,
    ROUTER,
    TUNNEL_POLICY,
    WEB,
    WEB6,
    WG0,
    Recording,
    behind_tunnel,
    dhcp_ack,
    judged,
    of,
    udp_packet,
)


def cause(recording: Recording, tmp_path: Path, id: str = "PL201") -> str:
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), id)
    return " / ".join(finding.reasons)


def test_a_route_from_dhcp(tmp_path: Path) -> None:
    recording = behind_tunnel()
    routes = bytes([24, 198, 51, 100, 192, 168, 50, 1])
    ack = dhcp_ack(CLIENT, b"\1\4\xff\xff\xff\0" + bytes([121, len(routes)]) + routes)
    recording.ip(1, ETH0, udp_packet(ROUTER, 67, "255.255.255.255", 68, ack))
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    assert f"DHCP server {ROUTER} routes 198.51.100.0/24" in cause(recording, tmp_path)


def test_a_program_bound_to_the_physical_interface(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    assert "bound to the physical interface or its address" in cause(recording, tmp_path)


def test_a_program_bound_to_the_tunnels_address(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, INNER, 50000, WEB, 9999, b"hello")
    assert f"bound to the tunnel's address {INNER}" in cause(recording, tmp_path)


def test_a_destination_that_the_tunnels_routes_leave_out(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, "203.0.113.99", 9999, b"hello", b"there")
    assert "its routes do not cover 203.0.113.99" in cause(recording, tmp_path)


def test_a_tunnel_without_ipv6(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(15, ETH0, CLIENT6, 50000, WEB6, 9999, b"hello", b"there")
    assert "carried no IPv6" in cause(recording, tmp_path, "PL202")


def test_a_tunnel_that_never_came_up(tmp_path: Path) -> None:
    recording = Recording()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    assert "no tunnel was ever seen up" in cause(recording, tmp_path)


def test_a_proxy_routes_nothing(tmp_path: Path) -> None:
    recording = Recording()
    recording.socks()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    (finding,) = of(judged(recording, PROXY_POLICY, tmp_path), "PL201")
    assert finding.reasons == []


def test_sockets_on_both_sides_are_counted(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, WG0, INNER, 50000, WEB, 9999, b"hello", b"there")
    recording.exchange(60, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    recording.exchange(70, ETH0, CLIENT, 50001, WEB, 9998, b"hello", b"there")
    (tunnel,) = judged(recording, TUNNEL_POLICY, tmp_path).tunnels
    assert "flows: 1 inside only, 1 outside only, 1 on both sides" in tunnel.reasons
