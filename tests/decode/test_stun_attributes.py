"""The attribute table against the registry, and every type through encoder and decoder."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, ip_address

import pytest
from places import VECTORS
from stun_encoder import attribute, message, plain_address, xor_address

from pcapleak.decode.stun.attributes import ATTRIBUTES, attribute_name, comprehension_required
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.stun.types import ERROR_NAMES, METHODS, error_name
from pcapleak.decode.stun.values import (
    Delta,
    DeltaEntry,
    ErrorCode,
    IcmpInfo,
    NetworkInfo,
    PasswordAlgorithm,
    TransmitCounter,
)
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint

TXID = b"0123456789ab"
REGISTRY = VECTORS / "stun_registry.tsv"

NOT_AS_REGISTERED = {0xC001}
"""IANA gave 0xC001 to ENF-FLOW-DESCRIPTION; what is seen under it is libwebrtc's NOMINATION."""


def registry(kind: str) -> dict[int, str]:
    rows = [line.split("\t") for line in REGISTRY.read_text().splitlines() if line[0] != "#"]
    return {int(value, 0): name for table, value, name in rows if table == kind}


def test_every_registered_attribute_has_its_name() -> None:
    registered = registry("attribute")
    assert len(registered) == 66
    for type_, name in registered.items():
        if type_ not in NOT_AS_REGISTERED:
            assert attribute_name(type_) == name


def test_names_are_unique_but_for_the_draft_number_of_icmp() -> None:
    names = [kind.name for kind in ATTRIBUTES.values()]
    assert sorted(name for name in names if names.count(name) > 1) == ["ICMP", "ICMP"]


def test_methods_and_errors_are_the_registered_ones() -> None:
    assert registry("method") == METHODS
    for code, name in registry("error").items():
        assert error_name(code) == name
    beyond = set(ERROR_NAMES) - set(registry("error"))
    assert beyond == {430, 431, 432, 433, 434, 481, 600}
    assert error_name(699) == "error 699"


def test_comprehension_is_required_below_0x8000() -> None:
    assert comprehension_required(0x7FFF)
    assert not comprehension_required(0x8000)


def _address(type_: int, address: str = "192.0.2.1") -> tuple[bytes, object]:
    kind = ATTRIBUTES[type_]
    value = Endpoint(ip_address(address), 32853)
    if "XOR" in kind.name:
        return xor_address(address, 32853, TXID), value
    return plain_address(address, 32853), value


_U32 = (struct.pack("!I", 0xDEADBEEF), 0xDEADBEEF)
_TEXT = ("grüße".encode(), "grüße")
_OPAQUE = (b"\xff\x00opaque", b"\xff\x00opaque")
_DELTA = (
    b"\x77\x88\0\1" + struct.pack("!3HQ", 0xFFFF, 8, 4, 3)
    + struct.pack("!3HI", 0x0100, 4, 3, 27) + struct.pack("!3H", 0x0101, 0, 5)
    + struct.pack("!3H", 0x0102, 3, 5) + b"abc\0"
    + struct.pack("!3H", 0x0103, 2, 7) + struct.pack("!2H", 9, 0)
    + struct.pack("!3H", 0x0104, 8, 1) + plain_address("192.0.2.1", 5000),
    Delta(3, (
        DeltaEntry(0x0100, 27), DeltaEntry(0x0101, None), DeltaEntry(0x0102, b"abc"),
        DeltaEntry(0x0103, (9,)), DeltaEntry(0x0104, Endpoint(IPv4Address("192.0.2.1"), 5000)),
    )),
)  # fmt: skip
_ADDRESSES = (
    0x0001, 0x0002, 0x0004, 0x0005, 0x000B, 0x0011, 0x0012, 0x0016, 0x0020, 0x0028, 0x8020,
    0x8023, 0x802B, 0x802C, 0x8059, 0x805A, 0x805B, 0x805C, 0x805D, 0x805E, 0x805F, 0x8060,
    0x8090,
)  # fmt: skip
_VALUES: dict[int, tuple[bytes, object]] = {
    **{type_: _address(type_) for type_ in _ADDRESSES},
    **dict.fromkeys(
        (0x0003, 0x000D, 0x000F, 0x0010, 0x0021, 0x0024, 0x002A, 0x8008, 0x8027, 0x8028, 0x8070,
         0xFF00), _U32),
    **dict.fromkeys(
        (0x0006, 0x0007, 0x0014, 0x0015, 0x8003, 0x8022, 0x802E, 0x802F, 0x8054, 0x8061, 0x8062,
         0xFF05), _TEXT),
    **dict.fromkeys(
        (0x0008, 0x0013, 0x001B, 0x001C, 0x001E, 0x0022, 0x0026, 0x0101, 0x0103, 0x4000,
         0x802D, 0x8030, 0x8050,
         0x8056, 0x8057, 0x8058, 0x8068, 0x8095, 0xC000, 0xC001, 0xC002, 0xC003, 0xC056, 0xC058,
         0xC05A, 0xC05B, 0xC05E, 0xC060, 0xC070), _OPAQUE),
    0x0009: (b"\0\0\4\x26Stale Nonce", ErrorCode(438, "Stale Nonce")),
    0x000A: (struct.pack("!3H", 1, 0x7FFF, 3), (1, 0x7FFF, 3)),
    0x000C: (struct.pack("!HH", 0x4001, 0), 0x4001),
    0x0017: (b"\x02\0\0\0", 2),
    0x0018: (b"\x80", 1),
    0x0019: (b"\x11\0\0\0", 17),
    0x001A: (b"", 1),
    0x001D: (b"\0\2\0\0", (PasswordAlgorithm(2, b""),)),
    0x0025: (b"", 1),
    0x0027: (struct.pack("!HH", 5000, 0), 5000),
    0x0030: (b"\0\0\x06\x01\0\0\0\7", IcmpInfo(3, 1, b"\0\0\0\7")),
    0x8000: (b"\x02\0\0\0", 2),
    0x8001: (b"\2\0\4\x28no IPv6", ErrorCode(440, "no IPv6", 2)),
    0x8002: (b"\0\1\0\0\0\2\0\3abc\0", (PasswordAlgorithm(1, b""), PasswordAlgorithm(2, b"abc"))),
    0x8004: (b"\0\0\x06\x01\0\0\0\7", IcmpInfo(3, 1, b"\0\0\0\7")),
    0x8025: (b"\0\0\3\1", TransmitCounter(3, 1)),
    0x8029: (struct.pack("!Q", 2**64 - 2), 2**64 - 2),
    0x802A: (struct.pack("!Q", 7), 7),
    0x8055: (struct.pack("!HH", 1, 0), (1, 0)),
    0xC057: (struct.pack("!HH", 3, 10), NetworkInfo(3, 10)),
    0xC059: (struct.pack("!H", 1), (1,)),
    0xC05C: _DELTA,
    0xC05D: (struct.pack("!Q", 7), 7),
    0xC071: (struct.pack("!II", 1, 2**32 - 1), (1, 2**32 - 1)),
}  # fmt: skip


def test_every_attribute_of_the_table_is_tested() -> None:
    assert set(_VALUES) == set(ATTRIBUTES)


@pytest.mark.parametrize("type_", sorted(ATTRIBUTES), ids=lambda type_: f"0x{type_:04X}")
def test_attribute_round_trips(type_: int) -> None:
    wire, expected = _VALUES[type_]
    # A second attribute shows that the walk goes on where it should.
    body = attribute(type_, wire, b" ") + attribute(0x7FFF, b"end")
    got = decode_stun(message(0x0101, body, TXID))
    first, second = got.attributes
    assert (first.type, first.value) == (type_, wire)
    assert second.value == b"end"
    assert got.decode(first) == expected
    assert got.value(type_) == expected


@pytest.mark.parametrize("type_", _ADDRESSES, ids=lambda type_: f"0x{type_:04X}")
def test_ipv6_addresses_round_trip(type_: int) -> None:
    wire, expected = _address(type_, "2001:db8:1:2:3:4:5:6")
    got = decode_stun(message(0x0101, attribute(type_, wire), TXID))
    assert got.value(type_) == expected


def test_views_of_addresses() -> None:
    kinds = {0x802C: "192.0.2.3", 0x802B: "192.0.2.4", 0x8023: "192.0.2.5", 0x0016: "192.0.2.6"}
    body = b"".join(
        attribute(type_, _address(type_, address)[0]) for type_, address in kinds.items()
    )
    got = decode_stun(message(0x0101, body, TXID))
    assert str(got.other_address) == "192.0.2.3:32853"
    assert str(got.response_origin) == "192.0.2.4:32853"
    assert str(got.alternate_server) == "192.0.2.5:32853"
    assert str(got.relayed_address) == "192.0.2.6:32853"
    assert got.mapped_address is None


def test_views_of_turn() -> None:
    body = b"".join(
        attribute(type_, _VALUES[type_][0]) for type_ in (0x000C, 0x000D, 0x0013, 0x0019, 0x0009)
    )
    got = decode_stun(message(0x0111, body, TXID))
    assert got.channel_number == 0x4001
    assert got.lifetime_s == 0xDEADBEEF
    assert got.data == b"\xff\x00opaque"
    assert got.requested_transport == 17
    assert got.error == (438, "Stale Nonce", None)


def test_text_ended_by_zero_bytes() -> None:
    """Some agents count the C string's end into the value."""
    got = decode_stun(message(0x0101, attribute(0x8022, b"server\0\0")))
    assert got.software == "server"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"\x77\x88", "version 0 of"),
        (b"\x77\x88\0\2", "version 2 of"),
        (b"\x77\x88\0\1", "no version of the dictionary"),
        (b"\x77\x88\0\1" + struct.pack("!3HI", 0x0100, 4, 3, 27), "no version of"),
        (_DELTA[0][:12], "no version of"),
        (_DELTA[0][:20], "the entry at byte 18 is cut"),
        (_DELTA[0][:18] + struct.pack("!3H", 1, 0, 9), "the entry at byte 18 is of kind 9"),
        (_DELTA[0][:18] + struct.pack("!3HH", 1, 2, 3, 0), "2 bytes, not 4"),
    ],
)
def test_a_delta_that_libwebrtc_would_refuse_is_unreadable(value: bytes, problem: str) -> None:
    got = decode_stun(message(0x0001, attribute(0xC05C, value), TXID))
    with pytest.raises(DecodeError, match=problem):
        got.decode(got.attributes[0])


def test_a_delta_without_its_mark_is_bytes() -> None:
    got = decode_stun(message(0x0001, attribute(0xC05C, b"DELTA"), TXID))
    assert got.value(0xC05C) == b"DELTA"
