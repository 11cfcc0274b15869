"""What a capture tells of a policy: roles, clients, networks, tunnels, proxies, exits."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    LO,
    PROXY,
    PUBLIC,
    ROUTER,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WEB6,
    WG0,
    Recording,
    dhcp_ack,
    ids,
    judged,
    mdns_query,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak.judge.columns import Columns
from pcapleak.judge.sides import interface_roles
from pcapleak.policy.policy import Policy
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Interface


def role(policy: Policy | None = None, **facts: object) -> str:
    interface = Interface(id=0, capture=0, **{"link_type": 1, **facts})  # type: ignore[arg-type]
    return interface_roles([interface], Columns(FlowTable()), policy or Policy())[0].role


@pytest.mark.parametrize(
    "name",
    ["wg0", "tun0", "utun4", "tap1", "ppp0", "ipsec0", "nordlynx", "tailscale0", "wg-mullvad",
     "CloudflareWARP", "proton0", "gpd0"],
)  # fmt: skip
def test_tunnels_are_known_by_name(name: str) -> None:
    assert role(name=name, link_type=101) == "tunnel"


@pytest.mark.parametrize(
    "name", ["eth0", "enp3s0", "wlan0", "wlp2s0", "en0", "Wi-Fi", "Ethernet", "rmnet_data0"]
)
def test_physical_interfaces_are_known_by_name(name: str) -> None:
    assert role(name=name) == "physical"


def test_roles_without_a_telling_name() -> None:
    assert role(name="lo") == "loopback"
    assert role(name="any", link_type=113) == "any"
    assert role(link_type=1) == "physical"
    assert role(link_type=101) == "unknown", "raw IP alone may be a modem or an export"
    assert role(link_type=101, policy=TUNNEL_POLICY) == "tunnel"
    assert role(name="myvpn", link_type=1, policy=Policy.from_options(tunnel=["myvpn"])) == "tunnel"
    assert role(name="{GUID}", description="WireGuard Tunnel") == "tunnel"


@pytest.mark.parametrize(
    ("hardware_type", "expected"),
    [(1, "physical"), (772, "loopback"), (65534, "tunnel"), (512, "tunnel"), (801, "physical")],
)
def test_an_any_recording_tells_roles_by_hardware(hardware_type: int, expected: str) -> None:
    facts = {"parent": 7, "index": 3, "hardware_type": hardware_type, "link_type": 276}
    assert role(**facts) == expected


def test_the_client_is_who_speaks_to_the_tunnels_endpoint(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    for i in range(50):
        recording.udp(100 + i, ETH0, "192.168.50.77", 40000 + i, WEB, 9999, b"noise")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    field = document.policy.fields["clients"]
    assert field.value == [CLIENT]
    assert field.source == "inferred"
    assert document.verdict.result == "no-leak"


def test_given_clients_are_believed(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.exchange(100, ETH0, "192.168.50.77", 40000, WEB, 9999, b"hello", b"there")
    policy = TUNNEL_POLICY.merged(Policy.from_options(client=["192.168.50.0/24"]))
    document = judged(recording, policy, tmp_path)
    assert document.policy.fields["clients"].source == "given"
    assert document.verdict.result == "leak"


def test_a_lease_tells_the_local_network(tmp_path: Path) -> None:
    recording = Recording()
    ack = dhcp_ack(CLIENT, b"\1\4\xff\xff\xfe\0")
    recording.ip(0, ETH0, udp_packet(ROUTER, 67, "255.255.255.255", 68, ack))
    recording.tunnel(10)
    field = judged(recording, TUNNEL_POLICY, tmp_path).policy.fields["lans"]
    assert field.value == ["192.168.50.0/23"]
    assert field.confidence == "high"


def test_a_tunnels_interface_used_towards_the_world_makes_a_policy(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(100, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, Policy(), tmp_path)
    assert document.policy.kind == "tunnel"
    assert document.policy.fields["tunnels"].source == "inferred"
    assert document.verdict.result == "leak"


def test_a_tunnel_to_private_addresses_only_is_no_policy(tmp_path: Path) -> None:
    """A work VPN carries the company's network, not everything."""
    recording = Recording()
    recording.exchange(0, WG0, INNER, 40000, "10.66.0.1", 9999, b"hello", b"there")
    recording.exchange(0, ETH0, CLIENT, 51820, VPN, 51820, wireguard_data(), wireguard_data())
    recording.stun(100, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.result == "no-policy"


def carried(packets: int) -> Recording:
    recording = Recording()
    recording.exchange(
        0, ETH0, CLIENT, 51820, VPN, 51820, wireguard_initiation(), wireguard_response()
    )
    for i in range(packets):
        recording.exchange(
            10 + i, ETH0, CLIENT, 51820, VPN, 51820, wireguard_data(1200), wireguard_data(1200)
        )
    recording.tcp(500, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(400), bytes(1400))
    return recording


def test_a_confirmed_tunnel_that_carries_most_makes_a_policy(tmp_path: Path) -> None:
    document = judged(carried(50), Policy(), tmp_path, (ETH0,))
    assert document.policy.kind == "tunnel"
    assert document.policy.fields["vpn_endpoints"].value == [f"{VPN}:51820/udp"]
    assert "handshake completed" in document.policy.fields["tunnels"].reasons[0]


@pytest.mark.parametrize(
    "places", [[(VPN, 51820), (VPN, 443)], [(f"198.51.100.{n}", 51820) for n in (40, 41, 42)]]
)
def test_a_tunnel_that_moved_is_judged_by_what_it_carried_everywhere(
    tmp_path: Path, places: list[tuple[str, int]]
) -> None:
    recording = Recording()
    for n, (server, port) in enumerate(places):
        ends = ETH0, CLIENT, 51820, server, port
        recording.exchange(1000 * n, *ends, wireguard_initiation(), wireguard_response())
        for i in range(20):
            recording.exchange(1000 * n + 10 + i, *ends, wireguard_data(900), wireguard_data(900))
    document = judged(recording, Policy(), tmp_path, (ETH0,))
    expected = [f"{server}:{port}/udp" for server, port in places]
    assert document.policy.fields["vpn_endpoints"].value == expected
    assert document.verdict.result == "no-leak"
    recording.exchange(5000, ETH0, CLIENT, 50000, WEB, 9999, b"hello", b"there")
    assert judged(recording, Policy(), tmp_path, (ETH0,)).verdict.result == "leak"


def test_the_reason_names_the_first_of_many_servers(tmp_path: Path) -> None:
    recording = Recording()
    for n in range(5):
        ends = ETH0, CLIENT, 51820, f"198.51.100.{40 + n}", 51820
        recording.exchange(1000 * n, *ends, wireguard_initiation(), wireguard_response())
        for i in range(20):
            recording.exchange(1000 * n + 10 + i, *ends, wireguard_data(900), wireguard_data(900))
    reason = judged(recording, Policy(), tmp_path, (ETH0,)).verdict.reason
    assert "198.51.100.42:51820 and 2 more" in reason


@pytest.mark.parametrize("port", [53, 123, 443, 500, 3478, 4500, 5353])
def test_a_tunnel_on_any_port_is_the_tunnel(tmp_path: Path, port: int) -> None:
    recording = Recording()
    ends = ETH0, CLIENT, 40820, VPN, port
    recording.exchange(0, *ends, wireguard_initiation(), wireguard_response())
    for i in range(20):
        recording.exchange(10 + i, *ends, wireguard_data(900), wireguard_data(900))
    document = judged(recording, Policy(), tmp_path, (ETH0,))
    assert document.policy.fields["vpn_endpoints"].value == [f"{VPN}:{port}/udp"]
    assert document.verdict.result == "no-leak"
    assert not document.malformed


def test_a_confirmed_tunnel_that_carries_little_makes_none(tmp_path: Path) -> None:
    """Mesh VPNs connect to peers while the web goes its own way."""
    assert judged(carried(0), Policy(), tmp_path, (ETH0,)).verdict.result == "no-policy"


def test_without_inference_nothing_is_made_up(tmp_path: Path) -> None:
    assert judged(carried(50), Policy(infer=False), tmp_path).verdict.result == "no-policy"


def test_a_proxy_that_carries_the_clients_tcp_makes_a_policy(tmp_path: Path) -> None:
    recording = Recording()
    recording.socks()
    recording.stun(100, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, Policy(), tmp_path)
    assert document.policy.kind == "proxy"
    assert document.policy.fields["proxies"].value == [f"socks://{PROXY}:1080"]
    assert document.verdict.exposed_addresses == [PUBLIC]


def test_proxies_of_several_hosts_make_none(tmp_path: Path) -> None:
    recording = Recording()
    recording.socks()
    other = Recording()
    other.socks()
    for ns, interface, data in other.packets:
        moved = data.replace(bytes([192, 168, 50, 42]), bytes([192, 168, 50, 43]))
        recording.packets.append((ns, interface, moved))
    assert judged(recording, Policy(), tmp_path).verdict.result == "no-policy"


def test_a_proxy_on_the_same_host_is_reached_over_loopback(tmp_path: Path) -> None:
    recording = Recording()
    other = Recording()
    other.socks()
    for ns, _, data in other.packets:
        local = bytes([127, 0, 0, 1])
        packet = data[14:].replace(bytes([192, 168, 50, 42]), local)
        recording.ip(
            (ns - other.packets[0][0]) / 1e6, LO, packet.replace(bytes([198, 51, 100, 30]), local)
        )
    recording.tcp(50, ETH0, CLIENT, 46000, "198.51.100.77", 443, b"\x16\3\1" + bytes(90), bytes(90))
    policy = Policy.from_options(proxy=["socks5://127.0.0.1:1080"])
    document = judged(recording, policy, tmp_path)
    assert document.statistics.paths["proxy"] > 0
    # What carries it out is a guess from a file.
    assert document.verdict.result == "inconclusive"
    assert "--allow 198.51.100.77:443/tcp" in document.verdict.reason
    told = Policy.from_options(proxy=["socks5://127.0.0.1:1080"], allow=["198.51.100.77:443/tcp"])
    assert judged(recording, told, tmp_path).verdict.result == "no-leak"


def test_the_exit_is_what_stun_inside_the_tunnel_shows(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(100, WG0, INNER, 50000, "198.51.100.44")
    field = judged(recording, TUNNEL_POLICY, tmp_path).policy.fields["exits"]
    assert "198.51.100.44" in field.value
    assert any("inside the tunnel" in reason for reason in field.reasons)


def test_an_exit_told_as_a_v4_mapped_address_is_the_ipv4_one(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    recording.stun(50, WG0, INNER, 50000, "::ffff:198.51.100.77")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "198.51.100.77" in document.policy.fields["exits"].value


def with_wifi() -> Recording:
    recording = Recording(("eth0", "wg0", "lo", "wlan0"), (1, 101, 1, 1), (1, 1, 1, 1))
    recording.tunnel()
    return recording


def test_another_way_out_of_the_same_host_is_judged(tmp_path: Path) -> None:
    recording = with_wifi()
    recording.stun(50, 3, "172.20.10.7", 45000, "203.0.113.99")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.policy.fields["clients"].value == [CLIENT, "172.20.10.7"]
    assert document.verdict.exposed_addresses == ["203.0.113.99"]


def test_several_hosts_on_another_interface_are_not_the_client(tmp_path: Path) -> None:
    recording = with_wifi()
    for i in range(5):
        host = f"172.20.10.{7 + i}"
        recording.stun(50 + 10 * i, 3, host, 45000 + i, "203.0.113.99", transaction_id=b"%012d" % i)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.policy.fields["clients"].value == [CLIENT]
    assert document.verdict.result == "no-leak"


def test_what_a_router_hands_on_into_the_tunnel_is_no_clients_own(tmp_path: Path) -> None:
    recording = with_wifi()
    recording.stun(50, 3, "172.20.10.7", 45000, "198.51.100.77")
    recording.stun(50.1, WG0, INNER, 45000, "198.51.100.77")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.policy.fields["clients"].value == [CLIENT]
    assert document.verdict.result == "no-leak"


def test_temporary_ipv6_addresses_are_the_clients_too(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    for i in range(3):
        recording.tcp(50 + i, ETH0, CLIENT6, 45000 + i, WEB6, 443, b"\x16\3\1" + bytes(40))
    recording.udp(60, ETH0, "2001:db8:50::abcd:1234:5678:9abc", 50000, WEB6, 9999, b"hello")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "2001:db8:50:0:abcd:1234:5678:9abc" in document.verdict.exposed_addresses
    assert "PL202" in ids(document)


def test_without_an_endpoint_the_carrier_is_the_flow_with_as_many_packets(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.policy.fields["vpn_endpoints"].source == "inferred"


def test_without_endpoint_and_inside_a_carrier_is_a_guess_and_the_verdict_says_so(
    tmp_path: Path,
) -> None:
    recording = Recording()
    recording.tunnel()
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path, (ETH0,))
    assert document.verdict.result == "inconclusive"
    assert "--vpn-endpoint" in document.verdict.reason


def test_with_only_the_endpoint_given_the_one_recorded_tunnel_is_its_inside(
    tmp_path: Path,
) -> None:
    recording = Recording()
    recording.tunnel()
    policy = Policy.from_options(vpn_endpoint=[f"{VPN}:51820"])
    document = judged(recording, policy, tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.tunnels[0].interface == "wg0"
    recording.udp(60, ETH0, INNER, 50000, WEB, 9999, b"hello")
    assert "PL206" in ids(judged(recording, policy, tmp_path))


def test_a_tunnel_of_another_name_than_the_policys_is_named(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    document = judged(recording, Policy.from_options(tunnel=["tun9"]), tmp_path)
    messages = [finding.message for finding in document.findings if finding.id == "PL901"]
    assert any("wg0 was, but is not in the policy" in message for message in messages)


def test_windows_generic_names_prove_nothing_of_an_interface_without_link_layer() -> None:
    given = Policy.from_options(tunnel=["wg0"])
    assert role(name="Local Area Connection 2", link_type=1) == "physical"
    assert role(given, name="Local Area Connection 2", link_type=101) == "tunnel"
    assert role(name="rmnet0", link_type=101) == "physical"


def test_the_tunnels_address_on_the_link_is_suspected_however_much_it_sends(
    tmp_path: Path,
) -> None:
    recording = Recording()
    recording.tunnel(inside=False, packets=2)
    for i in range(10):
        recording.udp(50 + i, ETH0, INNER, 50000, WEB, 9999, b"hello")
    policy = Policy.from_options(vpn_endpoint=[f"{VPN}:51820"])
    assert {"PL201", "PL206"} <= ids(judged(recording, policy, tmp_path))
    for i in range(10):
        recording.udp(50 + i, ETH0, f"10.66.0.{i + 10}", 50000, WEB, 9999, b"hello")
    assert "PL206" not in ids(judged(recording, policy, tmp_path)), "a network's recording"


def test_where_the_answers_come_first_servers_are_not_the_client(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    for port in (443, 3478):
        for i in range(4):
            at = 50 + 2 * i
            recording.udp(at, ETH0, WEB6, port, CLIENT6, 45000, b"\x77" * 50)
            recording.udp(at + 1, ETH0, CLIENT6, 45000, WEB6, port, b"\x66" * 50)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.exposed_addresses == [CLIENT6]


def test_a_proxy_asked_for_whole_addresses_is_one_like_any_other(tmp_path: Path) -> None:
    recording = Recording()
    ask = b"%s HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
    recording.tcp(
        0, ETH0, CLIENT, 41000, PROXY, 8080,
        ask % b"GET http://www.example.com/", b"HTTP/1.1 204 No\r\n\r\n",
        ask % b"CONNECT www.example.com:443", b"HTTP/1.1 403 No\r\n\r\n",
    )  # fmt: skip
    document = judged(recording, Policy(), tmp_path)
    assert document.policy.fields["proxies"].value == [f"http://{PROXY}:8080"]
    assert document.verdict.result == "no-leak"


def test_a_likely_vpn_server_is_named_where_no_policy_is_found(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel(inside=False)
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.result == "no-policy"
    assert f"--vpn-endpoint {VPN}:51820" in document.verdict.reason


def test_openvpns_port_alone_makes_a_guess_that_is_said_to_be_one(tmp_path: Path) -> None:
    recording = Recording()
    for i in range(20):
        recording.exchange(i, ETH0, CLIENT, 40000, VPN, 1194, b"\x99" * 99, b"\x98" * 99)
    document = judged(recording, Policy.from_options(tunnel=["tun0"]), tmp_path)
    assert document.verdict.result == "inconclusive"
    assert "--vpn-endpoint" in document.verdict.reason


def test_multicast_that_stays_in_the_tunnels_device_is_not_missed_on_its_carrier(
    tmp_path: Path,
) -> None:
    recording = Recording()
    recording.tunnel()
    for i in range(30):
        recording.udp(60 + i, WG0, INNER, 5353, "224.0.0.251", 5353, mdns_query("a.local"))
    document = judged(recording, Policy(), tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.policy.fields["vpn_endpoints"].value == [f"{VPN}:51820/udp"]


@pytest.mark.parametrize("packets", [20, 100])
def test_a_carrier_of_no_known_shape_is_a_guess_where_its_packets_are_the_insides(
    tmp_path: Path, packets: int
) -> None:
    """OpenVPN's data after the handshake, say; a game's packets are other ones."""
    recording = Recording()
    for i in range(20):
        recording.ip(10 * i, WG0, udp_packet(INNER, 40000, WEB, 9999, bytes(60)))
        recording.ip(10 * i + 2, WG0, udp_packet(WEB, 9999, INNER, 40000, bytes(60)))
    for i in range(packets):
        for data in (udp_packet(CLIENT, 4000, VPN, 443, b"\x99" * 99 + bytes((i,))),
                     udp_packet(VPN, 443, CLIENT, 4000, b"\x98" * 99 + bytes((i,)))):  # fmt: skip
            recording.ip(200 * i / packets, ETH0, data)
    document = judged(recording, Policy.from_options(tunnel=["wg0"]), tmp_path)
    if packets == 20:
        assert document.verdict.result == "inconclusive"
        assert "--vpn-endpoint" in document.verdict.reason
    else:
        assert "PL201" in ids(document)


def test_an_unnamed_interface_without_link_layer_beside_a_carrier_is_a_tunnel(
    tmp_path: Path,
) -> None:
    recording = Recording(names=("", "", "lo"))
    recording.tunnel()
    document = judged(recording, Policy(), tmp_path)
    assert [one.role for one in document.captures[0].interfaces][:2] == ["physical", "tunnel"]
    assert document.verdict.result == "no-leak"


def mixed() -> Recording:
    """The first cooked format: all interfaces in one, without telling which."""
    recording = Recording(names=("any", "any", "any"), link_types=(113, 113, 113))
    recording.tunnel()
    return recording


def test_a_cooked_recording_tells_the_tunnel_by_its_kind_of_hardware(tmp_path: Path) -> None:
    """So that what leaves the Ethernet with the tunnel's address is outside."""
    recording = mixed()
    recording.packets.clear()
    recording.hardware = (1, 65534, 772)
    recording.tunnel()
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"
    recording.udp(60, ETH0, INNER, 50000, WEB, 9999, b"hello")
    for policy in (TUNNEL_POLICY, Policy()):
        document = judged(recording, policy, tmp_path)
        assert {"PL201", "PL206"} <= ids(document)


def test_a_cooked_recording_of_one_device_is_that_devices(tmp_path: Path) -> None:
    """What leaves it with the tunnel's address is outside: the tunnel was recorded apart."""
    recording = Recording(names=("eth0", "wg0"), link_types=(113, 101))
    recording.tunnel()
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"
    recording.udp(60, ETH0, INNER, 50000, WEB, 9999, b"hello")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert {"PL201", "PL206"} <= ids(document)
    assert not any("tell interfaces apart" in finding.message for finding in document.findings)


def test_a_recording_that_mixes_interfaces_is_judged_by_address(tmp_path: Path) -> None:
    recording = mixed()
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.policy.fields["tunnel_addresses"].value == [INNER]
    assert document.verdict.result == "no-leak"
    assert any("tell interfaces apart" in finding.message for finding in document.findings)
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.exposed_addresses == [PUBLIC]
