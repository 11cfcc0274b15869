"""Tunnels, proxies, resolvers, leases and routers, from messages and from real captures."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from message_bytes import ALLOCATE, ALLOCATED, dhcp, hello

from pcapleak.capture import open_capture
from pcapleak.decode.datagrams import unwrap_relayed
from pcapleak.decode.dns.message import DnsMessage, decode_dns
from pcapleak.decode.lan.dhcp import decode_dhcp
from pcapleak.decode.lan.ndp import decode_router_advertisement
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.openvpn import OpenVpnMessage
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.decode.web.http import Headers, HttpRequest, HttpResponse
from pcapleak.decode.web.quic import CryptoFragment, QuicHellos, QuicInitial
from pcapleak.decode.web.tls import ClientHello, parse_hello_records
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.track.network import NetworkTracker
from pcapleak.track.resolvers import ResolverTracker
from pcapleak.track.state import CaptureFacts, State
from pcapleak.track.tunnels import TunnelTracker
from pcapleak.values.packets import Context, Endpoint, Service

CLIENT = Endpoint(ip_address("192.168.50.42"), 40000)
SERVER = Endpoint(ip_address("198.51.100.40"), 51820)


def at(
    frame: int,
    source: Endpoint = CLIENT,
    destination: Endpoint = SERVER,
    *,
    flow: int = 0,
    transport: str = "udp",
    interface: int = 0,
    layers: tuple[str, ...] = (),
) -> Context:
    return Context(
        frame, frame * 1000, interface, 0, transport, source, destination, flow,
        source == CLIENT, layers,
    )  # fmt: skip


def back(frame: int, **more: int) -> Context:
    return at(frame, SERVER, CLIENT, **more)  # type: ignore[arg-type]


def wireguard(
    kind: str, sender: int | None = None, receiver: int | None = None
) -> WireGuardMessage:
    return WireGuardMessage(kind, sender, receiver, 148)  # type: ignore[arg-type]


def test_a_wireguard_tunnel_is_confirmed_by_a_response_with_its_index() -> None:
    tracker = TunnelTracker()
    tracker.add(at(1), wireguard("initiation", 7))
    tracker.add(back(2), wireguard("response", 9, 8))
    (tunnel,) = tracker.tunnels()
    assert not tunnel.confirmed and tunnel.attempts == [1000]
    tracker.add(back(3), wireguard("response", 9, 7))
    (handshake,) = tunnel.handshakes
    assert (handshake.started_ns, handshake.completed_ns, handshake.frames) == (1000, 3000, (1, 3))
    assert (tunnel.client, tunnel.server) == (CLIENT, SERVER)
    tracker.add(back(4), wireguard("response", 9, 7))
    tracker.add(at(5), wireguard("initiation", 11))
    tracker.add(back(6), wireguard("response", 12, 11))
    assert len(tunnel.handshakes) == 2


def test_a_response_from_the_initiators_own_side_or_another_link_proves_nothing() -> None:
    tracker = TunnelTracker()
    tracker.add(at(1), wireguard("initiation", 7))
    tracker.add(at(2), wireguard("response", 9, 7))
    tracker.add(back(3, interface=1), wireguard("response", 9, 7))
    assert [tunnel.confirmed for tunnel in tracker.tunnels()] == [False, False]


def test_data_shaped_like_wireguard_makes_no_tunnel() -> None:
    tracker = TunnelTracker()
    for frame in range(20):
        tracker.add(at(frame), wireguard("data", None, 5))
    assert tracker.tunnels() == []


def test_unanswered_initiations_are_bounded_and_the_newest_kept() -> None:
    tracker = TunnelTracker()
    for index in range(10_000):
        tracker.add(at(index), wireguard("initiation", index))
    tracker.add(back(20_000), wireguard("response", 1, 0))
    tracker.add(back(20_001), wireguard("response", 1, 9_999))
    (tunnel,) = tracker.tunnels()
    assert len(tunnel.handshakes) == 1 and len(tunnel.attempts) <= 4096


def test_openvpn_pairs_resets_by_session_or_where_hidden_by_order() -> None:
    tracker = TunnelTracker()
    ask = OpenVpnMessage("hard-reset-client", 7, 0, b"clientid", None, 14)
    tracker.add(at(1), ask)
    tracker.add(back(2), OpenVpnMessage("hard-reset-server", 8, 0, b"serverid", b"stranger", 26))
    (tunnel,) = tracker.tunnels()
    assert not tunnel.confirmed
    tracker.add(back(3), OpenVpnMessage("hard-reset-server", 8, 0, b"serverid", b"clientid", 26))
    tracker.add(at(4), ask)
    tracker.add(back(5), OpenVpnMessage("hard-reset-server", 8, 0, b"serverid", None, 66))
    assert [handshake.frames for handshake in tunnel.handshakes] == [(1, 3), (4, 5)]


def ike(exchange: int, response: bool, message_id: int, responder: bytes = b"r" * 8) -> IkeMessage:
    return IkeMessage(2, exchange, response, not response, message_id, b"i" * 8, responder, False)


def test_ike_is_up_when_the_authentication_is_answered() -> None:
    tracker = TunnelTracker()
    tracker.add(at(1), ike(34, False, 0, bytes(8)))
    tracker.add(back(2), ike(34, True, 0))
    (tunnel,) = tracker.tunnels()
    assert not tunnel.confirmed
    tracker.add(at(3), ike(35, False, 1))
    tracker.add(back(4), ike(35, True, 1))
    tracker.add(at(5), ike(35, False, 2))  # EAP's next round
    tracker.add(back(6), ike(35, True, 2))
    assert [handshake.frames for handshake in tunnel.handshakes] == [(1, 4)]
    tracker.add(back(7), ike(36, False, 0))
    tracker.add(at(8), ike(36, True, 0))
    assert [handshake.frames for handshake in tunnel.handshakes] == [(1, 4), (7, 8)]
    assert (tunnel.client, tunnel.server) == (CLIENT, SERVER)


def test_proxies_are_confirmed_by_what_they_grant() -> None:
    tracker = TunnelTracker()
    host = ip_address("203.0.113.9")
    tracker.add(at(1, flow=1), SocksRequest(5, "connect", host, 443))
    tracker.add(back(2, flow=1), SocksReply(5, 5, None))
    (proxy,) = tracker.proxies()
    assert (proxy.requests, proxy.granted, proxy.refused, proxy.confirmed) == (1, 0, 1, False)
    unspecified = Endpoint(ip_address("0.0.0.0"), 9000)
    tracker.add(at(3, flow=2), SocksRequest(5, "udp-associate", ip_address("0.0.0.0"), 0))
    tracker.add(back(4, flow=2), SocksReply(5, 0, unspecified))
    assert proxy.relays == [Endpoint(SERVER.address, 9000)] and proxy.bound == []
    assert proxy.first_granted_ns == 4000 and proxy.destinations[("203.0.113.9", 443)] == 1
    tracker.add(back(5, flow=2), SocksReply(5, 0, unspecified))
    assert proxy.granted == 1


def test_only_a_connect_makes_an_http_proxy() -> None:
    tracker = TunnelTracker()
    tracker.add(at(1), HttpRequest("GET", "/", "1.1", ()))
    tracker.add(back(2), HttpResponse(200, "OK", "1.1", ()))
    assert tracker.proxies() == []
    tracker.add(at(3), HttpRequest("CONNECT", "example.org:443", "1.1", ()))
    tracker.add(back(4), HttpResponse(407, "", "1.1", ()))
    tracker.add(at(5), HttpRequest("CONNECT", "example.org:443", "1.1", ()))
    tracker.add(back(6), HttpResponse(200, "", "1.1", ()))
    (proxy,) = tracker.proxies()
    assert (proxy.kind, proxy.requests, proxy.granted, proxy.refused) == ("http-connect", 2, 1, 1)
    assert proxy.destinations == {("example.org", 443): 2}


@pytest.mark.parametrize(
    ("target", "headers", "destination"),
    [
        ("http://example.org/", (("Proxy-Connection", "keep-alive"),), ("example.org", 80)),
        ("http://example.org/", (("proxy-authorization", "Basic eA=="),), ("example.org", 80)),
        ("http://example.org:8080?q", (), ("example.org", 8080)),
        ("HTTP://[2001:db8::9]/", (), ("2001:db8::9", 80)),
    ],
)
def test_a_forward_proxy_is_known_by_what_only_proxies_are_asked(
    target: str, headers: Headers, destination: tuple[str, int]
) -> None:
    """Any answer of a server behind it shows that it forwards; its own refusals do not."""
    tracker = TunnelTracker()
    for frame, status in ((1, 407), (3, 404)):
        tracker.add(to_port_80(at(frame)), HttpRequest("GET", target, "1.1", headers))
        tracker.add(back(frame + 1), HttpResponse(status, "", "1.1", ()))
    (proxy,) = tracker.proxies()
    assert (proxy.requests, proxy.granted, proxy.refused) == (2, 1, 1)
    assert proxy.destinations == {destination: 2}


@pytest.mark.parametrize("target", ["http://example.org/x", "http://198.51.100.40/", "http://a:b"])
def test_a_whole_address_sent_to_its_own_server_makes_no_proxy(target: str) -> None:
    """WeChat sends its requests so."""
    tracker = TunnelTracker()
    tracker.add(to_port_80(at(1)), HttpRequest("POST", target, "1.1", ()))
    assert tracker.proxies() == []


def to_port_80(context: Context) -> Context:
    return context._replace(destination=Endpoint(SERVER.address, 80))


# Resolvers

RESOLVER = Endpoint(ip_address("192.0.2.53"), 53)


def query(name: bytes, tail: bytes = b"", additional: int = 0) -> bytes:
    wire = struct.pack("!6H", 1, 0x100, 1, 0, 0, additional)
    return wire + bytes([len(name)]) + name + b"\x03org\0\0\1\0\1" + tail


def test_queries_are_counted_by_interface_client_resolver_and_transport() -> None:
    tracker = ResolverTracker()
    subnet = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 11) + b"\0\x08\0\x07\0\1\x18\0\xc0\0\2"
    tracker.add(at(1, CLIENT, RESOLVER), decode_dns(query(b"Example", subnet, 1)))
    tracker.add(at(2, CLIENT, RESOLVER), decode_dns(query(b"EXAMPLE")))
    tracker.add(at(3, CLIENT, RESOLVER, interface=1), decode_dns(query(b"other")))
    tracker.add(at(4, CLIENT, RESOLVER, transport="tcp"), decode_dns(query(b"other")))
    one, two, three = tracker.resolvers()
    assert (one.queries, one.names, one.frames) == (2, {"example.org": 2}, [1, 2])
    assert one.client_subnets == ["192.0.2.0/24"]
    assert (two.interface, three.transport) == (1, "tcp")


def test_answers_name_addresses_through_aliases() -> None:
    tracker = ResolverTracker()
    alias = b"\x05alias\x03net\0"
    wire = struct.pack("!6H", 1, 0x8180, 1, 3, 0, 0) + b"\x07example\x03org\0\0\1\0\1"
    wire += b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(alias)) + alias
    wire += alias + struct.pack("!HHIH", 1, 1, 60, 4) + ip_address("203.0.113.80").packed
    wire += b"\x05other\0" + struct.pack("!HHIH", 1, 1, 60, 4) + ip_address("203.0.113.81").packed
    tracker.add(at(5, RESOLVER, CLIENT), decode_dns(wire))
    assert tracker.name_of(ip_address("203.0.113.80")) is None, "nobody asked"
    tracker.add(at(6, CLIENT, RESOLVER), decode_dns(query(b"other")))
    tracker.add(at(7, RESOLVER, CLIENT), decode_dns(wire))
    assert tracker.name_of(ip_address("203.0.113.80")) is None, "another name was asked for"
    tracker.add(at(8, CLIENT, RESOLVER), decode_dns(query(b"Example")))
    tracker.add(at(9, RESOLVER, CLIENT), decode_dns(wire))
    assert tracker.name_of(ip_address("203.0.113.80")) == "example.org"
    assert tracker.name_of(ip_address("203.0.113.81")) is None
    (entry,) = tracker.resolvers()
    assert (entry.endpoint, entry.queries, entry.responses) == (RESOLVER, 2, 3)
    assert tracker.unasked == 1


@pytest.mark.parametrize(
    ("port", "message", "transport"),
    [
        (853, ClientHello(None, (), 0x304), "dot"),
        (443, ClientHello("dns.example", ("dot",), 0x304), "dot"),
        (443, ClientHello("Dns.Quad9.net", ("h2",), 0x304), "doh"),
        (443, ClientHello("example.org", ("h2",), 0x304), None),
        (784, QuicInitial(1, b"d", b"s", 0, (), ClientHello(None, ("doq-i00",), 0x304)), "doq"),
        (443, QuicInitial(1, b"d", b"s", 0, (), ClientHello("a.example", ("h3",), 0x304)), None),
    ],
)
def test_encrypted_resolvers_are_told_by_their_hello(
    port: int, message: ClientHello | QuicInitial, transport: str | None
) -> None:
    tracker = ResolverTracker()
    tracker.add(at(1, CLIENT, Endpoint(RESOLVER.address, port)), message)
    assert [entry.transport for entry in tracker.resolvers()] == ([transport] if transport else [])


def test_names_and_resolvers_are_bounded() -> None:
    tracker = ResolverTracker()
    for number in range(9000):
        resolver = Endpoint(ip_address(0xC0000200 + number), 53)
        tracker.add(at(number, CLIENT, resolver), decode_dns(query(b"n%d" % number)))
    assert len(tracker.resolvers()) == 8192 and tracker.dropped == 9000 - 8192
    for number in range(500):
        tracker.add(
            at(number, CLIENT, Endpoint(ip_address(0xC0000200), 53)),
            decode_dns(query(b"m%d" % number)),
        )
    assert len(tracker.resolvers()[0].names) == 256


# Networks


def test_leases_and_routers_by_server_and_interface() -> None:
    tracker = NetworkTracker()
    server = Endpoint(ip_address("192.168.50.1"), 67)
    offer = dhcp(b"\x35\1\2", b"\1\4\xff\xff\xff\0", b"\x36\4\xc0\xa8\x32\1")
    route = b"\x79\x08\x18\xcb\x00\x71\xc0\xa8\x32\x42"
    acknowledgement = dhcp(b"\x35\1\5", b"\1\4\xff\xff\xff\0", b"\x36\4\xc0\xa8\x32\1", route)
    tracker.add(at(1, server, CLIENT), decode_dhcp(offer))
    (lease,) = tracker.leases()
    assert not lease.acknowledged and str(lease.network) == "192.168.50.0/24"
    tracker.add(at(2, server, CLIENT), decode_dhcp(acknowledgement))
    assert lease.acknowledged and lease.frames == [1, 2] and len(lease.classless_routes) == 1
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 60, 60, 0) + ip_address("2001:db8::").packed
    advertisement = decode_router_advertisement(
        struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0) + prefix
    )
    router = Endpoint(ip_address("fe80::1"), 134)
    tracker.add(at(2, router, CLIENT), advertisement)
    assert (tracker.routers(), tracker.invalid) == ([], 1)
    advertisement = advertisement._replace(valid=True)
    tracker.add(at(3, router, CLIENT), advertisement)
    tracker.add(at(4, router, CLIENT), advertisement)
    (seen,) = tracker.routers()
    assert [str(prefix.network) for prefix in seen.prefixes.values()] == ["2001:db8::/64"]
    assert seen.frames == [3, 4]


def test_a_quic_hello_in_two_datagrams_is_joined_once() -> None:
    found = parse_hello_records(hello())
    handshake = hello()[5:]
    tracker = QuicHellos()
    first = QuicInitial(1, b"dcid", b"", 0, (CryptoFragment(60, handshake[60:]),))
    second = first._replace(fragments=(CryptoFragment(0, handshake[:60]),))
    assert tracker.join(at(1), first).hello is None
    assert tracker.join(at(2, flow=1), second).hello is None  # another flow
    joined = tracker.join(at(3), second)
    assert found is not None and joined.hello == found[0]
    assert tracker.join(at(4), second).hello is None


def test_messages_in_a_socks_relays_datagrams_name_the_far_end() -> None:
    far = Endpoint(ip_address("203.0.113.9"), 3478)
    header = b"\0\0\0\1" + far.address.packed + struct.pack("!H", far.port)
    (found,) = unwrap_relayed(at(1), header + ALLOCATE)
    assert found is not None
    context, message = found
    assert isinstance(message, StunMessage) and context.layers == ("socks",)
    assert (context.source, context.destination) == (CLIENT, far)
    assert context.outer == (CLIENT, SERVER)
    (answer,) = unwrap_relayed(back(2), header + ALLOCATED)
    assert answer is not None and answer[0].source == far
    (dns,) = unwrap_relayed(at(3), header[:-2] + b"\0\x35" + query(b"example"))
    assert dns is not None and isinstance(dns[1], DnsMessage)
    for other in (header + bytes(40), header[:2] + b"\1" + header[3:] + ALLOCATE, b"\0\0\0\2"):
        assert not unwrap_relayed(at(4), other)


# Real captures


def analyzed(path: Path) -> State:
    with open_capture(path) as source:
        analyzer = Analyzer(interfaces=source.interfaces)
        analyzer.state.captures.append(CaptureFacts(source.path, source.format))
        for batch in source:
            analyzer.add(batch)
    return analyzer.state


@pytest.mark.parametrize(
    ("name", "tunnels"),
    [
        ("wireshark__wireguard-ping-tcp.pcap", [("wireguard", 2)]),
        ("wireshark__wireguard-psk.pcap", [("wireguard", 2)]),
        ("arkime__openvpn_synthetic.pcap", [("openvpn", 1)] * 4),
        ("mercury__openvpn_tcp_multi.pcap", [("openvpn", 1)] * 2),
        ("ndpi__openvpn_nohmac.pcapng", [("openvpn", 1)]),
        ("arkime__IKEv2.pcap", [("ikev2", 5)]),
        ("wireshark__ikev2-decrypt-aes256cbc.pcapng", [("ikev2", 1)]),
        ("libpcap__filter_isakmp4500.pcap", [("ikev1", 1)]),
    ],
)
def test_handshakes_of_recorded_tunnels(
    corpus: Path, name: str, tunnels: list[tuple[str, int]]
) -> None:
    found = analyzed(corpus / "public" / name).tunnels.tunnels()
    assert [(tunnel.kind, len(tunnel.handshakes)) for tunnel in found] == tunnels


@pytest.mark.parametrize("name", ["ndpi__zoom.pcap", "ndpi__zoom2.pcap"])
def test_zoom_is_no_tunnel(corpus: Path, name: str) -> None:
    state = analyzed(corpus / "public" / name)
    assert state.tunnels.tunnels() == []
    assert not np.any(state.flows.services & Service.WIREGUARD_HANDSHAKE.value)


@pytest.mark.parametrize("name", ["socks", "ffsocks", "mode4"])
def test_the_recorded_browsers_proxy_is_confirmed(browser: Path, name: str) -> None:
    (proxy,) = analyzed(browser / f"{name}.pcapng").tunnels.proxies()
    assert (proxy.kind, str(proxy.server)) == ("socks", "198.51.100.30:1080")
    assert proxy.granted > 0 and proxy.granted + proxy.refused == proxy.requests


def test_encrypted_resolvers_of_the_corpus(corpus: Path) -> None:
    found = {
        name: [
            entry.transport for entry in analyzed(corpus / "public" / name).resolvers.resolvers()
        ]
        for name in ("ndpi__dns_dot.pcap", "ndpi__doq.pcapng", "ndpi__dns_doh.pcap")
    }
    assert found == {
        "ndpi__dns_dot.pcap": ["dot"], "ndpi__doq.pcapng": ["doq"], "ndpi__dns_doh.pcap": ["doh"]
    }  # fmt: skip
