"""Datagrams cut by the snap length, and messages that ICMP errors quote."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from packet_bytes import batch_of, dissect, ipv4, udp
from stun_encoder import check

from pcapleak.capture import PcapngWriter, open_capture
from pcapleak.decode.datagrams import Datagrams
from pcapleak.decode.messages import ICMP_QUOTE, Event
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.tunnels.ike import IkeMessage
from pcapleak.decode.tunnels.wireguard import WireGuardMessage
from pcapleak.dissect import Dissector, recognise
from pcapleak.errors import DecodeError
from pcapleak.pipeline.analyzer import read_captures
from pcapleak.track.flows.table import FlowTable
from pcapleak.values.packets import Interface, Packets

RAW_IP = 101
CLIENT, SERVER, ROUTER = "192.0.2.1", "198.51.100.2", "192.0.2.254"
INITIATION = bytes([1, 0, 0, 0]) + struct.pack("<I", 7) + bytes(140)
IKE_INIT = b"i" * 8 + bytes(8) + bytes([33, 0x20, 34, 8]) + bytes(4) + struct.pack("!I", 228)
REQUEST = check()
QUOTED = ipv4(udp(REQUEST, 40000, 3478), 17, CLIENT, SERVER)
UNREACHABLE = ipv4(bytes([3, 3, 0, 0]) + bytes(4) + QUOTED, 1, ROUTER, CLIENT)


def messages(frame: bytes, captured: int) -> list[object]:
    batch = batch_of([frame[:captured]], RAW_IP, original=[len(frame)])
    packets = Dissector([Interface(0, 0, RAW_IP)]).dissect(batch)
    return [message for _, message in events(packets)]


def events(packets: Packets) -> list[Event]:
    flows = FlowTable()
    flow, forward = flows.update(packets)
    return Datagrams(flows).update(packets, flow, forward, recognise(packets)[1])


@pytest.mark.parametrize("captured", [28 + 64, 28 + 148])
def test_a_wireguard_handshake_that_the_snap_length_cut_is_one(captured: int) -> None:
    (message,) = messages(ipv4(udp(INITIATION, 5000, 51820), 17, CLIENT, SERVER), captured)
    assert isinstance(message, WireGuardMessage)
    assert (message.kind, message.sender_index) == ("initiation", 7)


def test_an_ike_exchange_that_the_snap_length_cut_is_one() -> None:
    frame = ipv4(udp(IKE_INIT + bytes(200), 500, 500), 17, CLIENT, SERVER)
    (message,) = messages(frame, 28 + 40)
    assert isinstance(message, IkeMessage)


def test_an_ike_message_shorter_than_it_says_is_malformed_where_nothing_was_cut() -> None:
    frame = ipv4(udp(IKE_INIT + bytes(100), 500, 500), 17, CLIENT, SERVER)
    (message,) = messages(frame, len(frame))
    assert isinstance(message, DecodeError)


def test_what_the_snap_length_cut_is_no_fault_of_the_sender() -> None:
    (message,) = messages(ipv4(udp(bytes(40), 40000, 53), 17, CLIENT, SERVER), 28 + 8)
    assert isinstance(message, DecodeError)
    assert message.reason == "8 bytes, a header has 12; the capture keeps 8 of 40 bytes"


def test_a_kept_error_keeps_no_packets_in_memory() -> None:
    """Neither its own frames nor those of an error before it, which hold whole batches."""
    unreadable = b"\0\0\0\x01" + b"no header"
    (message,) = messages(ipv4(udp(unreadable, 40000, 53), 17, CLIENT, SERVER), 28 + 8)
    assert isinstance(message, DecodeError)
    assert message.__traceback__ is None
    assert message.__context__ is None


def test_a_quoted_check_is_told_apart() -> None:
    """It has the endpoints it was sent between, and the error's as the outer ones."""
    ((context, message),) = events(dissect([UNREACHABLE], RAW_IP))
    assert isinstance(message, StunMessage)
    assert context.layers == (ICMP_QUOTE,)
    assert (str(context.source), str(context.destination)) == (f"{CLIENT}:40000", f"{SERVER}:3478")
    assert context.outer is not None
    assert [str(end.address) for end in context.outer] == [ROUTER, CLIENT]


def test_a_quoted_check_is_counted_and_believed_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "quote.pcapng"
    with PcapngWriter(path) as writer:
        writer.write_batch(batch_of([UNREACHABLE], RAW_IP), [Interface(0, 0, RAW_IP)])
    with open_capture(path) as source:
        document = read_captures([source], source).document()
    assert document.statistics.protocols[ICMP_QUOTE] == 1
    assert "stun" not in document.statistics.protocols
    assert document.ice_sessions == []
