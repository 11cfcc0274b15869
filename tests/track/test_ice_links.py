"""What one address sent another is counted alike, whether or not it was said before."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stun_encoder import attribute, check, message, xor_address

from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.track.ice import links
from pcapleak.track.ice import tracker as tracker_module
from pcapleak.track.ice.link_values import LinkKey
from pcapleak.track.ice.links import Link
from pcapleak.track.ice.tracker import IceTracker
from pcapleak.track.sightings import Budget, Sighting
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Context, Direction, Endpoint

HERE, THERE = Endpoint(address_of(4, 0, 0xC0000207), 5000), Endpoint(address_of(4, 0, 1), 6000)
KEY = b"a-password-of-the-peer"
PRIORITY = attribute(0x0024, bytes(4))


def answer(address: str, number: int) -> bytes:
    transaction = number.to_bytes(12, "big")
    body = attribute(0x0020, xor_address(address, 5000, transaction))
    return message(0x0101, body, transaction, key=KEY, fingerprint=True)


WIRES = (
    check(),
    check(priority=7),
    check(extra=attribute(0x0025, b"")),
    check(controlling=False),
    check(tie_breaker=9, password="another"),
    message(0x0001, b"", key=KEY) + PRIORITY,
    message(0x0200, PRIORITY, key=KEY),
    message(0x0001, attribute(0x0006, b"a:b") + PRIORITY),
    answer("203.0.113.7", 1),
    answer("203.0.113.7", 2),
    answer("203.0.113.8", 2),
    answer("2001:db8::7", 1),
    answer("2001:db8::7", 2),
    # The same bytes as the one before it, which another transaction hides another address by.
    answer("2001:db8::7", 2)[:8] + bytes(11) + b"\3" + answer("2001:db8::7", 2)[20:],
)


def seen(wires: list[bytes]) -> list[dict[str, object]]:
    """All that is known of both directions."""
    tracker = IceTracker()
    for frame, wire in enumerate(wires, 1):
        context = Context(frame, frame * 1000, 0, 0, "udp", HERE, THERE, 0, True)
        tracker.add(context, decode_stun(wire))
    return [
        {name: plain(getattr(link, name)) for name in Link.__slots__ if name not in SKIPPED}
        for link in tracker.links.values()
    ]


SKIPPED = {"again", "budget", "key"}


def plain(value: object) -> object:
    if isinstance(value, Sighting):
        return value.count, value.first_ns, value.last_ns, tuple(value.frames)
    if isinstance(value, dict):
        return [(key, plain(one)) for key, one in value.items()]
    return value


@given(st.lists(st.sampled_from(WIRES), max_size=12))
def test_a_message_said_again_counts_as_if_it_were_read_again(wires: list[bytes]) -> None:
    remembered = seen(wires)
    with patch.object(links, "_said", return_value=None):
        assert seen(wires) == remembered


def test_a_check_said_again_is_not_read_again() -> None:
    tracker = IceTracker()
    for frame in (1, 2, 3):
        context = Context(frame, frame, 0, 0, "udp", HERE, THERE, 0, True)
        tracker.add(context, decode_stun(check()))
    (link,) = tracker.links.values()
    assert [sighting.count for sighting in link.again["check"][1]] == [3] * 6


def at(frame: int, source: Endpoint, destination: Endpoint, direction: Direction) -> Context:
    return Context(frame, frame, 0, direction, "udp", source, destination, frame, True)


def test_strangers_that_nobody_answers_have_few_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the host itself sends is kept all the same, and what it talks with."""
    monkeypatch.setattr(tracker_module, "MAX_ARRIVING", 2)
    tracker = IceTracker()
    strangers = [Endpoint(address_of(4, 0, number), 7000) for number in range(5)]
    request = decode_stun(check())
    for frame, stranger in enumerate(strangers[:3]):
        tracker.add(at(frame, stranger, HERE, Direction.INBOUND), request)
    assert (len(tracker.links), tracker.forgotten) == (2, 1)
    tracker.add(at(3, HERE, strangers[2], Direction.OUTBOUND), request)
    tracker.add(at(4, strangers[2], HERE, Direction.INBOUND), request)
    assert (len(tracker.links), tracker.forgotten) == (4, 1)
    # Who is answered makes room.
    tracker.add(at(5, HERE, strangers[0], Direction.OUTBOUND), request)
    tracker.add(at(6, strangers[3], HERE, Direction.INBOUND), request)
    tracker.add(at(7, strangers[4], HERE, Direction.INBOUND), request)
    assert (len(tracker.links), tracker.forgotten) == (6, 2)


def test_peers_that_nothing_can_keep_are_counted() -> None:
    peers = [f"192.0.2.{number}" for number in range(10)]
    transaction = bytes(12)
    body = b"".join(attribute(0x12, xor_address(peer, 9, transaction)) for peer in peers)
    request = decode_stun(message(0x0008, body, transaction))
    context = at(1, HERE, THERE, Direction.OUTBOUND)
    for room, kept in ((20, 10), (0, 1)):
        link = Link(LinkKey(0, "udp", (), HERE, THERE), context, Budget(room))
        link.request(context, request)
        assert (len(link.permissions), link.budget.refused) == (kept, 10 - kept)
