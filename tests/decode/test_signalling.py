"""Candidates that SIP carries in clear."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders import CLIENT, ETH0, WEB, Recording, judged, of
from hypothesis import given
from hypothesis import strategies as st
from message_bytes import INVITE, LINES, RINGING, SDP
from stream_support import Talk, read

from pcapleak.decode.web.sip import SipMessage, decode_sip, looks_like_sip
from pcapleak.errors import DecodeError
from pcapleak.explain.messages import decode_capture
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Candidate, Document
from pcapleak.values.packets import Service


def candidates(document: Document) -> list[Candidate]:
    return [one for session in document.ice_sessions for one in session.candidates]


def test_sip_over_udp_gives_a_session_of_its_own(tmp_path: Path) -> None:
    recording = Recording()
    recording.exchange(0, ETH0, CLIENT, 5060, WEB, 5060, INVITE, RINGING)
    document = judged(recording, Policy(), tmp_path)
    assert [one.line for one in candidates(document)] == list(LINES)
    assert [one.reasons[-1] for one in candidates(document)] == [
        "signalled over sip in frame 1"
    ] * 2
    assert document.ice_sessions[0].username_fragments == ["aB3d"]
    assert document.ice_sessions[0].client_addresses == [CLIENT]
    assert document.flows[0].services == ["sip"]


@pytest.mark.parametrize("cuts", [(), (40,), (1, 400)])
def test_sip_over_tcp_follows_its_lengths(cuts: tuple[int, ...]) -> None:
    talk = Talk().open()
    stream = INVITE + b"\r\n\r\n" + INVITE
    for start, end in zip((0, *cuts), (*cuts, len(stream)), strict=True):
        talk.say(0, stream[start:end])
    reading = read(talk.say(1, RINGING))
    assert reading.kinds == ["SipMessage"] * 3
    assert isinstance(reading.messages[0], SipMessage)
    assert reading.messages[0].body == SDP.encode()
    assert reading.services & Service.SIP


def test_a_body_beyond_all_measure_ends_no_run() -> None:
    huge = INVITE.replace(f"l: {len(SDP)}".encode(), b"l: 99999999")
    reading = read(Talk().open().say(0, huge).say(0, INVITE))
    assert reading.kinds == ["DecodeError", "SipMessage"]


def test_a_line_read_twice_in_one_message_counts_once(tmp_path: Path) -> None:
    recording = Recording()
    twice = SDP + SDP
    invite = INVITE.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + twice.encode()
    recording.exchange(0, ETH0, CLIENT, 5060, WEB, 5060, invite)
    document = judged(recording, Policy(), tmp_path)
    assert [one.frame_count for one in candidates(document)] == [1, 1]


def test_a_raw_host_address_in_clear_signalling_is_told(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    private = INVITE.replace(b"192.0.2.9 50000 typ", b"10.1.2.3 50000 typ")
    recording.exchange(100, ETH0, CLIENT, 5060, WEB, 5060, private)
    document = judged(recording, Policy.from_options(client=[CLIENT]), tmp_path)
    assert of(document, "PL107")


@pytest.mark.parametrize(
    "name", ["ndpi__sip.pcap", "wireshark__sip.pcapng", "wireshark__sip-rtp.pcapng"]
)
def test_sip_messages_are_those_that_tshark_sees(name: str, corpus: Path, tshark: str) -> None:
    path = corpus / "public" / name
    fields = ("frame.number", "sip.Method", "sip.Status-Code")
    command = [tshark, "-n", "-r", str(path), "-Y", "sip.Request-Line || sip.Status-Line"]
    command += ["-T", "fields", *(part for field in fields for part in ("-e", field))]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    want = [tuple(line.split("\t")) for line in told.splitlines()]
    assert want
    got = [
        (str(one.frame), one.fields["method"] or "", str(one.fields["status"] or ""))
        for one in decode_capture(path, frozenset({"sip"}))
    ]
    assert got == want


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda data: INVITE[:60] + data))
def test_any_datagram_is_sip_or_a_decode_error(data: bytes) -> None:
    try:
        message = decode_sip(data)
    except DecodeError as error:
        assert error.protocol == "sip"
    else:
        assert (message.method is None) != (message.status is None)
        assert looks_like_sip(data) or message.method not in ("INVITE", "REGISTER")
