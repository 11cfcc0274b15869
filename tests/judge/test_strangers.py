"""What anybody can send, or have sent, neither hides a leak nor makes one; beside each, what looks
like it and is real."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
import variants
from builders import (
    CLIENT,
    CLIENT6,
    ETH0,
    INNER,
    MS,
    PROXY_POLICY,
    PUBLIC,
    ROUTER,
    START_NS,
    STUN,
    TUNNEL_POLICY,
    VPN,
    WEB,
    WG0,
    Recording,
    behind_tunnel,
    binding_request,
    binding_success,
    dhcp_ack,
    dns_answer,
    dns_query,
    ids,
    ip_packet,
    judged,
    of,
    router_advertisement,
    udp_packet,
    wireguard_initiation,
    wireguard_response,
)
from msgspec.structs import replace

from pcapleak.policy.policy import Policy
from pcapleak.values.packets import Direction

Wrap = Callable[..., bytes]
"""Puts a packet inside another one, between ends of its own."""

SERVER6 = "2a00:1450:4001:c00::7f"
HOME6 = "2001:470:50::42"
STRANGER = "8.8.4.4"


def behind_proxy() -> Recording:
    recording = Recording()
    recording.socks()
    return recording


def beside_the_proxy() -> Recording:
    """IPv6 past a proxy: STUN, and more to another server."""
    recording = behind_proxy()
    for i in range(3):
        recording.stun(50 + 5 * i, ETH0, HOME6, 50000, HOME6, SERVER6)
    for i in range(20):
        recording.udp(80 + i, ETH0, HOME6, 51000, "2a00:1450:4001:c00::99", 443, bytes(600))
    return recording


def discover(address: str = "0.0.0.0", kind: int = 1) -> bytes:
    """What a client asks a DHCP server."""
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x1234, 0, 0) + ip_address(address).packed
    head += bytes(12) + b"\2\0\0\0\0\1".ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
    return head + bytes((53, 1, kind, 255))


# Ports


@pytest.mark.parametrize("port", [67, 68, 137, 138, 546, 547, 1900, 3702, 5353, 5355])
def test_stun_to_any_port_is_a_leak(port: int, tmp_path: Path) -> None:
    recording = behind_proxy()
    answer = binding_success("185.44.77.91", 50000)
    recording.exchange(50, ETH0, CLIENT, 50000, "45.33.32.156", port, binding_request(), answer)
    document = judged(recording, PROXY_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert document.verdict.exposed_addresses == ["185.44.77.91"]


@pytest.mark.parametrize("port", [67, 68, 547, 1900, 5353, 5355])
def test_data_to_any_port_is_a_leak(port: int, tmp_path: Path) -> None:
    recording = behind_proxy()
    for i in range(5):
        recording.udp(50 + i, ETH0, CLIENT, 50000, "45.33.32.156", port, bytes(60))
    assert judged(recording, PROXY_POLICY, tmp_path).verdict.result == "leak"


def leased(server: str, *more: tuple[str, int, str, int, bytes]) -> Recording:
    """A lease asked for and given, then `more` datagrams."""
    recording = behind_tunnel()
    options = b"\1\4\xff\xff\xff\0"
    recording.udp(1, ETH0, "0.0.0.0", 68, "255.255.255.255", 67, discover(kind=3))
    recording.udp(2, ETH0, ROUTER, 67, "255.255.255.255", 68, dhcp_ack(CLIENT, options, server))
    for i, datagram in enumerate(more):
        recording.udp(100 + i, ETH0, *datagram)
    return recording


def test_a_lease_is_renewed_with_its_server_wherever_that_is(tmp_path: Path) -> None:
    far = "45.33.32.1"
    renewal = (CLIENT, 68, far, 67, discover(CLIENT, 3))
    answer = (far, 67, CLIENT, 68, dhcp_ack(CLIENT, b"", far))
    document = judged(leased(far, renewal, answer), TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert [flow.path for flow in document.flows if flow.resp.address == far] == ["local"]


@pytest.mark.parametrize(
    "beside",
    [
        (CLIENT, 68, "45.33.32.1", 67, bytes(300)),
        (CLIENT, 50000, "45.33.32.1", 67, discover(CLIENT, 3)),
        (CLIENT, 68, "45.33.32.2", 67, discover(CLIENT, 3)),
    ],
    ids=["no-dhcp", "another-port", "another-server"],
)
def test_what_only_looks_like_a_renewal_is_outside(
    beside: tuple[str, int, str, int, bytes], tmp_path: Path
) -> None:
    renewal = (CLIENT, 68, "45.33.32.1", 67, discover(CLIENT, 3))
    document = judged(leased("45.33.32.1", renewal, beside), TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "leak"


# Networks


@pytest.mark.parametrize("prefix", ["2a00:1450:4001:c00::", "2001:470:50::"])
def test_a_routers_second_prefix_makes_no_far_server_local(prefix: str, tmp_path: Path) -> None:
    """Both ends on the link are local where they are of one network."""
    recording = beside_the_proxy()
    for network in (prefix, "2001:470:50::"):
        advertisement = router_advertisement(network, 64)
        recording.ip(1, ETH0, ip_packet("fe80::1", "ff02::1", 58, advertisement))
    assert judged(recording, PROXY_POLICY, tmp_path).verdict.result == "leak"


def advertised(packet: bytes, tmp_path: Path) -> list[str]:
    """The client's networks, where `packet` arrives."""
    recording = beside_the_proxy()
    recording.ip(40, ETH0, packet)
    return judged(recording, PROXY_POLICY, tmp_path).policy.fields["lans"].value


def test_a_valid_advertisement_tells_the_network(tmp_path: Path) -> None:
    packet = ip_packet("fe80::1", "ff02::1", 58, router_advertisement("2001:470:50::", 72))
    assert "2001:470:50::/72" in advertised(packet, tmp_path)


def changed(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes([value]) + packet[at + 1 :]


@pytest.mark.parametrize("broken", ["hop-limit", "source", "checksum", "carried"])
def test_an_advertisement_that_hosts_refuse_tells_nothing(broken: str, tmp_path: Path) -> None:
    """RFC 4861 section 6.1.2."""
    source = SERVER6 if broken == "source" else "fe80::1"
    body = router_advertisement("2001:470:50::", 72, source=source)
    packet = ip_packet(source, "ff02::1", 58, body)
    if broken == "hop-limit":
        packet = changed(packet, 7, 254)
    elif broken == "checksum":
        packet = changed(packet, 42, packet[42] ^ 1)
    elif broken == "carried":
        packet = vxlan(packet)
    assert "2001:470:50::/72" not in advertised(packet, tmp_path)


def test_a_lease_that_nobody_asked_for_tells_nothing(tmp_path: Path) -> None:
    recording = behind_tunnel()
    answer = dhcp_ack(CLIENT, b"\1\4\xff\xff\0\0")
    recording.udp(5000, ETH0, ROUTER, 67, CLIENT, 68, answer)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.policy.fields["lans"].value == ["192.168.50.0/24"]
    assert any("DHCP answer" in one.message for one in of(document, "PL901"))


# Encapsulation


def vxlan(packet: bytes, source: str = STRANGER, to: str = CLIENT) -> bytes:
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
    inner = b"\x08\0\0\0\0\0\x2a\0" + b"\2\0\0\0\0\1\2\0\0\0\0\2" + kind + packet
    return udp_packet(source, 5000, to, 4789, inner)


def gre(packet: bytes, source: str = STRANGER, to: str = CLIENT) -> bytes:
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
    return ip_packet(source, to, 47, b"\0\0" + kind + packet)


def sixinfour(packet: bytes, source: str = STRANGER, to: str = CLIENT) -> bytes:
    return ip_packet(source, to, 41, packet)


@pytest.mark.parametrize("wrap", [vxlan, gre, sixinfour])
def test_what_arrives_inside_other_packets_names_no_client(wrap: Wrap, tmp_path: Path) -> None:
    recording = beside_the_proxy()
    inner = udp_packet("fd00::1", 1000, "fd00::2", 443, bytes(30))
    for i in range(400):
        recording.ip(200 + i, ETH0, wrap(inner))
    document = judged(recording, PROXY_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert HOME6 in document.policy.fields["clients"].value


@pytest.mark.parametrize("wrap", [vxlan, gre])
def test_a_leak_that_arrives_inside_other_packets_is_none(wrap: Wrap, tmp_path: Path) -> None:
    """The whole conversation is the stranger's, the client's address in it too."""
    recording = behind_tunnel()
    asked = udp_packet(CLIENT, 50000, STUN, 3478, binding_request())
    told = udp_packet(STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    for i, inner in enumerate((asked, told)):
        recording.ip(200 + i, ETH0, wrap(inner))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert not ids(document) & {"PL101", "PL102"}


@pytest.mark.parametrize("wrap", [vxlan, gre])
def test_a_question_inside_other_packets_is_none_to_a_bare_answer(
    wrap: Wrap, tmp_path: Path
) -> None:
    recording = behind_proxy()
    asked = udp_packet(CLIENT, 50000, STUN, 3478, binding_request())
    recording.ip(5000, ETH0, wrap(asked))
    recording.udp(5001, ETH0, STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    document = judged(recording, PROXY_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert any("1 STUN answer arrived" in one.message for one in of(document, "PL901"))


@pytest.mark.parametrize("wrap", [vxlan, gre])
def test_what_came_inside_other_packets_hides_no_leak_on_the_same_sockets(
    wrap: Wrap, tmp_path: Path
) -> None:
    recording = behind_proxy()
    asked = udp_packet(CLIENT, 50000, STUN, 3478, binding_request())
    told = udp_packet(STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    for i, inner in enumerate((asked, told)):
        recording.ip(200 + i, ETH0, wrap(inner))
    recording.stun(300, ETH0, CLIENT, 50000, PUBLIC)
    document = judged(recording, PROXY_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert "PL101" in ids(document)


@pytest.mark.parametrize("wrap", [vxlan, gre])
@pytest.mark.parametrize("bare", ["nothing", "the answer"])
def test_a_handshake_inside_other_packets_brings_no_tunnel_up(
    wrap: Wrap, bare: str, tmp_path: Path
) -> None:
    """Else all that leaked before it would be from before the tunnel."""
    recording = Recording()
    recording.stun(0, ETH0, CLIENT, 50000, PUBLIC)
    initiation = udp_packet(CLIENT, 51820, VPN, 51820, wireguard_initiation())
    response = udp_packet(VPN, 51820, CLIENT, 51820, wireguard_response())
    recording.ip(5000, ETH0, wrap(initiation))
    recording.ip(5001, ETH0, response if bare == "the answer" else wrap(response))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert not any(tunnel.confirmed for tunnel in document.tunnels if tunnel.interface is None)


@pytest.mark.parametrize("wrap", [vxlan, gre])
@pytest.mark.parametrize(("far", "result"), [("45.33.32.156", "leak"), (ROUTER, "no-leak")])
def test_private_traffic_inside_packets_to_the_world_is_not_local(
    wrap: Wrap, far: str, result: str, tmp_path: Path
) -> None:
    recording = behind_tunnel()
    inner = udp_packet("10.9.9.2", 4000, "10.9.9.1", 5000, bytes(30))
    recording.ip(200, ETH0, wrap(inner, CLIENT, far))
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == result


@pytest.mark.parametrize("wrap", [vxlan, gre, sixinfour])
def test_the_clients_own_encapsulation_is_its_traffic(wrap: Wrap, tmp_path: Path) -> None:
    recording = behind_tunnel()
    far = "45.33.32.156"
    asked = udp_packet(HOME6, 50000, SERVER6, 3478, binding_request())
    told = udp_packet(SERVER6, 3478, HOME6, 50000, binding_success(HOME6, 50000))
    recording.ip(200, ETH0, wrap(asked, CLIENT, far))
    recording.ip(201, ETH0, wrap(told, far, CLIENT))
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.result == "leak"
    assert "PL102" in ids(document)


# Answers


def test_an_answer_that_nobody_asked_for_is_no_leak(tmp_path: Path) -> None:
    recording = behind_proxy()
    recording.udp(5000, ETH0, "45.33.32.156", 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    document = judged(recording, PROXY_POLICY, tmp_path)
    assert document.verdict.result == "no-leak"
    assert document.verdict.exposed_addresses == []
    assert any("1 STUN answer arrived" in one.message for one in of(document, "PL901"))


@pytest.mark.parametrize(
    "other",
    [
        (STUN, 3479, CLIENT, 50000, binding_success("9.9.9.9", 50000)),
        (STUN, 3478, CLIENT, 50001, binding_success("9.9.9.9", 50001)),
        (STUN, 3478, CLIENT, 50000, binding_success("9.9.9.9", 50000, b"u" * 12)),
    ],
    ids=["another-server", "another-socket", "another-transaction"],
)
def test_an_answer_counts_with_its_request_only(
    other: tuple[str, int, str, int, bytes], tmp_path: Path
) -> None:
    recording = behind_tunnel()
    recording.udp(9000, ETH0, CLIENT, 50000, STUN, 3478, binding_request())
    recording.udp(9001, ETH0, *other)
    recording.udp(9002, ETH0, STUN, 3478, CLIENT, 50000, binding_success(PUBLIC, 50000))
    recording.udp(9003, ETH0, *other)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    (finding,) = of(document, "PL101")
    assert (finding.addresses, finding.confidence) == ([PUBLIC], "certain")


@pytest.mark.parametrize("server", ["100.64.0.9", "198.18.0.9", "10.9.9.9", "192.168.50.9"])
def test_a_server_anywhere_that_tells_a_public_address_is_outside(
    server: str, tmp_path: Path
) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC, server)
    document = judged(recording, TUNNEL_POLICY, tmp_path)
    assert document.verdict.exposed_addresses == [PUBLIC]
    assert "PL101" in ids(document)


def test_a_server_of_the_lan_that_tells_the_lan_address_is_local(tmp_path: Path) -> None:
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT, 50000, CLIENT, "192.168.50.9")
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"


def test_a_neighbour_that_answers_what_it_is_asked_from_is_local(tmp_path: Path) -> None:
    """A call within one IPv6 network tells no more than its packets' source."""
    recording = behind_tunnel()
    recording.stun(50, ETH0, CLIENT6, 50000, CLIENT6, "2001:db8:50::77")
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"


def test_a_name_that_nobody_asked_for_excuses_nothing(tmp_path: Path) -> None:
    """An unasked answer calls the STUN server's address a connectivity check's."""
    recording = behind_tunnel()
    answer = dns_answer("captive.apple.com", STUN)
    recording.udp(20, ETH0, ROUTER, 53, CLIENT, 40000, answer)
    recording.tcp(50, ETH0, CLIENT, 45000, STUN, 80, b"x" * 30)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"


def test_a_connectivity_check_whose_name_was_asked_for_is_none(tmp_path: Path) -> None:
    recording = behind_tunnel()
    ask, answer = dns_query("captive.apple.com"), dns_answer("captive.apple.com", WEB)
    recording.exchange(20, WG0, INNER, 40000, "10.66.0.1", 53, ask, answer)
    recording.tcp(50, ETH0, CLIENT, 45000, WEB, 80, b"x" * 30)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "no-leak"


def test_a_connectivity_check_is_no_cover_for_stun(tmp_path: Path) -> None:
    """Whoever answers the question chooses the address."""
    recording = behind_tunnel()
    ask, answer = dns_query("captive.apple.com"), dns_answer("captive.apple.com", STUN)
    recording.exchange(20, WG0, INNER, 40000, "10.66.0.1", 53, ask, answer)
    recording.stun(50, ETH0, CLIENT, 50000, PUBLIC)
    assert judged(recording, TUNNEL_POLICY, tmp_path).verdict.result == "leak"


@dataclass
class Marked(Recording):
    """The host's own recording of all its devices, which marks what was sent (SLL2)."""

    def ip(self, ms: float, interface: int, packet: bytes, *, came: bool | None = None) -> None:
        own = packet[12:16] in (ip_address(CLIENT).packed, ip_address(INNER).packed)
        came = not own if came is None else came
        kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
        hardware = (1, 65534)[interface]
        head = kind + struct.pack("!HIHBB8s", 0, interface + 2, hardware, 0 if came else 4, 0, b"")
        self.packets.append((START_NS + int(ms * MS), 0, head + packet))


@pytest.mark.parametrize("came", [True, False])
def test_what_comes_in_with_the_clients_address_is_not_the_clients(
    came: bool, tmp_path: Path
) -> None:
    recording = Marked(names=("any",), link_types=(276,))
    recording.exchange(
        0, ETH0, CLIENT, 40000, VPN, 51820, wireguard_initiation(), wireguard_response()
    )
    recording.tunnel(100, packets=20)
    for i in range(5):
        query = udp_packet(CLIENT, 5000 + i, "8.8.8.8", 53, dns_query())
        recording.ip(1000 + i, ETH0, query, came=came)
    policy = Policy.from_options(tunnel=["tun0"], vpn_endpoint=[f"{VPN}:51820"])
    verdict = judged(recording, policy, tmp_path).verdict
    assert (verdict.result == "leak") is not came, verdict.reason


@pytest.mark.parametrize(
    ("own", "direction", "result"),
    [
        (True, Direction.INBOUND, "inconclusive"),
        (True, Direction.OUTBOUND, "leak"),
        (False, Direction.INBOUND, "leak"),
    ],
)
def test_what_came_in_from_the_recorders_own_address_is_a_strangers(
    own: bool, direction: Direction, result: str, tmp_path: Path
) -> None:
    """Before it sent anything: who has the address itself sees its packets leave. Where the
    address is another host's, a router's recording shows them coming in."""
    recording = Recording()
    recording.ip(0, ETH0, udp_packet(CLIENT, 40000, WEB, 53, dns_query("pages.example")))
    read = variants.read(recording.write(tmp_path / "built.pcapng"))
    interfaces = (
        replace(read.interfaces[0], addresses=(f"{CLIENT}/24",) if own else ()),
        *read.interfaces[1:],
    )
    packets = tuple(one._replace(direction=direction) for one in read.packets)
    path = tmp_path / "marked.pcapng"
    replace(read, interfaces=interfaces, packets=packets).write(path)
    policy = Policy.from_options(tunnel=["wg0"], client=[CLIENT])
    assert judged(path, policy, tmp_path).verdict.result == result
