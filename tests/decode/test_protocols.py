"""The smaller decoders: vectors of their standards, refusals with a place, totality."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_bytes import dhcp, hello

from pcapleak.capture import open_capture
from pcapleak.decode.lan.dhcp import decode_dhcp
from pcapleak.decode.lan.ndp import Prefix, decode_router_advertisement
from pcapleak.decode.media.dtls import decode_dtls
from pcapleak.decode.media.rtp import RtcpPacket, RtpPacket, decode_rtp
from pcapleak.decode.tunnels.ike import decode_ike
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.tunnels.socks import decode_socks_udp, parse_reply, parse_request
from pcapleak.decode.tunnels.wireguard import decode_wireguard
from pcapleak.decode.web.http import HttpRequest, looks_like_http, parse_head
from pcapleak.decode.web.quic import CryptoFragment, decode_quic, join_fragments
from pcapleak.decode.web.tls import parse_hello_records
from pcapleak.decode.web.websocket import parse_frame_header, unmask
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Decoder, Endpoint

# WireGuard


def test_wireguard_messages_and_their_indices() -> None:
    initiation = decode_wireguard(b"\1\0\0\0" + struct.pack("<I", 7) + bytes(140))
    response = decode_wireguard(b"\2\0\0\0" + struct.pack("<II", 9, 7) + bytes(80))
    assert (initiation.kind, initiation.sender_index) == ("initiation", 7)
    assert (response.kind, response.sender_index, response.receiver_index) == ("response", 9, 7)
    cookie = decode_wireguard(b"\3\0\0\0" + struct.pack("<I", 7) + bytes(56))
    assert (cookie.kind, cookie.receiver_index) == ("cookie", 7)
    data = decode_wireguard(b"\4\0\0\0" + struct.pack("<IQ", 9, 3) + bytes(16))
    assert (data.receiver_index, data.counter, data.is_keepalive) == (9, 3, True)


@pytest.mark.parametrize(
    "data",
    [
        b"\1\0\0\0" + bytes(143),
        b"\1\0\0\1" + bytes(144),
        b"\1\0\0\1" + bytes(range(1, 145)),
        b"\4\0\0\1" + bytes(28),
        b"\5\0\0\0" + bytes(144),
        b"\4\0\0\0" + bytes(30),
        b"\2\0\0\0",
    ],
)
def test_what_is_only_near_wireguard_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_wireguard(data)


def test_handshakes_of_warp_have_filled_reserved_bytes() -> None:
    mac = bytes(range(16)) + bytes(16)
    asked = decode_wireguard(b"\1abc" + struct.pack("<I", 7) + bytes(108) + mac)
    answer = decode_wireguard(b"\2abc" + struct.pack("<II", 9, 7) + bytes(48) + mac)
    assert asked.sender_index == answer.receiver_index == 7


def test_handshakes_of_tunnelbear_are_padded() -> None:
    asked = decode_wireguard(b"\1\0\0\0" + struct.pack("<I", 7) + bytes(196))
    answer = decode_wireguard(b"\2\0\0\0" + struct.pack("<II", 9, 7) + bytes(88))
    assert (asked.kind, answer.kind) == ("initiation", "response")
    assert asked.sender_index == answer.receiver_index == 7
    with pytest.raises(DecodeError, match="200 bytes, must be 148 or 204"):
        decode_wireguard(b"\1\0\0\0" + bytes(196))
    with pytest.raises(DecodeError, match="reserved bytes"):
        decode_wireguard(b"\1abc" + bytes(168) + bytes(range(16)) + bytes(16))


def test_a_cut_wireguard_message_is_judged_by_its_datagram() -> None:
    head = b"\1\0\0\0" + struct.pack("<I", 7) + bytes(40)
    assert decode_wireguard(head, 148).sender_index == 7


# OpenVPN and IKE


@pytest.mark.parametrize("digest", [0, 16, 20, 28, 32, 48, 64])
def test_an_openvpn_server_reset_names_the_clients_session_whatever_the_digest(digest: int) -> None:
    wrapped = bytes(digest + 8) if digest else b""
    wire = b"\x40serverid" + wrapped + b"\x01" + bytes(4) + b"clientid" + bytes(4)
    message = decode_openvpn(wire)
    assert (message.kind, message.session_id) == ("hard-reset-server", b"serverid")
    assert message.remote_session_id == b"clientid"


def test_an_encrypted_openvpn_reset_names_no_session_whatever_its_bytes_say() -> None:
    wire = bytearray(b"\x40" + b"serverid" + b"\0\0\0\1time" + bytes(range(50, 99)))
    assert len(wire) == 66
    # Under tls-auth with SHA-256 this byte would count one acknowledgement.
    wire[9 + 32 + 8] = 1
    assert decode_openvpn(bytes(wire)).remote_session_id is None


def test_openvpn_data_and_nonsense() -> None:
    assert decode_openvpn(b"\x48abc").kind == "data"
    for wrong in (b"", b"\x00" + bytes(20), b"\xf8" + bytes(20), b"\x38short", b"\x39" + bytes(20)):
        with pytest.raises(DecodeError):
            decode_openvpn(wrong)


def test_ike_headers_with_and_without_the_non_esp_marker() -> None:
    header = b"initspi!" + b"respspi!" + struct.pack("!BBBBII", 0, 0x20, 35, 0x28, 1, 28)
    for marker in (b"", bytes(4)):
        message = decode_ike(marker + header)
        assert (message.version, message.exchange_name) == (2, "IKE_AUTH")
        assert message.is_response and message.from_initiator
        assert message.nat_traversal == bool(marker)
    with pytest.raises(DecodeError, match="length at byte 24"):
        decode_ike(header + b"x")


# SOCKS


def test_a_socks_request_gives_nothing_until_it_is_whole() -> None:
    wire = b"\x05\x03\x00\x04" + IPv6Address("2001:db8::1").packed + b"\x12\x34"
    assert [parse_request(wire[:size]) for size in range(1, len(wire))] == [None] * (len(wire) - 1)
    found = parse_request(wire + b"more")
    assert found is not None and found[1] == len(wire)
    assert found[0].command == "udp-associate"
    assert found[0].endpoint == Endpoint(ip_address("2001:db8::1"), 0x1234)


def test_socks_datagrams_and_replies() -> None:
    datagram = decode_socks_udp(b"\0\0\0\x03\x04host\x00\x35payload")
    assert (datagram.destination, datagram.port, datagram.payload) == ("host", 53, b"payload")
    reply = parse_reply(b"\x05\x05\x00\x01" + bytes(6), 5)
    assert reply is not None and not reply[0].succeeded
    with pytest.raises(DecodeError):
        parse_reply(b"\x05\x09\x00\x01" + bytes(6), 5)


# HTTP and WebSocket


def test_a_head_is_read_with_its_fields_whatever_their_case() -> None:
    found = parse_head(b"GET /a HTTP/1.1\r\nHOST: x\r\nX:  y \r\n folded\r\n\r\nbody")
    assert found is not None and isinstance(found[0], HttpRequest)
    assert found[0].header("host") == "x" and found[0].header("x") == "y"
    assert parse_head(b"GET /a HTTP/1.1\r\nHost: x\r\n") is None


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        ("example.org:443", ("example.org", 443)),
        ("192.0.2.1:80", (IPv4Address("192.0.2.1"), 80)),
        ("[2001:db8::1]:443", (IPv6Address("2001:db8::1"), 443)),
        ("example.org", None),
        ("example.org:99999", None),
        ("example.org:000443" + "9" * 5000, None),
        ("example.org:", None),
        (":443", None),
    ],
)
def test_the_authority_of_a_connect(target: str, authority: object) -> None:
    assert HttpRequest("CONNECT", target, "1.1", ()).authority == authority


def test_what_looks_like_http() -> None:
    assert looks_like_http(b"RPC_IN_DATA /x HTTP/1.1\r\n") and looks_like_http(b"HTTP/1.1 200")
    assert not looks_like_http(b"SSH-2.0-x\r\n") and not looks_like_http(b"ABC def\r\n")


def test_websocket_frame_headers() -> None:
    header = parse_frame_header(b"\x81\xfe\x01\x00mask")
    assert header is not None
    assert (header[0].length, header[0].mask, header[1]) == (256, b"mask", 8)
    assert unmask(unmask(b"hello", b"mask"), b"mask") == b"hello" == unmask(b"hello", b"")
    for wrong in (b"\x83\x00", b"\x91\x00", b"\x09\x00", b"\x89\x7e\x01\x00"):
        with pytest.raises(DecodeError):
            parse_frame_header(wrong)


# DHCP and NDP


def test_dhcp_options_that_judging_needs() -> None:
    routes = b"\x18\xcb\x00\x71\xc0\xa8\x32\x42\x00\xc0\xa8\x32\x01"
    message = decode_dhcp(
        dhcp(
            b"\x35\1\5", b"\1\4\xff\xff\xff\0", b"\3\4\xc0\xa8\x32\1", b"\0",
            b"\6\4\xc0\xa8\x32\1", b"\6\4\xc6\x33\x64\1",  # in two parts: RFC 3396
            b"\x79" + bytes([len(routes)]) + routes, b"\x33\4\0\0\x0e\x10",
        )
    )  # fmt: skip
    assert (message.message_type, message.lease_s) == ("ack", 3600)
    assert message.network == IPv4Network("192.168.50.0/24")
    assert message.resolvers == (IPv4Address("192.168.50.1"), IPv4Address("198.51.100.1"))
    assert message.classless_routes == (
        (IPv4Network("203.0.113.0/24"), IPv4Address("192.168.50.66")),
        (IPv4Network("0.0.0.0/0"), IPv4Address("192.168.50.1")),
    )
    assert message.problems == ()


def test_dhcp_problems_leave_the_rest() -> None:
    message = decode_dhcp(dhcp(b"\x35\1\2", b"\3\3\1\2\3", b"\xf9\2\x21\0", b"\x50\xff"))
    assert message.message_type == "offer" and message.routers == ()
    assert len(message.problems) == 3
    with pytest.raises(DecodeError, match="cookie"):
        decode_dhcp(bytes([2, 1, 6]) + bytes(300))


def test_a_router_advertisement() -> None:
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0)
    prefix += ip_address("2001:db8:50::").packed
    resolvers = struct.pack("!BBHI", 25, 3, 0, 600) + ip_address("2001:db8::53").packed
    route = struct.pack("!BBBBI", 24, 2, 48, 0, 1800) + ip_address("2001:db8:99::").packed[:8]
    wire = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x80, 1800, 0, 0) + prefix + resolvers + route
    found = decode_router_advertisement(wire + b"\x01\x09")
    assert found.router_lifetime_s == 1800 and found.managed
    assert found.prefixes == [Prefix(0x2001_0DB8_0050 << 80, 64, True, True, 86400)]
    assert found.prefixes[0].network == IPv6Network("2001:db8:50::/64")
    assert found.resolvers == [IPv6Address("2001:db8::53")]
    assert found.routes == [(IPv6Network("2001:db8:99::/48"), 1800)]
    assert len(found.problems) == 1  # the last option is longer than the message


# TLS, DTLS, QUIC, RTP


def test_a_hello_over_several_records_is_put_together() -> None:
    whole = hello(b"a.example", b"\x03dot")
    handshake = whole[5:]
    split = b"".join(
        b"\x16\x03\x01" + struct.pack("!H", len(part)) + part
        for part in (handshake[:3], handshake[3:60], handshake[60:])
    )
    for wire in (whole, split):
        assert parse_hello_records(wire[:-1]) is None
        found = parse_hello_records(wire + b"\x14\x03\x03")
        assert found is not None and found[1] == len(wire)
        assert (found[0].server_name, found[0].alpn, found[0].version_name) == (
            "a.example", ("dot",), "TLS 1.3",
        )  # fmt: skip


def dtls_hello() -> bytes:
    body = b"\xfe\xfd" + bytes(32) + b"\0" + b"\0" + b"\0\x02\xc0\x2b" + b"\x01\0" + b"\0\0"
    header = b"\x01" + len(body).to_bytes(3, "big") + bytes(2) + bytes(3)
    handshake = header + len(body).to_bytes(3, "big") + body
    return b"\x16\xfe\xff" + bytes(8) + struct.pack("!H", len(handshake)) + handshake


def test_dtls_hellos_whole_and_fragmented() -> None:
    wire = dtls_hello()
    found = decode_dtls(wire)
    assert (found.kind, found.fragmented) == ("client-hello", False)
    assert found.client is not None and found.client.version_name == "DTLS 1.2"
    part = wire[:14] + b"\0\1\0" + wire[17:]
    assert decode_dtls(part).fragmented and decode_dtls(part).client is None
    with pytest.raises(DecodeError, match="not a hello"):
        decode_dtls(wire[:13] + b"\x0b" + wire[14:])


def test_quic_hellos_join_in_any_order() -> None:
    handshake = hello()[5:]
    pieces = (
        CryptoFragment(90, handshake[90:]),
        CryptoFragment(0, handshake[:50]),
        CryptoFragment(40, handshake[40:90]),
    )
    found = join_fragments(pieces)
    assert found is not None and found.server_name == "example.org"
    assert join_fragments(pieces[:2]) is None


def test_rtp_and_rtcp_headers() -> None:
    rtp = decode_rtp(struct.pack("!BBHII", 0x91, 0xE0, 7, 8, 9) + bytes(4) + b"\xbe\xde\0\1data!")
    assert isinstance(rtp, RtpPacket)
    assert (rtp.payload_type, rtp.marker, rtp.sequence, rtp.ssrc) == (96, True, 7, 9)
    assert (rtp.contributing, rtp.extension, rtp.header_length) == ((0,), b"data", 24)
    rtcp = decode_rtp(struct.pack("!BBHI", 0x81, 200, 6, 5) + bytes(20))
    assert isinstance(rtcp, RtcpPacket) and (rtcp.type_name, rtcp.length) == ("SR", 28)


@pytest.mark.parametrize(
    ("name", "version", "server_names"),
    [
        ("zeek__quic_firefox-102.13.0esr-blog-cloudflare-com.pcap", 1, {"blog.cloudflare.com"}),
        ("mercury__quic_v2.pcap", 0x6B3343CF, {"localhost"}),
        ("ndpi__quic-23.pcap", 0xFF000017, {"quic.aiortc.org"}),
        ("mercury__quic_ppp.pcap", 1, {"server4"}),
    ],
)
def test_server_names_of_quic_initials(
    corpus: Path, name: str, version: int, server_names: set[str]
) -> None:
    found = set()
    with open_capture(corpus / "public" / name) as source:
        dissector = Dissector(source.interfaces)
        for batch in source:
            packets = dissector.dissect(batch)
            _, decoder = recognise(packets)
            for i in np.flatnonzero(decoder == Decoder.QUIC).tolist():
                initial = decode_quic(packets.payload(i))
                assert initial.version == version
                found.add(initial.server_name)
    assert found - {None} == server_names


# Totality

DECODERS: list[Callable[[bytes], object]] = [
    decode_wireguard, decode_openvpn, decode_ike, decode_socks_udp, decode_dhcp, decode_dtls,
    decode_router_advertisement, decode_quic, decode_rtp, parse_head, parse_request,
    parse_hello_records, parse_frame_header, lambda data: parse_reply(data, 5),
]  # fmt: skip
SEEDS = [b"", hello(), dtls_hello(), dhcp(b"\x35\1\5"), b"\x86\0" + bytes(14), b"\x05\x01\0\x03"]


@settings(max_examples=400)
@given(st.sampled_from(SEEDS), st.binary(max_size=120), st.integers(0, 300))
def test_every_byte_string_gives_a_value_or_the_one_error(
    seed: bytes, data: bytes, at: int
) -> None:
    wire = seed[:at] + data + seed[at + len(data) :]
    for decode in DECODERS:
        try:
            decode(wire)
        except DecodeError as error:
            assert error.protocol and error.place and error.offset >= 0
