"""PL201 to PL204 and the grey zone: traffic other than WebRTC beside a tunnel or proxy."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from builders import (
    ACK,
    CLIENT,
    CLIENT6,
    ETH0,
    FIN,
    INNER,
    PROXY,
    PROXY_POLICY,
    PSH,
    RESOLVER,
    ROUTER,
    RST,
    SYN,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WEB6,
    WG0,
    Recording,
    behind_tunnel,
    dns_answer,
    dns_query,
    ids,
    ip_packet,
    judged,
    of,
    tcp_packet,
    udp_packet,
    wireguard_data,
    wireguard_initiation,
    wireguard_response,
)

from pcapleak.policy.policy import Policy


def test_unknown_udp_outside_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello there", b"general")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL201")
    assert finding.severity == "high"
    assert "UDP port 9999" in finding.subject
    assert document.verdict.result == "leak"
    assert document.statistics.paths["bypass"] == 2


def test_udp_inside_the_tunnel_is_no_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, WG0, INNER, 50000, WEB, 9999, b"hello there", b"general")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL201" not in ids(document)
    assert document.verdict.result == "no-leak"


def test_flows_of_one_kind_to_one_network_are_one_finding(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(40):
        recording.udp(50 + i, ETH0, CLIENT, 50000 + i, f"198.51.100.{100 + i}", 9999, b"x" * 50)
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL201")
    assert finding.flow_count == 40
    assert finding.frame_count == 40
    assert len(finding.frames) == 16
    assert "198.51.100.0/24" in finding.subject


@pytest.mark.parametrize(
    ("source", "sport", "to", "dport"),
    [
        (CLIENT, 68, "255.255.255.255", 67),
        (CLIENT, 5353, "224.0.0.251", 5353),
        (CLIENT, 49152, "239.255.255.250", 1900),
        (CLIENT, 49152, "239.255.255.250", 3702),
        (CLIENT, 49152, "224.0.0.252", 5355),
        (CLIENT, 137, "192.168.50.255", 137),
        (CLIENT, 40000, "192.168.50.9", 40000),
        ("fe80::1", 546, "ff02::1:2", 547),
        ("fe80::1", 40000, "fe80::2", 40000),
    ],
)
def test_what_every_host_says_on_its_link_is_local(
    tmp_path: Path, source: str, sport: int, to: str, dport: int
) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, source, sport, to, dport, b"x" * 40)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.statistics.paths["local"] == 1
    assert not ids(document) & {"PL201", "PL203"}


@pytest.mark.parametrize("type_", [130, 133, 134, 135, 136, 143])
def test_neighbour_discovery_is_local(tmp_path: Path, type_: int) -> None:
    recording = behind_tunnel()
    message = struct.pack("!BBHI", type_, 0, 0, 0) + bytes(16)
    recording.ip(50, ETH0, ip_packet(CLIENT6, "2001:db8:50::1", 58, message))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert "PL202" not in ids(document)


def test_ipv6_beside_a_tunnel_without_it_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.tcp(50, ETH0, CLIENT6, 45000, WEB6, 443, b"\x16\3\1" + bytes(40), b"\x16\3\3")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL202")
    assert finding.addresses == [CLIENT6]
    assert document.verdict.exposed_addresses == [CLIENT6]
    assert "PL204" not in ids(document), "one fact is one finding"


def test_ipv6_beside_a_tunnel_that_carries_it_is_a_tcp_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.tcp(40, WG0, "fd00:66::2", 45000, WEB6, 443, b"\x16\3\1" + bytes(40))
    recording.tcp(50, ETH0, CLIENT6, 45001, WEB6, 443, b"\x16\3\1" + bytes(40))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL202" not in ids(document)
    assert "PL204" in ids(document)


def test_dns_to_a_public_resolver_outside_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(
        50,
        ETH0,
        CLIENT,
        40001,
        "198.51.100.53",
        53,
        dns_query(),
        dns_answer("www.example.com", WEB),
    )
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL203")
    assert finding.severity == "high"
    assert "www.example.com" in finding.message


def test_encrypted_dns_outside_is_a_bypass_whose_queries_nobody_counts(tmp_path: Path) -> None:
    extensions = b"\x00\x2b\x00\x03\x02\x03\x04"
    body = b"\x03\x03" + bytes(33) + b"\0\x02\x13\x01\x01\0"
    body += struct.pack("!H", len(extensions)) + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    hello = b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake
    recording = behind_tunnel()
    recording.tcp(50, ETH0, CLIENT, 50000, RESOLVER, 853, hello, bytes(90))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL203")
    assert finding.message == (
        f"Encrypted DNS went to {RESOLVER} on eth0, outside the tunnel: the resolver's operator "
        "can read it."
    )


@pytest.mark.parametrize("policy", [TUNNEL_POLICY, PROXY_POLICY])
def test_dns_to_the_routers_resolver_is_a_bypass_though_it_is_local(
    tmp_path: Path, policy: Policy
) -> None:
    recording = behind_tunnel()
    recording.socks(5)
    recording.udp(50, ETH0, CLIENT, 40001, ROUTER, 53, dns_query())
    document = judged(recording, policy, tmp_path)
    assert [finding.severity for finding in of(document, "PL203")] == ["high"]


def test_dns_inside_the_tunnel_is_no_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, WG0, INNER, 40001, RESOLVER, 53, dns_query())
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL203" not in ids(document)
    assert document.policy.fields["resolvers"].value == [RESOLVER]


def test_dns_inside_to_another_than_the_tunnels_resolver_is_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        f'[[tunnel]]\ninterface = "wg0"\nendpoints = ["{VPN}:51820"]\nresolvers = ["10.66.0.1"]\n'
    )
    policy = Policy.from_toml(path)
    recording = behind_tunnel()
    recording.udp(50, WG0, INNER, 40001, "10.66.0.1", 53, dns_query())
    assert "PL203" not in ids(judged(recording, policy, tmp_path))
    recording.udp(51, WG0, INNER, 40001, "198.51.100.53", 53, dns_query())
    (finding,) = of(judged(recording, policy, tmp_path), "PL203")
    assert "198.51.100.53" in finding.subject


def test_a_resolver_that_the_policy_allows_outside_is_no_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, CLIENT, 40001, ROUTER, 53, dns_query())
    policy = TUNNEL_POLICY.merged(Policy.from_options(resolver=[ROUTER]))
    assert "PL203" not in ids(judged(recording, policy, tmp_path))


def test_dns_for_connectivity_checks_only_is_information(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.udp(50, ETH0, CLIENT, 40001, ROUTER, 53, dns_query("detectportal.firefox.com"))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL203")] == ["info"]
    assert document.verdict.result == "no-leak"


@pytest.mark.parametrize(
    ("host", "severity"),
    [("detectportal.firefox.com", "info"), ("connectivitycheck.gstatic.com:80", "info"),
     ("www.example.com", "high")],
)  # fmt: skip
def test_connectivity_checks_are_known_by_the_host_they_ask(
    tmp_path: Path, host: str, severity: str
) -> None:
    recording = behind_tunnel()
    request = f"GET /generate_204 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    recording.tcp(50, ETH0, CLIENT, 43000, WEB, 80, request, b"HTTP/1.1 204 No\r\n\r\n")
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL204")
    assert finding.severity == severity
    assert host.partition(":")[0] in finding.message


@pytest.mark.parametrize(("name", "severity"), [("vpn", "info"), ("www", "high")])
def test_asking_for_the_vpns_own_name_is_information(
    tmp_path: Path, name: str, severity: str
) -> None:
    recording = Recording()
    recording.tunnel(1000)
    name, address = f"{name}.example.net", VPN if name == "vpn" else WEB
    recording.exchange(
        1050, ETH0, CLIENT, 40001, ROUTER, 53, dns_query(name), dns_answer(name, address)
    )
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL203")
    assert finding.severity == severity


def test_an_echo_to_the_vpns_server_is_information(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.ip(50, ETH0, ip_packet(CLIENT, VPN, 1, b"\x08\0\0\0" + bytes(32)))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"


def test_tcp_beside_a_tunnel_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40), b"\x16\3\3")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL204")] == ["high"]


@pytest.mark.parametrize(
    ("strict", "severity", "result"), [(False, "info", "no-leak"), (True, "high", "leak")]
)
def test_tcp_beside_a_proxy_is_a_leak_only_when_strict(
    tmp_path: Path, strict: bool, severity: str, result: str
) -> None:
    recording = Recording()
    recording.socks()
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40), b"\x16\3\3")
    document = judged(recording, PROXY_POLICY.merged(Policy(strict=strict)), tmp_path)
    assert [finding.severity for finding in of(document, "PL204")] == [severity]
    assert document.verdict.result == result


def test_udp_beside_a_proxy_is_a_leak(tmp_path: Path) -> None:
    recording = Recording()
    recording.socks()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 443, b"\xc0\0\0\0\1" + bytes(1300), b"x" * 900)
    assert judged(recording, PROXY_POLICY, tmp_path).verdict.result == "leak"


@pytest.mark.parametrize(("scheme", "result"), [("https", "no-leak"), ("http", "leak")])
def test_udp_to_a_proxy_that_speaks_http3_is_the_way_to_the_proxy(
    tmp_path: Path, scheme: str, result: str
) -> None:
    """CONNECT-UDP (RFC 9298) is carried by QUIC."""
    recording = Recording()
    recording.exchange(0, ETH0, CLIENT, 45000, PROXY, 443, b"\x45" + bytes(900), bytes(900))
    policy = Policy.from_options(proxy=[f"{scheme}://{PROXY}:443"])
    assert judged(recording, policy, tmp_path).verdict.result == result


@pytest.mark.parametrize(
    ("clients", "one", "other"),
    [
        ("2001:db8:50::/64", "2001:db8:50::42", "2001:db8:50::99"),
        ("203.0.113.0/24", "203.0.113.5", "203.0.113.9"),
    ],
)
def test_clients_that_speak_to_each_other_stay_on_their_network(
    tmp_path: Path, clients: str, one: str, other: str
) -> None:
    recording = behind_tunnel()
    recording.tcp(50, ETH0, one, 45000, other, 445, b"hello", b"there")
    policy = TUNNEL_POLICY.merged(Policy.from_options(client=[CLIENT, clients]))
    assert judged(recording, policy, tmp_path).verdict.result == "no-leak"


def test_clocks_are_information(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(
        50, ETH0, CLIENT, 123, "198.51.100.123", 123, b"\x23" + bytes(47), b"\x24" + bytes(47)
    )
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL201")
    assert finding.severity == "info"
    assert "clocks" in finding.reasons[0]
    assert document.verdict.result == "no-leak"


def test_what_the_far_end_begins_is_information(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(1500, ETH0, "198.51.100.99", 6000, CLIENT, 7000, b"knock knock", b"yes?")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL201")] == ["info"]


@pytest.mark.parametrize(("ms", "port"), [(50, 7000), (1500, 45000)])
def test_what_may_have_gone_on_before_or_serves_nobody_is_the_clients(
    tmp_path: Path, ms: float, port: int
) -> None:
    """Media that were there when the recording began, and a socket of this host's own."""
    recording = behind_tunnel()
    recording.exchange(ms, ETH0, "198.51.100.99", 8801, CLIENT, port, b"one", b"two", b"three")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL201")] == ["high"]


def test_a_port_that_several_came_to_is_served(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(3):
        far = f"198.51.100.{90 + i}"
        recording.exchange(1500 + i, ETH0, far, 6000, CLIENT, 51413, b"knock", b"yes?")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL201")] == ["info"]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "echo"])
def test_an_answer_recorded_before_its_question_is_still_an_answer(
    tmp_path: Path, protocol: str
) -> None:
    """A recording that begins in the middle of a conversation shows either end first."""
    recording = behind_tunnel()
    for i in range(3):
        for ms, (near, far) in ((50, (WEB, CLIENT)), (50.5, (CLIENT, WEB))):
            ports = (443, 45000) if near == WEB else (45000, 443)
            if protocol == "tcp":
                packet = tcp_packet(near, ports[0], far, ports[1], ACK, 1 + i * 900, bytes(900))
            elif protocol == "udp":
                packet = udp_packet(near, ports[0], far, ports[1], bytes(900))
            else:
                kind = 0 if near == WEB else 8
                packet = ip_packet(near, far, 1, struct.pack("!BBHHH", kind, 0, 0, 1, i))
            recording.ip(ms + i, ETH0, packet)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL204" if protocol == "tcp" else "PL201")
    assert finding.severity == "high"
    assert document.verdict.result == "leak"


def test_asking_a_router_by_its_link_local_address_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    answer = dns_answer("www.example.com", WEB)
    recording.exchange(50, ETH0, "fe80::42", 45000, "fe80::1", 53, dns_query(), answer)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL203")
    assert finding.subject == "DNS to fe80::1 on eth0"
    assert "PL202" not in ids(document), "nothing native leaves the link"
    assert document.verdict.result == "leak"
    assert document.policy.fields["lans"].value == ["192.168.50.0/24"]


@pytest.mark.parametrize("policy", [TUNNEL_POLICY, PROXY_POLICY])
def test_encrypted_dns_older_than_the_recording_is_known_by_its_port(
    tmp_path: Path, policy: Policy
) -> None:
    recording = behind_tunnel()
    recording.socks(10)
    record = b"\x17\3\3\0\x5f" + bytes(95)
    recording.ip(50, ETH0, tcp_packet(CLIENT, 45000, ROUTER, 853, PSH | ACK, 1, record))
    recording.ip(51, ETH0, tcp_packet(ROUTER, 853, CLIENT, 45000, PSH | ACK, 1, record))
    (finding,) = of(judged(recording, policy, tmp_path), "PL203")
    assert finding.severity == "high"
    assert finding.message.startswith("Encrypted DNS went to 192.168.50.1")
    assert finding.reasons[0] == "over dot"


@pytest.mark.parametrize(("swapped", "severity"), [(True, "high"), (False, "info")])
def test_a_swapped_opening_is_told_from_backscatter(
    tmp_path: Path, swapped: bool, severity: str
) -> None:
    recording = behind_tunnel()
    recording.ip(50, ETH0, tcp_packet(WEB, 443, CLIENT, 45000, SYN | ACK))
    recording.ip(51, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, SYN if swapped else RST))
    if swapped:
        recording.ip(52, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, PSH | ACK, 2, bytes(400)))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert [finding.severity for finding in of(document, "PL204")] == [severity]


@pytest.mark.parametrize("carrier", ["6in4", "teredo"])
@pytest.mark.parametrize(("sender", "result"), [(CLIENT, "leak"), ("192.168.50.77", "no-leak")])
def test_ipv6_inside_the_clients_ipv4_packets_is_the_clients(
    tmp_path: Path, carrier: str, sender: str, result: str
) -> None:
    recording = behind_tunnel()
    inner = udp_packet("2001:0:c633:643e::1", 45000, WEB6, 9999, b"hello")
    packet = (
        ip_packet(sender, "198.51.100.61", 41, inner)
        if carrier == "6in4"
        else udp_packet(sender, 45000, "198.51.100.62", 3544, inner)
    )
    recording.ip(50, ETH0, packet)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == result


@pytest.mark.parametrize("first", ["client", "stranger"])
def test_the_other_end_inside_the_clients_packets_is_not_exposed(
    tmp_path: Path, first: str
) -> None:
    recording = behind_tunnel()
    mine, server = "2001:0:c633:643e::1", "198.51.100.62"
    asked = udp_packet(mine, 45000, WEB6, 9999, b"hello")
    unasked = udp_packet(WEB6, 45001, mine, 9998, b"hello")
    packets = [
        udp_packet(CLIENT, 45000, server, 3544, asked),
        udp_packet(server, 3544, CLIENT, 45000, unasked),
    ]
    for second, packet in enumerate(packets if first == "client" else reversed(packets)):
        recording.ip(50 + second, ETH0, packet)
    verdict = judged(recording, TUNNEL_POLICY, tmp_path).verdict
    assert (verdict.result, verdict.exposed_addresses) == ("leak", [mine])


def test_strangers_that_scan_one_port_are_one_fact(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(60):
        stranger = f"198.51.{100 + i}.9", 40000 + i
        recording.ip(50 + i, ETH0, tcp_packet(*stranger, CLIENT, 22, SYN))
        recording.ip(50.5 + i, ETH0, tcp_packet(CLIENT, 22, *stranger, RST | ACK))
    (finding,) = of(judged(recording, TUNNEL_POLICY, tmp_path), "PL204")
    assert finding.subject == "TCP port 22 to many networks on eth0 (answered)"
    assert (finding.severity, finding.flow_count) == ("info", 60)


@pytest.mark.parametrize("stranger", ["198.51.100.99", "192.168.50.77"])
def test_names_that_others_ask_this_host_for_are_none_it_asked_for(
    tmp_path: Path, stranger: str
) -> None:
    recording = behind_tunnel()
    answer = dns_answer("www.example.com", WEB)
    recording.exchange(50, ETH0, stranger, 40000, CLIENT, 53, dns_query(), answer)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "PL203" not in ids(document)
    assert document.verdict.result == "no-leak"


def test_a_scan_by_ipv6_that_this_host_refuses_is_no_leak(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.ip(50, ETH0, tcp_packet(WEB6, 40000, CLIENT6, 22, SYN))
    recording.ip(51, ETH0, tcp_packet(CLIENT6, 22, WEB6, 40000, RST | ACK))
    policy = TUNNEL_POLICY.merged(Policy.from_options(client=[CLIENT, CLIENT6]))
    document = judged(recording, policy, tmp_path)
    assert [finding.severity for finding in of(document, "PL204")] == ["info"]
    assert document.verdict.result == "no-leak"
    assert document.verdict.exposed_addresses == []


def test_the_tail_of_an_old_connection_is_information(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.ip(50, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, FIN | ACK, 5000))
    recording.ip(51, ETH0, tcp_packet(WEB, 443, CLIENT, 45000, FIN | ACK, 6000))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL204")
    assert finding.severity == "info"
    assert "older than the recording" in finding.reasons[0]


def test_an_old_connection_that_goes_on_is_a_bypass(tmp_path: Path) -> None:
    recording = behind_tunnel()
    for i in range(3):
        recording.ip(50 + i, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, ACK, 1, bytes(900)))
    assert [f.severity for f in of(judged(recording, TUNNEL_POLICY, tmp_path), "PL204")] == ["high"]


def coming_up() -> Recording:
    """A web page before the tunnel, then the tunnel's handshake and traffic."""
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40), b"\x16\3\3")
    recording.exchange(
        1000, ETH0, CLIENT, 51820, VPN, 51820, wireguard_initiation(), wireguard_response()
    )
    recording.tunnel(1100)
    return recording


def test_what_is_over_before_the_first_handshake_is_information(tmp_path: Path) -> None:
    document = judged(coming_up(), TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL204")
    assert finding.severity == "info"
    assert "before the tunnel's first sign of life" in finding.reasons[0]


def test_what_goes_on_after_the_handshake_is_a_bypass(tmp_path: Path) -> None:
    recording = coming_up()
    recording.ip(2000, ETH0, tcp_packet(CLIENT, 45000, WEB, 443, ACK, 2000, bytes(900)))
    assert [f.severity for f in of(judged(recording, TUNNEL_POLICY, tmp_path), "PL204")] == ["high"]


def test_before_a_tunnel_that_was_up_already_nothing_is_excused(tmp_path: Path) -> None:
    """Data without a handshake: the tunnel was up, only idle, when the recording began."""
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 45000, WEB, 443, b"\x16\3\1" + bytes(40), b"\x16\3\3")
    recording.exchange(500, ETH0, CLIENT, 51820, VPN, 51820, wireguard_data(), wireguard_data())
    recording.tunnel(1100)
    assert [f.severity for f in of(judged(recording, TUNNEL_POLICY, tmp_path), "PL204")] == ["high"]


@pytest.mark.parametrize(
    "rule", [f"{WEB}:9999/udp", f"{WEB}", "198.51.100.0/24:9999", "*:9999/udp", ":9999"]
)
def test_an_exception_of_the_policy_is_no_bypass(tmp_path: Path, rule: str) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello there", b"general")
    policy = TUNNEL_POLICY.merged(Policy.from_options(allow=[rule]))
    assert judged(recording, policy, tmp_path).verdict.result == "no-leak"


@pytest.mark.parametrize("rule", [f"{WEB}:9998/udp", f"{WEB}/tcp", "198.51.101.0/24", "*:9998"])
def test_an_exception_for_something_else_excuses_nothing(tmp_path: Path, rule: str) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, WEB, 9999, b"hello there", b"general")
    policy = TUNNEL_POLICY.merged(Policy.from_options(allow=[rule]))
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


def test_split_tunnel_destinations_are_meant_to_go_beside(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        f'[[tunnel]]\ninterface = "wg0"\nendpoints = ["{VPN}:51820"]\nroutes = ["{WEB}/32"]\n'
    )
    policy = Policy.from_toml(path)
    recording = behind_tunnel()
    recording.exchange(50, ETH0, CLIENT, 50000, "198.51.100.21", 9999, b"hello", b"there")
    assert judged(recording, policy, tmp_path).verdict.result == "no-leak"
    recording.exchange(60, ETH0, CLIENT, 50001, WEB, 9999, b"hello", b"there")
    assert judged(recording, policy, tmp_path).verdict.result == "leak"


def test_an_echo_request_outside_is_a_bypass_and_an_error_is_not(tmp_path: Path) -> None:
    recording = behind_tunnel()
    error = struct.pack("!BBHI", 3, 3, 0, 0) + ip_packet(WEB, CLIENT, 17, bytes(8))
    recording.ip(50, ETH0, ip_packet(CLIENT, WEB, 1, error))
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"
    recording.ip(
        60, ETH0, ip_packet(CLIENT, WEB, 1, struct.pack("!BBHHH", 8, 0, 0, 1, 1) + bytes(40))
    )
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert "ICMP" in of(document, "PL201")[0].subject
    assert document.verdict.result == "leak"


def test_other_hosts_traffic_is_not_judged(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.exchange(50, ETH0, "192.168.50.77", 50000, WEB, 9999, b"hello", b"there")
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.statistics.paths["unassessed"] == 2
