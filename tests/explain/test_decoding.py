"""Messages one by one: lines, JSON, filters, and pasted hexadecimal."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_bytes import batch_of, ipv4, udp
from stun_encoder import attribute, check, message, xor_address

from pcapleak.capture import PcapngWriter
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.stun.turn import decode_channel_data
from pcapleak.errors import CaptureError, DecodeError
from pcapleak.explain.credentials import Credential
from pcapleak.explain.messages import WORDS, decode_capture, decode_hex
from pcapleak.explain.text import MAX_PARTS, message_fields, summarise, to_json
from pcapleak.values.packets import Interface

BINDING = message(0x0001)


def test_a_check_in_one_line() -> None:
    assert summarise(decode_stun(check())) == (
        "Binding Request, USERNAME Recv:Send, network 0 cost 999, "
        "ICE-CONTROLLING 0102030405060708, PRIORITY 1845501695"
    )


def test_errors_and_turn_in_one_line() -> None:
    refused = message(0x0113, attribute(0x0009, b"\0\0\4\x01") + attribute(0x0014, b"example.org"))
    assert summarise(decode_stun(refused)) == (
        "Allocate Error Response, 401 Unauthenticated, REALM example.org"
    )
    bind = attribute(0x000C, b"\x40\1\0\0")
    bind += attribute(0x0012, xor_address("192.0.2.1", 5, b"t" * 12))
    assert summarise(decode_stun(message(0x0009, bind))) == (
        "ChannelBind Request, channel 0x4001, XOR-PEER-ADDRESS 192.0.2.1:5"
    )


def test_a_delta_and_its_acknowledgement_in_one_line() -> None:
    delta = "77880001 ffff00080004 0000000000000003 010000040003 0000001b 010100000005"
    body = attribute(0xC05C, bytes.fromhex(delta)) + attribute(0xC05D, bytes(7) + b"\2")
    got = decode_stun(message(0x0001, body))
    assert summarise(got) == (
        "Binding Request, GOOG-DELTA to version 3 of 0x0100, 0x0101, GOOG-DELTA-ACK 2"
    )
    assert message_fields(got)["attributes"][0]["value"] == {
        "version": 3,
        "entries": [{"key": 256, "value": 27}, {"key": 257, "value": None}],
    }


def test_an_announcement_in_one_line() -> None:
    """A name, its address, its time to live and the cache-flush bit of RFC 6762."""
    wire = "000084000000000100000000 0161056c6f63616c00 0001 8001 00000078 0004 c0000201"
    got = decode_hex(wire, "mdns")
    assert (got.protocol, got.summary) == ("mdns", "response, a.local A 192.0.2.1 120s flush")


def test_a_summary_is_bounded() -> None:
    many = decode_stun(message(0x0001, attribute(0x0024, b"\0\0\0\1") * 5000))
    assert summarise(many).endswith(f"and {5000 - MAX_PARTS} attributes more")
    assert len(summarise(many)) < 1000


def test_fields_of_a_check() -> None:
    fields = message_fields(decode_stun(check()))
    assert json.loads(json.dumps(fields)) == fields
    assert (fields["type"], fields["class"], fields["fingerprint"]) == ("0x0001", "request", "ok")
    first = fields["attributes"][0]
    assert first == {
        "type": "0x0006",
        "name": "USERNAME",
        "source": "RFC 8489",
        "required": True,
        "offset": 24,
        "raw": b"Recv:Send".hex(),
        "value": "Recv:Send",
    }
    assert fields["priority_readings"] == [
        "libwebrtc: prflx (110), UDP, wildcard socket, no enumerated interface, "
        "IPv4 address, component 1"
    ]
    assert fields["network"].startswith("no enumerated network")


def test_fields_tell_what_cannot_be_read() -> None:
    (only,) = message_fields(decode_stun(message(0x0001, attribute(0x0024, b"x"))))["attributes"]
    assert only["problem"] == "1 bytes, not 4"
    assert "value" not in only


def test_values_without_json_form_are_refused() -> None:
    with pytest.raises(TypeError, match="no JSON form for object"):
        to_json(object())


@pytest.mark.parametrize(
    "text",
    [
        BINDING.hex(),
        BINDING.hex(" "),
        BINDING.hex(":"),
        "0x" + BINDING.hex().upper(),
        "\n".join(BINDING.hex(" ", 4).split()),
        ", ".join(f"0x{byte:02x}" for byte in BINDING),
    ],
)
def test_hexadecimal_as_people_paste_it(text: str) -> None:
    got = decode_hex(text)
    assert (got.protocol, got.summary) == ("stun", "Binding Request")
    assert got.line() == "stun  Binding Request"
    assert got.to_json()["message"]["transaction_id"] == b"t".hex() * 12


def test_a_pasted_message_is_proved_by_its_password() -> None:
    text = check(password="secret").hex()
    assert decode_hex(text, credential=Credential("secret")).notes == {"integrity": "ok"}
    assert decode_hex(text, credential=Credential("guess")).line().endswith("[integrity bad]")
    assert decode_hex(BINDING.hex(), credential=Credential("guess")).notes == {
        "integrity": "absent"
    }
    assert decode_hex(text).notes == {}


@pytest.mark.parametrize(
    ("text", "protocol", "error"),
    [
        ("00 0g", None, "hex digit at byte 3: 'g' is not a hexadecimal digit"),
        ("00 0", None, "hex digit at byte 3: half a byte is left over"),
        ("", None, "stun header at byte 0: 0 bytes, a header takes 20"),
        ("00", "stun", "stun header at byte 0: 1 bytes, a header takes 20"),
        ("ff" * 24, None, "hex message at byte 0: no protocol is known by these bytes"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n".hex(),
            None,
            "hex message at byte 0: no protocol is known by these bytes",
        ),
    ],
)
def test_hexadecimal_rejections(text: str, protocol: str | None, error: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_hex(text, protocol)
    assert str(caught.value) == error


def test_unknown_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DecodeError, match="one of stun, turn, dns"):
        decode_hex("00", "smtp")


def test_pasted_messages_of_other_protocols_are_told() -> None:
    query = "1234010000010000000000000377777707657861 6d706c6503636f6d0000010001"
    assert decode_hex(query).protocol == "dns"
    assert decode_hex(query).summary == "query, www.example.com A?"
    assert decode_hex("01000000" + "00" * 144).protocol == "wireguard"
    assert decode_hex("04000000" + "01000000" + "00" * 24).summary == "WireGuard keepalive"
    rtp = decode_hex("8060000100000002deadbeef" + "00" * 20, "rtp")
    assert rtp.summary == "RTP type 96, SSRC 0xdeadbeef"
    assert decode_hex("400100026869").summary == "ChannelData 0x4001, 2 bytes"
    hello = bytes.fromhex("16fefd0000000000000000000d01000001000000000000010000")
    carried = decode_channel_data(b"\x40\1\0\x1a" + hello)
    assert summarise(carried) == "ChannelData 0x4001, 26 bytes of DTLS"


@settings(max_examples=200)
@given(st.binary(max_size=120))
def test_any_hexadecimal_gives_a_message_or_the_one_error(data: bytes) -> None:
    try:
        got = decode_hex(data.hex())
    except DecodeError:
        return
    assert got.protocol in WORDS
    json.dumps(got.to_json())
    assert got.line()


def test_multicast_dns_is_told_by_its_kinds(tmp_path: Path) -> None:
    """Probes, known answers, goodbyes, and queries that want an answer of their own."""
    name = b"\x04host\x05local\0"
    probe = struct.pack("!6H", 0, 0, 1, 0, 1, 0) + name + struct.pack("!HH", 255, 0x8001)
    probe += name + struct.pack("!HHIH4s", 1, 1, 120, 4, bytes([192, 0, 2, 1]))
    known = struct.pack("!6H", 0, 0, 1, 1, 0, 0) + name + struct.pack("!HH", 1, 1)
    known += name + struct.pack("!HHIH4s", 1, 1, 120, 4, bytes([192, 0, 2, 1]))
    goodbye = struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + name
    goodbye += struct.pack("!HHIH4s", 1, 0x8001, 0, 4, bytes([192, 0, 2, 1]))
    path = tmp_path / "mdns.pcapng"
    frames = [
        ipv4(udp(payload, port, 5353), 17, "192.0.2.1", "224.0.0.251")
        for payload, port in ((probe, 5353), (known, 40000), (goodbye, 5353))
    ]
    with PcapngWriter(path) as writer:
        writer.write_batch(batch_of(frames, 101), [Interface(0, 0, 101)])
    asked, again, gone = decode_capture(path)
    assert asked.summary == "probe, host.local ANY? QU, authority host.local A 192.0.2.1 120s"
    assert asked.fields["probe"] is True
    assert "known answer host.local A 192.0.2.1" in again.summary
    assert again.notes == {"legacy_unicast": True}
    assert gone.fields["goodbyes"] == ["host.local"]
    assert gone.fields["announcement"] is False


def test_no_capture_is_a_capture_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError):
        list(decode_capture(tmp_path / "missing.pcap"))


def test_every_message_of_the_corpus_has_words_and_json(corpus: Path) -> None:
    count, protocols = 0, set()
    for path in sorted((corpus / "public").iterdir()):
        try:
            for got in decode_capture(path):
                assert got.line()
                json.dumps(got.to_json())
                protocols.add(got.protocol)
                count += 1
        except CaptureError:
            continue  # some of the corpus is no capture at all, on purpose
    assert count > 5000
    assert protocols <= set(WORDS)


def test_browser_session_reads_as_it_happened(browser: Path) -> None:
    path = browser / "direct.eth0.pcapng"
    stun = list(decode_capture(path, frozenset({"stun"})))
    assert {message.protocol for message in stun} == {"stun"}
    request, answer = stun[0], stun[1]
    assert request.summary == "Binding Request"
    assert answer.notes["answers_frame"] == request.frame
    assert "XOR-MAPPED-ADDRESS 203.0.113.7" in answer.summary
    as_json = answer.to_json()
    assert as_json["time"].startswith("2026-11-22T")
    assert as_json["source"] == "198.51.100.10:3478"
    both = list(decode_capture(path, frozenset({"stun", "mdns"})))
    assert [m.frame for m in both] == sorted(m.frame for m in both if m.frame is not None)
    assert len(both) > len(stun)


def test_icmp_quotes_are_told_apart(browser: Path) -> None:
    messages = list(decode_capture(browser / "loop.pcapng", frozenset({"stun"})))
    quotes = [message for message in messages if message.layers == ("icmp-quote",)]
    assert quotes
    for quote in quotes:
        assert quote.outer is not None
        assert quote.source is not None
        # The host's own packet, come back: it left the address that the error is sent to.
        assert quote.outer[1].address == quote.source.address
        assert "answers_frame" not in quote.notes


def test_the_turn_password_proves_a_recorded_allocation(browser: Path) -> None:
    """The recorded TURN server's user had the password `p`; answers name no user."""
    path = browser / "turntcp.eth0.pcapng"
    for password, proof in (("p", "ok"), ("q", "bad")):
        proofs = [
            (message.summary.split(",")[0], message.notes["integrity"])
            for message in decode_capture(
                path, frozenset({"stun"}), credential=Credential(password)
            )
            if "integrity" in message.notes
        ]
        assert proofs == [
            ("Allocate Request", proof),
            ("Allocate Success Response", proof),
            ("Refresh Request", proof),
            ("Refresh Success Response", proof),
        ]


def test_a_quic_hello_over_two_datagrams_names_its_server(corpus: Path) -> None:
    """As tshark reads it."""
    capture = corpus / "public" / "suricata-verify__quic-frag-unordered_input.pcap"
    summaries = [one.summary for one in decode_capture(capture, {"quic"})]
    assert summaries[1] == "QUIC Initial version 0x00000001 mastodon.social"
