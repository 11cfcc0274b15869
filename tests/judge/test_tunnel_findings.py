"""PL205 to PL209 and the timeline: tunnels that fail and networks that divert."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from builders import (
    ACK,
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    MS,
    NO_POLICY,
    PUBLIC,
    ROUTER,
    START_NS,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WEB6,
    WG0,
    Recording,
    behind_tunnel,
    dhcp_ack,
    ids,
    ip_packet,
    judged,
    of,
    router_advertisement,
    tcp_packet,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)
from msgspec.structs import replace
from mutations import ROOT, packets_of

import pcapleak
from pcapleak.capture import PcapngWriter
from pcapleak.policy.policy import Policy


def handshake(recording: Recording, ms: float, index: int) -> None:
    recording.exchange(
        ms,
        ETH0,
        CLIENT,
        51820,
        VPN,
        51820,
        wireguard_initiation(index),
        wireguard_response(index),
    )


def interrupted() -> Recording:
    """Up at 0 s; from 10 s on the server is silent, at 30 s it answers again."""
    recording = Recording()
    handshake(recording, 0, 1)
    recording.tunnel(100)
    for attempt in range(4):
        data = wireguard_initiation(10 + attempt)
        recording.udp(10_000 + 5_000 * attempt, ETH0, CLIENT, 51820, VPN, 51820, data)
    handshake(recording, 30_000, 20)
    recording.tunnel(30_100)
    return recording


def test_traffic_while_the_tunnel_is_down_is_named_with_its_window(tmp_path: Path) -> None:
    recording = interrupted()
    recording.exchange(20_000, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL205")
    assert finding.severity == "high"
    assert "20.0 s" in finding.message
    lost = next(event for event in document.timeline if event.kind == "tunnel-lost")
    back = next(event for event in document.timeline if event.kind == "tunnel-back")
    assert lost.time == START_NS + 10_000 * MS
    assert back.time == START_NS + 30_001 * MS
    leak = next(event for event in document.timeline if event.subject.startswith("PL201"))
    assert "wg0 down" in leak.text


def test_traffic_after_the_tunnel_is_back_is_not_of_its_downtime(tmp_path: Path) -> None:
    recording = interrupted()
    recording.exchange(40_000, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL205" not in ids(document)
    assert "PL201" in ids(document)


def test_a_rekeying_is_no_downtime(tmp_path: Path) -> None:
    recording = Recording()
    handshake(recording, 0, 1)
    recording.tunnel(100)
    handshake(recording, 120_000, 2)
    recording.exchange(120_000.5, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    recording.tunnel(120_100)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL205" not in ids(document)
    assert [event.kind for event in document.timeline if "tunnel" in event.kind] == [
        "tunnel-up",
        "tunnel-rekey",
    ]


def test_a_server_that_rekeys_first_is_not_taken_for_the_client(tmp_path: Path) -> None:
    """Either end of WireGuard may, and a recording may begin long after the first handshake."""
    recording = Recording()
    recording.tunnel()
    recording.exchange(
        500, ETH0, VPN, 51820, CLIENT, 51820, wireguard_initiation(), wireguard_response()
    )
    recording.tunnel(600)
    recording.exchange(900, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert document.policy.fields["clients"].value == [CLIENT]
    assert document.policy.fields["vpn_endpoints"].value == [f"{VPN}:51820/udp"]
    assert document.verdict.result == "leak"


def test_a_reconnect_from_another_port_leaves_a_gap(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel(0, inside=False)
    recording.exchange(5_000, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    recording.exchange(
        10_000, ETH0, CLIENT, 51821, VPN, 51820, wireguard_initiation(), wireguard_response()
    )
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert of(document, "PL205")
    (tunnel,) = document.tunnels
    assert len(tunnel.down) == 1
    assert len(tunnel.up) == 2


def test_the_tunnels_address_as_source_outside_is_named(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(3):
        recording.udp(50 + i, ETH0, INNER, 50000, WEB, 3478, b"x" * 20)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL206")
    assert finding.confidence == "certain"
    assert finding.addresses == [INNER]
    assert finding.frame_count == 3


def test_the_tunnels_address_as_destination_outside_is_not_its_source(tmp_path: Path) -> None:
    """Somebody on the network probes for the tunnel's address (CVE-2019-14899)."""
    recording = behind_tunnel()
    recording.ip(50, ETH0, tcp_packet("192.168.50.66", 40000, INNER, 40000, ACK))
    assert "PL206" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_a_lan_address_as_source_inside_is_named(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, WG0, CLIENT, 50000, WEB, 3478, b"x" * 20)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL207")
    assert finding.addresses == [CLIENT]


@pytest.mark.parametrize("address", ["169.254.77.42", "192.168.77.42"])
def test_the_address_of_an_interface_that_was_not_recorded_is_named_inside(
    tmp_path: Path, address: str
) -> None:
    recording = behind_tunnel()
    recording.udp(50, WG0, address, 50000, WEB, 3478, b"x" * 20)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL207")
    assert finding.addresses == [address]


def test_inner_addresses_inside_are_what_is_expected(tmp_path: Path) -> None:
    assert not ids(judged(behind_tunnel(), TUNNEL_POLICY, tmp_path)) & {"PL206", "PL207"}


def route(network: str, router: str = ROUTER) -> bytes:
    net = ip_network(network)
    width = net.prefixlen
    destination = net.network_address.packed[: (width + 7) // 8]
    return bytes([width]) + destination + ip_address(router).packed


def with_routes(*networks: str, option: int = 121) -> Recording:
    recording = behind_tunnel()
    routes = b"".join(route(network) for network in networks)
    options = b"\1\4\xff\xff\xff\0" + bytes([option, len(routes)]) + routes
    recording.ip(1, ETH0, udp_packet(ROUTER, 67, "255.255.255.255", 68, dhcp_ack(CLIENT, options)))
    return recording


@pytest.mark.parametrize("option", [121, 249])
def test_routes_for_public_ranges_from_dhcp_are_named(tmp_path: Path, option: int) -> None:
    recording = with_routes("198.51.100.0/24", option=option)
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL208")
    assert finding.severity == "high"
    assert finding.confidence == "certain", "a flow went that way"


def test_routes_and_networks_given_inside_the_tunnel_are_its_own(tmp_path: Path) -> None:
    recording = behind_tunnel()
    options = b"\1\4\xf0\0\0\0\x79\x06" + route("128.0.0.0/1")
    recording.udp(5, WG0, "10.66.0.1", 67, INNER, 68, dhcp_ack(INNER, options, "10.66.0.1"))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert not {"PL208", "PL209"} & ids(document)
    assert document.verdict.result == "no-leak"


def test_routes_given_to_another_host_divert_nothing_of_this_one(tmp_path: Path) -> None:
    recording = behind_tunnel()
    options = b"\x79\x06" + route("128.0.0.0/1")
    other = "192.168.50.77"
    recording.udp(5, ETH0, ROUTER, 67, other, 68, dhcp_ack(other, options))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL208")] == ["medium"]
    assert document.verdict.result == "no-leak"


def test_halves_of_the_address_space_are_public_ranges(tmp_path: Path) -> None:
    assert of(judged(with_routes("0.0.0.0/1", "128.0.0.0/1"), TUNNEL_POLICY, tmp_path), "PL208")


def test_private_routes_and_the_default_route_are_ordinary(tmp_path: Path) -> None:
    recording = with_routes("0.0.0.0/0", "10.20.0.0/16", "172.16.0.0/12")
    assert "PL208" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


def test_public_routes_without_a_tunnel_are_information(tmp_path: Path) -> None:
    recording = Recording()
    recording.packets = with_routes("198.51.100.0/24").packets[-1:]
    (finding,) = of(judged(recording, NO_POLICY, tmp_path), "PL208")
    assert finding.severity == "info"


def test_a_public_range_as_local_network_is_named(tmp_path: Path) -> None:
    recording = behind_tunnel()
    ack = dhcp_ack("203.0.113.50", b"\1\4\xff\xff\xff\0")
    recording.ip(1, ETH0, udp_packet("203.0.113.1", 67, "255.255.255.255", 68, ack))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL209")
    assert "203.0.113.0/24" in finding.subject


def test_a_private_local_network_is_ordinary(tmp_path: Path) -> None:
    recording = with_routes("0.0.0.0/0")
    assert "PL209" not in ids(judged(recording, TUNNEL_POLICY, tmp_path))


@pytest.mark.parametrize(("length", "named"), [(64, False), (32, True)])
def test_a_short_on_link_prefix_of_a_router_is_named(
    tmp_path: Path, length: int, named: bool
) -> None:
    recording = behind_tunnel()
    advertisement = router_advertisement("2001:db8::", length)
    recording.ip(1, ETH0, ip_packet("fe80::1", "ff02::1", 58, advertisement))
    assert ("PL209" in ids(judged(recording, TUNNEL_POLICY, tmp_path))) == named


def test_traffic_to_a_declared_public_lan_is_still_a_bypass(tmp_path: Path) -> None:
    """The LocalNet attack: the network calls the web server's range its own."""
    recording = behind_tunnel()
    ack = dhcp_ack(CLIENT, b"\1\4\xff\xff\xff\0")
    recording.ip(1, ETH0, udp_packet(ROUTER, 67, "255.255.255.255", 68, ack))
    fake = dhcp_ack("198.51.100.200", b"\1\4\xff\xff\xff\0", "198.51.100.1")
    recording.ip(2, ETH0, udp_packet("198.51.100.1", 67, "255.255.255.255", 68, fake))
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL204" in ids(document)


def test_the_carrier_of_each_given_endpoint_is_the_tunnels(tmp_path: Path) -> None:
    """Servers change on reconnect: a completed handshake proves the other one too."""
    recording = behind_tunnel()
    recording.exchange(
        500,
        ETH0,
        CLIENT,
        51820,
        "198.51.100.41",
        51820,
        wireguard_initiation(),
        wireguard_response(),
    )
    other = Policy.from_options(
        tunnel=["wg0"], vpn_endpoint=[f"{VPN}:51820", "198.51.100.41:51820"]
    )
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"
    assert judged(recording, other, tmp_path).verdict.result == "no-leak"


def test_the_public_address_is_named_by_a_leak_after_a_loss(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(20_000, ETH0, CLIENT, 50000, PUBLIC)
    recording.stun(22_000, ETH0, CLIENT, 50000, PUBLIC, transaction_id=b"u" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    leak = next(event for event in document.timeline if event.subject.startswith("PL101"))
    assert "after it was lost" in leak.text


def restored() -> Recording:
    """The device goes at 5 s; the server sends once more; at 8 s it is back on a new port."""
    recording = Recording()
    handshake(recording, 0, 1)
    recording.tunnel(100)
    recording.stun(200, WG0, INNER, 50000, VPN)
    recording.udp(6_500, ETH0, VPN, 51820, CLIENT, 51820, wireguard_data())
    recording.exchange(
        8_000, ETH0, CLIENT, 51999, VPN, 51820, wireguard_initiation(5), wireguard_response(5)
    )
    return recording


def test_a_device_that_is_made_anew_was_down_in_between(tmp_path: Path) -> None:
    recording = restored()
    recording.stun(6_000, ETH0, CLIENT, 50000, PUBLIC, transaction_id=b"u" * 12)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert {"PL104", "PL205"} <= ids(document)
    kinds = [event.kind for event in document.timeline if "tunnel" in event.kind]
    assert kinds == ["tunnel-up", "tunnel-lost", "tunnel-back"]


def test_an_icmp_error_to_the_server_is_no_traffic_of_the_downtime(tmp_path: Path) -> None:
    recording = restored()
    error = b"\3\3" + bytes(6) + udp_packet(VPN, 51820, CLIENT, 51820, wireguard_data())
    recording.ip(6_501, ETH0, ip_packet(CLIENT, VPN, 1, error))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL205" not in ids(document)
    assert document.verdict.result == "no-leak"


@pytest.mark.parametrize(("address", "mask"), [(CLIENT, "00000000"), (CLIENT, "c0000000")])
def test_a_lease_that_calls_the_world_local_is_not_believed(
    tmp_path: Path, address: str, mask: str
) -> None:
    recording = behind_tunnel()
    ack = dhcp_ack(address, b"\1\4" + bytes.fromhex(mask))
    recording.ip(1, ETH0, udp_packet(ROUTER, 67, "255.255.255.255", 68, ack))
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert {"PL204", "PL209"} <= ids(document)


def test_a_prefix_that_calls_the_world_local_is_not_believed(tmp_path: Path) -> None:
    recording = behind_tunnel()
    advertisement = router_advertisement("2001:db8::", 32)
    recording.ip(1, ETH0, ip_packet("fe80::1", "ff02::1", 58, advertisement))
    recording.tcp(50, ETH0, CLIENT6, 45000, WEB6, 443, b"\x16\3\1" + bytes(40))
    assert {"PL202", "PL209"} <= ids(judged(recording, TUNNEL_POLICY, tmp_path))


@pytest.mark.parametrize(("port", "severity"), [(443, "info"), (80, "high")])
def test_the_vpn_clients_calls_to_its_server_are_information(
    tmp_path: Path, port: int, severity: str
) -> None:
    recording = behind_tunnel()
    recording.tcp(50, ETH0, CLIENT, 45000, VPN, port, b"\x16\3\1" + bytes(40), bytes(40))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL204")] == [severity]


@pytest.mark.parametrize("name", ["full-tunnel", "http-proxy"])
def test_interfaces_of_one_name_are_told_as_one(name: str, tmp_path: Path) -> None:
    """A recorder that was restarted numbers its interfaces anew: still one tunnel, one proxy."""
    original = ROOT / "captures" / f"{name}.pcapng"
    interfaces, packets = packets_of(original)
    again = {number: replace(one, id=one.id + 100) for number, one in enumerate(interfaces)}
    restarted = tmp_path / "restarted.pcapng"
    with PcapngWriter(restarted) as writer:
        for place, (number, ts_ns, data, size) in enumerate(packets):
            late = place >= len(packets) // 2
            writer.write(again[number] if late else interfaces[number], ts_ns, data, size)
    one, two = (pcapleak.analyze(path).document for path in (original, restarted))
    assert len(two.captures[0].interfaces) == 2 * len(one.captures[0].interfaces)
    assert [(t.kind, t.endpoint, t.interface) for t in two.tunnels] == [
        (t.kind, t.endpoint, t.interface) for t in one.tunnels
    ]
    assert two.verdict.result == one.verdict.result
