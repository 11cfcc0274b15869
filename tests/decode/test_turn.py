"""ChannelData, what STUN messages carry, and telling protocols apart by their first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stun_encoder import attribute, check, classic, message, plain_address, xor_address

from pcapleak.decode.media.demux import demultiplex
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.stun.turn import decode_channel_data, nested_in
from pcapleak.errors import DecodeError

TXID = b"t" * 12
MS_START = b"\x00\x0f\x00\x04\x72\xc6\x4b\xc6"
DTLS = b"\x16\xfe\xfd" + bytes(8) + b"\0\4abcd"
RTP = b"\x80\x60" + bytes(10) + b"media"


def test_channel_data() -> None:
    got = decode_channel_data(b"\x40\x01\0\5hello")
    assert (got.channel, got.data, got.problems) == (0x4001, b"hello", ())


def test_channel_data_may_be_empty_and_padded() -> None:
    assert decode_channel_data(b"\x40\0\0\0").data == b""
    assert decode_channel_data(b"\x40\0\0\5hello\0\0\0").problems == ()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x50\0\0\0", "channel 0x5000 is beyond RFC 8656's 0x4FFF"),
        (b"\x40\0\0\5abc", "cut short: 3 of 5 bytes"),
        (b"\x40\0\0\1abc", "2 bytes after the data"),
    ],
)
def test_channel_data_problems(data: bytes, problem: str) -> None:
    assert decode_channel_data(data).problems == (problem,)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x40\0\0", "turn header at byte 0: 3 bytes, a ChannelData header takes 4"),
        (b"\x00\x01\0\0", "turn header at byte 0: 0x0001 is not a channel number"),
        (b"\x80\x01\0\0", "turn header at byte 0: 0x8001 is not a channel number"),
    ],
)
def test_channel_data_rejections(data: bytes, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_channel_data(data)
    assert str(caught.value) == text


@given(st.binary(max_size=64))
def test_any_bytes_give_channel_data_or_the_one_error(data: bytes) -> None:
    try:
        got = decode_channel_data(data)
    except DecodeError:
        assert len(data) < 4 or data[0] >> 6 != 1
    else:
        assert data[4:].startswith(got.data)


def test_send_indication_carries_a_check_to_the_peer() -> None:
    inner = check()
    body = attribute(0x0012, xor_address("192.0.2.9", 4000, TXID)) + attribute(0x0013, inner)
    got = nested_in(decode_stun(message(0x0016, body)))
    assert (got.carrier, got.data, got.to_peer) == ("turn-data", inner, True)
    assert str(got.peer) == "192.0.2.9:4000"
    assert got.guess.protocol == "stun"


def test_data_indication_carries_from_the_peer() -> None:
    body = attribute(0x0013, DTLS) + attribute(0x0012, xor_address("192.0.2.9", 4000, TXID))
    got = nested_in(decode_stun(message(0x0017, body)))
    assert (got.guess.protocol, got.to_peer) == ("dtls", False)


def test_ms_turn_send_request_carries_to_its_destination() -> None:
    body = MS_START + attribute(0x0011, plain_address("192.0.2.8", 16332))
    got = nested_in(decode_stun(message(0x0004, body + attribute(0x0013, RTP))))
    assert (str(got.peer), got.to_peer, got.guess.protocol) == ("192.0.2.8:16332", True, "rtp")


def test_dtls_inside_a_check() -> None:
    got = nested_in(decode_stun(check(extra=attribute(0xC070, DTLS))))
    assert (got.carrier, got.data, got.peer) == ("dtls-in-stun", DTLS, None)


def test_a_plain_check_carries_nothing() -> None:
    assert nested_in(decode_stun(check())) is None


@pytest.mark.parametrize(
    ("data", "turn", "protocol", "confidence"),
    [
        (b"", False, "unknown", "certain"),
        (check(), False, "stun", "certain"),
        (message(0x0001) + b"x", False, "stun", "high"),
        (classic(0x0001), False, "stun", "medium"),
        (b"\1\0\0\0" + bytes(144), False, "unknown", "medium"),  # WireGuard
        (message(0x0800), False, "stun", "high"),  # WhatsApp's methods
        (b"\x10\0\0\0ZRTP", False, "zrtp", "certain"),
        (b"\x10\0\0\0zrtp", False, "zrtp", "low"),
        (DTLS, False, "dtls", "certain"),
        (DTLS[:-1], False, "dtls", "medium"),
        (b"\x16\x03\x03" + bytes(20), False, "unknown", "medium"),
        (b"\x1f\xfe\xfd" + bytes(20), False, "unknown", "medium"),
        (b"\x2f" + bytes(20), False, "dtls", "low"),
        (b"\x40\0\0\2ab", False, "channel-data", "medium"),
        (b"\x40\0\0\2ab", True, "channel-data", "high"),
        (b"\x40\0\0\2abcdef", True, "channel-data", "low"),
        (b"\x40\0\0\2abcdef", False, "quic", "low"),
        (b"\x60" + bytes(20), False, "quic", "low"),
        (RTP, False, "rtp", "medium"),
        (b"\x8f\x60" + bytes(10), False, "unknown", "medium"),
        (b"\x80\xc8\0\1" + bytes(4), False, "rtcp", "high"),
        (b"\x80\xc8\0\6" + bytes(4), False, "rtcp", "medium"),
        (b"\xc3\0\0\0\1" + bytes(20), False, "quic", "high"),
        (b"\xc3\1\2\3\4" + bytes(20), False, "quic", "low"),
    ],
)
def test_first_byte_demultiplexing(data: bytes, turn: bool, protocol: str, confidence: str) -> None:
    guess = demultiplex(data, turn=turn)
    assert (guess.protocol, guess.confidence) == (protocol, confidence)


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_get_a_guess(data: bytes, turn: bool) -> None:
    assert demultiplex(data, turn=turn).reason
