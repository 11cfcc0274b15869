"""Masks: all that a decoder accepts, and little else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from packet_bytes import dissect, ethernet, ipv4, ipv6, read_capture, udp

from pcapleak.decode.media.dtls import decode_dtls
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.tunnels.ike import decode_ike
from pcapleak.decode.tunnels.wireguard import decode_wireguard
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Decoder, PacketFlag, Service

COOKIE = bytes.fromhex("2112a442")
BINDING = b"\0\1\0\0" + COOKIE + bytes(12)
HELLO = bytes.fromhex("16fefd0000000000000000000d01000001000000000000010000")
IKE = bytes(range(1, 17)) + bytes([33, 0x20, 34, 8]) + bytes(4) + struct.pack("!I", 28)
SESSION = bytes(range(1, 9))


def recognised(payload: bytes, source: int = 40000, destination: int = 50000) -> tuple[int, int]:
    services, decoder = recognise(dissect([ethernet(ipv4(udp(payload, source, destination)))]))
    return int(services[0]), int(decoder[0])


@pytest.mark.parametrize(
    ("payload", "service", "decoder"),
    [
        pytest.param(BINDING, Service.STUN, Decoder.STUN, id="gathering"),
        pytest.param(b"\0\1\0\7" + BINDING[4:], Service.STUN, Decoder.STUN, id="wrong length"),
        pytest.param(b"\x08\0\0\0" + BINDING[4:], Service.STUN, Decoder.STUN, id="type 0x0800"),
        pytest.param(
            b"\0\3\0\0" + BINDING[4:], Service.STUN | Service.TURN, Decoder.STUN, id="Allocate"
        ),
        pytest.param(b"\0\1\0\x08" + bytes(24), Service.STUN, Decoder.STUN, id="RFC 3489"),
        pytest.param(
            b"\x40\0\0\x14" + BINDING, Service.CHANNEL_DATA, Decoder.CHANNEL_DATA, id="in a channel"
        ),
        pytest.param(
            b"\x7f\xff\0\x1a" + HELLO, Service.CHANNEL_DATA, Decoder.CHANNEL_DATA, id="DTLS inside"
        ),
        pytest.param(HELLO, Service.DTLS, Decoder.DTLS, id="ClientHello"),
        pytest.param(HELLO[:13] + b"\2" + HELLO[14:], Service.DTLS, Decoder.DTLS, id="ServerHello"),
        pytest.param(b"\x17" + HELLO[1:], Service.DTLS, Decoder.NONE, id="DTLS data"),
        pytest.param(
            HELLO[:3] + b"\0\1" + HELLO[5:], Service.DTLS, Decoder.NONE, id="encrypted handshake"
        ),
        pytest.param(
            b"\xc3\0\0\0\1\x08" + bytes(1194), Service.QUIC, Decoder.QUIC, id="QUIC Initial"
        ),
        pytest.param(
            b"\xd3\x6b\x33\x43\xcf\x08" + bytes(1194), Service.QUIC, Decoder.QUIC, id="version 2"
        ),
        pytest.param(b"\xe3\0\0\0\1\x08" + bytes(60), Service.QUIC, Decoder.NONE, id="Handshake"),
        pytest.param(
            b"\xc3\x1a\x2a\xfa\x0a\x08" + bytes(60), Service.QUIC, Decoder.NONE, id="greased"
        ),
        pytest.param(b"\x0d" + SESSION + b"Q043\1", Service.QUIC, Decoder.NONE, id="Q043"),
        pytest.param(b"\x09" + SESSION + b"Q0x3\1", Service(0), Decoder.NONE, id="not Q043"),
        pytest.param(
            b"\1\0\0\0" + bytes(144),
            Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE,
            Decoder.WIREGUARD,
            id="WireGuard initiation",
        ),
        pytest.param(
            b"\2\0\0\0" + bytes(88),
            Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE,
            Decoder.WIREGUARD,
            id="WireGuard response",
        ),
        pytest.param(
            b"\1\x5a\x6b\x7c" + bytes(112) + SESSION * 2 + bytes(16),
            Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE,
            Decoder.WIREGUARD,
            id="WireGuard initiation of WARP",
        ),
        pytest.param(
            b"\1\0\0\0" + bytes(200),
            Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE,
            Decoder.WIREGUARD,
            id="WireGuard initiation of TunnelBear",
        ),
        pytest.param(
            b"\2\0\0\0" + bytes(96),
            Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE,
            Decoder.WIREGUARD,
            id="WireGuard response of TunnelBear",
        ),
        pytest.param(b"\2\0\0\0" + bytes(200), 0, Decoder.NONE, id="204 bytes of a response"),
        pytest.param(b"\1\x5a\x6b\x7c" + bytes(144), 0, Decoder.NONE, id="zeros at the end"),
        pytest.param(b"\4\0\0\0" + bytes(28), Service.WIREGUARD, Decoder.NONE, id="keep-alive"),
        pytest.param(b"\4\0\0\0" + bytes(29), 0, Decoder.NONE, id="not a multiple of 16"),
        pytest.param(
            b"\x38" + SESSION + bytes(5), Service.OPENVPN, Decoder.OPENVPN, id="OpenVPN client"
        ),
        pytest.param(
            b"\x40" + SESSION + b"\1" + bytes(4) + SESSION + bytes(4),
            Service.OPENVPN,
            Decoder.OPENVPN,
            id="OpenVPN server",
        ),
        pytest.param(
            b"\x38" + SESSION + bytes(range(20)) + b"\0\0\0\1time" + bytes(5),
            Service.OPENVPN,
            Decoder.OPENVPN,
            id="OpenVPN tls-auth",
        ),
        pytest.param(
            b"\x50" + SESSION + b"\0\0\0\1time" + bytes(range(1, 40)) + bytes(range(1, 200)),
            Service.OPENVPN,
            Decoder.OPENVPN,
            id="OpenVPN tls-crypt-v2",
        ),
        pytest.param(
            b"\x50" + SESSION + b"\x0f\0\0\1time" + bytes(range(1, 240)),
            Service.OPENVPN,
            Decoder.OPENVPN,
            id="OpenVPN 2.6 tls-crypt-v2",
        ),
        pytest.param(b"\x38" + SESSION + b"\0\1\2\3\4", 0, Decoder.NONE, id="no reset"),
        pytest.param(b"\0\0\0\1" + bytes(6) + b"data", 0, Decoder.SOCKS_UDP, id="SOCKS IPv4"),
        pytest.param(b"\0\0\0\3\4host\0\x50", 0, Decoder.SOCKS_UDP, id="SOCKS name"),
        pytest.param(b"\0\0\0\4" + bytes(18), 0, Decoder.SOCKS_UDP, id="SOCKS IPv6"),
        pytest.param(b"\x80\xc8\0\6" + bytes(24), Service.RTP, Decoder.NONE, id="sender report"),
        pytest.param(b"\x81\xc9\0\7" + bytes(28), Service.RTP, Decoder.NONE, id="receiver report"),
        pytest.param(
            b"\x90\x6f" + bytes(10) + b"\xbe\xde\0\1" + bytes(90),
            Service.RTP,
            Decoder.NONE,
            id="RTP with an extension",
        ),
        pytest.param(b"\x80\0" + bytes(170), Service.RTP, Decoder.NONE, id="PCMU"),
        pytest.param(b"\x80\0" + bytes(171), 0, Decoder.NONE, id="no whole frame"),
        pytest.param(b"\x40" + bytes(range(1, 60)), 0, Decoder.NONE, id="QUIC short header"),
    ],
)
def test_a_payload_is_known_by_its_structure_on_any_port(
    payload: bytes, service: int, decoder: int
) -> None:
    assert recognised(payload) == (service, decoder)


@pytest.mark.parametrize(
    ("port", "payload", "service", "decoder"),
    [
        (53, bytes(12), Service.DNS, Decoder.DNS),
        (5353, bytes(12), Service.MDNS, Decoder.MDNS),
        (5355, bytes(12), Service.LLMNR, Decoder.LLMNR),
        (67, b"\1\1\6\0" + bytes(236), Service.DHCP, Decoder.DHCP),
        (123, b"\x1b" + bytes(47), Service.NTP, Decoder.NONE),
        (123, b"\x1b" + bytes(46), 0, Decoder.NONE),
        (137, bytes(50), Service.NETBIOS, Decoder.NONE),
        (547, bytes(50), Service.DHCPV6, Decoder.NONE),
        (1900, b"M-SEARCH * HTTP/1.1\r\n", Service.SSDP, Decoder.NONE),
        (3702, b"<?xml", Service.WS_DISCOVERY, Decoder.NONE),
        (500, IKE, Service.IKE, Decoder.IKE),
        (500, bytes(28), 0, Decoder.NONE),
        (4500, bytes(4) + IKE, Service.IKE, Decoder.IKE),
        (4500, b"\x12\x34\x56\x78" + bytes(40), Service.ESP, Decoder.NONE),
        (4500, b"\xff", 0, Decoder.NONE),
        (4500, BINDING, Service.STUN, Decoder.STUN),
        (53, BINDING, Service.DNS | Service.STUN, Decoder.STUN),
        (53, b"\0\1\0\x08" + bytes(24), Service.DNS, Decoder.DNS),
    ],
)
def test_ports_decide_only_for_protocols_that_have_nothing_else(
    port: int, payload: bytes, service: int, decoder: int
) -> None:
    assert recognised(payload, destination=port) == (service, decoder)
    assert recognised(payload, source=port) == (service, decoder)


@pytest.mark.parametrize("port", [53, 5353, 5355])
@pytest.mark.parametrize(
    ("payload", "service"),
    [
        (b"\1\0\0\0" + bytes(range(100, 244)), Service.WIREGUARD | Service.WIREGUARD_HANDSHAKE),
        (b"\4\0\0\0" + bytes(range(100, 192)), Service.WIREGUARD),
        (b"\x38" + SESSION + bytes(5), Service.OPENVPN),
        (b"\x48\0\0\1" + bytes(range(100, 192)), Service(0)),
    ],
)
def test_a_vpn_on_dns_port_is_not_dns(port: int, payload: bytes, service: Service) -> None:
    assert recognised(payload, 40000, port)[0] == service


def test_what_holds_too_little_for_two_of_its_counts_is_no_dns() -> None:
    assert recognised(bytes(range(200, 256)), 40000, 53)[0] == Service(0)


@pytest.mark.parametrize("first", [1, 4, 0x38, 0x48])
def test_dns_that_begins_as_a_vpn_does_is_dns(first: int) -> None:
    query = bytes([first]) + bytes.fromhex("00 0000 0001 0000 0000 0000 00 0001 0001")
    assert recognised(query, 40000, 53) == (Service.DNS, Decoder.DNS)
    damaged = b"\xab" + query[1:5] + b"\xff" + query[6:]
    assert recognised(damaged, 40000, 53) == (Service.DNS, Decoder.DNS), "it is told as malformed"


def test_other_protocols_are_known_by_their_number() -> None:
    quoted = ipv4(udp(b"x"))
    services, decoder = recognise(
        dissect(
            [
                ethernet(ipv4(b"\x08\x00" + bytes(6), 1)),
                ethernet(ipv4(b"\x0b\x00" + bytes(6) + quoted, 1)),
                ethernet(ipv6(b"\x86\x00" + bytes(14), 58), 0x86DD),
                ethernet(ipv6(b"\x01\x04" + bytes(6) + ipv6(udp()), 58), 0x86DD),
                ethernet(ipv4(bytes(20), 50)),
                ethernet(ipv4(bytes(4), 47)),
            ]
        )
    )
    assert services.tolist() == [Service.ICMP] * 4 + [Service.ESP, Service.GRE]
    assert decoder.tolist() == [
        Decoder.NONE,
        Decoder.ICMP_ERROR,
        Decoder.ROUTER_ADVERTISEMENT,
        Decoder.ICMP_ERROR,
        Decoder.NONE,
        Decoder.NONE,
    ]


def test_a_fragment_is_decoded_when_it_is_whole() -> None:
    datagram = udp(BINDING + bytes(60), 1, 53)
    frames = [
        ethernet(ipv4(datagram[:48], more=True)),
        ethernet(ipv4(datagram[48:], offset=48)),
    ]
    _, decoder = recognise(dissect(frames))
    assert decoder.tolist() == [Decoder.NONE, Decoder.STUN]


def test_random_payloads_look_like_nothing() -> None:
    """One in ten thousand at most: encrypted tunnels carry a great many."""
    random = np.random.default_rng(7)
    frames = [
        ethernet(ipv4(udp(random.bytes(int(size)), 40000, 50000)))
        for size in random.integers(14, 300, 20000)
    ]
    services, decoder = recognise(dissect(frames))
    assert np.count_nonzero(services) <= 2
    assert np.count_nonzero(decoder) <= 2


def test_whatever_a_decoder_accepts_was_selected(corpus: Path, browser: Path) -> None:
    """Every UDP payload of the corpus is offered to every decoder, whatever the masks say."""
    decoders = {
        Decoder.STUN: decode_stun,
        Decoder.DTLS: decode_dtls,
        Decoder.WIREGUARD: decode_wireguard,
        Decoder.IKE: decode_ike,
    }
    accepted = dict.fromkeys(decoders, 0)
    missed = []
    for path in [*(corpus / "public").iterdir(), *(browser).glob("*.any.pcap")]:
        interfaces, batches = read_capture(path)
        dissector = Dissector(interfaces)
        for batch in batches:
            packets = dissector.dissect(batch)
            _, chosen = recognise(packets)
            whole = (packets.flags & PacketFlag.FRAGMENT.value == 0) & (packets.payload_length > 0)
            for row in np.flatnonzero((packets.protocol == 17) & whole).tolist():
                payload = packets.payload(row)
                for code, decode in decoders.items():
                    try:
                        message = decode(payload)
                    except DecodeError:
                        continue
                    if getattr(message, "kind", None) == "data":
                        continue  # WireGuard's bulk is counted, never decoded
                    accepted[code] += 1
                    if chosen[row] != code:
                        missed.append((path.name, int(packets.frame[row]), code.name))
    assert not missed
    assert all(count > 20 for count in accepted.values()), accepted
