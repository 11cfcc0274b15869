"""TCP streams put together and read: protocols, disorder, loss, bounds, batch cuts."""

from __future__ import annotations

import csv
import struct
import sys
import zlib
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_bytes import ALLOCATE, ALLOCATED, TRANSACTION, hello
from stream_support import CLIENT, SECOND, SERVER, Talk, read
from stun_encoder import attribute, message

from pcapleak.capture import open_capture
from pcapleak.decode.dns.message import DnsMessage
from pcapleak.decode.messages import Event
from pcapleak.decode.streams.connection import Opened
from pcapleak.decode.streams.sniff import OPENS, recognise_opening
from pcapleak.decode.streams.stun import COOKIE
from pcapleak.decode.streams.tcp import TcpStreams
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.web.http import METHODS, RESPONSE, HttpRequest, HttpResponse
from pcapleak.decode.web.tls import ClientHello
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.dissect import Dissector
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Context, Endpoint, Service
from pcapleak.values.registries import SIP_STARTS

CHANNEL = b"\x40\x00\x00\x05hello\0\0\0"
GREETING, METHOD = b"\x05\x01\x00", b"\x05\x00"
CONNECT = b"\x05\x01\x00\x01" + ip_address("203.0.113.9").packed + b"\x0d\x96"
GRANTED = b"\x05\x00\x00\x01\0\0\0\0\0\0"


def test_stun_messages_back_to_back_and_channel_data_once_turn_is_known() -> None:
    talk = Talk().open().add(0, ALLOCATE + ALLOCATE[:10]).add(0, ALLOCATE[10:])
    talk.add(1, ALLOCATED + CHANNEL + CHANNEL)
    reading = read(talk)
    assert reading.kinds == ["StunMessage"] * 3 + ["ChannelData"] * 2
    assert [context.frame for context, _ in reading.events] == [3, 4, 5, 5, 5]
    assert reading.services == Service.STUN | Service.TURN | Service.CHANNEL_DATA
    last = reading.context(4)
    assert (last.transport, last.forward, last.layers, last.outer) == ("tcp", False, (), None)
    assert last.source == Endpoint(ip_address(SERVER), 9999)


def test_channel_data_alone_is_not_stun() -> None:
    assert read(Talk().open().add(0, CHANNEL)).events == []


def test_messages_behind_a_session_of_ms_turn_are_read_wherever_they_are_cut() -> None:
    """0xFF10, a length and 8 bytes of session; other data of the session is passed over."""

    def session(data: bytes) -> bytes:
        return struct.pack("!HH", 0xFF10, 8 + len(data)) + b"session!" + data

    check = message(0x0001, attribute(0x0006, b"ab:cd"), TRANSACTION)
    sent = session(check) + session(b"\x80\x60" + bytes(21)) + session(check) + ALLOCATE
    for cut in range(1, len(sent)):
        talk = Talk().open().add(0, ALLOCATE).add(0, sent[:cut]).add(0, sent[cut:])
        assert [m.method for _, m in read(talk).events] == [3, 1, 1, 3]


def test_a_method_beyond_two_hexadecimal_digits_is_read_over_tcp() -> None:
    probe = message(0x0800, attribute(0x4000, b"abcd"), TRANSACTION)
    assert [m.method for _, m in read(Talk().open().add(0, probe + probe)).events] == [0x200] * 2


def test_rfc_4571_framing_is_read() -> None:
    check = message(0x0001, attribute(0x0006, b"ab:cd"), TRANSACTION)
    framed = struct.pack("!H", len(check)) + check
    media = b"\x80\x60" + bytes(30)
    talk = Talk().open().add(0, framed + struct.pack("!H", len(media)) + media + framed)
    reading = read(talk)
    assert reading.kinds == ["StunMessage", "StunMessage"]


def test_a_socks_connection_is_read_anew_after_its_handshake() -> None:
    talk = Talk(dport=1080).open().add(0, GREETING).add(1, METHOD).add(0, CONNECT).add(1, GRANTED)
    talk.add(0, ALLOCATE).add(1, ALLOCATED)
    reading = read(talk)
    assert reading.kinds == ["SocksRequest", "SocksReply", "StunMessage", "StunMessage"]
    inside = reading.context(2)
    assert inside.layers == ("socks",)
    assert inside.destination == Endpoint(ip_address("203.0.113.9"), 3478)
    assert inside.source == Endpoint(ip_address(CLIENT), 40000)
    assert inside.outer == (
        Endpoint(ip_address(CLIENT), 40000),
        Endpoint(ip_address(SERVER), 1080),
    )
    answer = reading.context(3)
    assert answer.source == inside.destination and answer.outer == inside.outer[::-1]
    assert reading.services == Service.SOCKS | Service.STUN | Service.TURN


def test_a_name_that_the_proxy_resolves_leaves_the_proxy_as_endpoint() -> None:
    request = b"\x05\x01\x00\x03\x0bturn.example\x0d\x96".replace(b"\x0b", b"\x0c")
    talk = Talk(dport=1080).open().add(0, GREETING).add(1, METHOD).add(0, request).add(1, GRANTED)
    reading = read(talk.add(0, ALLOCATE))
    asked = reading.messages[0]
    assert isinstance(asked, SocksRequest) and asked.destination == "turn.example"
    assert reading.context(2).destination == Endpoint(ip_address(SERVER), 1080)


def test_socks_with_a_login_and_bytes_sent_before_the_reply() -> None:
    talk = Talk(dport=1080).open().add(0, b"\x05\x02\x00\x02").add(1, b"\x05\x02")
    talk.add(0, b"\x01\x03bob\x02pw").add(1, b"\x01\x00")
    talk.add(0, CONNECT + ALLOCATE).add(1, GRANTED)
    reading = read(talk)
    assert reading.kinds == ["SocksRequest", "SocksReply", "StunMessage"]
    asked = reading.messages[0]
    assert isinstance(asked, SocksRequest) and asked.username == "bob"
    early = reading.context(2)
    assert early.frame == 8 and early.forward and early.layers == ("socks",)


def test_socks_4_and_a_refusal() -> None:
    request = b"\x04\x01\x01\xbb\0\0\0\x01me\0example.org\0"
    granted, refused = b"\0\x5a" + bytes(6), b"\0\x5b" + bytes(6)
    talk = Talk(dport=1080).open().add(0, request).add(1, granted).add(0, hello())
    reading = read(talk)
    assert reading.kinds == ["SocksRequest", "SocksReply", "ClientHello"]
    talk = Talk(dport=1080).open().add(0, request).add(1, refused).add(0, hello())
    reading = read(talk)
    assert reading.kinds == ["SocksRequest", "SocksReply"]
    reply = reading.messages[1]
    assert isinstance(reply, SocksReply) and not reply.succeeded


def test_http_connect_and_a_hello_inside() -> None:
    talk = Talk(dport=3128).open()
    talk.add(0, b"CONNECT [2001:db8::9]:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    talk.add(1, b"HTTP/1.1 407 Authenticate\r\nContent-Length: 3\r\n\r\nno!")
    talk.add(0, b"CONNECT [2001:db8::9]:443 HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\n")
    talk.add(1, b"HTTP/1.1 200 Connection established\r\n\r\n").say(0, hello(), 50)
    reading = read(talk)
    assert reading.kinds == ["HttpRequest", "HttpResponse"] * 2 + ["ClientHello"]
    assert reading.context(4).layers == ("http-connect",)
    assert reading.context(4).destination == Endpoint(ip_address("2001:db8::9"), 443)
    found = reading.messages[4]
    assert found == ClientHello("example.org", ("h2",), 0x0304)
    assert reading.services == Service.HTTP | Service.HTTP_CONNECT | Service.TLS


def test_bodies_of_signalling_are_kept_and_others_skipped() -> None:
    offer = b'{"candidate":"candidate:1 1 udp 1 192.0.2.1 5 typ host"}'
    packed = zlib.compressobj(wbits=31)
    squeezed = packed.compress(offer) + packed.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    talk = Talk().open()
    talk.say(
        0,
        b"POST /offer HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(offer) + offer,
        20,
    )
    talk.add(1, head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(squeezed))
    talk.add(1, squeezed)
    talk.add(0, b"GET /x HTTP/1.1\r\n\r\n")
    talk.add(
        1, head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"
    )
    talk.add(0, b"GET /y HTTP/1.1\r\n\r\n")
    talk.add(1, b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9000\r\n\r\n")
    talk.say(1, b"HTTP/1.1 666 x\r\n\r\n" * 500)
    talk.add(0, b"HEAD /z HTTP/1.1\r\n\r\n").add(1, head + b"Content-Length: 99\r\n\r\n")
    talk.add(0, b"GET /last HTTP/1.1\r\n\r\n")
    reading = read(talk)
    requests = [m.target for m in reading.messages if isinstance(m, HttpRequest)]
    assert requests == ["/offer", "/x", "/y", "/z", "/last"]
    bodies = [m.body for m in reading.messages if isinstance(m, HttpRequest | HttpResponse)]
    assert [body for body in bodies if body] == [offer, offer, b"hello world"]
    assert Counter(reading.kinds) == {"HttpRequest": 5, "HttpResponse": 4}


def frame(payload: bytes, first: int = 0x81, mask: bytes = b"") -> bytes:
    """A WebSocket frame."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([first]) + length + mask + payload


UPGRADE = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"


def test_websocket_messages_are_unmasked_and_put_together() -> None:
    talk = Talk().open().add(0, UPGRADE).add(1, UPGRADED + b"\r\n" + frame(b"early"))
    talk.add(0, frame(b"one ", 0x01, b"mask") + frame(b"", 0x89, b"mask"))
    talk.add(0, frame(b"two", 0x80, b"tear")).say(1, frame(b"x" * 3000, 0x82), 700)
    messages = read(talk).messages[2:]
    assert messages == [
        WebSocketMessage("text", b"early"),
        WebSocketMessage("text", b"one two"),
        WebSocketMessage("binary", b"x" * 3000),
    ]


@pytest.mark.parametrize("takeover", [True, False])
def test_compressed_websocket_messages_are_inflated(takeover: bool) -> None:
    extension = b"Sec-WebSocket-Extensions: permessage-deflate"
    extension += b"" if takeover else b"; client_no_context_takeover"
    talk = Talk().open().add(0, UPGRADE).add(1, UPGRADED + extension + b"\r\n\r\n")
    texts = [
        b"candidate:1 1 udp 1 192.0.2.1 5 typ host",
        b"candidate:1 1 udp 1 192.0.2.1 6 typ host",
    ]
    deflater = zlib.compressobj(wbits=-15)
    for text in texts:
        if not takeover:
            deflater = zlib.compressobj(wbits=-15)
        packed = (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        talk.add(0, frame(packed, 0xC1, b"mask"))
    assert read(talk).messages[2:] == [WebSocketMessage("text", text) for text in texts]


def test_a_bomb_of_a_websocket_message_is_bounded() -> None:
    talk = Talk().open().add(0, UPGRADE)
    talk.add(1, UPGRADED + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    deflater = zlib.compressobj(wbits=-15)
    packed = (deflater.compress(bytes(50_000_000)) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    found = read(talk.say(0, frame(packed, 0xC1, b"mask"))).messages[2]
    assert isinstance(found, WebSocketMessage) and len(found.payload) == 64 << 10


def test_dns_on_port_53_and_by_structure_on_others() -> None:
    query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\x07example\x03org\x00\x00\x01\x00\x01"
    prefixed = struct.pack("!H", len(query)) + query
    for port in (53, 5300):
        reading = read(
            Talk(dport=port).open().add(0, prefixed[:40]).add(0, prefixed[40:] + prefixed)
            if port == 53
            else Talk(dport=port).open().add(0, prefixed).add(0, prefixed)
        )
        assert reading.kinds == ["DnsMessage", "DnsMessage"]
        asked = reading.messages[1]
        assert isinstance(asked, DnsMessage) and asked.questions[0].name == "example.org"
        assert reading.services == Service.DNS


def test_a_dns_message_is_read_however_its_length_was_sent() -> None:
    query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\x07example\x03org\x00\x00\x01\x00\x01"
    talk = Talk(dport=53).open().add(0, b"\0").add(0, bytes((len(query),))).add(0, query)
    assert read(talk).kinds == ["DnsMessage"]


def test_a_hello_on_port_853_opens_dns_over_tls() -> None:
    assert read(Talk(dport=853).open().add(0, hello())).services == Service.TLS | Service.DOT
    assert Service.DOT not in read(Talk(dport=443).open().add(0, hello())).services


def test_openvpn_resets_over_tcp() -> None:
    client = b"\x38" + b"clientid" + b"\0" + bytes(4)
    server = b"\x40" + b"serverid" + b"\x01" + bytes(4) + b"clientid" + bytes(4)
    talk = Talk(dport=443).open().add(0, struct.pack("!H", len(client)) + client)
    reading = read(talk.add(1, struct.pack("!H", len(server)) + server))
    assert reading.kinds == ["OpenVpnMessage", "OpenVpnMessage"]


def test_an_openvpn_reset_with_a_wrapped_key_over_tcp() -> None:
    client = b"\x50" + b"clientid" + b"\x0f\0\0\1time" + bytes(32) + bytes(range(50, 240)) * 2
    reading = read(Talk(dport=443).open().add(0, struct.pack("!H", len(client)) + client))
    assert reading.kinds == ["OpenVpnMessage"]


# Disorder and loss


def test_segments_out_of_order_overlapping_and_repeated_read_as_one_stream() -> None:
    talk = Talk().open()
    start = talk.seqs[0]
    stream = (ALLOCATE + CHANNEL) * 4
    third = len(stream) // 3
    pieces = [(0, third), (2 * third, len(stream)), (third - 5, 2 * third + 7), (0, third), (5, 9)]
    for low, high in (pieces[1], pieces[0], pieces[3], pieces[4], pieces[2]):
        talk.add(0, stream[low:high], (start + low) & 0xFFFF_FFFF)
    reading = read(talk)
    assert reading.kinds == ["StunMessage", "ChannelData"] * 4
    assert next(m for m in reading.messages if isinstance(m, StunMessage)).wire == ALLOCATE


def test_the_first_bytes_of_an_overlap_win() -> None:
    talk = Talk().open()
    start = talk.seqs[0]
    talk.add(0, ALLOCATE[:12], start)
    talk.add(0, b"X" * 12 + ALLOCATE[12:], start)
    found = read(talk).messages[0]
    assert isinstance(found, StunMessage) and found.wire == ALLOCATE


def test_after_a_gap_reading_goes_on_at_the_next_header() -> None:
    talk = Talk().open().add(0, ALLOCATE)
    talk.seqs[0] += 100  # never captured
    talk.now += 1_000_000
    talk.add(0, CHANNEL[:6]).add(0, b"rest of something").add(0, ALLOCATE)
    talk.now += 3 * SECOND
    reading = read(talk.add(0, CHANNEL))
    assert reading.kinds == ["StunMessage", "StunMessage", "ChannelData"]


def test_a_gap_within_skipped_bytes_costs_nothing() -> None:
    talk = Talk().open().add(0, b"GET / HTTP/1.1\r\n\r\n")
    talk.add(1, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1000)
    talk.seqs[1] += 3000
    talk.add(1, b"x" * 1000 + b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    talk.now += 3 * SECOND
    talk.add(1, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    statuses = [m.status for m in read(talk).messages if isinstance(m, HttpResponse)]
    assert statuses == [200, 404, 403]


def test_what_the_snap_length_left_of_a_head_or_message_is_read() -> None:
    request = b"CONNECT example.org:443 HTTP/1.1\r\nUser-Agent: " + b"x" * 200 + b"\r\n\r\n"
    talk = Talk(dport=3128).open().add(0, request, captured=56)
    talk.add(1, b"HTTP/1.1 200 OK\r\n\r\n")
    reading = read(talk)
    assert reading.kinds == ["HttpRequest", "HttpResponse"]
    asked = reading.messages[0]
    assert isinstance(asked, HttpRequest) and asked.authority == ("example.org", 443)
    reading = read(Talk().open().add(1, ALLOCATED, captured=24).add(1, ALLOCATED))
    assert reading.kinds == ["StunMessage", "StunMessage"]
    first = reading.messages[0]
    assert isinstance(first, StunMessage) and "cut short" in first.problems[0]


def test_a_recording_that_began_in_mid_stream_finds_turn() -> None:
    talk = (
        Talk().add(0, b"tail of a message").add(1, bytes(100)).add(0, ALLOCATE).add(1, b"\x99" * 40)
    )
    reading = read(talk.add(1, ALLOCATED + CHANNEL))
    assert reading.kinds == ["StunMessage", "StunMessage", "ChannelData"]


def test_a_new_connection_on_the_same_ports_is_read_anew() -> None:
    first = Talk().open().add(0, b"nothing anybody wants").add(1, b"likewise")
    second = (
        Talk(seqs=[77, 88], now=first.now).open().add(0, GREETING).add(1, METHOD).add(0, CONNECT)
    )
    assert read(first, second).kinds == ["SocksRequest"]


def test_a_half_captured_socks_connection_is_read_without_replies() -> None:
    talk = Talk(dport=1080)
    talk.add(0, b"", flags=2)
    talk.seqs[0] += 1
    talk.add(0, GREETING).add(0, CONNECT).add(0, hello())
    assert read(talk).kinds == ["SocksRequest", "ClientHello"]


def test_ordinary_traffic_is_left_alone() -> None:
    for opening in (
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x17\x03\x03\x00\x20" + bytes(32),
        b"\0" * 60,
        b"\x05\x03\x00\x00\x10\x00\x00\x00",
        b"\x04\x01\x00\x00" + bytes(40),
        b"220 mail ESMTP\r\n",
        bytes(range(0x20, 0x60)),
    ):
        for way in (0, 1):
            reading = read(Talk().open().add(way, opening).add(1 - way, opening))
            assert (reading.events, reading.services) == ([], Service(0))
            assert reading.streams._connections == {}


def test_connections_that_never_say_enough_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from pcapleak.decode.streams import tcp as table

    monkeypatch.setattr(table, "MAX_CONNECTIONS", 50)
    talks = [Talk(sport=1000 + i).open().add(0, ALLOCATE[:20]) for i in range(200)]
    reading = read(*talks, Talk(sport=5000).open().add(0, ALLOCATE))
    assert reading.kinds == ["StunMessage"]
    assert len(reading.streams._connections) == 50 and reading.streams.dropped == 151


def test_bytes_that_wait_for_a_missing_segment_are_bounded() -> None:
    talk = Talk().open().add(0, ALLOCATE)
    talk.seqs[0] += 10
    for _ in range(500):
        talk.add(0, b"y" * 1400)
    reading = read(talk.add(0, ALLOCATE))
    assert reading.streams._buffered < 300 << 10
    assert reading.kinds[-1] == "StunMessage"


# The invariant and totality


def conversations() -> list[Talk]:
    socks = Talk(sport=1).open().add(0, GREETING).add(1, METHOD).add(0, CONNECT + ALLOCATE)
    socks.add(1, GRANTED + ALLOCATED).say(1, CHANNEL * 9, 7)
    web = Talk(sport=2).open().say(0, UPGRADE, 9).say(1, UPGRADED + b"\r\n" + frame(b"x" * 300), 50)
    again = Talk(sport=2, seqs=[1, 2]).open().say(0, hello(), 40)
    late = Talk(sport=3).add(0, b"??").add(1, b"!!").add(0, ALLOCATE).add(1, ALLOCATED + CHANNEL)
    holes = Talk(sport=4).open().add(0, ALLOCATE)
    holes.seqs[0] += 50
    holes.add(0, ALLOCATE)
    holes.now += 3 * SECOND
    holes.add(0, ALLOCATE, captured=25).add(0, ALLOCATE)
    return [socks, web, again, late, holes]


def comparable(events: list[Event]) -> list[tuple[Context, str]]:
    return [(context, repr(found)) for context, found in events]


@settings(max_examples=60)
@given(st.data())
def test_events_do_not_depend_on_how_the_capture_is_cut(data: st.DataObject) -> None:
    talks = conversations()
    whole = read(*talks)
    total = sum(len(talk.frames) for talk in talks)
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=total))
    parts = read(*talks, sizes=[size for size in sizes if size][: total // 2])
    assert comparable(parts.events) == comparable(whole.events)
    assert parts.services == whole.services
    single = read(*talks, sizes=[1] * (total - 1))
    assert comparable(single.events) == comparable(whole.events)


@settings(max_examples=300)
@given(
    st.sampled_from(
        [
            b"",
            ALLOCATE,
            GREETING,
            CONNECT,
            UPGRADE,
            hello(),
            b"\x00\x0e\x38",
            b"HTTP/1.1 200 OK\r\n",
        ]
    ),
    st.lists(
        st.tuples(st.integers(0, 1), st.binary(min_size=1, max_size=60), st.integers(-30, 60))
    ),
    st.sampled_from([53, 443, 9999]),
)
def test_whatever_is_sent_nothing_but_events_comes_out(
    opening: bytes, segments: list[tuple[int, bytes, int]], port: int
) -> None:
    talk = Talk(dport=port).open()
    if opening:
        talk.add(0, opening)
    for way, data, shift in segments:
        talk.add(way, data, (talk.seqs[way] + shift) & 0xFFFF_FFFF)
    reading = read(talk)
    assert reading.streams._buffered == sum(
        connection.size for connection in reading.streams._connections.values()
    )


# Real captures


def events_of(path: Path) -> list[Event]:
    events: list[Event] = []
    with open_capture(path) as source:
        dissector, flows, streams = Dissector(source.interfaces), FlowTable(), TcpStreams()
        for batch in source:
            packets = dissector.dissect(batch)
            flow, forward = flows.update(packets)
            events.extend(streams.update(packets, flow, forward, flows))
    return events


def test_every_stun_message_over_tcp_that_tshark_finds_is_found(corpus: Path) -> None:
    total = 0
    for truth in sorted((corpus / "public-truth").glob("*.stun.tsv")):
        with truth.open(encoding="utf-8") as lines:
            rows = [
                (int(row["frame"]), row["type_hex"], row["txid"])
                for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
                if row["transport"] == "tcp"
            ]
        if rows:
            found = [
                (context.frame, f"0x{m.message_type:04x}", m.transaction_id.hex())
                for context, m in events_of(
                    corpus / "public" / truth.name.removesuffix(".stun.tsv")
                )
                if isinstance(m, StunMessage)
            ]
            assert found == rows
            total += len(rows)
    sys.stderr.write(f"STUN over TCP: {total} messages equal\n")
    assert total >= 39


@pytest.mark.parametrize(("name", "layers"), [("turntcp.pcapng", ()), ("mode4.pcapng", ("socks",))])
def test_turn_over_tcp_of_real_browsers_is_read(
    browser: Path, name: str, layers: tuple[str, ...]
) -> None:
    turn = [(context, m) for context, m in events_of(browser / name) if isinstance(m, StunMessage)]
    assert turn[0][1].method_name == "Allocate"
    assert any(m.relayed_address is not None for _, m in turn)
    assert {context.layers for context, _ in turn} == {layers}
    server = Endpoint(ip_address("198.51.100.10"), 3478)
    assert {server} == {c.destination if c.forward else c.source for c, _ in turn}


def test_proxies_tunnels_and_websockets_of_the_corpus_are_read(corpus: Path) -> None:
    """What tshark counts in the same files; port 10080, SOCKS 4 and reversed roles beyond it."""
    expected = {
        "arkime__socks-https-example.pcap": {"SocksRequest": 3, "SocksReply": 3, "ClientHello": 3},
        "arkime__socks4-https.pcap": {"SocksRequest": 1, "SocksReply": 1},
        "arkime__socks5-reverse.pcap": {
            "SocksRequest": 1,
            "SocksReply": 1,
            "HttpRequest": 2,
            "HttpResponse": 2,
        },
        "zeek__socks-auth-10080.pcap": {"SocksRequest": 1, "SocksReply": 1},
        "pcapdroid__http_proxy.pcap": {"HttpRequest": 1, "HttpResponse": 1, "ClientHello": 1},
        "ndpi__openvpn.pcap": {"OpenVpnMessage": 6},
        "mercury__openvpn_tcp_multi.pcap": {"OpenVpnMessage": 4},
        "tcpdump__dns_tcp.pcap": {"DnsMessage": 2},
        "zeek__websocket_two-binary-fragments.pcap": {
            "HttpRequest": 1,
            "HttpResponse": 1,
            "WebSocketMessage": 2,
        },
    }
    for name, kinds in expected.items():
        found = Counter(type(m).__name__ for _, m in events_of(corpus / "public" / name))
        assert found == kinds, name


def test_bulk_columns_never_reach_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of an ignored flow are not turned into bytes."""
    from pcapleak.values.packets import Packets

    taken = []
    original = Packets.payload
    monkeypatch.setattr(Packets, "payload", lambda self, i: taken.append(i) or original(self, i))
    read(Talk().open().add(0, b"SSH-2.0-x\r\n").say(0, b"z" * 100_000), sizes=[1] * 3)
    assert len(taken) == 1


def test_channel_data_values() -> None:
    found = read(Talk().open().add(0, ALLOCATE + CHANNEL)).messages[1]
    assert isinstance(found, ChannelData) and found.data == b"hello"


def test_bytes_recorded_before_their_syn_are_read() -> None:
    """Recorders that read several queues write a connection's first packets out of order."""
    talk = Talk().open()
    talk.add(0, b"GET /a HTTP/1.1\r\n").add(0, b"Host: b.example\r\n\r\n")
    talk.frames[0], talk.frames[2] = talk.frames[2], talk.frames[0]
    talk.originals[0], talk.originals[2] = talk.originals[2], talk.originals[0]
    (event,) = read(talk).events
    assert isinstance(event[1], HttpRequest)
    assert event[1].header("host") == "b.example"


@settings(max_examples=300)
@given(
    st.sampled_from(np.flatnonzero(~OPENS).tolist()),
    st.binary(max_size=80),
    st.sampled_from(sorted({*METHODS, *SIP_STARTS, b"\x16\x03\x01", bytes(8)})),
)
def test_no_stream_that_is_read_begins_with_a_byte_that_opens_none(
    first: int, rest: bytes, begin: bytes
) -> None:
    data = bytes([first]) + begin[1:] + rest + bytes(22)
    if COOKIE not in data[4:10]:
        assert recognise_opening(data, (50000, 9999)) is Opened.NOBODYS


def test_every_text_that_opens_a_stream_begins_with_a_byte_that_may() -> None:
    for text in (*METHODS, RESPONSE, *SIP_STARTS, GREETING, hello()):
        assert OPENS[text[0]], text
