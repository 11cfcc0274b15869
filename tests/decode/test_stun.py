"""The STUN decoder: RFC vectors, every rejection, leniency, and any bytes at all."""

from __future__ import annotations

import struct

import aioice.stun
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import VECTORS
from stun_encoder import (
    COOKIE,
    attribute,
    check,
    classic,
    header,
    message,
    plain_address,
    xor_address,
)

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun import decoder as stun
from pcapleak.decode.stun.decoder import StunMessage, decode_stun
from pcapleak.decode.stun.integrity import integrity_matches, long_term_key, short_term_key
from pcapleak.decode.stun.proof import prove
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Endpoint

TXID = b"t" * 12


def vectors(name: str) -> dict[str, bytes]:
    lines = (VECTORS / name).read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {row[0]: bytes.fromhex(row[1]) for row in rows}


RFC5769 = vectors("stun_rfc5769.tsv")
PASSWORD = short_term_key("VOkJxbRl1RmTxUk/WvJxBt")


def integrity(decoded: StunMessage, key: bytes) -> bool:
    at = next(a.offset for a in decoded.attributes if a.type == attr.MESSAGE_INTEGRITY)
    return integrity_matches(decoded.wire, at, key)


def test_rfc5769_request() -> None:
    got = decode_stun(RFC5769["request"])
    assert got.type_name == "Binding Request"
    assert got.transaction_id.hex() == "b7e7a701bc34d686fa87dfae"
    assert got.software == "STUN test client"
    assert got.priority == 0x6E0001FF
    assert got.ice_controlled == got.tie_breaker == 0x932FF9B151263B36
    assert got.ice_controlling is None
    assert got.username == "evtj:h6vY"
    assert got.fingerprint == "ok"
    assert integrity(got, PASSWORD)
    assert got.is_ice
    assert got.problems == ()
    assert [a.type for a in got.attributes] == [0x8022, 0x0024, 0x8029, 0x0006, 0x0008, 0x8028]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("response-ipv4", "192.0.2.1"),
        ("response-ipv6", "2001:db8:1234:5678:11:2233:4455:6677"),
    ],
)
def test_rfc5769_responses(name: str, address: str) -> None:
    got = decode_stun(RFC5769[name])
    assert got.type_name == "Binding Success Response"
    assert str(got.xor_mapped_address.address) == address
    assert got.mapped_address == got.xor_mapped_address
    assert got.mapped_address.port == 32853
    assert got.plain_mapped_address is None
    assert got.software == "test vector"
    assert got.fingerprint == "ok"
    assert integrity(got, PASSWORD)
    assert got.problems == ()


def test_rfc5769_long_term_request() -> None:
    got = decode_stun(RFC5769["request-long-term"])
    assert got.username == "マトリックス"
    assert got.realm == "example.org"
    assert got.nonce == "f//499k954d6OL34oL9FSTvy64sA"
    assert integrity(got, long_term_key(got.username, got.realm, "TheMatrIX"))
    assert not integrity(got, long_term_key(got.username, got.realm, "TheMatrix"))
    assert got.fingerprint is None
    assert not got.is_ice


@pytest.mark.parametrize("name", list(RFC5769))
def test_every_flipped_bit_breaks_a_proof(name: str) -> None:
    """Any bit that MESSAGE-INTEGRITY or FINGERPRINT covers is noticed when it flips."""
    whole = RFC5769[name]
    key = PASSWORD
    if name == "request-long-term":
        key = long_term_key("マトリックス", "example.org", "TheMatrIX")
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            got = decode_stun(bytes(changed))
        except DecodeError:
            continue
        whole_proof = got.has(attr.MESSAGE_INTEGRITY) and integrity(got, key)
        if name != "request-long-term":
            whole_proof = whole_proof and got.fingerprint == "ok"
        assert got.structure_problems or not whole_proof, f"bit {bit}"


@pytest.mark.parametrize(
    ("type_", "name", "class_"),
    [
        (0x0001, "Binding Request", "request"),
        (0x0011, "Binding Indication", "indication"),
        (0x0101, "Binding Success Response", "success"),
        (0x0111, "Binding Error Response", "error"),
        (0x0016, "Send Indication", "indication"),
        (0x0017, "Data Indication", "indication"),
        (0x0118, "CreatePermission Error Response", "error"),
        (0x001C, "ConnectionAttempt Indication", "indication"),
        (0x0200, "GOOG-PING Request", "request"),
        (0x0300, "GOOG-PING Success Response", "success"),
        (0x0310, "GOOG-PING Error Response", "error"),
        (0x0800, "method 0x200 Request", "request"),
        (0x3FFF, "method 0xFFF Error Response", "error"),
    ],
)
def test_class_and_method_bits(type_: int, name: str, class_: str) -> None:
    got = decode_stun(message(type_))
    assert (got.type_name, got.message_class) == (name, class_)


def test_bare_gathering_request() -> None:
    """Browsers gather with twenty bytes: no attribute, no proof."""
    got = decode_stun(message(0x0001))
    assert got.attributes == ()
    assert got.fingerprint is None
    assert not got.is_ice


def test_check_as_libwebrtc_sends_it() -> None:
    nomination = attribute(0x0025, b"") + attribute(0xC001, struct.pack("!I", 3))
    got = decode_stun(check(extra=nomination))
    assert got.is_ice
    assert got.use_candidate
    assert got.nomination == 3
    assert [got.decode(one) for one in got.attributes if one.type == 0xC001] == [3]
    assert got.network_info == (0, 999)
    assert got.ice_controlling == got.tie_breaker == 0x0102030405060708
    assert got.fingerprint == "ok"
    assert got.problems == ()


def test_c001_outside_a_check_is_no_nomination() -> None:
    got = decode_stun(message(0x0001, attribute(0xC001, b"\0\0\0\1")))
    assert got.nomination is None
    assert got.raw(0xC001) == b"\0\0\0\1"


def test_first_of_duplicates_counts_and_all_are_kept() -> None:
    body = attribute(0x0020, xor_address("192.0.2.1", 1000, TXID))
    body += attribute(0x0020, xor_address("192.0.2.2", 2000, TXID))
    got = decode_stun(message(0x0101, body))
    assert str(got.mapped_address) == "192.0.2.1:1000"
    assert [a.offset for a in got.attributes] == [24, 36]


def test_every_peer_address_is_given() -> None:
    body = b"".join(
        attribute(0x0012, xor_address(address, 9, TXID)) for address in ("192.0.2.1", "2001:db8::1")
    )
    got = decode_stun(message(0x0008, body))
    assert [str(peer) for peer in got.peer_addresses] == ["192.0.2.1:9", "[2001:db8::1]:9"]


def test_unknown_attributes_stay_in_order() -> None:
    body = attribute(0x7FFF, b"abc") + attribute(0x8022, b"x") + attribute(0xFFFE, b"")
    got = decode_stun(message(0x0001, body))
    assert [(a.type, a.name, a.value) for a in got.attributes] == [
        (0x7FFF, "0x7FFF", b"abc"),
        (0x8022, "SOFTWARE", b"x"),
        (0xFFFE, "0xFFFE", b""),
    ]
    assert got.problems == ()


def test_wrong_fingerprint_is_a_problem() -> None:
    whole = bytearray(check())
    whole[-1] ^= 1
    got = decode_stun(bytes(whole))
    assert got.fingerprint == "bad"
    assert got.problems == ("FINGERPRINT does not match",)


def test_attributes_after_integrity_are_not_protected() -> None:
    body = attribute(0x0008, bytes(20)) + attribute(0xFF05, b"id")
    got = decode_stun(message(0x0003, body))
    assert got.problems == ("attribute TURN-LOGGING-ID after MESSAGE-INTEGRITY is not protected",)


def test_truncated_integrity_is_verified_at_its_length() -> None:
    """GOOG-MESSAGE-INTEGRITY-32 is the first four bytes of the HMAC."""
    import hashlib
    import hmac

    covered = header(0x0200, 8, TXID)
    value = hmac.new(b"key", covered, hashlib.sha1).digest()[:4]
    got = decode_stun(message(0x0200, attribute(0xC060, value)))
    assert integrity_matches(got.wire, got.attributes[0].offset, b"key")
    assert not integrity_matches(got.wire, got.attributes[0].offset, b"kez")


@pytest.mark.parametrize("size", [16, 20, 32])
def test_sha256_integrity_may_be_truncated(size: int) -> None:
    import hashlib
    import hmac

    key = long_term_key("user", "realm", "password", sha256=True)
    covered = header(0x0003, 4 + size, TXID)
    value = hmac.new(key, covered, hashlib.sha256).digest()[:size]
    got = decode_stun(message(0x0003, attribute(0x001C, value)))
    assert integrity_matches(got.wire, 24, key, digest="sha256")


def test_a_password_proves_short_and_long_term_messages() -> None:
    assert prove(decode_stun(RFC5769["request"]), "VOkJxbRl1RmTxUk/WvJxBt") == "ok"
    assert prove(decode_stun(RFC5769["response-ipv6"]), "VOkJxbRl1RmTxUk/WvJxBt") == "ok"
    assert prove(decode_stun(RFC5769["request"]), "another") == "bad"
    assert prove(decode_stun(RFC5769["request-long-term"]), "TheMatrIX") == "ok"
    assert prove(decode_stun(RFC5769["request-long-term"]), "TheMatrix") == "bad"
    assert prove(decode_stun(message(0x0001)), "any") is None


def test_an_answer_is_proved_with_its_requests_user() -> None:
    key = long_term_key("user", "example.org", "secret")
    answer = decode_stun(message(0x0103, key=key))
    assert prove(answer, "secret") == "bad"
    assert prove(answer, "secret", username="user", realm="example.org") == "ok"


# Leniency: what is read all the same, and marked


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (message(0x0001) + b"abc", "3 bytes after the message"),
        (message(0x0001, attribute(0x8022, b"abcdefgh"))[:-4], "cut short: 28 of 32 bytes"),
        (
            header(0x0001, 7, TXID) + struct.pack("!HH", 0x8022, 3) + b"abc",
            "attribute SOFTWARE at byte 24 is not padded",
        ),
        (header(0x0001, 2, TXID) + b"ab", "2 bytes at byte 20 are not an attribute"),
        (
            header(0x0001, 8, TXID) + struct.pack("!HH", 0x8022, 0xFFFF) + b"abcd",
            "attribute SOFTWARE at byte 24 lacks 65531 of 65535 bytes",
        ),
    ],
)
def test_lenient_lengths_are_marked(data: bytes, problem: str) -> None:
    assert decode_stun(data).problems[0] == problem


def test_what_a_cut_leaves_is_read() -> None:
    whole = check()
    got = decode_stun(whole[:60])
    assert got.username == "Recv:Send"
    assert got.priority is None


@pytest.mark.parametrize("declared", [0, 3, 5, 8, 0xFFFF])
def test_a_number_of_another_size_is_no_number(declared: int) -> None:
    body = struct.pack("!HHI", 0x0024, declared, 7)
    assert decode_stun(message(0x0001, body)).priority is None
    assert decode_stun(message(0x0001, struct.pack("!HHH", 0x0024, 4, 7))).priority is None


VIEWS = (
    "username", "priority", "ice_controlling", "ice_controlled", "tie_breaker", "network_info",
    "use_candidate", "mapped_address", "software", "fingerprint", "attributes", "problems",
)  # fmt: skip


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.booleans(), st.binary(max_size=2), st.integers(0, 120), st.integers(0, 255)),
        min_size=2,
        max_size=12,
    )
)
def test_what_was_read_before_never_changes_what_is_read(
    changes: list[tuple[bool, bytes, int, int]],
) -> None:
    """Checks of both roles have one size and type; a changed byte may move what follows it."""
    wires = []
    for controlling, extra, place, byte in changes:
        wire = bytearray(check(controlling=controlling, extra=attribute(0x8022, extra)))
        if place > 20:
            wire[place % len(wire)] = byte
        wires.append(bytes(wire))
    fresh = []
    for wire in wires * 2:
        stun._layouts.clear()
        try:
            fresh.append([getattr(decode_stun(wire), view) for view in VIEWS])
        except DecodeError as error:
            fresh.append([str(error)])
    for wire, expected in zip(wires * 2, fresh, strict=True):
        try:
            assert [getattr(decode_stun(wire), view) for view in VIEWS] == expected
        except DecodeError as error:
            assert [str(error)] == expected


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        (
            0x0020,
            bytes(4),
            "attribute XOR-MAPPED-ADDRESS at byte 24: 4 bytes cannot hold an address",
        ),
        (
            0x0001,
            b"\0\3" + bytes(6),
            "attribute MAPPED-ADDRESS at byte 24: family 3 is neither 1 (IPv4) nor 2 (IPv6)",
        ),
        (
            0x0001,
            b"\0\2" + bytes(6),
            "attribute MAPPED-ADDRESS at byte 24: 8 bytes, an IPv6 address takes 20",
        ),
        (
            0x0001,
            b"\0\1" + bytes(18),
            "attribute MAPPED-ADDRESS at byte 24: 20 bytes, an IPv4 address takes 8",
        ),
        (0x0006, b"\xff", "attribute USERNAME at byte 24: byte 0 is not UTF-8"),
        (0x0024, b"\0", "attribute PRIORITY at byte 24: 1 bytes, not 4"),
        (0x000C, b"\0", "attribute CHANNEL-NUMBER at byte 24: 1 bytes, not 2 or 4"),
        (0x802A, bytes(4), "attribute ICE-CONTROLLING at byte 24: 4 bytes, not 8"),
        (0x0025, b"\0", "attribute USE-CANDIDATE at byte 24: 1 bytes, not 0"),
        (0x0009, b"\0\0", "attribute ERROR-CODE at byte 24: 2 bytes, at least 4"),
        (
            0x000A,
            b"\0",
            "attribute UNKNOWN-ATTRIBUTES at byte 24: 1 bytes do not hold 16-bit numbers",
        ),
        (
            0xC071,
            b"\0",
            "attribute META-DTLS-IN-STUN-ACKNOWLEDGEMENT at byte 24: "
            "1 bytes do not hold 32-bit numbers",
        ),
        (
            0x8002,
            b"\0\1",
            "attribute PASSWORD-ALGORITHMS at byte 24: an algorithm is cut at byte 0",
        ),
        (
            0x8002,
            b"\0\1\0\4",
            "attribute PASSWORD-ALGORITHMS at byte 24: the parameters at byte 4 take 4 bytes",
        ),
    ],
)
def test_unreadable_values_are_problems_of_the_message(
    type_: int, value: bytes, problem: str
) -> None:
    got = decode_stun(message(0x0101, attribute(type_, value) + attribute(0x8022, b"ok")))
    assert got.problems == (problem,)
    assert got.value(type_) is None
    assert got.software == "ok"


# Rejections, each with its message


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "stun header at byte 0: 0 bytes, a header takes 20"),
        (bytes(19), "stun header at byte 0: 19 bytes, a header takes 20"),
        (
            b"\x40\x00" + message(0x0001)[2:],
            "stun header at byte 0: the two top bits are not zero",
        ),
        (
            classic(0x0003),
            "stun header at byte 0: no magic cookie, and not RFC 3489: type 0x0003",
        ),
        (
            classic(0x0001) + b"x",
            "stun header at byte 2: no magic cookie, and not RFC 3489: 0 bytes announced, 1 there",
        ),
        (
            classic(0x0001, attribute(0x0102, b"1234")),
            "stun header at byte 20: no magic cookie, and not RFC 3489: attribute 0x0102",
        ),
        (
            classic(0x0001, b"\0\3\0\x08" + bytes(4)),
            "stun header at byte 24: no magic cookie, and not RFC 3489: "
            "the attributes end elsewhere",
        ),
        (
            classic(0x0001, b"\0\3"),
            "stun header at byte 20: no magic cookie, and not RFC 3489: "
            "the attributes end elsewhere",
        ),
        (
            classic(0x0101, attribute(0x0001, bytes(8))),
            "stun attribute MAPPED-ADDRESS at byte 24: family 0 is neither 1 (IPv4) nor 2 (IPv6)",
        ),
    ],
)
def test_rejections(data: bytes, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_stun(data)
    assert str(caught.value) == text


def test_classic_message_is_read() -> None:
    body = attribute(0x0001, plain_address("192.0.2.7", 4000))
    body += attribute(0x0005, plain_address("192.0.2.9", 3479))
    got = decode_stun(classic(0x0101, body, bytes(range(16))))
    assert not got.has_cookie
    assert got.transaction_id == bytes(range(16))
    assert got.mapped_address == got.plain_mapped_address
    assert str(got.mapped_address) == "192.0.2.7:4000"


# Microsoft's dialect


MS_START = b"\x00\x0f\x00\x04\x72\xc6\x4b\xc6"


def test_ms_turn_reads_unpadded_values_and_its_own_numbers() -> None:
    """[MS-TURN]: no padding, REALM and NONCE the other way round, binary user names."""
    body = MS_START + b"\0\6\0\5\xff\xfe\xfd\xfc\xfb" + b"\0\x14\0\2\x80\x81" + b'\0\x15\0\4"rt"'
    got = decode_stun(message(0x0003, body))
    assert got.is_ms_turn
    assert got.problems == ()
    assert got.realm == '"rt"'
    assert got.username is None
    assert got.raw(attr.USERNAME) == b"\xff\xfe\xfd\xfc\xfb"
    assert got.nonce is None  # 0x0015 is REALM here


def test_ms_turn_relayed_and_peer_addresses() -> None:
    body = MS_START + attribute(0x0001, plain_address("198.51.100.9", 3480))
    body += attribute(0x8020, xor_address("203.0.113.7", 5000, TXID))
    got = decode_stun(message(0x0103, body))
    assert str(got.relayed_address) == "198.51.100.9:3480"
    assert str(got.mapped_address) == "203.0.113.7:5000"
    peer = decode_stun(classic(0x0115, MS_START + attribute(0x0012, plain_address("192.0.2.5", 7))))
    assert peer.type_name == "Data Indication"
    assert peer.peer_addresses == (Endpoint(peer.peer_addresses[0].address, 7),)
    assert str(peer.peer_addresses[0]) == "192.0.2.5:7"


# Differential and any bytes


@st.composite
def aioice_messages(draw: st.DrawFn) -> aioice.stun.Message:
    """Messages as aioice builds them, of every attribute it knows."""
    made = aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=draw(st.sampled_from(list(aioice.stun.Class))),
        transaction_id=draw(st.binary(min_size=12, max_size=12)),
    )
    u32 = st.integers(0, 2**32 - 1)
    ip = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
    address = st.tuples(ip, st.integers(0, 65535))
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    values = {
        "XOR-MAPPED-ADDRESS": address,
        "XOR-PEER-ADDRESS": address,
        "XOR-RELAYED-ADDRESS": address,
        "MAPPED-ADDRESS": address,
        "USERNAME": text,
        "SOFTWARE": text,
        "REALM": text,
        "PRIORITY": u32,
        "LIFETIME": u32,
        "ICE-CONTROLLING": st.integers(0, 2**64 - 1),
        "ICE-CONTROLLED": st.integers(0, 2**64 - 1),
        "USE-CANDIDATE": st.none(),
        "ERROR-CODE": st.tuples(st.integers(300, 699), text),
    }
    for name in draw(st.lists(st.sampled_from(sorted(values)), unique=True)):
        made.attributes[name] = draw(values[name])
    if draw(st.booleans()):
        made.add_message_integrity(b"key")
    if draw(st.booleans()):
        made.add_fingerprint()
    return made


@settings(max_examples=150)
@given(aioice_messages())
def test_agrees_with_aioice_on_what_aioice_builds(built: aioice.stun.Message) -> None:
    got = decode_stun(bytes(built))
    assert_agrees(got, built)
    assert got.problems == ()


@settings(max_examples=200)
@given(aioice_messages(), st.data())
def test_agrees_with_aioice_on_mutated_messages(
    built: aioice.stun.Message, data: st.DataObject
) -> None:
    """What aioice still accepts after bytes have changed, it reads as we do."""
    wire = bytearray(bytes(built))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    if wire[4:8] != b"\x21\x12\xa4\x42" or wire[0] & 0xC0:
        decode_or_refuse(bytes(wire))  # aioice does not look at cookie and top bits
        return
    try:
        oracle = aioice.stun.parse_message(bytes(wire))
    except (ValueError, struct.error, IndexError, KeyError):
        # aioice refuses, or fails on, what we read leniently.
        decode_or_refuse(bytes(wire))
        return
    assert_agrees(decode_stun(bytes(wire)), oracle)


def assert_agrees(got: StunMessage, oracle: aioice.stun.Message) -> None:
    assert got.transaction_id == oracle.transaction_id
    assert got.method == oracle.message_method
    classes = {"request": 0, "indication": 0x10, "success": 0x100, "error": 0x110}
    assert classes[got.message_class] == oracle.message_class
    for name, expected in oracle.attributes.items():
        if name in ("MESSAGE-INTEGRITY", "FINGERPRINT", "DATA"):
            continue
        number = next(type_ for type_, kind in attr.ATTRIBUTES.items() if kind.name == name)
        same = [a for a in got.attributes if a.type == number]
        if len(same) != 1:
            continue  # aioice keeps the last duplicate, RFC 8489 the first
        try:
            value = got.decode(same[0])
        except DecodeError:
            continue  # stricter about a length than aioice
        if isinstance(value, Endpoint):
            assert (str(value.address), value.port) == expected
        elif name == "USE-CANDIDATE":
            assert expected is None
        elif name == "ERROR-CODE" and expected[0] >= 800:
            continue  # aioice keeps the reserved bits above the class's three
        elif name == "ERROR-CODE":
            assert (value.code, value.reason) == (expected[0], expected[1].rstrip("\0"))
        elif isinstance(value, str) and isinstance(expected, str):
            assert value == expected.rstrip("\0")
        elif name in ("CHANNEL-NUMBER", "REQUESTED-TRANSPORT", "CHANGE-REQUEST", "NONCE"):
            continue  # aioice keeps the reserved bits, or bytes
        else:
            assert value == expected


def decode_or_refuse(data: bytes) -> StunMessage | None:
    """The message, every view of it drawn; or None where it was refused by the one error."""
    try:
        got = decode_stun(data)
    except DecodeError as error:
        assert 0 <= error.offset <= max(len(data), 1)
        return None
    for name in dir(type(got)):
        if not name.startswith("_") and isinstance(vars(type(got)).get(name), property):
            getattr(got, name)
    assert isinstance(got.problems, tuple)
    assert got.fingerprint in (None, "ok", "bad")
    for raw in got.attributes:
        assert 24 <= raw.offset <= len(got.wire)
        assert got.wire[raw.offset : raw.offset + len(raw.value)] == raw.value
    return got


HOSTILE = [
    line.split("\t")
    for line in (VECTORS / "stun_hostile.tsv").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("wire", "problem"), [row[1:] for row in HOSTILE])
def test_hostile_messages_are_read_and_told(wire: str, problem: str) -> None:
    got = decode_or_refuse(bytes.fromhex(wire))
    assert got is not None
    assert (*got.problems, "")[0] == problem


@settings(max_examples=200)
@given(st.binary(max_size=200))
@example(message(0x0001))
def test_any_bytes_give_a_message_or_the_one_error(data: bytes) -> None:
    decode_or_refuse(data)


@settings(max_examples=200)
@given(
    st.integers(0, 0x3FFF),
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(sorted(attr.ATTRIBUTES)), st.integers(0, 0xFFFF)),
            st.binary(max_size=40),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_any_attributes_give_a_message(
    type_: int, attributes: list[tuple[int, bytes]], ms_turn: bool
) -> None:
    body = (MS_START if ms_turn else b"") + b"".join(attribute(*pair) for pair in attributes)
    got = decode_or_refuse(message(type_, body))
    assert got is not None
    assert got.message_type == type_


def test_a_message_full_of_attributes_stays_cheap() -> None:
    """The most attributes 64 KB can hold: a view is one look-up, not a walk each."""
    got = decode_stun(message(0x0001, attribute(0x0024, b"") * 16000))
    assert len(got.attributes) == 16000
    assert got.priority is None
    assert len(got.problems) == 16000


def test_a_message_behind_a_relays_session_is_read() -> None:
    """[MS-TURN] puts 0xFF10, a length and a session id first, once."""
    session = b"\xff\x10\x00\x1c" + b"session!"
    assert decode_stun(session + message(0x0101)).type_name == "Binding Success Response"
    nested = (b"\xff\x10\x00\x1c" + COOKIE.to_bytes(4, "big") + b"four") * 5000
    with pytest.raises(DecodeError):
        decode_stun(nested)
