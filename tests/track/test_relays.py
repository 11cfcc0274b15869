"""What TURN carries, unpacked with the endpoints it runs between."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from stun_encoder import attribute, check, message, xor_address

from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.stun.turn import decode_channel_data
from pcapleak.track import relays
from pcapleak.track.relays import RelayTable
from pcapleak.values.packets import Context, Endpoint

TXID = b"t" * 12
CLIENT = Endpoint(ip_address("192.0.2.1"), 40000)
SERVER = Endpoint(ip_address("198.51.100.1"), 3478)
RELAYED = Endpoint(ip_address("198.51.100.1"), 50000)
PEER = Endpoint(ip_address("203.0.113.9"), 6000)
RTP = b"\x80\x60" + bytes(12)

ALLOCATED = decode_stun(
    message(
        0x0103,
        attribute(0x0016, xor_address("198.51.100.1", 50000, TXID))
        + attribute(0x0020, xor_address("203.0.113.7", 40000, TXID)),
    )
)
BIND = attribute(0x000C, b"\x40\1\0\0") + attribute(0x0012, xor_address("203.0.113.9", 6000, TXID))


def up(flow: int = 0) -> Context:
    return Context(1, 0, 0, 0, "udp", CLIENT, SERVER, flow, True)


def down(flow: int = 0) -> Context:
    return Context(1, 0, 0, 0, "udp", SERVER, CLIENT, flow, False)


def learn(table: RelayTable, context: Context, taught: StunMessage) -> None:
    assert list(table.unpack(context, taught)) == []


def indication(type_: int, data: bytes) -> StunMessage:
    peer = attribute(0x0012, xor_address("203.0.113.9", 6000, TXID))
    return decode_stun(message(type_, peer + attribute(0x0013, data)))


def test_inner_endpoints_of_both_ways() -> None:
    table = RelayTable()
    learn(table, down(), ALLOCATED)
    ((sent, inner),) = table.unpack(up(), indication(0x0016, check()))
    assert (sent.source, sent.destination) == (RELAYED, PEER)
    assert (sent.outer, sent.layers) == ((CLIENT, SERVER), ("turn",))
    assert isinstance(inner, StunMessage)
    assert inner.username == "Recv:Send"
    ((came, media),) = table.unpack(down(), indication(0x0017, RTP))
    assert (came.source, came.destination, media) == (PEER, RELAYED, RTP)


def test_without_the_allocation_the_server_stands_for_the_relay() -> None:
    ((sent, _),) = RelayTable().unpack(up(), indication(0x0016, RTP))
    assert sent.source == Endpoint(SERVER.address, 0)


def test_channels_carry_once_bound() -> None:
    table = RelayTable()
    data = decode_channel_data(b"\x40\1" + len(check()).to_bytes(2, "big") + check())
    assert not table.carries(up(), data)
    assert list(table.unpack(up(), data)) == []
    learn(table, down(), ALLOCATED)
    learn(table, up(), decode_stun(message(0x0009, BIND)))
    assert table.carries(up(), data)
    ((sent, _),) = table.unpack(up(), data)
    assert (sent.source, sent.destination) == (RELAYED, PEER)
    ((came, _),) = table.unpack(down(), data)
    assert (came.source, came.destination) == (PEER, RELAYED)
    assert not table.carries(up(flow=1), data), "another flow's channel"


def test_who_bound_a_channel_is_the_client_though_the_server_was_recorded_first() -> None:
    table = RelayTable()
    late_up, late_down = up()._replace(forward=False), down()._replace(forward=True)
    learn(table, late_up, decode_stun(message(0x0009, BIND)))
    data = decode_channel_data(b"\x40\1\0\x0e" + RTP)
    ((sent, _),) = table.unpack(late_up, data)
    ((came, _),) = table.unpack(late_down, data)
    assert (sent.destination, came.source) == (PEER, PEER)


def test_a_refused_bind_is_taken_back() -> None:
    table = RelayTable()
    learn(table, up(), decode_stun(message(0x0009, BIND)))
    learn(table, down(), decode_stun(message(0x0119, attribute(0x0009, b"\0\0\4\0"))))
    assert not table.carries(up(), decode_channel_data(b"\x40\1\0\0"))


def test_dtls_inside_a_check_keeps_its_endpoints() -> None:
    carrier = decode_stun(check(extra=attribute(0xC070, b"\x16\xfe\xfd" + bytes(20))))
    ((context, data),) = RelayTable().unpack(up(), carrier)
    assert (context.source, context.layers) == (CLIENT, ("dtls-in-stun",))
    assert data == b"\x16\xfe\xfd" + bytes(20)


def test_nesting_ends() -> None:
    """A Send indication inside itself, again and again: only the outer three are opened."""
    data = check()
    for _ in range(10):
        data = indication(0x0016, data).wire
    found = list(RelayTable().unpack(up(), decode_stun(data)))
    assert [context.layers for context, _ in found] == [("turn",) * depth for depth in (1, 2, 3)]
    assert all(context.outer == (CLIENT, SERVER) for context, _ in found)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "MAX_ALLOCATIONS", 2)
    monkeypatch.setattr(relays, "MAX_CHANNELS", 2)
    table = RelayTable()
    for flow in range(4):
        learn(table, down(flow), ALLOCATED)
    assert (len(table.allocations), table.dropped) == (2, 2)
    for number in range(5):
        bound = attribute(0x000C, bytes([0x40, number, 0, 0])) + BIND[8:]
        learn(table, up(3), decode_stun(message(0x0009, bound, bytes([number]) * 12)))
    assert len(table.allocations[3].channels) == len(table.allocations[3].requests) == 2
