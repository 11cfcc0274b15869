"""Redaction of what signalling says: SIP, HTTP and WebSocket, whole and cut anyhow."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from pathlib import Path

import pytest
from builders import CLIENT, ETH0, STUN, WEB, Recording, checksum, of, udp_packet
from hypothesis import given
from hypothesis import strategies as st
from message_bytes import INVITE, RINGING, SDP
from redaction_facts import KEY, facts

import pcapleak
from pcapleak.capture import open_capture
from pcapleak.decode.ice.candidate import find_candidates
from pcapleak.decode.ice.foundation import libwebrtc_foundation
from pcapleak.decode.web.sip import decode_sip
from pcapleak.redact import Renamer, redact_capture
from pcapleak.redact.datagrams import Datagrams
from pcapleak.redact.signalling import redact_sip
from pcapleak.redact.stream_text import redact_dialogue
from pcapleak.redact.text import redact_program, redact_text
from pcapleak.redact.web import MAX_BODY, Web

SECRETS = (
    "192.0.2.9", "203.0.113.7", "aB3d", "example.com", "juliet", "asd88fgpdd777uzjYhagZg", "bob",
    "el0747fg11", "0747",
)  # fmt: skip
JSON = json.dumps({"type": "offer", "sdp": SDP, "from": "juliet@example.com"}).encode()
BARE = json.dumps(
    {
        "candidate": "candidate:1 1 UDP 2130706431 192.0.2.9 50000 typ host",
        "usernameFragment": "aB3d",
    }
).encode()


def post(body: bytes, kind: str = "application/sdp", *fields: str) -> bytes:
    lines = ("POST /whip/juliet HTTP/1.1", "Host: example.com:8080", f"Content-Type: {kind}")
    lines += (f"Content-Length: {len(body)}", "Cookie: id=juliet", *fields)
    return "\r\n".join((*lines, "", "")).encode() + body


def chunked(body: bytes) -> bytes:
    halves = body[:100], body[100:]
    chunks = b"".join(b"%x;note\r\n%s\r\n" % (len(half), half) for half in halves)
    head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + chunks + b"0\r\nTrailer: juliet\r\n\r\n"


def deflated(*messages: bytes) -> bytes:
    """Frames of messages that look back on each other."""
    packer = zlib.compressobj(wbits=-15)
    made = b""
    for message in messages:
        data = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        made += bytes((0xC1, 126)) + len(data).to_bytes(2, "big") + data
    return made


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 juliet\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n"
HEAD_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\n"
SDP_ANSWER = (
    "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n{SDP}"
).encode()

STREAMS: dict[str, tuple[bytes, ...]] = {
    "SIP": (INVITE, RINGING),
    "SIP, two messages": (INVITE + b"\r\n\r\n" + INVITE.replace(b"50000", b"50002"), RINGING),
    "HTTP": (post(SDP.encode()), ANSWER),
    "HTTP, gzip": (
        post(gzip.compress(SDP.encode()), "application/sdp", "Content-Encoding: gzip"),
        ANSWER,
    ),
    "HTTP, chunked": (chunked(SDP.encode()) + post(JSON, "application/json"), ANSWER + ANSWER),
    "HTTP through a proxy": (
        b"CONNECT 192.0.2.9:80 HTTP/1.1\r\nHost: 192.0.2.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        post(SDP.encode()),
        ANSWER,
    ),
    "WebSocket": (UPGRADE, SWITCH, b"\x81\xfe" + len(JSON).to_bytes(2, "big") + bytes(4) + JSON),
    "WebSocket, a line and its fragment": (UPGRADE, SWITCH, bytes((0x81, len(BARE))) + BARE),
    "WebSocket, compressed": (UPGRADE, SWITCH, deflated(JSON, JSON, JSON)),
    "WebSocket, compressed one by one": (
        UPGRADE,
        SWITCH.replace(b"server_no", b"client_no"),
        deflated(JSON) + deflated(JSON),
    ),
    "WebSocket, in fragments": (
        UPGRADE,
        SWITCH,
        b"\x01\x7e" + (200).to_bytes(2, "big") + JSON[:200] + b"\x89\0"
        + b"\x80\x7e" + (len(JSON) - 200).to_bytes(2, "big") + JSON[200:],
    ),
}  # fmt: skip


def same(before: Path, tmp_path: Path) -> bytes:
    """Redact a recording, hold both reports equal but for names; gives what was written."""
    after = tmp_path / "after.pcapng"
    redact_capture(before, after, KEY)
    one, other = (pcapleak.analyze(file).document for file in (before, after))
    assert facts(other, None, "") == facts(one, Renamer(KEY), "")
    assert [f.services for f in other.flows] == [f.services for f in one.flows]
    assert len(other.malformed) == len(one.malformed)
    return after.read_bytes()


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [0, 1000, 61])
def test_signalling_over_tcp_keeps_its_candidates_and_nobodys_name(
    name: str, size: int, tmp_path: Path
) -> None:
    """However the stream was cut into segments."""
    recording = Recording()
    turns = STREAMS[name]
    pieces: list[bytes] = []
    for turn in turns:
        parts = [turn[at : at + size] for at in range(0, len(turn), size)] if size else [turn]
        for number, part in enumerate(parts or [b""]):
            pieces += [b"", part] if number else [part]
    recording.tcp(0, ETH0, CLIENT, 40000, WEB, 8080, *pieces)
    written = same(recording.write(tmp_path / "before.pcapng"), tmp_path)
    assert not [word for word in SECRETS if word.encode() in written]
    document = pcapleak.analyze(tmp_path / "before.pcapng").document
    assert document.ice_sessions, "the recording shows no candidates"


@pytest.mark.parametrize("name", [name for name in STREAMS if "WebSocket" not in name])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_recording_with_a_gap_gives_the_same(name: str, lost: int, tmp_path: Path) -> None:
    """One segment of the client's is missing; what began it follows once more, much later."""
    recording = Recording()
    said = b"".join(STREAMS[name][::2])
    segments = [said[at : at + 300] for at in range(0, len(said), 300)]
    segments.append(STREAMS[name][0] if len(STREAMS[name]) < 3 else STREAMS[name][-1])
    recording.tcp(
        0, ETH0, CLIENT, 40000, WEB, 8080, *(part for one in segments for part in (one, b""))
    )
    ns, interface, last = recording.packets[-2]
    recording.packets[-2] = ns + 5_000_000_000, interface, last
    del recording.packets[2 + 2 * min(lost, len(segments) - 2)]
    written = same(recording.write(tmp_path / "before.pcapng"), tmp_path)
    assert not [word for word in SECRETS if word.encode() in written]


@pytest.mark.parametrize("message", [INVITE, INVITE.replace(b"l: ", b"l: 9")])
def test_sip_over_udp(message: bytes, tmp_path: Path) -> None:
    recording = Recording()
    recording.exchange(0, ETH0, CLIENT, 5060, WEB, 5060, message, RINGING)
    written = same(recording.write(tmp_path / "before.pcapng"), tmp_path)
    assert not [word for word in SECRETS if word.encode() in written]


def fragments(packet: bytes, size: int) -> list[bytes]:
    """An IPv4 packet in fragments with `size` bytes each, a multiple of 8."""
    body = packet[20:]
    made = []
    for at in range(0, len(body), size):
        more = 0x2000 if at + size < len(body) else 0
        part = body[at : at + size]
        head = packet[:2] + (20 + len(part)).to_bytes(2, "big") + b"\x12\x34"
        head += (at // 8 | more).to_bytes(2, "big") + packet[8:10] + b"\0\0" + packet[12:20]
        made.append(head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + part)
    return made


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2)])
def test_sip_in_fragments(order: tuple[int, ...], tmp_path: Path, tshark: str) -> None:
    """A datagram too long for one packet, however its fragments came, twice by the same number;
    without one of them it is nobody's."""
    whole = udp_packet(CLIENT, 5060, WEB, 5060, INVITE)
    parts = fragments(whole, 120)
    assert len(parts) == 3
    recording = Recording()
    for again in range(2):
        for at, number in enumerate(order):
            recording.ip(100 * again + at, ETH0, parts[number])
    written = same(recording.write(tmp_path / "before.pcapng"), tmp_path)
    assert not [word for word in SECRETS if word.encode() in written]
    document = pcapleak.analyze(tmp_path / "after.pcapng").document
    assert bool(document.ice_sessions) == (len(order) == 3)
    command = [tshark, "-n", "-r", str(tmp_path / "after.pcapng")]
    command += ["-T", "fields", "-e", "sip.Method"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("INVITE") == (2 if len(order) == 3 else 0)


def test_sip_keeps_its_shape() -> None:
    renamer = Renamer(KEY)
    message = INVITE.replace(
        b"Content-Type",
        b"From: \"Juliet\" <sip:juliet@192.0.2.9>;tag=88\r\nCall-ID: 77@192.0.2.9\r\nCSeq: 1 INVITE"
        b"\r\nUser-Agent: Phone 1.2.3 00:11:22:33:44:55 juliet@example.com at 192.0.2.9 x/1.2.3.4"
        b"\r\nX-Juliet: hello\r\nContent-Type",
        1,
    )  # fmt: skip
    draft = redact_sip(renamer, message)
    assert draft is not None
    made = decode_sip(bytes(draft.out))
    address = str(renamer.host("192.0.2.9"))
    assert made.method == "INVITE"
    assert made.header("content-length") == str(len(made.body))
    assert made.header("via") == f"SIP/2.0/UDP {address}:0000"
    assert made.header("from") == f'"Xxxxxx" <xxx:xxxxxx@{address}>;xxx=00'
    assert made.header("user-agent") == (
        f"Phone 1.2.3 00:00:00:00:00:00 xxxxxx@xxxxxxx.xxx at {address} x/1.2.3.4"
    )
    assert made.header("x-juliet") is None
    assert len(list(find_candidates(made.body.decode()))) == 2
    for word in ("juliet", "=88", "77@", "192.0.2.9", "203.0.113.7", "aB3d"):
        assert word not in bytes(draft.out).decode().lower()


@pytest.mark.parametrize("old", [False, True])
def test_a_foundation_proves_the_renamed_address_as_it_did_the_old(
    old: bool, tmp_path: Path
) -> None:
    """An address behind a name that only its foundation gives away: PL304."""
    tie_breaker = 0x0123_4567_89AB_CDEF
    attributes = b"\0\6\0\x09abcd:aB3d\0\0\0\x80\x2a\0\x08" + tie_breaker.to_bytes(8, "big")
    check = b"\0\1\0\x1c\x21\x12\xa4\x42" + b"t" * 12 + attributes
    foundation = libwebrtc_foundation(
        "local" if old else "host", "192.168.50.77", "udp", "", tie_breaker
    )
    name = "8773f5da-c35a-4929-bed5-66dca721fda2.local"
    line = f"a=candidate:{foundation} 1 udp 2113937151 {name} 50000 typ host ufrag aB3d\r\n"
    said = f"INVITE sip:b@x SIP/2.0\r\nContent-Length: {len(line)}\r\n\r\n{line}".encode()
    recording = Recording()
    recording.tcp(0, ETH0, CLIENT, 40000, WEB, 5060, said)
    recording.udp(50, ETH0, CLIENT, 50000, STUN, 3478, check)
    before = recording.write(tmp_path / "before.pcapng")
    same(before, tmp_path)
    assert of(pcapleak.analyze(before).document, "PL304")
    (finding,) = of(pcapleak.analyze(tmp_path / "after.pcapng").document, "PL304")
    assert str(Renamer(KEY).host("192.168.50.77")) in finding.message
    assert foundation not in finding.message


def test_a_lines_unknown_words_are_covered() -> None:
    line = b"candidate:1 1 udp 1 10.0.0.1 9 typ juliet generation 0 x-user juliet tcptype juliet"
    made = bytes(redact_text(Renamer(KEY), line).out)
    assert b"juliet" not in made
    assert b"x-user" not in made
    assert b"generation 0" in made


@pytest.mark.parametrize(
    "text", [b'"\\u0031\\u0039\\u0032.0.2.9"', b'"\\u00e9\\q"', b"{\x0a\x00\x00\x01}"]
)
def test_what_escapes_hide_is_covered(text: bytes) -> None:
    made = bytes(redact_text(Renamer(KEY), text).out)
    assert b"\\u003" not in made
    assert b"\\u00e9" not in made
    assert b"\x0a\0\0\1" not in made


def test_a_programs_name_keeps_its_version() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"
    assert redact_program(Renamer(KEY), agent) == agent


def test_the_answer_to_head_has_no_body() -> None:
    asked = HEAD + post(b"x")
    datagrams = Datagrams(Renamer(KEY))
    pieces = list(redact_dialogue(datagrams, HEAD_ANSWER + SDP_ANSWER, asked, (80, 1)))
    assert [size for size, _ in pieces] == [len(HEAD_ANSWER), len(SDP_ANSWER)]
    assert b"candidate:1 " in pieces[1][1].out


def test_chunks_of_negative_size_end() -> None:
    stream = chunked(b"")[: chunked(b"").index(b"\r\n\r\n") + 4] + b"-5\nxxxxxxxx" * 9
    pieces = list(redact_dialogue(Datagrams(Renamer(KEY)), stream, b"", (1, 80)))
    assert sum(size for size, _ in pieces) == len(stream)


def test_what_blows_up_is_blanked() -> None:
    """A message of a thousand times its size is neither kept nor written out in full."""
    bomb = deflated(bytes(8 * MAX_BODY))
    stream = UPGRADE + bomb
    pieces = list(redact_dialogue(Datagrams(Renamer(KEY)), stream, SWITCH, (1, 80)))
    assert sum(size for size, _ in pieces) == len(stream)
    assert sum(len(draft.out) for _, draft in pieces) < 2 * len(stream)
    web = Web(Renamer(KEY))
    web._left = 0
    (_, head), *rest = web.redact(UPGRADE + deflated(JSON), SWITCH, lambda *_: iter(()))
    assert head.out
    assert not rest


@pytest.mark.parametrize("carrier", ["udp", "tcp"])
def test_a_packet_never_grows_beyond_its_length_field(carrier: str, tmp_path: Path) -> None:
    """Short addresses become long ones: 60 kB would be 90."""
    body = b"1.1.1.1 " * 7500
    head = f"INVITE sip:b@x SIP/2.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    recording = Recording()
    if carrier == "udp":
        recording.udp(0, ETH0, CLIENT, 5060, WEB, 5060, head + body)
    else:
        recording.tcp(0, ETH0, CLIENT, 40000, WEB, 5060, head + body, b"", b"\r\n")
    redact_capture(recording.write(tmp_path / "in.pcapng"), tmp_path / "out.pcapng", KEY)
    with open_capture(tmp_path / "out.pcapng") as source:
        for batch in source:
            for start, size in zip(batch.offset, batch.captured_length, strict=True):
                packet = batch.data[start : start + size].tobytes()[14:]
                assert int.from_bytes(packet[2:4], "big") == len(packet)


CARRIERS = st.sampled_from([b"".join(turns) for turns in STREAMS.values()])


@given(CARRIERS, st.data())
def test_any_damage_is_redacted_without_failing(stream: bytes, data: st.DataObject) -> None:
    """Every byte of a damaged stream is accounted for, and its growth is small."""
    damaged = bytearray(stream)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not damaged:
            break
    pieces = list(redact_dialogue(Datagrams(Renamer(KEY)), bytes(damaged), SWITCH, (1, 80)))
    assert sum(size for size, _ in pieces) == len(damaged)
    assert sum(len(draft.out) for _, draft in pieces) < 3 * len(damaged) + 500
    redact_sip(Renamer(KEY), bytes(damaged))
