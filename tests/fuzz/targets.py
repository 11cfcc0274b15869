"""What is fuzzed: a function from bytes to nothing for each target.

Whatever the bytes, a value or the one decode error comes out; anything else that is raised is a
crash. Nothing here needs atheris, so that tests replay what it found.
"""

from __future__ import annotations

import contextlib
import copy
import json
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from stream_support import Talk, read

import pcapleak
from pcapleak.capture import open_capture
from pcapleak.decode.dns.message import decode_dns
from pcapleak.decode.ice.candidate import find_candidates, format_candidate, parse_candidate
from pcapleak.decode.ice.page import read_page
from pcapleak.decode.ice.reading import MARK, VERSION, parse_reading
from pcapleak.decode.lan.dhcp import decode_dhcp
from pcapleak.decode.lan.ndp import decode_router_advertisement
from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.media.dtls import decode_dtls
from pcapleak.decode.media.rtp import decode_rtp
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.stun.turn import decode_channel_data, nested_in
from pcapleak.decode.tunnels.ike import decode_ike
from pcapleak.decode.tunnels.openvpn import decode_openvpn
from pcapleak.decode.tunnels.socks import decode_socks_udp, parse_login, parse_reply, parse_request
from pcapleak.decode.tunnels.wireguard import decode_wireguard
from pcapleak.decode.web.http import parse_head
from pcapleak.decode.web.quic import decode_quic
from pcapleak.decode.web.sip import decode_sip
from pcapleak.decode.web.tls import decode_client_hello, parse_hello_records
from pcapleak.decode.web.websocket import parse_frame_header
from pcapleak.dissect.icmp import decode_icmp_quote
from pcapleak.errors import CaptureError, DecodeError, PcapleakError
from pcapleak.explain.candidate import explain_candidate
from pcapleak.explain.text import message_fields, summarise
from pcapleak.redact import Renamer, redact_capture
from pcapleak.redact.cipher import PrefixCipher
from pcapleak.redact.dns import redact_dns
from pcapleak.redact.text import redact_text
from pcapleak.report.writers.html import to_html
from pcapleak.report.writers.json import to_json

Target = Callable[[bytes], None]

KEY = bytes(32)
VIEWS = [name for name, view in vars(StunMessage).items() if isinstance(view, property)]
MEMORY = Path("/dev/shm")
SCRATCH = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())

RENAMER = Renamer(KEY)
CIPHERS = {id(part): part for part in vars(RENAMER).values() if isinstance(part, PrefixCipher)}


def renamer() -> Renamer:
    """One that has seen nothing; ciphers, which are slow to make, are shared."""
    return copy.deepcopy(RENAMER, dict(CIPHERS))


class Choices:
    """Numbers and pieces taken off the front of an input; zeros where it has ended."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return max(len(self._data) - self._at, 0)

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size).ljust(size, b"\0"), "big")

    def below(self, limit: int) -> int:
        return self.number(1 if limit <= 256 else 2) % limit

    def bytes(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def some(self, limit: int) -> bytes:
        return self.bytes(self.below(limit))


def decoder(*decoders: Callable[[bytes], object]) -> Target:
    """A target that decodes and puts what came out into words."""

    def target(data: bytes) -> None:
        for decode in decoders:
            with contextlib.suppress(DecodeError):
                decode(data)

    return target


def stun(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        message = decode_stun(data)
        for name in VIEWS:
            getattr(message, name)
        nested_in(message)
        summarise(message)
        message_fields(message)
    demultiplex(data)


def channel_data(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        summarise(decode_channel_data(data))


def candidate(data: bytes) -> None:
    text = data.decode("latin-1")
    list(find_candidates(text))
    with contextlib.suppress(DecodeError):
        line = parse_candidate(text)
        assert parse_candidate(format_candidate(line)) == line
        explain_candidate(text)


def stun_shaped(data: bytes) -> None:
    """A sound header, attributes with sound lengths mostly, of known types mostly."""
    choices = Choices(data)
    kinds = (0x0001, 0x0101, 0x0111, 0x0011, 0x0003, 0x0103, 0x0016, 0x0017, 0x0008, 0x0009)
    types = (1, 6, 8, 9, 12, 18, 19, 20, 21, 22, 32, 36, 37, 0x8022, 0x8028, 0x8029, 0x802A,
             0x802B, 0xC001, 0xC057, 0x8001, 0x8004, 0xC070)  # fmt: skip
    kind = kinds[choices.below(len(kinds))]
    body = b""
    while choices.left and len(body) < 2000:
        type_ = types[choices.below(len(types))] if choices.below(8) else choices.number(2)
        value = choices.some(48)
        if choices.below(4):
            value = value.ljust((4, 8, 20)[choices.below(3)], b"\1")
        size = choices.number(2) if choices.below(16) == 1 else len(value)
        body += struct.pack("!HH", type_, size) + value + bytes(-len(value) % 4)
    size = choices.number(2) if choices.below(16) == 1 else len(body)
    message = struct.pack("!HH", kind, size & 0xFFFF) + b"\x21\x12\xa4\x42" + bytes(12) + body
    stun(message)
    redact_stun_message(message)


def redact_stun_message(message: bytes) -> None:
    """Redaction keeps a message's shape."""
    from pcapleak.redact.datagrams import Datagrams

    made = bytes(Datagrams(renamer()).redact(message).out)
    assert len(made) == len(message)
    try:
        before = decode_stun(message)
    except DecodeError:
        return
    after = decode_stun(made)
    assert [a.type for a in after.attributes] == [a.type for a in before.attributes]
    assert after.fingerprint == before.fingerprint


def dns(data: bytes) -> None:
    for protocol in ("dns", "mdns"):
        # A sound header in front lets random bytes get to the names and records.
        for wire in (data, b"\0\1\x84\0\0\1\0\2\0\1\0\1" + data):
            with contextlib.suppress(DecodeError):
                message = decode_dns(wire, protocol)  # type: ignore[arg-type]
                records = message.answers + message.authorities + message.additionals
                assert 5 * len(message.questions) + 11 * len(records) <= len(wire)
                _ = message.client_subnet, message.goodbyes


def mdns_shaped(data: bytes) -> None:
    """Names with sound labels and pointers, records with sound lengths mostly."""
    choices = Choices(data)
    wire = bytearray(struct.pack("!6H", 0, choices.number(2), *(choices.below(5) for _ in "4444")))
    places = [12]

    def name() -> bytes:
        made = b""
        for _ in range(choices.below(4)):
            places.append(len(wire) + len(made))
            label = choices.some(20) or b"a"
            made += bytes((len(label),)) + label
        if choices.below(2):
            return made + (0xC000 | places[choices.below(len(places))]).to_bytes(2, "big")
        return made + b"\5local\0"

    while choices.left and len(wire) < 2000:
        wire += name()
        kind = (1, 28, 12, 33, 47, 16, 41, 5, 6, 65)[choices.below(10)]
        wire += struct.pack("!HHI", kind, choices.number(2), choices.number(4))
        content = (choices.some(24), b"\0\0\0\0\0\0" + name(), name())[choices.below(3)]
        size = choices.number(2) if choices.below(16) == 1 else len(content)
        wire += struct.pack("!H", size & 0xFFFF) + content
    message = bytes(wire)
    dns(message)
    renamed = redact_dns(renamer(), message)
    if renamed is not None:
        before, after = decode_dns(message, "mdns"), decode_dns(bytes(renamed.out), "mdns")
        assert len(before.answers) == len(after.answers)
        assert not after.problems or before.problems


OPENINGS = (
    b"",
    b"\0\3\0\0\x21\x12\xa4\x42" + bytes(12),
    b"\x05\x01\x00",
    b"\x05\x01\x00\x01\xcb\x00\x71\x09\x01\xbb",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0",
    b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c",
)


def talk_of(data: bytes) -> Talk:
    """The segments that an input means: lost, repeated, cut and out of order ones among them."""
    choices = Choices(data)
    talk = Talk(dport=(53, 443, 9999)[choices.below(3)])
    if choices.below(2):
        talk.open()
    while choices.left and len(talk.frames) < 60:
        way = choices.below(2)
        shift = (0, 0, 0, 0, -7, 9, 2000)[choices.below(7)]
        payload = OPENINGS[choices.below(len(OPENINGS))] + choices.some(200)
        captured = (-1, -1, -1, 10)[choices.below(4)]
        if payload:
            seq = None if not shift else (talk.seqs[way] + shift) & 0xFFFF_FFFF
            talk.add(way, payload, seq, captured=min(captured, len(payload)))
            talk.now += (0, 0, 3_000_000_000)[choices.below(3)]
    return talk


def streams(data: bytes) -> None:
    """Events must not depend on how segments are cut into batches."""
    talk = talk_of(data)
    if talk.frames:
        whole, single = read(talk), read(talk, sizes=[1] * (len(talk.frames) - 1))
        assert repr(whole.events) == repr(single.events)
        assert whole.services == single.services


def text(data: bytes) -> None:
    redact_text(renamer(), data)
    page = data.decode("utf-8", "replace")
    read_page(page)


def reading(data: bytes) -> None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        document[MARK] = VERSION
    with contextlib.suppress(DecodeError):
        parse_reading(document)


def in_file(use: Callable[[Path], None], head: bytes = b"") -> Target:
    def target(data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=SCRATCH, suffix=".pcap") as file:
            file.write(head + data)
            file.flush()
            with contextlib.suppress(CaptureError):
                use(Path(file.name))

    return target


def read_container(path: Path) -> None:
    with open_capture(path) as capture:
        for batch in capture:
            end = batch.offset + batch.captured_length
            assert (end <= len(batch.data)).all()
            assert (batch.captured_length >= 0).all()


def pipeline(data: bytes) -> None:
    """Frames of any link type from the file to every page of the report."""
    choices = Choices(data)
    link_type = (1, 101, 113, 276, 0, 105, 12, choices.number(1))[choices.below(8)]
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type)
    records = b""
    for second in range(40):
        if not choices.left:
            break
        frame = choices.some(300)
        if choices.below(4):
            frame = ETHERNET[: choices.below(len(ETHERNET))] + frame
        records += struct.pack("<IIII", second, 0, len(frame), len(frame)) + frame
    in_file(report_on)(head + records)


ETHERNET = bytes.fromhex(
    "ffffffffffff02000000000108004500005c000040004011000cc0a80105cb0071071388"
    "0d960048000000010008002112a442"
)
"""The beginning of a STUN request; pipelines cut it anywhere."""


def report_on(path: Path) -> None:
    report = pcapleak.analyze(path)
    to_json(report.document)
    to_html(report.document)


def redact_file(path: Path) -> None:
    """What redaction wrote is readable and has as many packets."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        out = Path(folder) / "out.pcapng"
        with contextlib.suppress(PcapleakError):
            done = redact_capture(path, out, KEY)
            with open_capture(out) as written:
                assert sum(len(batch) for batch in written) == done.packets


def redacted(data: bytes) -> None:
    """The packets of a conversation, redacted."""
    talk = talk_of(data)
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)
    records = [
        struct.pack("<IIII", 1, 0, len(frame), original) + frame
        for frame, original in zip(talk.frames, talk.originals, strict=True)
    ]
    in_file(redact_file)(head + b"".join(records))


PCAPNG = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)

TARGETS: dict[str, Target] = {
    "stun": stun,
    "stun-shaped": stun_shaped,
    "channel-data": channel_data,
    "candidate": candidate,
    "dns": dns,
    "mdns-shaped": mdns_shaped,
    "dhcp": decoder(decode_dhcp),
    "dtls": decoder(decode_dtls),
    "http": decoder(parse_head),
    "websocket": decoder(parse_frame_header),
    "ike": decoder(decode_ike),
    "ndp": decoder(decode_router_advertisement),
    "openvpn": decoder(decode_openvpn),
    "quic": decoder(decode_quic),
    "rtp": decoder(decode_rtp),
    "sip": decoder(decode_sip),
    "socks": decoder(decode_socks_udp, parse_request, parse_login, lambda d: parse_reply(d, 5)),
    "tls": decoder(parse_hello_records, decode_client_hello),
    "wireguard": decoder(decode_wireguard),
    "icmp-quote": decoder(decode_icmp_quote),
    "text": text,
    "reading": reading,
    "pcap": in_file(read_container, b"\xd4\xc3\xb2\xa1"),
    "pcapng": in_file(read_container, PCAPNG),
    "container": in_file(read_container),
    "streams": streams,
    "pipeline": pipeline,
    "redact": redacted,
    "redact-file": in_file(redact_file),
}
